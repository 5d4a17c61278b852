//! `[server]`, `[admin]`, `[embedding]` and `[cache]` as written.
//!
//! One function a section; the order of lines is the order in `providers.toml`. Invariant: the
//! result is within the ranges that `config::settings` documents.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    NOT_IN_FORCE,
    values::{Zero, duration, key_variable, size},
};
use crate::{
    config::{
        defaults,
        problem::{At, Origin, quoted},
        quantity::ByteSize,
        reader::Section,
        settings::{Cache, Embedding, Server},
    },
    units::Similarity,
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

pub(super) fn cache(section: &mut Section<'_, '_>) -> Option<Cache> {
    let enabled = section.switch("enabled").is_none_or(|at| at.value);
    let semantic = section.switch("semantic").is_none_or(|at| at.value);
    let threshold = threshold(section);
    let ttl = duration(section, "ttl", Zero::Refused, defaults::TTL);
    let volatile_ttl = duration(
        section,
        "volatile_ttl",
        Zero::Allowed,
        defaults::VOLATILE_TTL,
    );
    let (max_bytes, max_entry_bytes) = cache_bytes(section);
    if let Some(data_dir) = path_at(section, "data_dir") {
        section
            .reader
            .findings
            .notice(data_dir.origin, "cache.data_dir", NOT_IN_FORCE);
    }
    let index_above = count(section, "index_above", 64..=1_000_000_000);
    let show_similarity = section.switch("show_similarity");
    Some(Cache {
        enabled,
        semantic,
        threshold: threshold?,
        ttl,
        volatile_ttl: volatile_ttl.min(ttl),
        max_bytes,
        max_entry_bytes,
        index_above: index_above.unwrap_or(defaults::INDEX_ABOVE),
        show_similarity: show_similarity.is_some_and(|at| at.value),
    })
}

/// `threshold`, or the `policy` that may be named instead of it.
fn threshold(section: &mut Section<'_, '_>) -> Option<Similarity> {
    let threshold = section.number("threshold", &(0.5..=1.0));
    let policy = section.choice("policy", &[("strict", ()), ("balanced", ()), ("loose", ())]);
    if let Some(policy) = policy {
        let findings = &mut section.reader.findings;
        if threshold.is_some() {
            let message = "a policy stands for a threshold; leave out one of the two";
            findings.problem(policy.origin, "cache.policy", message);
        } else {
            let threshold = defaults::THRESHOLD;
            let message = format!("{NOT_IN_FORCE}; the threshold is {threshold}");
            findings.notice(policy.origin, "cache.policy", message);
        }
    }
    Similarity::new(threshold.map_or(defaults::THRESHOLD, |at| at.value) as f32)
}

/// `max_bytes` and `max_entry_bytes`. One written alone drags the default of the other along.
fn cache_bytes(section: &mut Section<'_, '_>) -> (ByteSize, ByteSize) {
    let bounds = ByteSize::mib(1)..=ByteSize::mib(1024 * 1024);
    let max_bytes = size(section, "max_bytes", &bounds, defaults::MAX_BYTES)
        .map_or(defaults::MAX_BYTES, |at| at.value);
    let bounds = ByteSize::kib(1)..=ByteSize::mib(1024);
    let entry = size(
        section,
        "max_entry_bytes",
        &bounds,
        defaults::MAX_ENTRY_BYTES,
    );
    match entry {
        Some(entry) if entry.value > max_bytes => {
            let message = format!("must be at most `max_bytes`, which is {max_bytes}");
            section
                .reader
                .findings
                .problem(entry.origin, "cache.max_entry_bytes", message);
            (max_bytes, max_bytes)
        }
        Some(entry) => (max_bytes, entry.value),
        None => (max_bytes, defaults::MAX_ENTRY_BYTES.min(max_bytes)),
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

fn count(
    section: &mut Section<'_, '_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Option<usize> {
    let count = section.integer(key, range)?;
    usize::try_from(count.value).ok()
}

fn path(section: &mut Section<'_, '_>, key: &'static str) -> Option<PathBuf> {
    path_at(section, key).map(|at| at.value)
}

fn path_at<'t>(section: &mut Section<'_, 't>, key: &'static str) -> Option<At<'t, PathBuf>> {
    section.parsed(key, "a path in quotes", |text| {
        if text.is_empty() || text.contains('\0') {
            return Err(format!("not a path: {}", quoted(text)));
        }
        Ok(PathBuf::from(text))
    })
}
