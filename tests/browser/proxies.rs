//! What stands between the pages and the application: corsair, or nginx with what people paste into it.

use std::{
    fs,
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    application::Site,
    check::{APP, NEIGHBOUR},
    chromium::{Tab, installed},
};
use crate::support::{Client, Corsair};

/// The token that `/token` wants.
const TOKEN: &str = "of-the-robots-51c2";
/// The password that `/password` wants of ann.
const PASSWORD: &str = "of-ann-9f3e";

/// A proxy with the same paths, whichever it is.
pub(crate) struct Proxy {
    kind: Kind,
    port: u16,
    folder: TempDir,
}

enum Kind {
    Corsair(Corsair),
    Nginx(Child),
}

/// What corsair is told: a route for each part of the checks. `{app}` and `{neighbour}` are origins of pages.
const CORSAIR: &str = r#"
[[listen]]
address = "127.0.0.1:0"
allow_hosts = ["127.0.0.1", "other.localhost"]
[log]
access = "stdout"
[admin]
listen = "unix:{folder}/admin.sock"

[policy.listed]
allow_origins = ["{app}", "{neighbour}"]
allow_credentials = true
timing = true
resource_policy = "cross-origin"
[policy.narrow]
allow_origins = ["{app}"]
allow_methods = ["PUT"]
allow_headers = ["x-a"]
max_age = "0s"
[policy.refusing]
allow_origins = ["{app}"]
refuse_other_origins = true
[policy.null]
allow_origins = ["null"]
[policy.extension]
allow_origins = ["{extension}"]
allow_credentials = true

[gateway]
path = false

[access.token]
bearer = { tokens = ["{token}"] }
[access.password]
basic = { file = "{folder}/users" }
[access.office]
clients = { allow = ["10.0.0.0/8"] }

[limit.few]
rate = "1/1h"

[upstream.app]
servers = ["http://{application}"]
[upstream.sockets]
servers = ["http://{sockets}"]
[upstream.dead]
servers = ["http://127.0.0.1:1"]
[upstream.busy]
servers = ["http://{application}"]
pool = { max_connections = 1, queue = 1, queue_timeout = "100ms" }

"#;

/// Routes to the application, by their paths, with what is particular about them.
const ROUTES: &[(&str, &str)] = &[
    ("any", ""),
    ("listed", "cors = \"listed\""),
    ("narrow", "cors = \"narrow\""),
    ("refusing", "cors = \"refusing\""),
    ("null", "cors = \"null\""),
    ("extension", "cors = \"extension\""),
    ("small", "limits = { body = \"100k\" }"),
    ("slow", "timeouts = { response = \"300ms\" }"),
    ("stalled", "timeouts = { body_idle = \"500ms\", min_rate = \"1m/s\" }"),
    ("get", "methods = [\"GET\"]"),
    ("token", "cors = \"listed\"\naccess = [\"token\"]"),
    ("password", "cors = \"listed\"\naccess = [\"password\"]"),
    ("office", "access = [\"office\"]"),
    ("few", "limit = [\"few\"]"),
];

/// What is pasted, with every method and every field that is commonly wanted.
pub(crate) const SNIPPET: &str = "
    if ($request_method = 'OPTIONS') {
        add_header 'Access-Control-Allow-Origin' '*';
        add_header 'Access-Control-Allow-Methods' 'GET, POST, PUT, PATCH, DELETE, OPTIONS';
        add_header 'Access-Control-Allow-Headers' 'DNT,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization';
        add_header 'Access-Control-Max-Age' 1728000;
        return 204;
    }
    add_header 'Access-Control-Allow-Origin' '*';
    add_header 'Access-Control-Allow-Methods' 'GET, POST, PUT, PATCH, DELETE, OPTIONS';
    add_header 'Access-Control-Allow-Headers' 'DNT,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization';
    add_header 'Access-Control-Expose-Headers' 'Content-Length,Content-Range';
";

/// What WebSockets and applications that speak HTTP/1.1 need beside it.
const PROXYING: &str = "
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
";

/// What nginx is told beside it.
const NGINX: &str = r#"
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr crit;
events {}
http {
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    limit_conn_zone $server_port zone=one:1m;
    limit_req_zone $server_port zone=few:1m rate=1r/m;
    limit_req_status 429;
    server {
        listen 127.0.0.1:{port};
"#;

/// What is particular about a location, by its path.
const LOCATIONS: &[(&str, &str)] = &[
    ("small", "client_max_body_size 100k;"),
    ("slow", "proxy_read_timeout 1s;"),
    ("get", "limit_except GET { deny all; }"),
    ("password", "auth_basic staff; auth_basic_user_file {folder}/users;"),
    ("office", "allow 10.0.0.0/8; deny all;"),
    ("busy", "limit_conn one 1;"),
    ("few", "limit_req zone=few;"),
];

impl Proxy {
    /// corsair in front of this application.
    pub(crate) fn corsair(site: &Site, tab: &Tab) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hash = bcrypt::hash_with_salt(PASSWORD, 4, [7; 16]).unwrap();
        let users = format!("ann:{}\n", hash.format_for_version(bcrypt::Version::TwoY));
        fs::write(folder.path().join("users"), users).unwrap();
        let mut text = CORSAIR.to_owned();
        for (name, more) in ROUTES {
            text +=
                &format!("[[route]]\npath = \"/{name}\"\nupstream = \"app\"\nstrip_prefix = true\n{more}\n");
        }
        for name in ["dead", "busy", "sockets"] {
            let upstream = format!("path = \"/{name}\"\nupstream = \"{name}\"\nstrip_prefix = true");
            text += &format!("[[route]]\n{upstream}\n");
        }
        text += "[[route]]\npath = \"/sockets-listed\"\nupstream = \"sockets\"\ncors = \"listed\"\n";
        let text =
            filled(&text, folder.path().to_str().unwrap(), site).replace("{extension}", &tab.extension());
        let file = folder.path().join("corsair.toml");
        fs::write(&file, text).unwrap();
        let corsair = Corsair::start(&["-c", file.to_str().unwrap(), "-v"]);
        let port = corsair.address().port();
        Self { kind: Kind::Corsair(corsair), port, folder }
    }

    /// nginx in front of it; nothing where it is not installed.
    pub(crate) fn nginx(site: &Site) -> Option<Self> {
        let program = installed("nginx")?;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("users"), format!("ann:{{PLAIN}}{PASSWORD}\n")).unwrap();
        // It gets the socket itself, so that nobody can have the port meanwhile.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut text = NGINX.replace("{port}", &port.to_string());
        for (name, _) in
            ROUTES.iter().chain(&[("busy", ""), ("dead", ""), ("sockets", ""), ("sockets-listed", "")])
        {
            let more = LOCATIONS.iter().find(|(location, _)| location == name).map_or("", |(_, more)| more);
            let upstream = match *name {
                "dead" => "127.0.0.1:1/",
                "sockets" | "sockets-listed" => "{sockets}/",
                _ => "{application}/",
            };
            text +=
                &format!("location /{name}/ {{ {more}{SNIPPET}{PROXYING}proxy_pass http://{upstream}; }}\n");
        }
        let text = filled(&(text + "}}\n"), folder.path().to_str().unwrap(), site);
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file).env("NGINX", "3;").stdin(Stdio::null());
        let socket = FdMapping { parent_fd: OwnedFd::from(listener), child_fd: 3 };
        let child = command.fd_mappings(vec![socket]).unwrap().spawn().unwrap();
        Some(Self { kind: Kind::Nginx(child), port, folder })
    }

    /// Its origin.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The daemon.
    pub(crate) fn daemon(&self) -> &Corsair {
        match &self.kind {
            Kind::Corsair(corsair) => corsair,
            Kind::Nginx(_) => panic!("this is nginx"),
        }
    }

    /// What it says of itself.
    pub(crate) fn log(&self) -> String {
        match &self.kind {
            Kind::Corsair(corsair) => corsair.log() + &corsair.stdout(),
            Kind::Nginx(_) => String::new(),
        }
    }

    /// The sum of a metric over all its labels that contain `wanted`.
    pub(crate) fn metric(&self, name: &str, wanted: &str) -> u64 {
        let mut client = Client::connect_unix(self.folder.path().join("admin.sock").to_str().unwrap());
        client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let text = client.response().text();
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(wanted));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Kind::Nginx(child) = &mut self.kind {
            // Its workers end with it only where it is asked.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            drop(child.wait());
        }
    }
}

fn filled(text: &str, folder: &str, site: &Site) -> String {
    [
        ("{app}", site.origin(APP)),
        ("{neighbour}", site.origin(NEIGHBOUR)),
        ("{folder}", folder.to_owned()),
        ("{token}", TOKEN.to_owned()),
        ("{application}", site.application.address().to_string()),
        ("{sockets}", site.sockets.to_string()),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, &value))
}
