//! Moving bodies: the two sides of an exchange, and everything that moves bytes between them.
//!
//! A side knows where its message begins and ends, and hands out nothing beyond; the copy and the pipe move bytes and
//! know no message. What the sides know of each other stands in `ExchangeState`, whose states change by one
//! table. No decision about a request may enter this room, and no connection is opened or kept here.

mod state;

mod flow;

mod source;

mod replay;

mod client_side;

mod response_head;

mod upstream_side;

mod watchdog;

mod splice;

mod copy;

mod way;

mod tunnel;

#[cfg(test)]
mod sample;

pub use self::copy::BULK_BUFFER;
pub(crate) use self::{
    client_side::ClientSide,
    copy::{Copied, copy},
    flow::ExchangeState,
    replay::Replay,
    splice::is_worthwhile,
    state::Ended,
    tunnel::{TunnelEnd, TunnelLimits, tunnel},
    upstream_side::{Declining, HeadArrived, RestingUpstream, UpstreamSide},
    watchdog::{LONG_QUIET, Watchdog},
};
