//! The recipe of a container image.

/// A `Containerfile`, to be built at the root of the sources.
pub(super) fn container() -> String {
    RECIPE
        .replace("{rust}", env!("CARGO_PKG_RUST_VERSION"))
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{description}", env!("CARGO_PKG_DESCRIPTION"))
        .replace("{repository}", env!("CARGO_PKG_REPOSITORY"))
        .replace("{license}", env!("CARGO_PKG_LICENSE"))
}

const RECIPE: &str = r#"# corsair in an image that holds nothing else: one static program, which has the public root certificates compiled in.
# Build it at the root of the sources: podman build -f packaging/container/Containerfile -t corsair .
# Run it: podman run -p 3000:3000 corsair --listen :3000 --upstream http://app.internal:9001
# or with a file: podman run -p 3000:3000 -v ./corsair.toml:/etc/corsair/corsair.toml:ro corsair

FROM docker.io/library/rust:{rust}-bookworm AS build
WORKDIR /source
COPY . .
RUN packaging/container/rootfs /root-filesystem

FROM scratch
LABEL org.opencontainers.image.title="corsair" \
      org.opencontainers.image.version="{version}" \
      org.opencontainers.image.description="{description}" \
      org.opencontainers.image.source="{repository}" \
      org.opencontainers.image.licenses="{license}"
COPY --from=build /root-filesystem /
# nobody
USER 65534:65534
EXPOSE 3000
# Drains; HUP reads the file again, USR2 starts the program anew from the file of its name.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/corsair"]
CMD ["--config", "/etc/corsair/corsair.toml"]
"#;
