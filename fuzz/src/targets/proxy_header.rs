//! The header of the PROXY protocol: the verdict of a slow reader, as soon as it can be known, and never another one.

use corsair::trust::{PROXY_HEADER_MAX, ProxyHeader, Source, begins_proxy_header, proxy_header};

use crate::{
    input::shown,
    reference::proxy_header::{self as reference, Read},
};

/// The property. The input is what a connection begins with.
pub fn check(data: &[u8]) {
    let mut decided = None;
    for len in 0..=data.len().min(PROXY_HEADER_MAX + 1) {
        let bytes = &data[..len];
        let found = proxy_header(bytes);
        match reference::read(bytes) {
            Read::Incomplete => assert_eq!(found, Ok(None), "{}", shown(bytes)),
            Read::Wrong => assert!(found.is_err(), "{}: {found:?}", shown(bytes)),
            Read::Complete(len, client) => {
                let source = match client {
                    reference::Client::Proxy => Source::Proxy,
                    reference::Client::Named(address) => Source::Client(address),
                    reference::Client::Unnamed => Source::Unnamed,
                };
                assert_eq!(found, Ok(Some(ProxyHeader { len, source })), "{}", shown(bytes));
                assert!(len <= bytes.len() && begins_proxy_header(bytes), "{}", shown(bytes));
            }
        }
        match decided {
            Some(before) => assert_eq!(found, before, "{}", shown(bytes)),
            None if found != Ok(None) => decided = Some(found),
            None => assert!(len < PROXY_HEADER_MAX, "waited for ever: {}", shown(bytes)),
        }
    }
}
