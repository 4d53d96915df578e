//! Files that name each other, by whatever way.

use super::{HOUSE, finds};

#[test]
fn two_files_that_name_each_other_are_a_circle() {
    finds(
        &HOUSE,
        "
== src/lib.rs
mod cors;
== src/cors/mod.rs
mod policy;

mod decide;
== src/cors/policy.rs

use super::decide::Reason;
pub struct Policy;
== src/cors/decide.rs
use crate::cors::policy;
pub enum Reason {}
fn decide(policy: &policy::Policy) {}
",
        &[
            "src/cors/policy.rs:2: super::decide::Reason: src/cors/mod.rs lists `decide` after `policy`",
            "src/cors/policy.rs:2: 2 files name each other in a circle:\
             \n    src/cors/policy.rs:2 → src/cors/decide.rs (super::decide::Reason, upwards)\
             \n    src/cors/decide.rs:3 → src/cors/policy.rs (policy::Policy)",
        ],
    );
}

#[test]
fn a_circle_is_found_through_reexports_of_every_kind() {
    finds(
        &HOUSE,
        "
== src/lib.rs
mod head;

mod framing;

mod body;
== src/head/mod.rs
mod span;
pub use span::*;
== src/head/span.rs
use crate::body::Reader as Read;
pub struct Span;
== src/framing.rs
mod length;
pub use self::length::find;
pub fn framing() {}
== src/framing/length.rs
use crate::head::Span;
pub fn find() {}
== src/body/mod.rs
mod reader;
pub use self::reader::{BodyReader as Reader, State};
== src/body/reader.rs
use crate::framing::{self, framing};
pub struct BodyReader;
fn read() { framing::find() }
",
        &[
            "src/head/span.rs:1: crate::body::Reader: src/lib.rs lists `body` after `head`",
            "src/head/span.rs:1: 3 files name each other in a circle:\
             \n    src/head/span.rs:1 → src/body/reader.rs (crate::body::Reader, upwards)\
             \n    src/framing/length.rs:1 → src/head/span.rs (crate::head::Span)\
             \n    src/body/reader.rs:3 → src/framing/length.rs (framing::find)",
        ],
    );
}

#[test]
fn towards_one_child_a_room_is_the_ground_or_the_roof() {
    finds(
        &HOUSE,
        "
== src/lib.rs
mod pool;

mod log;

mod head;
== src/pool/mod.rs
mod idle;
pub struct Lease;
pub struct Pool(idle::Idle);
== src/pool/idle.rs
use super::Lease;
pub struct Idle(Lease);
== src/log.rs
mod writer;
mod ring;
pub use self::writer::Writer;
use self::ring::Ring;
pub struct Target;
fn f(ring: Ring) {}
== src/log/writer.rs
use super::Target;
== src/log/ring.rs
pub struct Ring;
== src/head.rs
mod end;
pub use self::end::{End, find};
pub struct Fault;
fn f() -> End {}
== src/head/end.rs
use super::*;
pub fn find() -> Result<End, Fault> {}
",
        &[
            "src/head.rs:4: 2 files name each other in a circle:\
             \n    src/head.rs:4 → src/head/end.rs (End)\
             \n    src/head/end.rs:1 → src/head.rs (super)",
            "src/pool/mod.rs:3: 2 files name each other in a circle:\
             \n    src/pool/mod.rs:3 → src/pool/idle.rs (idle::Idle)\
             \n    src/pool/idle.rs:1 → src/pool/mod.rs (super::Lease)",
        ],
    );
}
