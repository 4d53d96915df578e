//! The one configuration of the process: valid by construction, immutable afterwards.
//!
//! A setting is a row of [`Key`]. What was typed for it arrives as text in [`Settings`]; each table of the
//! configuration reads its own, and [`compile`](compile::compile) makes a [`Config`] of them; nothing else does, and
//! nothing changes one. No I/O happens here but the reading of the files that the settings name, and no decision
//! about a request.

mod values;

mod keys;

mod notes;

mod settings;

mod reader;

pub mod machine;

mod process;

mod listen;

mod policy;

mod gateway;

mod ejection;

mod upstream;

mod pool;

mod dns;

mod limits;

mod timeouts;

mod log;

mod configuration;

mod intent;

mod environment;

pub mod flags;

pub mod compile;

#[cfg(test)]
pub(crate) mod sample;

pub use self::{
    configuration::{Config, Mode},
    dns::Dns,
    ejection::Ejection,
    gateway::{Gateway, Redirects},
    keys::{Flag, Key, Kind, Row},
    limits::Limits,
    listen::Listener,
    log::{AccessLog, Log, SecretNames},
    notes::ConfigFault,
    pool::Pooling,
    process::Process,
    settings::{Settings, Typed, TypedAt},
    timeouts::Timeouts,
    upstream::{Endpoint, Place, Upstream},
};
