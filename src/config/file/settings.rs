//! `[server]`, `[admin]` and `[embedding]` as written.
//!
//! One function a section; the order of lines is the order in `providers.toml`. Invariant: the
//! result is within the ranges that `config::settings` documents.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    NOT_IN_FORCE,
    values::{Zero, duration, key_variable, size},
};
use crate::config::{
    defaults,
    problem::{At, Origin, quoted},
    quantity::ByteSize,
    reader::Section,
    settings::{Embedding, Server},
};

/// `[server]`, with what is needed to judge whether the address may be listened on.
#[derive(Debug)]
pub(crate) struct ServerEntry<'t> {
    pub(crate) settings: Server,
    pub(crate) listen: Origin<'t>,
    pub(crate) allow_public: bool,
}

/// `[admin]`.
#[derive(Debug)]
pub(crate) struct AdminEntry<'t> {
    pub(crate) key_env: At<'t, &'t str>,
}

pub(super) fn server<'t>(section: &mut Section<'_, 't>) -> ServerEntry<'t> {
    let listen = section.parsed("listen", LISTEN_EXPECTED, listen_address);
    let max_body = ByteSize::kib(1)..=ByteSize::mib(1024);
    let compress_above = ByteSize::bytes(0)..=ByteSize::mib(1024);
    let settings = Server {
        listen: listen.map_or(defaults::LISTEN, |at| at.value),
        max_body: size(section, "max_body", &max_body, defaults::MAX_BODY)
            .map_or(defaults::MAX_BODY, |at| at.value),
        drain_timeout: duration(
            section,
            "drain_timeout",
            Zero::Allowed,
            defaults::DRAIN_TIMEOUT,
        ),
        header_timeout: duration(
            section,
            "header_timeout",
            Zero::Refused,
            defaults::HEADER_TIMEOUT,
        ),
        max_connections: count(section, "max_connections", 1..=1_000_000)
            .unwrap_or(defaults::MAX_CONNECTIONS),
        compress_above: size(
            section,
            "compress_above",
            &compress_above,
            defaults::COMPRESS_ABOVE,
        )
        .map_or(defaults::COMPRESS_ABOVE, |at| at.value),
        reload: section
            .switch("reload")
            .map_or(defaults::RELOAD, |at| at.value),
    };
    ServerEntry {
        settings,
        listen: listen.map_or(section.origin, |at| at.origin),
        allow_public: section.switch("allow_public").is_some_and(|at| at.value),
    }
}

pub(super) fn admin<'t>(section: &mut Section<'_, 't>) -> AdminEntry<'t> {
    let key_env = key_variable(section, "key_env").unwrap_or(At {
        value: defaults::ADMIN_KEY_ENV,
        origin: section.origin,
    });
    if let Some(listen) = section.parsed("listen", LISTEN_EXPECTED, listen_address) {
        section
            .reader
            .findings
            .notice(listen.origin, "admin.listen", NOT_IN_FORCE);
    }
    AdminEntry { key_env }
}

/// `[embedding]`, with paths as written.
pub(super) fn embedding(section: &mut Section<'_, '_>) -> Embedding {
    Embedding {
        model: path(section, "model").unwrap_or_else(|| defaults::EMBEDDING_MODEL.into()),
        runtime: path(section, "runtime").unwrap_or_else(|| defaults::EMBEDDING_RUNTIME.into()),
        threads: count(section, "threads", 1..=64),
        queue: count(section, "queue", 1..=100_000).unwrap_or(defaults::EMBEDDING_QUEUE),
        deadline: duration(
            section,
            "deadline",
            Zero::Refused,
            defaults::EMBEDDING_DEADLINE,
        ),
    }
}

const LISTEN_EXPECTED: &str = "an address and port in quotes, for example \"127.0.0.1:8080\"";

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| {
        format!(
            "not an address and port: {} (write for example \"127.0.0.1:8080\", or \
             \"0.0.0.0:8080\" for every interface)",
            quoted(text)
        )
    })
}

pub(super) fn count(
    section: &mut Section<'_, '_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Option<usize> {
    let count = section.integer(key, range)?;
    usize::try_from(count.value).ok()
}

pub(super) fn path(section: &mut Section<'_, '_>, key: &'static str) -> Option<PathBuf> {
    let path = section.parsed(key, "a path in quotes", |text| {
        if text.is_empty() || text.contains('\0') {
            return Err(format!("not a path: {}", quoted(text)));
        }
        Ok(PathBuf::from(text))
    });
    path.map(|at| at.value)
}
