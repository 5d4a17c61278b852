//! `[server]`, `[admin]` and `[embedding]` as written.
//!
//! One function a section; the order of lines is the order in `providers.toml`. Invariant: the
//! result is within the ranges that `config::settings` documents.

use std::{net::SocketAddr, path::PathBuf};

use super::values::{Zero, duration, key_variable, size};
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
    /// Whether `max_in_flight` is written.
    pub(crate) bounds_in_flight: bool,
}

/// `[admin]`.
#[derive(Debug)]
pub(crate) struct AdminEntry<'t> {
    /// The variable of the key, if one is named.
    pub(crate) key_env: Option<At<'t, &'t str>>,
    pub(crate) listen: Option<At<'t, SocketAddr>>,
}

pub(super) fn server<'t>(section: &mut Section<'_, 't>) -> ServerEntry<'t> {
    let listen = section.parsed("listen", LISTEN_EXPECTED, listen_address);
    let (max_body, max_in_flight_bytes) = bodies(section);
    let max_in_flight = count(section, "max_in_flight", 1..=1_000_000);
    let compress_above = ByteSize::bytes(0)..=ByteSize::mib(1024);
    let settings = Server {
        listen: listen.map_or(defaults::LISTEN, |at| at.value),
        max_body,
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
        read_timeout: duration(
            section,
            "read_timeout",
            Zero::Refused,
            defaults::READ_TIMEOUT,
        ),
        write_timeout: duration(
            section,
            "write_timeout",
            Zero::Refused,
            defaults::WRITE_TIMEOUT,
        ),
        max_connections: count(section, "max_connections", 1..=1_000_000)
            .unwrap_or(defaults::MAX_CONNECTIONS),
        max_in_flight: max_in_flight.unwrap_or(defaults::MAX_IN_FLIGHT),
        max_in_flight_bytes,
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
        allow_public: section.switch("allow_public").is_some_and(|at| at.value),
    };
    ServerEntry {
        settings,
        listen: listen.map_or(section.origin, |at| at.origin),
        bounds_in_flight: max_in_flight.is_some(),
    }
}

/// The largest body, and room for all that are held together: at least for one. Of these two, the one that is not
/// written gives way.
fn bodies(section: &mut Section<'_, '_>) -> (ByteSize, ByteSize) {
    let (one, all) = (defaults::MAX_BODY, defaults::MAX_IN_FLIGHT_BYTES);
    let range = ByteSize::kib(1)..=ByteSize::mib(1024);
    let written_one = size(section, "max_body", &range, one);
    let range = ByteSize::kib(1)..=ByteSize::mib(1024 * 1024);
    let written_all = size(section, "max_in_flight_bytes", &range, all);
    match (written_one, written_all) {
        (Some(one), Some(all)) => {
            if one.value > all.value {
                let message = format!(
                    "must be at least `max_body`, which is {}, found {}",
                    one.value, all.value
                );
                section.problem(all.origin, "max_in_flight_bytes", message);
            }
            (one.value, all.value)
        }
        (Some(one), None) => (one.value, all.max(one.value)),
        (None, Some(all)) => (one.min(all.value), all.value),
        (None, None) => (one, all),
    }
}

pub(super) fn admin<'t>(section: &mut Section<'_, 't>) -> AdminEntry<'t> {
    AdminEntry {
        key_env: key_variable(section, "key_env"),
        listen: section.parsed("listen", LISTEN_EXPECTED, listen_address),
    }
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
