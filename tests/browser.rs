//! CORS in a real browser: what pages can do through corsair, and what nginx with the usual snippet fails of it. And what
//! only a browser shows besides: what targets of a gateway get of each other, and that the admin page shows what it is for.
//!
//! Wants Debian's `chromium` and `chromium-driver`, and `nginx` for the comparison. Without them a test says that it was
//! skipped, unless `REQUIRE_BROWSER` is set, as `.ci/run` does.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

mod browser {
    mod chromium;

    mod application;

    mod proxies;

    mod check;

    mod requests;

    mod credentials;

    mod fields;

    mod errors;

    mod redirects;

    mod origins;

    mod streams;

    mod aborts;

    mod sockets;

    mod elements;

    mod comparison;

    mod gateway;

    mod admin;

    mod why;
}
