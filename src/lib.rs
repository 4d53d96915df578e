//! corsair: a CORS reverse proxy and gateway for HTTP/1 on raw TCP.
//!
//! This page is the tour of the house, for whoever wants to change something in it. What the command does
//! for its operator stands in `README.md`.
//!
//! # The one idea: decide first, then do
//!
//! A request head and the configuration are turned by pure functions into a [`Plan`](plan::Plan) and an
//! [`Action`](plan::Action): where the request goes, how its body ends, what CORS adds, what corsair answers itself.
//! Only then does code with sockets run, and it contains no policy. The response takes the same way back: its head
//! becomes a [`ResponsePlan`](plan::ResponsePlan), and what is left is moving bytes. When an attempt has failed,
//! [`Attempts`](plan::Attempts) says whether there is another one. So everything that decides can be tested with
//! literal bytes and fuzzed, and everything that waits has nothing to decide. All that decides about a request
//! stands in one room, [`plan`], below every socket.
//!
//! # The way of a request
//!
//! ```text
//!  server::run          one thread: owns all listeners, starts the workers, obeys the signals
//!      │ lends one listening socket per address (SO_REUSEPORT)
//!  worker::run          one thread per core, one single-threaded runtime; nothing shared on the way
//!      │ accept, and a task for each connection, one that has ended serving another if there is one
//!      ▼
//! ┌─ proxy::serve ── one connection ────────────────────────────────────┐
//! │  receive     wait for the first byte with no buffer, then one head  │◄───────────┐
//! │      ▼                                                              │            │
//! │ ┌─ proxy::request ── one turn, in a frame ────────────────────────┐ │            │
//! │ │ ╔═ DECIDE ══ plan::request asks, in this order: ══════════════╗ │ │            │
//! │ │ ║ RequestTarget::parse     which form the target has          ║ │ │            │
//! │ │ ║ plan::route              gateway or which route, and so     ║ │ │            │
//! │ │ ║                          the policy, waits and bounds       ║ │ │            │
//! │ │ ║ cors::decide             what CORS says of it               ║ │ │            │
//! │ │ ║ Framing::of_request      how the body ends                  ║ │ │            │
//! │ │ ╚══╤═══════════════════════════════════════╤══════════════════╝ │ │            │
//! │ │  Action::Respond                    Action::Exchange            │ │            │
//! │ │    │                   ┌─ proxy::exchange ─▼──────────────────┐ │ │            │
//! │ │    │                   │ checkout  pooled, or resolve → admit │ │ │            │
//! │ │    │                   │           the address → connect → TLS│ │ │            │
//! │ │    │                   │ send      plan::rewrite::request     │ │ │            │
//! │ │    │                   │ relay     UpstreamSide: each head to │ │ │            │
//! │ │    │                   │           plan, rewritten with CORS; │ │ │            │
//! │ │    │                   │           the body in one write, or  │ │ │            │
//! │ │    │                   │           copied, or spliced         │ │ │            │
//! │ │    │                   │ Attempts  once more, the next hop,   │ │ │            │
//! │ │    │                   │           or nothing                 │ │ │            │
//! │ │    ▼                   └───────────┬──────────────────────────┘ │ │            │
//! │ │  Responder             Lease::keep → pool, or dropped and closed│ │            │
//! │ │    └───────────┬───────────────────┘                            │ │            │
//! │ │           record: counters, one line of the access log          │ │            │
//! │ └────────────────┼────────────────────────────────────────────────┘ │            │
//! │     keep-alive ── close ── lingering close ── reset ── tunnel       │            │
//! └─────────┼───────────────────────────────────────────────────────────┘            │
//!           └────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A client connection that stays idle leaves the runtime: its task has done its part, and the bare socket joins
//! the parked ones of its worker ([`net::parked`]), which the kernel watches through one descriptor. When it wakes
//! it is served by another task, and nobody can tell ([`proxy::idle`] says when).
//!
//! From decision to record a request runs in a frame (`proxy/frame.rs`), whose memory serves one request after
//! another: what only a running exchange needs is not part of a connection that waits for its next request.
//!
//! A response whose head and body fit one buffer leaves in one write; no copy is set up for it. Everything
//! longer is moved by tokio's `copy_bidirectional_with_sizes` between two adapters, `ClientSide` and
//! `UpstreamSide` ([`proxy::relay`]): the only hand-written `poll_read` and `poll_write` here that know messages. They
//! know where a body ends, keep an early answer alive while an upload still runs, notice a client that leaves, and
//! end the copy with a reason. What they tell each other are states that change by one table
//! (`proxy/relay/state.rs`). The client's side is made once for an exchange, and nothing else touches the client
//! meanwhile. A stream that proves to be bulk, for a peer that keeps up, goes on with large buffers out of a fixed
//! number, so that memory is bounded by the number of connections and not by what they carry
//! ([`server::MemoryBound`]). Where both ends are plain TCP and only one direction moves, a long body does not
//! visit user space at all: it is spliced through a recycled pipe ([`net::pipe`]), and of a chunked one only
//! the chunk headers are read (`proxy/relay/splice.rs`).
//!
//! # The floors
//!
//! Each room below uses only those listed before it, each file of a room only the files that its `mod.rs` lists before
//! it, and no files name each other in a circle: so every room can be read from its first file to its last, and the
//! house from its first room. `tests/architecture` holds that, and keeps runtime, sockets, files and clocks out of the
//! rooms that decide.
//!
//! | floor | room | what it is | pure |
//! |---|---|---|---|
//! | 0 | [`error`] | what can go wrong with an exchange, and the one table of what follows | yes |
//! | 1 | [`http1`] | the language: heads, framing, chunks, emitting | yes |
//! | | [`uri`] | what a name on the net is: schemes, hosts, URLs | yes |
//! | | [`routing`] | which route a request takes, by its host and its path | yes |
//! | 2 | [`cors`] | one policy, and what it makes of every request and response | yes |
//! | | [`gateway`] | which target a path names, where a redirect leads | yes |
//! | | [`access`] | which hosts and addresses may be reached | yes |
//! | | [`trust`] | whom to believe about a client, and what they say of it | yes |
//! | | [`admission`] | who is let in: networks, tokens, passwords, sites of pages, signed links | yes |
//! | | [`limit`] | how often somebody may ask, and how much at a time | yes |
//! | 3 | [`tls`] | PEM files to rustls configurations | |
//! | 4 | [`config`] | one table of settings; flags, environment and a file to one [`Config`](config::Config), valid by construction | |
//! | 5 | [`plan`] | DECIDE: what is done about a request, what a response means, what both look like on the other side | yes |
//! | 6 | [`net`] | DO: listening, resolving, connecting, handshakes, the one stream type, sockets at rest; knows no HTTP | |
//! | | [`observe`] | access log and counters; no request waits for them | |
//! | 7 | [`upstream`] | connections to upstreams: whose turn it is, opened, pooled, leased | |
//! | 8 | [`proxy`] | one client connection: its requests, their exchanges, the bodies | |
//! | 9 | [`worker`] | one core | |
//! | | [`admin`] | a listener of its own that shows what the process does | |
//! | 10 | [`server`] | the process | |
//! | | [`diagnostics`] | lines on stderr; used by `main.rs` alone | |
//! | | [`commands`] | what the command does besides serving | |
//!
//! Rules that are more than one function's business stand in numbered tables, each row with its test: those of the
//! wire in [`http1`], the others in the room that they govern. A test holds the tables against the tests.
//!
//! # Types that carry the design
//!
//! - [`RequestHead`](http1::head::RequestHead), [`ResponseHead`](http1::head::ResponseHead): spans into the
//!   buffer that the head was read into. Order, case and duplicates are kept, no map is built, and a name is
//!   classified once as a [`FieldId`](http1::fields::FieldId).
//! - [`Framing`](http1::framing::Framing): how a body ends, from one function per direction. Ambiguous framing
//!   has no value here; it is an error.
//! - [`BodyReader`](http1::body::BodyReader): progress through one body, in place. What leaves is canonical,
//!   whatever came.
//! - [`Table`](routing::Table): which route a request takes, found in as many steps for any number of them; a path is
//!   matched as a back end resolves it.
//! - [`Snapshot`](proxy::snapshot::Snapshot): the configuration that a request sees from its first byte to its record. The
//!   server publishes another one ([`Published`](proxy::snapshot::Published)), workers take it up with their next request,
//!   and nothing else knows that a reload exists.
//! - [`Edits`](http1::edits::Edits): what an operator changes of a head; what frames a message cannot be named in it.
//! - [`CorsPolicy`](cors::CorsPolicy): compiled once, in which "any origin, with credentials" cannot be
//!   expressed. [`CorsDecision`](cors::CorsDecision): what it says of one request.
//! - [`TargetUrl`](uri::TargetUrl): a gateway's target, read as a browser would.
//!   [`NameVerdict`](access::NameVerdict): proof that its name was judged, without which no address can be.
//! - [`Plan`](plan::Plan) with its [`Action`](plan::Action): what is decided about a request, and what is to be done.
//! - [`Lease`](upstream::Lease): a connection for one exchange. Dropping it closes it; only
//!   [`keep`](upstream::Lease::keep) returns it to the [`Pool`](upstream::pool::Pool), and that is called where
//!   both messages ended exactly on their framing.
//! - [`Error`](error::Error): small and `Copy`. Its one table gives status, side, whether the request may be
//!   repeated, whether the connection closes, and the token that log, metrics and `Proxy-Status` share.
//! - [`Responder`](plan::Responder): the one door for answers that corsair makes itself, so that each
//!   carries the CORS fields of a success.
//! - [`Buffer`](net::buffer::Buffer): memory is held by whoever holds one; a waiting connection holds none.
//! - [`Core`](proxy::core::Core): what one worker owns. Plain cells: its tasks never leave their thread.
//!
//! # Where to put a change
//!
//! | to | go to |
//! |---|---|
//! | add a setting | a row in `config/keys.rs`, a field and a reader in the file of its table (`config/limits.rs`, …); what concerns several in [`config::compile`] |
//! | accept or refuse a message | [`http1`], with a case in its table test and one in the test of its rule, in `tests/rules` |
//! | know another field name | the table in [`http1::fields`] |
//! | change which route takes a request | [`routing`], and the slow look at all routes in `fuzz/src/reference/routing.rs` |
//! | change what goes upstream or comes back | [`plan::rewrite`] |
//! | change when a request is sent again, or how often | `plan/attempts.rs` |
//! | change where the forward proxy leads | `plan/forward.rs`; how it connects, `proxy/connect.rs` |
//! | change how a parent proxy is asked | `upstream/parent.rs`; for what, `config/parent_proxy.rs` |
//! | change what a redirect does | `plan/target.rs` (what becomes of it), `gateway/redirect.rs` (where it leads) |
//! | change a CORS rule | [`cors::decide()`] (what), `cors/answer.rs` (which fields), `tests/cors.rs` |
//! | change what a browser is taken to do where a request is explained | `commands/explain/fetch.rs` |
//! | believe another field about a client | [`trust`], and `plan/rewrite/forwarding.rs` (what upstreams are told) |
//! | admit or prohibit an address | the tables of [`access::address`] |
//! | let clients in by something else | a [`Way`](admission::Way), with its file in [`admission`] and its settings in `config/access.rs` |
//! | count requests by something else | a [`CountedBy`](limit::CountedBy), and its word in `config/limit.rs` |
//! | add a rule | a row in the table of its room, with the test that it names |
//! | add a way to fail | a variant and a row in [`error`]; the compiler names the rest |
//! | count something | [`observe::metrics`]; where a request ends is `proxy/record.rs` |
//! | wait for something new | a row `timeouts.…`, noticed by the watchdog of the exchange (`proxy/relay/watchdog.rs`) |
//! | change how bytes move | [`proxy::relay`] |

pub mod error;

pub mod http1;

pub mod uri;

pub mod routing;

pub mod cors;

pub mod gateway;

pub mod access;

pub mod trust;

pub mod admission;

pub mod limit;

pub mod tls;

pub mod config;

pub mod plan;

pub mod net;

pub mod observe;

pub mod upstream;

pub mod proxy;

pub mod worker;

pub mod admin;

pub mod server;

pub mod diagnostics;

pub mod commands;
