//! `[[providers]]` as written.
//!
//! Which of its keys is set, and what follows from that, is decided in `resolve`. Invariant: keys
//! that belong to another kind of provider were noted.

use std::ops::Bound;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{
    NOT_IN_FORCE,
    values::{VARIABLE_RULE, Zero, duration, is_variable, key_variable},
    variant::{VariantEntry, variant},
};
use crate::{
    config::{
        base_url::BaseUrl,
        defaults,
        problem::{At, Origin, quoted, shown},
        provider::{ProviderKind, Timeouts},
        quantity::show_duration,
        reader::Section,
    },
    ident::ProviderName,
};

/// One `[[providers]]` entry.
#[derive(Debug)]
pub(crate) struct ProviderEntry<'t> {
    /// The name as written, also if it is none: targets that name it are then not wrong as well.
    pub(crate) written_name: Option<At<'t, &'t str>>,
    pub(crate) name: Option<ProviderName>,
    pub(crate) kind: Option<ProviderKind>,
    pub(crate) base_url: Option<BaseUrl>,
    /// Whether an address is written, also if it is none.
    pub(crate) names_address: bool,
    /// The variables named for its key, best first.
    pub(crate) key_variables: Vec<At<'t, &'t str>>,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Timeouts,
    pub(crate) discover: Option<bool>,
    pub(crate) variant: VariantEntry,
}

pub(super) fn provider<'t>(section: &mut Section<'_, 't>) -> ProviderEntry<'t> {
    let written_name = section.text("name", "a name in quotes");
    let name = written_name.and_then(|at| {
        ProviderName::new(at.value)
            .map_err(|rule| {
                let message = format!("{rule}, not {}", quoted(at.value));
                let path = section.path_of("name");
                section.reader.findings.problem(at.origin, path, message);
            })
            .ok()
    });
    section.require("name", "\"openai\"");
    let kind = section
        .choice("kind", &ProviderKind::NAMES)
        .map(|at| at.value);
    section.require("kind", "\"openai\"");
    let base_url = section.parsed("base_url", "an address in quotes", BaseUrl::parse);
    let key_variables = key_variables(section);
    let headers = headers(section);
    if kind == Some(ProviderKind::Demo) {
        for key in ["base_url", "api_key_env", "api_key_envs", "headers"] {
            if let Some(origin) = section.written(key) {
                let path = section.path_of(key);
                let message = "a provider of kind `demo` is inside the gateway and has none";
                section.reader.findings.problem(origin, path, message);
            }
        }
    }
    let names_key = ["api_key_env", "api_key_envs"]
        .iter()
        .any(|key| section.written(key).is_some());
    let lacks_key = !names_key && section.written("base_url").is_some();
    let variant = variant(section, kind, &headers, lacks_key);
    let timeout = timeout(section);
    let discover = section.switch("discover").map(|at| at.value);
    retry(section);
    breaker(section);
    limits(section);
    ProviderEntry {
        written_name,
        name,
        kind,
        base_url: base_url.map(|at| at.value),
        names_address: section.written("base_url").is_some(),
        key_variables,
        headers,
        timeout,
        discover,
        variant,
    }
}

fn key_variables<'t>(section: &mut Section<'_, 't>) -> Vec<At<'t, &'t str>> {
    let one = key_variable(section, "api_key_env");
    let several = section.list("api_key_envs", "names of environment variables", |text| {
        if is_variable(text) {
            Ok(text)
        } else {
            Err(VARIABLE_RULE.to_owned())
        }
    });
    let Some(several) = several else {
        return one.into_iter().collect();
    };
    for name in &several.value {
        section.reader.overrides.claim(name.value);
    }
    let path = section.path_of("api_key_envs");
    let findings = &mut section.reader.findings;
    if one.is_some() {
        let message = "write `api_key_env` or `api_key_envs`, not both";
        findings.problem(several.origin, path, message);
    } else if several.value.len() > 1 {
        let message = "keys are not yet rotated in this version; the first one set is used";
        findings.notice(several.origin, path, message);
    }
    several.value
}

/// Headers that carry a secret.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
];

/// Headers that the gateway writes itself.
pub(super) const OWN_HEADERS: [&str; 10] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "accept-encoding",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
];

fn headers(section: &mut Section<'_, '_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, text) in section.pairs("headers", "a table of texts: `{ name = \"value\" }`") {
        let path = section.path_of(&format!("headers.{}", shown(name)));
        match header(name, text.value) {
            Ok((name, value)) => {
                if headers.insert(name, value).is_some() {
                    let message = "the same header twice; case makes no difference";
                    section.reader.findings.problem(text.origin, path, message);
                }
            }
            Err(message) => section.reader.findings.problem(text.origin, path, message),
        }
    }
    headers
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "not a header name")?;
    if SECRET_HEADERS.contains(&name.as_str()) {
        return Err(
            "secrets are not written into this file; put the key into an environment variable \
             and name it with `api_key_env` (`api_key_header` says which header it goes into)",
        );
    }
    if OWN_HEADERS.contains(&name.as_str()) {
        return Err("this header is written by the gateway itself");
    }
    let rule = "a header's value is visible ASCII and spaces";
    let mut value = HeaderValue::from_str(value).map_err(|_| rule)?;
    value.to_str().map_err(|_| rule)?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn timeout(section: &mut Section<'_, '_>) -> Timeouts {
    let default = defaults::TIMEOUTS;
    let timeouts = section.table("timeout", "{ connect = \"3s\" }", |table| Timeouts {
        connect: duration(table, "connect", Zero::Refused, default.connect),
        first_token: duration(table, "first_token", Zero::Refused, default.first_token),
        idle: duration(table, "idle", Zero::Refused, default.idle),
        total: duration(table, "total", Zero::Refused, default.total),
    });
    timeouts.map_or(default, |at| at.value)
}

fn retry(section: &mut Section<'_, '_>) {
    let example = "{ attempts = 2, base = \"250ms\", cap = \"5s\" }";
    let retry = section.table("retry", example, |table| {
        table.integer("attempts", 0..=10);
        let base = duration(table, "base", Zero::Refused, defaults::RETRY_BASE);
        let cap = duration(table, "cap", Zero::Refused, defaults::RETRY_CAP);
        if base > cap {
            let path = table.path_of("base");
            let message = format!("must be at most `cap`, which is {}", show_duration(cap));
            table.reader.findings.problem(table.origin, path, message);
        }
    });
    checked_only(section, "retry", retry.map(|at| at.origin));
}

fn breaker(section: &mut Section<'_, '_>) {
    let example = "{ window = \"30s\", failure_ratio = 0.5 }";
    let breaker = section.table("breaker", example, |table| {
        duration(table, "window", Zero::Refused, defaults::BREAKER_WINDOW);
        table.integer("min_requests", 1..=1_000_000);
        table.number(
            "failure_ratio",
            &(Bound::Excluded(0.0), Bound::Included(1.0)),
        );
        duration(table, "open_for", Zero::Refused, defaults::BREAKER_OPEN_FOR);
        table.integer("probes", 1..=1000);
    });
    checked_only(section, "breaker", breaker.map(|at| at.origin));
}

/// `limits` of a provider or of a client.
pub(super) fn limits(section: &mut Section<'_, '_>) {
    let limits = section.table("limits", "{ requests_per_minute = 500 }", |table| {
        table.integer("requests_per_minute", 1..=1_000_000_000);
        table.integer("tokens_per_minute", 1..=1_000_000_000_000);
        table.integer("concurrent", 1..=1_000_000);
    });
    checked_only(section, "limits", limits.map(|at| at.origin));
}

/// Says of a table that is there that it has no effect yet.
pub(super) fn checked_only(section: &mut Section<'_, '_>, key: &str, origin: Option<Origin<'_>>) {
    if let Some(origin) = origin {
        let path = section.path_of(key);
        section.reader.findings.notice(origin, path, NOT_IN_FORCE);
    }
}
