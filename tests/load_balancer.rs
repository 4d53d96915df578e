//! corsair behind a load balancer: who the client is, and who may say so.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

mod load_balancer {
    mod fields;

    use std::{fs, net::SocketAddr};

    use tempfile::TempDir;

    use crate::support::{Corsair, daemon::command};

    /// corsair with this configuration, before the upstream `app`, with a log of what it does.
    pub(super) struct Behind {
        pub(super) corsair: Corsair,
        _folder: TempDir,
    }

    impl Behind {
        /// Listens where `listen` says, which may say more of it; `root` stands before all tables.
        pub(super) fn start(upstream: SocketAddr, root: &str, listen: &str, more: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("corsair.toml");
            let text = format!(
                "{root}\n[log]\naccess = \"stdout\"\nformat = \"json\"\n[[listen]]\n{listen}\n[upstream.app]\n\
                 servers = [\"http://{upstream}\"]\n[[route]]\nupstream = \"app\"\n{more}"
            );
            fs::write(&file, text).unwrap();
            let listening = command(&["-c", file.to_str().unwrap()]);
            Self { corsair: Corsair::listening(listening, 1), _folder: folder }
        }
    }

    /// A listener on loopback.
    pub(super) const LOOPBACK: &str = "address = \"127.0.0.1:0\"";
}
