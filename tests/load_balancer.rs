//! corsair behind a load balancer: who the client is, and who may say so.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

mod load_balancer {
    mod fields;
    mod proxy_header;
    mod upstream_header;

    use std::{fs, net::SocketAddr};

    use rustix::process::Signal;
    use tempfile::TempDir;

    use crate::support::{Client, Corsair, daemon::command};

    /// corsair with this configuration, before the upstream `app`, with a log of what it does.
    pub(super) struct Behind {
        pub(super) corsair: Corsair,
        folder: TempDir,
    }

    impl Behind {
        /// Listens where `listen` says, which may say more of it; `root` stands before all tables, `more` behind them.
        pub(super) fn start(upstream: SocketAddr, root: &str, listen: &str, more: &str) -> Self {
            Self::before(
                &format!("http://{upstream}"),
                root,
                listen,
                &format!("[[route]]\nupstream = \"app\"\n{more}"),
            )
        }

        /// Before these servers; `more` says what else there is to say of them, and names the route.
        pub(super) fn before(servers: &str, root: &str, listen: &str, more: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("corsair.toml");
            let text = format!(
                "{root}\n[log]\naccess = \"stdout\"\nformat = \"json\"\n[[listen]]\n{listen}\n[upstream.app]\n\
                 servers = [\"{servers}\"]\n{more}\n[admin]\nlisten = \"unix:{}\"\n",
                folder.path().join("admin.sock").display()
            );
            fs::write(&file, &text).unwrap();
            // A Unix socket has no address to wait for.
            let count = text.matches("127.0.0.1:0").count();
            let listening = command(&["-c", file.to_str().unwrap()]);
            Self { corsair: Corsair::listening(listening, count), folder }
        }

        /// What the process counts.
        pub(super) fn metrics(&self) -> String {
            let mut client = Client::connect_unix(self.folder.path().join("admin.sock").to_str().unwrap());
            client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
            client.response().text()
        }

        /// Changes the file, and waits until corsair has read it.
        pub(super) fn rewrite(&mut self, change: impl FnOnce(&str) -> String) {
            let file = self.folder.path().join("corsair.toml");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, change(&text)).unwrap();
            self.corsair.signal(Signal::HUP);
            self.corsair.wait_for_log("generation=2");
        }
    }

    /// A listener on loopback.
    pub(super) const LOOPBACK: &str = "address = \"127.0.0.1:0\"";
}
