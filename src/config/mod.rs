//! The one configuration of the process: valid by construction, immutable afterwards.
//!
//! A setting is a row of [`Key`]. What was typed for it arrives as text in [`Settings`]; each table of the
//! configuration reads its own, and [`compile`](compile::compile) makes a [`Config`] of them; nothing else does, and
//! nothing changes one. No I/O happens here but the reading of the files that the settings name, and no decision
//! about a request.

mod values;

mod names;

mod keys;

mod later;

mod source;

mod notes;

mod settings;

mod interpolation;

mod reader;

pub mod machine;

mod process;

mod unix_name;

mod listen_address;

mod listen;

mod policy;

mod policies;

mod ejection;

mod pool;

mod upstream;

mod upstreams;

mod gateway;

mod limits;

mod timeouts;

mod route;

mod routes;

mod dns;

mod log;

mod configuration;

mod intent;

mod environment;

pub mod file;

pub mod printed;

pub mod flags;

pub mod compile;

#[cfg(test)]
pub(crate) mod sample;

pub use self::{
    configuration::Config,
    dns::Dns,
    ejection::Ejection,
    gateway::{Gateway, Redirects},
    keys::{Flag, Key, Kind, Row},
    limits::Limits,
    listen::{Listener, ListenerId},
    listen_address::ListenAddress,
    log::{AccessLog, Log, SecretNames},
    notes::ConfigFault,
    policy::PolicyId,
    pool::Pooling,
    process::{Process, RunAs},
    route::{LeadsTo, Methods, Respond, Route, RouteId},
    routes::{Routes, Taken},
    settings::{Part, Section, Settings, Typed, TypedAt},
    source::{Place as FilePlace, Source},
    timeouts::Timeouts,
    unix_name::UnixName,
    upstream::{ClientTls, Endpoint, HostHeader, Place, Upstream, UpstreamId},
};
