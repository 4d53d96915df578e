//! What happens to one client connection.
//!
//! The pure rooms decide: [`plan`], [`route`], [`rewrite`], [`response`], [`respond`]. The others carry it
//! out and hold no policy: [`connection`] is the loop, `request` one turn of it, `exchange` a request's way to an
//! upstream and back, the sides the bodies. No
//! socket option, no parsing rule and no CORS rule may enter here; they live on the floors below.

pub mod clock;
pub mod connection;
pub mod core;
pub mod identity;
pub mod idle;
pub mod plan;
pub mod respond;
pub mod response;
pub mod rewrite;
pub mod route;
pub mod stream;

mod checkout;
mod client_side;
mod exchange;
mod frame;
mod receive;
mod record;
mod request;
#[cfg(test)]
mod sample;
mod splice;
mod state;
mod tunnel;
mod upstream_side;
mod watchdog;
