//! Who the process is: root while it opens what only root can, and then the user that is asked for.

use std::ffi::CString;

use nix::{
    errno::Errno,
    unistd::{Gid, Group, Uid, User, getegid, geteuid, setgid, setuid},
};

use super::fault::ServeError;
use crate::config::RunAs;

/// A user to become.
#[derive(Debug)]
pub(super) struct Privileges {
    user: Box<str>,
    uid: Uid,
    gid: Gid,
}

impl Privileges {
    /// Looks up who is to be become; nothing where the process is that user already.
    ///
    /// # Errors
    /// When there is no such user or group, or the process may not become it.
    pub(super) fn to_drop(run_as: &RunAs) -> Result<Option<Self>, ServeError> {
        let RunAs { user: name, group } = run_as;
        let user = match User::from_name(name) {
            Ok(Some(user)) => user,
            Ok(None) => return Err(ServeError::User(format!("there is no user {name} on this machine"))),
            Err(errno) => return Err(ServeError::User(format!("cannot look {name} up: {}", errno.desc()))),
        };
        let gid = match group.as_deref().map(|name| (name, Group::from_name(name))) {
            None => user.gid,
            Some((_, Ok(Some(group)))) => group.gid,
            Some((name, Ok(None))) => {
                return Err(ServeError::Group(format!("there is no group {name} on this machine")));
            }
            Some((name, Err(errno))) => {
                return Err(ServeError::Group(format!("cannot look {name} up: {}", errno.desc())));
            }
        };
        if geteuid().is_root() {
            return Ok(Some(Self { user: name.clone(), uid: user.uid, gid }));
        }
        if geteuid() != user.uid || getegid() != gid {
            let message =
                format!("only root can become {name}; start as root, or as {name} without this flag");
            return Err(ServeError::User(message));
        }
        // As a process is that was started by one which has become it: an upgrade.
        Ok(None)
    }

    /// Becomes that user, for good and in all threads: the C library tells those that run already.
    ///
    /// # Errors
    /// What the system says; and when the process could become root again.
    pub(super) fn drop(self) -> Result<(), ServeError> {
        let Self { user, uid, gid } = self;
        let refused =
            |errno: Errno| ServeError::User(format!("the system does not let us become {user}: {errno}"));
        let name = CString::new(user.as_bytes()).map_err(|_| refused(Errno::EINVAL))?;
        take_groups(&name, gid).map_err(refused)?;
        setgid(gid).map_err(refused)?;
        setuid(uid).map_err(refused)?;
        if !uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
            return Err(ServeError::User(format!("{user} could become root again")));
        }
        Ok(())
    }
}

/// The supplementary groups of a user instead of root's.
#[cfg(not(target_vendor = "apple"))]
fn take_groups(user: &std::ffi::CStr, gid: Gid) -> nix::Result<()> {
    nix::unistd::initgroups(user, gid)
}

/// There they cannot be changed for good.
#[cfg(target_vendor = "apple")]
fn take_groups(_user: &std::ffi::CStr, _gid: Gid) -> nix::Result<()> {
    Err(Errno::ENOTSUP)
}
