//! Rules for logrotate.

/// The file for `/etc/logrotate.d`.
pub(super) fn logrotate() -> String {
    "\
# The access log of corsair, where it is a file. USR1 makes corsair write to a new one; no request waits for that.
/var/log/corsair/*.log {
    daily
    rotate 14
    missingok
    notifempty
    compress
    # A process that drains after an upgrade opens its file anew as well, but a record may just be on its way.
    delaycompress
    # The folder belongs to who serves, so nothing in it is touched as root.
    su corsair corsair
    create 0640 corsair corsair
    sharedscripts
    postrotate
        if [ -d /run/systemd/system ]; then
            systemctl kill --signal=USR1 corsair.service 2>/dev/null || true
        else
            pkill -USR1 -u corsair -x corsair || true
        fi
    endscript
}
"
    .to_owned()
}
