//! What a Unix socket is called: the path of its file, or a name of Linux's abstract namespace.

use std::{borrow::Cow, fmt, os::unix::net::SocketAddr, path::Path, sync::Arc};

/// The most bytes of a path or name: what `sun_path` holds (unix(7)) beside the NUL at an end of it.
const MAX_LEN: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What a Unix socket is called: an absolute path, or `@` and a name that no file has.
///
/// To clone it allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixName(Arc<str>);

impl UnixName {
    /// The name that is typed behind `unix:`.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some("") => return Err("its abstract name is empty: write unix:@NAME".to_owned()),
            Some(_) if cfg!(not(target_os = "linux")) => {
                return Err("only Linux has abstract names; give the absolute path of a socket".to_owned());
            }
            None if !text.starts_with('/') => {
                return Err(
                    "give the absolute path of its socket, such as unix:/run/app.sock, or an abstract name, \
                            such as unix:@app"
                        .to_owned(),
                );
            }
            Some(_) | None => {}
        }
        if text.contains('\0') {
            return Err("it contains a NUL".to_owned());
        }
        // The mark of an abstract name stands for a NUL in front, and a path has one at its end.
        let length = text.len() - usize::from(text.starts_with('@'));
        if length > MAX_LEN {
            return Err(format!(
                "it has {length} bytes, and the system takes {MAX_LEN} for the name of a socket; choose a shorter one"
            ));
        }
        Ok(Self(text.into()))
    }

    /// The name of an open socket; nothing where it has none, or one that cannot be typed.
    #[must_use]
    pub fn of_socket(address: &SocketAddr) -> Option<Self> {
        let text = match address.as_pathname() {
            Some(path) => path.to_str()?.to_owned(),
            None => format!("@{}", str::from_utf8(abstract_name(address)?).ok()?),
        };
        Self::parse(&text).ok()
    }

    /// As it is typed behind `unix:`.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        &self.0
    }

    /// Its file, unless it is abstract.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.0.starts_with('/').then(|| Path::new(&*self.0))
    }

    /// What the system is given for it: an abstract name has a NUL in front there.
    #[must_use]
    pub fn system_name(&self) -> Cow<'_, Path> {
        match self.0.strip_prefix('@') {
            Some(name) => Cow::Owned(format!("\0{name}").into()),
            None => Cow::Borrowed(Path::new(&*self.0)),
        }
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(address: &SocketAddr) -> Option<&[u8]> {
    std::os::linux::net::SocketAddrExt::as_abstract_name(address)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_address: &SocketAddr) -> Option<&[u8]> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::net::UnixListener;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    #[test]
    fn a_path_is_absolute_and_an_abstract_name_is_marked() {
        for (text, file, system_name) in [
            ("/run/app.sock", Some("/run/app.sock"), "/run/app.sock"),
            ("@app", None, "\0app"),
            ("@/run/app", None, "\0/run/app"),
        ] {
            let name = UnixName::parse(text).expect(text);
            assert_eq!((name.to_string(), name.file()), (text.to_owned(), file.map(Path::new)));
            assert_eq!(name.system_name(), Path::new(system_name));
        }
    }

    #[test]
    fn what_is_no_name_hears_the_reason() {
        for (text, reason) in [
            ("", "give the absolute path"),
            ("run/app.sock", "give the absolute path"),
            ("./app.sock", "give the absolute path"),
            ("@", "is empty"),
            ("/run/a\0b", "contains a NUL"),
            ("@a\0b", "contains a NUL"),
        ] {
            let fault = UnixName::parse(text).expect_err(text);
            assert!(fault.contains(reason), "{text}: {fault}");
        }
    }

    #[test]
    fn the_longest_name_is_the_longest_that_the_system_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let start = format!("{}/", folder.path().to_str().expect("UTF-8"));
        let path = |length: usize| format!("{start}{}", "x".repeat(length - start.len()));
        let mark = start.replace('/', "-");
        let name = |length: usize| format!("@{mark}{}", "x".repeat(length - mark.len()));
        for text in [path(MAX_LEN), name(MAX_LEN)] {
            let name = UnixName::parse(&text).expect("it fits");
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
            socket.bind(&SockAddr::unix(name.system_name()).expect("it fits")).expect("bound");
            let socket = UnixListener::from(socket);
            assert_eq!(UnixName::of_socket(&socket.local_addr().expect("its name")), Some(name));
        }
        for text in [path(MAX_LEN + 1), name(MAX_LEN + 1)] {
            let fault = UnixName::parse(&text).expect_err("too long");
            assert!(fault.contains("it has 108 bytes, and the system takes 107"), "{fault}");
        }
        // A socket without a name, as each end of a connection has.
        let (near, _far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert_eq!(UnixName::of_socket(&near.local_addr().expect("none")), None);
    }
}
