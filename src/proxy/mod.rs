//! What happens to one client connection.
//!
//! What is decided stands in [`plan`](crate::plan); here it is carried out, and no policy is held: [`serve`] is the
//! loop over the requests of a connection, `request` one turn of it, `exchange` a request's way to an upstream and
//! back, [`relay`] the bodies. No socket option, no parsing rule and no CORS rule may enter here; they live on the
//! floors below.

mod outcome;

mod send;

mod clock;

pub mod idle;

mod frame;

pub mod core;

pub mod relay;

mod receive;

mod record;

mod connection;

mod checkout;

mod exchange;

mod request;

pub mod serve;
