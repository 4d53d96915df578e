//! The properties, one module each.

pub mod authorization;

pub mod chunked;

pub mod config;

pub mod cors;

pub mod framing;

pub mod gateway_target;

pub mod origin;

pub mod proxy_header;

pub mod request_head;

pub mod response_head;

pub mod rewrite;

pub mod routing;

pub mod exchange;

#[cfg(test)]
mod tests {
    use std::{fs, panic::catch_unwind, path::Path};

    /// Runs every seed of a target and names all of those that show a fault.
    fn replay(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        let entries = fs::read_dir(&folder).expect("every target has seeds");
        let mut seeds: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{} is empty", folder.display());
        let mut failed = Vec::new();
        for seed in seeds {
            let bytes = fs::read(&seed).expect("a readable seed");
            if catch_unwind(|| check(&bytes)).is_err() {
                failed.push(seed);
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    macro_rules! replay {
        ($($target:ident),*) => {
            $(#[test]
            fn $target() {
                replay(stringify!($target), super::$target::check);
            })*
        };
    }

    replay!(
        request_head,
        response_head,
        framing,
        chunked,
        gateway_target,
        origin,
        proxy_header,
        authorization,
        cors,
        rewrite,
        routing,
        exchange,
        config
    );
}
