//! The unit of a systemd service.

use std::time::Duration;

use crate::config::Key;

/// What a process may take beyond `drain_timeout` until it has ended.
const MARGIN: Duration = Duration::from_secs(15);

/// `corsair.service`.
pub(super) fn systemd() -> String {
    let drain = Key::DrainTimeout.row().default.unwrap_or_default();
    UNIT.replace("{repository}", env!("CARGO_PKG_REPOSITORY"))
        .replace("{drain}", drain)
        .replace("{stop}", &(seconds(drain) + MARGIN.as_secs()).to_string())
}

/// The seconds of a default such as `30s`.
fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').and_then(|number| number.parse().ok()).expect("the default is in whole seconds")
}

const UNIT: &str = "\
# corsair as a system service, with no more rights than it needs.
# Other options: systemctl edit corsair. What it serves: /etc/corsair/corsair.toml.
[Unit]
Description=corsair, a CORS reverse proxy and gateway
Documentation=man:corsair(1) {repository}
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
# It tells when it serves, when a reload has ended, that it is well, and which process is the main one after an upgrade.
Type=notify
NotifyAccess=main
WatchdogSec=30s

# All faults of the configuration are told before anything is started or changed.
ExecStartPre=/usr/bin/corsair check --config /etc/corsair/corsair.toml
ExecStart=/usr/bin/corsair --config /etc/corsair/corsair.toml
ExecReload=/usr/bin/corsair check --config /etc/corsair/corsair.toml
ExecReload=/bin/kill -HUP $MAINPID

# A new program in the place of the running one, without a connection lost:
#   systemctl kill --kill-who=main --signal=USR2 corsair
# A stop is told to the main process; what is left of one that drains ends with it.
KillMode=mixed
# Above drain_timeout ({drain}) and drain_delay.
TimeoutStopSec={stop}s
Restart=on-failure
RestartSec=1s

User=corsair
Group=corsair
ConfigurationDirectory=corsair
LogsDirectory=corsair
RuntimeDirectory=corsair
# Who is to reach a Unix socket of corsair's is put into its group.
UMask=0007
# max_connections follows from it: 9 for every 20.
LimitNOFILE=1048576
OOMScoreAdjust=-500

# Ports below 1024, and nothing else of what root may.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged

[Install]
WantedBy=multi-user.target
";
