//! `[[providers]]` as written.
//!
//! Which of its keys is set, and what follows from that, is decided in `resolve`. Invariant: keys
//! that belong to another kind of provider were noted.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{
    limits::{model_limits, provider_limits},
    patience::{self, Patience, patience},
    values::{VARIABLE_RULE, is_variable, key_variable},
    variant::{VariantEntry, variant},
};
use crate::{
    config::{
        base_url::BaseUrl,
        problem::{At, quoted, shown},
        provider::{ProviderKind, ProviderLimits, Timeouts},
        reader::Section,
    },
    ident::ProviderName,
    policy::{breaker, retry},
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
    pub(crate) retry: retry::Rules,
    pub(crate) breaker: breaker::Rules,
    pub(crate) limits: ProviderLimits,
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
    let discover = section.switch("discover").map(|at| at.value);
    let retry = patience::retry(section);
    let (limits, max_wait) = provider_limits(section);
    let models = model_limits(section, &limits);
    let Patience {
        timeout,
        breaker,
        max_wait,
    } = patience(section, max_wait);
    ProviderEntry {
        written_name,
        name,
        kind,
        base_url: base_url.map(|at| at.value),
        names_address: section.written("base_url").is_some(),
        key_variables,
        headers,
        timeout,
        retry,
        breaker,
        limits: ProviderLimits {
            all: limits.limits(),
            models,
            max_wait,
        },
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
