//! Small houses with faults planted in them, and every fault that has to be found: the proof of the rules.

mod circles;
mod citations;
mod floors;
mod purity;

use super::{
    names::Tree,
    rules::{House, judge},
};

/// What every planted house says of itself, unless its case is about that.
const HOUSE: House<'static> = House { pure: &[], leaf: None };

/// `files` is a house in one text: a line `== name` begins a file.
fn violations(house: &House<'_>, files: &str) -> Vec<String> {
    let files = files.split("== ").skip(1).map(|file| file.split_once('\n').expect("a name and a text"));
    let tree = Tree::new("src", files);
    judge(&tree, house, |name| name == "README.md").iter().map(ToString::to_string).collect()
}

#[track_caller]
fn finds(house: &House<'_>, files: &str, expected: &[&str]) {
    assert_eq!(violations(house, files), expected, "{files}");
}

#[test]
fn a_house_in_order_has_no_violation() {
    finds(
        &House { pure: &["error", "plan"], leaf: Some("diagnostics") },
        r##"
== src/main.rs
use crate::anything; // the command is a crate of its own
== src/lib.rs
//! Floors: see README.md.
pub mod error;

pub mod config;

pub mod plan;

pub mod net;

pub mod diagnostics;
== src/error.rs
//! A link upwards is no arrow: [`crate::net`], [`Timer`](crate::net::timer::Timer).
/* crate::net::timer /* tokio::spawn */ crate::config::flags */
pub enum Error { Refused }
const TEXT: &str = "crate::net::timer::Timer and \" tokio::spawn";
const RAW: &[u8] = br#"crate::net " tokio::spawn"#;
const QUOTE: [char; 3] = ['"', '\'', '\u{22}'];
fn name<'a>(of: &'a str) -> &'static str { println!("crate::net {of}"); of }
#[cfg(test)]
mod tests {
    use crate::net::timer::Timer;
    fn now(at: [u8; 2]) { { std::time::Instant::now(); } }
}
== src/config.rs
pub mod flags;
use crate::error::Error;
pub struct Config { error: Error }
== src/config/flags.rs
use super::Config;
use std::env;
== src/plan/mod.rs
mod client;

mod route;

pub use self::{client::Client, route::{Route, find as route}};
macro_rules! each { () => {} }
pub(crate) use each;
== src/plan/client.rs
use std::{net::IpAddr, time::Instant};
pub struct Client { pub address: IpAddr, since: Instant, until: tokio::time::Instant }
== src/plan/route.rs
use super::client::{self, Client};
use crate::{config::Config, error::Error::{self, *}};
pub(in crate::plan) struct Route;
pub fn find(client: &client::Client, now: Instant) -> impl Sized + use<'_> { now.duration_since(client.since) }
== src/net/mod.rs
#[cfg(test)]
pub(crate) mod testing;
pub mod timer;
== src/net/testing.rs
use crate::diagnostics::install;
== src/net/timer.rs
use crate::plan::{Client, Route as Way};
fn wait() { tokio::time::Instant::now().elapsed(); }
== src/diagnostics.rs
pub fn install() {}
"##,
        &[],
    );
}
