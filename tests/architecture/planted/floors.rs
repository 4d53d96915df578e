//! Names from above, files on no floor, the leaf, and re-exports.

use super::{HOUSE, House, finds};

#[test]
fn a_room_names_no_room_that_is_listed_after_it() {
    finds(
        &HOUSE,
        "
== src/lib.rs
pub mod language;

pub mod rules;

pub mod sockets;
== src/language.rs
use crate::{rules::Rule,
    sockets};
fn f() { sockets::open(); super::sockets::close() }
== src/rules.rs
pub struct Rule;
use crate::language::Word;
== src/sockets.rs
use crate::rules::Rule;
",
        &[
            "src/language.rs:1: crate::rules::Rule: src/lib.rs lists `rules` after `language`",
            "src/language.rs:3: sockets::open: src/lib.rs lists `sockets` after `language`",
            "src/language.rs:1: 3 files name each other in a circle:\
             \n    src/language.rs:1 → src/rules.rs (crate::rules::Rule, upwards)\
             \n    src/language.rs:3 → src/sockets.rs (sockets::open, upwards)\
             \n    src/rules.rs:2 → src/language.rs (crate::language::Word)\
             \n    src/sockets.rs:1 → src/rules.rs (crate::rules::Rule)",
        ],
    );
}

#[test]
fn a_file_names_no_file_that_is_listed_after_it_in_its_folder() {
    finds(
        &HOUSE,
        "
== src/lib.rs
mod plan;
== src/plan/mod.rs
mod client;

mod rewrite;

mod request;

pub use self::request::{Request as Asked, Body};
== src/plan/client.rs
struct Client(super::Asked);
== src/plan/rewrite/mod.rs
mod fields;

mod forwarding;

use super::client::Client;
== src/plan/rewrite/fields.rs
fn f() { super::forwarding::write() }
== src/plan/rewrite/forwarding.rs
use super::super::{client, request::*};
fn write() -> client::Client {}
== src/plan/request.rs
pub struct Request;
",
        &[
            "src/plan/client.rs:1: super::Asked: src/plan/mod.rs lists `request` after `client`",
            "src/plan/rewrite/fields.rs:1: super::forwarding::write: src/plan/rewrite/mod.rs lists `forwarding` \
             after `fields`",
            "src/plan/rewrite/forwarding.rs:1: super::super::request: src/plan/mod.rs lists `request` after \
             `rewrite`",
        ],
    );
}

#[test]
fn a_file_that_no_list_names_stands_on_no_floor() {
    finds(
        &HOUSE,
        "
== src/lib.rs
mod cors;
== src/cors/mod.rs
mod origin;
== src/cors/origin.rs
== src/cors/forgotten.rs
== src/gateway.rs
",
        &[
            "src/cors/forgotten.rs:1: no `mod` line lists `cors::forgotten`",
            "src/gateway.rs:1: no `mod` line lists `gateway`",
        ],
    );
}

#[test]
fn a_file_reexports_its_own_children_only() {
    finds(
        &HOUSE,
        "
== src/lib.rs
pub mod error;

pub mod net;
== src/error.rs
pub struct Error;
== src/net/mod.rs
mod buffer;

mod stream;

pub use crate::error::Error;
pub use self::buffer::Buffer;
pub use stream::{self, Stream};
pub use bytes::Bytes;
== src/net/buffer.rs
pub struct Buffer;
== src/net/stream.rs
pub(crate) use super::buffer::Buffer;
pub struct Stream;
",
        &[
            "src/net/mod.rs:5: crate::error::Error: re-exported, and no child of this file",
            "src/net/mod.rs:8: bytes::Bytes: re-exported, and no child of this file",
            "src/net/stream.rs:1: super::buffer::Buffer: re-exported, and no child of this file",
        ],
    );
}

#[test]
fn the_leaf_names_no_room_and_no_room_names_it() {
    finds(
        &House { pure: &[], leaf: Some("diagnostics") },
        "
== src/lib.rs
pub mod error;

pub mod diagnostics;

pub mod server;
== src/error.rs
pub struct Error;
== src/diagnostics.rs
use crate::error::Error;
== src/server.rs
fn f() { crate::diagnostics::install() }
",
        &[
            "src/diagnostics.rs:1: crate::error::Error: `diagnostics` names no other room, and none names it",
            "src/server.rs:1: crate::diagnostics::install: `diagnostics` names no other room, and none names it",
        ],
    );
}
