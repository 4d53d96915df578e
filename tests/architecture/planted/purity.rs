//! Rooms that decide, and what has no place there.

use super::{House, finds};

#[test]
fn a_pure_room_names_nothing_that_does() {
    finds(
        &House { pure: &["plan", "upstream::balance"], leaf: None },
        "
== src/lib.rs
pub mod config;

pub mod net;

pub mod plan;

pub mod upstream;
== src/config/mod.rs
mod flags;

pub mod published;

pub use self::flags::Settings;
pub struct Config;
== src/config/flags.rs
pub struct Settings;
== src/config/published.rs
== src/net/mod.rs
pub struct Stream;
== src/plan/mod.rs
mod request;
use crate::net::Stream;
use crate::config::{Config, Settings};
fn f() { crate::config::published::look() }
fn g() -> Config { Config { ..super::net::config() } }
== src/plan/request.rs
use std::{io::Read, net::{self, IpAddr, UdpSocket as Socket}, time::{self, Instant, SystemTime}};
use tokio::{sync::mpsc, time::Instant as Moment};
fn f(at: Moment) -> net::TcpStream { at.elapsed() }
fn g(at: Instant) {
    time::Instant::now(); Instant::elapsed(&at); Moment::now(); SystemTime::now()
}
fn h(elapsed: u8) -> time::SystemTime { tracing::warn!(elapsed); }
fn i() { ::std::process::exit(1) }
== src/upstream/mod.rs
mod balance;

use tokio::net::TcpStream;
pub struct Group;
== src/upstream/balance.rs
use super::Group;
",
        &[
            "src/plan/mod.rs:2: crate::net::Stream: a pure room names no `net`",
            "src/plan/mod.rs:3: crate::config::Settings: a pure room names no `config::flags`",
            "src/plan/mod.rs:4: crate::config::published::look: a pure room names no `config::published`",
            "src/plan/mod.rs:5: super::net::config: a pure room names no `net`",
            "src/plan/request.rs:1: std::io::Read: a pure room names no `std::io`",
            "src/plan/request.rs:1: std::net::UdpSocket: a pure room names no `std::net::UdpSocket`",
            "src/plan/request.rs:2: tokio::sync::mpsc: a pure room names no `tokio`",
            "src/plan/request.rs:3: elapsed(): a pure room names no `elapsed`",
            "src/plan/request.rs:3: std::net::TcpStream: a pure room names no `std::net::TcpStream`",
            "src/plan/request.rs:5: std::time::Instant::elapsed: a pure room names no `elapsed`",
            "src/plan/request.rs:5: std::time::Instant::now: a pure room names no `now`",
            "src/plan/request.rs:5: std::time::SystemTime::now: a pure room names no `now`",
            "src/plan/request.rs:5: tokio::time::Instant::now: a pure room names no `now`",
            "src/plan/request.rs:7: tracing::warn: a pure room names no `tracing`",
            "src/plan/request.rs:8: std::process::exit: a pure room names no `std::process`",
            "src/upstream/balance.rs:1: super::Group: a pure room names no `upstream`",
        ],
    );
}

#[test]
fn the_list_of_pure_rooms_names_what_is_there() {
    finds(
        &House { pure: &["plan", "plan::route", "cors", "net::proxy_header"], leaf: None },
        "
== src/lib.rs
mod plan;

mod net;
== src/plan/mod.rs
mod route;
== src/plan/route.rs
== src/net.rs
",
        &[
            "src/lib.rs:1: there is no `cors`, which is listed as pure",
            "src/lib.rs:1: there is no `net::proxy_header`, which is listed as pure",
        ],
    );
}
