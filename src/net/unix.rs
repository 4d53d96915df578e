//! Unix sockets that listen, and the files that they leave.
//!
//! A socket that is closed leaves its file behind, and nobody can bind where a file is. So a file is removed that
//! belongs to a socket to which nobody listens any more, and nothing else ever is. Its mode is what the umask leaves.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::UnixName;

/// Opens a socket of this name with a queue for so many connections. A file in the way is removed if it is a socket that
/// nobody listens on.
///
/// # Errors
/// `AddrInUse` when somebody listens there, `AlreadyExists` when there is a file that is no socket, or what the system
/// says.
pub(super) fn bind(name: &UnixName, backlog: i32) -> io::Result<UnixListener> {
    let address = SockAddr::unix(name.system_name())?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    match (socket.bind(&address), name.file()) {
        (Err(error), Some(file)) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(file, &address)?;
            socket.bind(&address)?;
        }
        (bound, _) => bound?,
    }
    // What was bound is there to be connected to, and refuses.
    let file = name.file().and_then(SocketFile::of);
    if let Err(error) = socket.listen(backlog) {
        file.iter().for_each(SocketFile::remove);
        return Err(error);
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Removes the file of a socket that nobody listens on.
fn remove_stale(file: &Path, address: &SockAddr) -> io::Result<()> {
    if !fs::symlink_metadata(file)?.file_type().is_socket() {
        return Err(Errno::EXIST.into());
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue is no reason to wait.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(file),
        // Its queue is full, or it is another kind of socket.
        Err(error) if !matches!(Errno::from_io_error(&error), Some(Errno::AGAIN | Errno::PROTOTYPE)) => {
            Err(error)
        }
        Ok(()) | Err(_) => Err(Errno::ADDRINUSE.into()),
    }
}

/// The file of a socket that listens, known from another one of its name.
#[derive(Debug, PartialEq, Eq)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The socket at `path`, if there is one.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok().filter(|metadata| metadata.file_type().is_socket())?;
        Some(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Removes it, unless another file has its name by now. Where that fails it stays, and is told.
    pub fn remove(&self) {
        if Self::of(&self.path).as_ref() != Some(self) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the file of a socket cannot be removed, and stays");
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;
    use crate::config::ListenAddress;

    /// A name in a folder of its own.
    fn name() -> (tempfile::TempDir, PathBuf, UnixName) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corsair.sock");
        let ListenAddress::Unix(name) = ListenAddress::sample(&format!("unix:{}", path.display())) else {
            panic!("a Unix socket")
        };
        (folder, path, name)
    }

    #[test]
    fn a_socket_that_nobody_listens_on_makes_room_for_another_one() {
        let (_folder, path, name) = name();
        drop(bind(&name, 16).unwrap());
        assert!(UnixStream::connect(&path).is_err());
        let _listener = bind(&name, 16).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_socket_that_somebody_has_stays_theirs_also_with_a_full_queue() {
        let (_folder, path, name) = name();
        let listener = bind(&name, 0).unwrap();
        let _queued = UnixStream::connect(&path).unwrap();
        for _ in 0..2 {
            assert_eq!(bind(&name, 16).unwrap_err().kind(), ErrorKind::AddrInUse);
        }
        drop(listener);
        fs::remove_file(&path).unwrap();
        let _datagrams = UnixDatagram::bind(&path).unwrap();
        assert_eq!(bind(&name, 16).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_is_never_removed() {
        let (folder, path, name) = name();
        fs::write(&path, "precious").unwrap();
        assert_eq!(bind(&name, 16).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert_eq!(bind(&name, 16).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn a_file_is_removed_unless_another_one_has_its_name() {
        let (_folder, path, name) = name();
        let first = bind(&name, 16).unwrap();
        let file = SocketFile::of(&path).unwrap();
        // It keeps its inode under another name, so that the next one has another.
        fs::rename(&path, path.with_extension("old")).unwrap();
        let second = bind(&name, 16).unwrap();
        file.remove();
        UnixStream::connect(&path).unwrap();
        SocketFile::of(&path).unwrap().remove();
        assert!(!path.exists());
        assert!(SocketFile::of(&path).is_none());
        drop((first, second));
    }
}
