//! `[admin]`: where the process shows what it does, apart from the traffic.

use super::{
    keys::Key,
    listen_address::{self, ListenAddress},
    notes::ConfigFault,
    reader::Reader,
    settings::Settings,
};
use crate::access::{AllowHosts, RuleFault};

/// Where a running process is asked when nobody says.
const DEFAULT: &str = "127.0.0.1:9900";

/// Where the process shows what it does, and to whom.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where; nowhere by default.
    pub listen: Option<ListenAddress>,
    /// Names under which it may be asked for. A page whose name leads here all of a sudden has another one.
    pub hosts: AllowHosts,
}

/// Where it is, and what it is called.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Admin> {
    let listen = reader.optional(Key::AdminListen, listen_address::parse);
    let hosts = AllowHosts::compile(&reader.list(Key::AdminAllowHosts));
    if listen.is_none() && reader.has(Key::AdminAllowHosts) {
        reader.warn(Key::AdminAllowHosts, "has no effect without admin.listen");
    }
    match hosts {
        Ok(hosts) => Some(Admin { listen, hosts }),
        Err(faults) => {
            for RuleFault { rule, message } in faults {
                reader.fault_of_member(Key::AdminAllowHosts, &rule, message);
            }
            None
        }
    }
}

/// Where a running process is asked that has these settings: at 127.0.0.1:9900 where they do not say.
///
/// # Errors
/// What is wrong with what was typed for it, or with a word that is no setting's.
pub fn admin_address(settings: &Settings) -> Result<ListenAddress, Vec<ConfigFault>> {
    let mut reader = Reader::new(settings);
    let typed = reader.optional(Key::AdminListen, listen_address::parse);
    let mut faults = settings.faults().to_vec();
    faults.extend(reader.into_notes().faults);
    match (typed, &*faults) {
        (Some(address), []) => Ok(address),
        (None, []) => listen_address::parse(DEFAULT).map_err(|_| Vec::new()),
        (_, [..]) => Err(faults),
    }
}

/// Takes what holds for the life of the process back to what it was `before`.
pub(super) fn keep(admin: &mut Admin, before: &Admin, reader: &mut Reader<'_>) {
    if admin.listen != before.listen {
        reader
            .warn(Key::AdminListen, "holds for the life of the process: restart it, or replace it with USR2");
    }
    admin.listen = before.listen.clone();
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn it_is_nowhere_unless_asked_for() {
        let (admin, faults) = sample::faults(&[], read);
        assert_eq!((admin.and_then(|admin| admin.listen), faults), (None, vec![]));
        for (typed, expected) in
            [("127.0.0.1:9900", "127.0.0.1:9900"), ("unix:/run/c.sock", "unix:/run/c.sock")]
        {
            let (admin, faults) = sample::faults(&[(Key::AdminListen, typed)], read);
            let listen = admin.and_then(|admin| admin.listen).map(|address| address.to_string());
            assert_eq!((listen.as_deref(), faults), (Some(expected), vec![]));
        }
    }

    #[test]
    fn what_is_no_address_or_no_host_is_a_fault() {
        let (_, faults) = sample::faults(&[(Key::AdminListen, "9900")], read);
        assert!(faults.len() == 1 && faults[0].starts_with("--admin: \"9900\" is no address"), "{faults:?}");
        let settings = [(Key::AdminListen, "127.0.0.1:1"), (Key::AdminAllowHosts, "http://a.example/")];
        let (admin, faults) = sample::faults(&settings, read);
        assert!(
            admin.is_none() && faults.len() == 1 && faults[0].contains("write the host alone"),
            "{faults:?}"
        );
    }

    #[test]
    fn where_it_is_belongs_to_the_life_of_the_process_and_what_it_is_called_does_not() {
        let before = sample::faults(&[(Key::AdminListen, "127.0.0.1:1")], read).0.unwrap();
        let settings = [(Key::AdminListen, "127.0.0.1:2"), (Key::AdminAllowHosts, "a.example")];
        let (admin, notes) = sample::noted(&settings, |reader| {
            let mut admin = read(reader).unwrap();
            keep(&mut admin, &before, reader);
            admin
        });
        assert_eq!(admin.listen, before.listen);
        assert!(admin.hosts.admits(b"a.example:9900") && notes.warnings.len() == 1, "{notes:?}");
    }
}
