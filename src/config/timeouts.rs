//! `[timeouts]`: every wait of the daemon.

use std::time::Duration;

use super::{keys::Key, reader::Reader, values};

/// Every wait of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a head (or from accept) to its end; the same for a TLS handshake.
    pub head: Duration,
    /// An idle client connection between two requests.
    pub keep_alive: Duration,
    /// Silence inside a request body.
    pub body_idle: Duration,
    /// Average bytes per second of a request body after the first `body_idle`; 0 switches it off.
    pub min_rate: u64,
    /// DNS, TCP and TLS towards the upstream: one race of addresses.
    pub connect: Duration,
    /// From the request sent to the response head.
    pub response: Duration,
    /// Silence inside a response body.
    pub upstream_idle: Duration,
    /// A peer that takes nothing.
    pub send: Duration,
    /// A tunnel in which nothing moves.
    pub tunnel_idle: Duration,
    /// A tunnel of which one direction has ended.
    pub tunnel_half_closed: Duration,
    /// How long input is read and thrown away after an early answer.
    pub linger: Duration,
}

/// Every wait.
pub(super) fn read(reader: &mut Reader<'_>) -> Timeouts {
    Timeouts {
        min_rate: reader.value(Key::TimeoutMinRate, values::rate),
        // Zero is a useful answer for lingering alone: do not.
        linger: reader.value(Key::TimeoutLinger, values::duration),
        head: reader.value(Key::TimeoutHead, values::wait),
        keep_alive: reader.value(Key::TimeoutKeepAlive, values::wait),
        body_idle: reader.value(Key::TimeoutBodyIdle, values::wait),
        connect: reader.value(Key::TimeoutConnect, values::wait),
        response: reader.value(Key::TimeoutResponse, values::wait),
        upstream_idle: reader.value(Key::TimeoutUpstreamIdle, values::wait),
        send: reader.value(Key::TimeoutSend, values::wait),
        tunnel_idle: reader.value(Key::TimeoutTunnelIdle, values::wait),
        tunnel_half_closed: reader.value(Key::TimeoutTunnelHalfClosed, values::wait),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn each_timeout_reaches_its_field() {
        let settings = [
            (Key::TimeoutHead, "1s"),
            (Key::TimeoutKeepAlive, "2s"),
            (Key::TimeoutBodyIdle, "3s"),
            (Key::TimeoutMinRate, "4/s"),
            (Key::TimeoutConnect, "5s"),
            (Key::TimeoutResponse, "6s"),
            (Key::TimeoutUpstreamIdle, "7s"),
            (Key::TimeoutSend, "8s"),
            (Key::TimeoutTunnelIdle, "9s"),
            (Key::TimeoutTunnelHalfClosed, "10s"),
            (Key::TimeoutLinger, "0"),
        ];
        let expected = Timeouts {
            head: Duration::from_secs(1),
            keep_alive: Duration::from_secs(2),
            body_idle: Duration::from_secs(3),
            min_rate: 4,
            connect: Duration::from_secs(5),
            response: Duration::from_secs(6),
            upstream_idle: Duration::from_secs(7),
            send: Duration::from_secs(8),
            tunnel_idle: Duration::from_secs(9),
            tunnel_half_closed: Duration::from_secs(10),
            linger: Duration::ZERO,
        };
        assert_eq!(sample::faults(&settings, read), (expected, vec![]));
        let (_, faults) = sample::faults(&[(Key::TimeoutHead, "0s")], read);
        assert_eq!(faults, ["--timeout-head: \"0s\" would end every wait at once; expected more than zero"]);
    }
}
