//! Providers with their addresses and keys, and whether they are used.
//!
//! | key variables                     | one is set | result                                  |
//! |-----------------------------------|------------|-----------------------------------------|
//! | named                             | yes        | active, with all keys that are set      |
//! | named                             | no         | inactive: "OPENAI_API_KEY is not set"   |
//! | none, kind's own address and key  | yes / no   | as if the kind's variable were named    |
//! | none, another address or kind     | -          | active, without a key                   |
//!
//! Invariant: a key goes to the address beside which its variable is named, and nowhere else.

use std::collections::HashMap;

use super::secrets::{Lookup, look_up};
use crate::config::{
    base_url::BaseUrl,
    compat::Compat,
    defaults,
    file::ProviderEntry,
    problem::{Findings, Origin},
    provider::{Activation, Provider, ProviderKind},
    secret::Secret,
};

const OLLAMA_HOST: &str = "OLLAMA_HOST";

/// `None` only if a problem was noted.
pub(super) fn resolve(
    entries: Vec<ProviderEntry<'_>>,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Provider>> {
    let mut names = HashMap::new();
    let providers: Vec<Option<Provider>> = entries
        .into_iter()
        .map(|entry| {
            if let Some(name) = entry.written_name
                && let Some(first) = names.insert(name.value, name.origin)
            {
                let line = findings.line_of(first);
                let message = format!("there are two providers of this name; see {line}");
                findings.problem(name.origin, "providers.name", message);
            }
            provider(entry, env, findings)
        })
        .collect();
    providers.into_iter().collect()
}

fn provider(
    entry: ProviderEntry<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> Option<Provider> {
    let kind = entry.kind?;
    let api_key_envs = key_variables(&entry, kind);
    let (api_keys, activation) = keys(&entry, &api_key_envs, env, findings);
    let base_url = base_url(&entry, kind, env, findings)?;
    let variant = entry.variant;
    let compat = Compat {
        interfaces: (variant.interfaces)
            .unwrap_or_else(|| defaults::interfaces(kind, base_url.as_deref())),
        ..variant.compat
    };
    Some(Provider {
        base_url,
        name: entry.name?,
        kind,
        api_keys,
        api_key_envs: api_key_envs.into_iter().map(str::to_owned).collect(),
        headers: entry.headers,
        timeout: entry.timeout,
        retry: entry.retry,
        breaker: entry.breaker,
        limits: entry.limits,
        compat,
        drop_unsupported: variant
            .drop_unsupported
            .unwrap_or(defaults::DROP_UNSUPPORTED),
        prompt_caching: variant.prompt_caching.unwrap_or(defaults::PROMPT_CACHING),
        keep_alive: variant.keep_alive,
        num_ctx: variant.num_ctx,
        discover: entry.discover.unwrap_or(defaults::discover(kind)),
        activation,
    })
}

/// The variables that are named for its keys; the kind's own, if none is and the address is the kind's.
fn key_variables<'t>(entry: &ProviderEntry<'t>, kind: ProviderKind) -> Vec<&'t str> {
    let mut variables: Vec<&str> = entry.key_variables.iter().map(|at| at.value).collect();
    if variables.is_empty() && !entry.names_address {
        variables.extend(defaults::api_key_env(kind));
    }
    variables
}

fn keys(
    entry: &ProviderEntry<'_>,
    variables: &[&str],
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> (Vec<Secret>, Activation) {
    if variables.is_empty() {
        return (Vec::new(), Activation::Active);
    }
    let mut keys: Vec<(&str, Secret)> = Vec::new();
    let mut unused: Vec<(&str, String)> = Vec::new();
    for variable in variables {
        match look_up(env, variable, "providers.api_key_env", findings) {
            Lookup::Set(secret) => match keys.iter().find(|(_, key)| *key == secret) {
                Some((first, _)) if first == variable => {
                    unused.push((variable, format!("{variable} is there twice")));
                }
                Some((first, _)) => {
                    let message =
                        format!("{variable} holds the same key as {first}; it is used once");
                    unused.push((variable, message));
                }
                None => keys.push((variable, secret)),
            },
            Lookup::Unset => {
                unused.push((
                    variable,
                    format!("{variable} is not set; the other keys are used"),
                ));
            }
            Lookup::Unusable => {}
        }
    }
    if !keys.is_empty() {
        for (variable, message) in unused {
            let mut named = entry.key_variables.iter().rev();
            if let Some(at) = named.find(|at| at.value == variable) {
                findings.notice(at.origin, "providers.api_key_envs", message);
            }
        }
        let keys = keys.into_iter().map(|(_, key)| key).collect();
        return (keys, Activation::Active);
    }
    let reason = match variables {
        [one] => format!("{one} is not set"),
        several => format!("none of {} is set", several.join(", ")),
    };
    (Vec::new(), Activation::Inactive(reason))
}

/// The address; `Some(None)` for a kind that has none.
///
/// An address that was copied from a page about OpenAI compatibility (Gemini: `/v1beta/openai`,
/// Ollama: `/v1`) is meant without that ending.
fn base_url(
    entry: &ProviderEntry<'_>,
    kind: ProviderKind,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> Option<Option<String>> {
    let Some(default) = defaults::base_url(kind) else {
        return Some(None);
    };
    let ollama_host = || env(OLLAMA_HOST).filter(|text| !text.trim().is_empty());
    let base = match (&entry.base_url, kind) {
        (Some(base), _) => Ok(base.clone()),
        (None, ProviderKind::Ollama) => match ollama_host() {
            Some(text) => BaseUrl::parse_ollama_host(&text),
            None => BaseUrl::parse(default),
        },
        (None, _) => BaseUrl::parse(default),
    };
    let base = base
        .map_err(|message| {
            findings.problem(Origin::Variable(OLLAMA_HOST), "providers.base_url", message);
        })
        .ok()?;
    Some(Some(match kind {
        ProviderKind::Gemini => base.without("/openai").to_owned(),
        ProviderKind::Ollama => base.without("/v1").to_owned(),
        ProviderKind::OpenAi | ProviderKind::Anthropic | ProviderKind::Demo => {
            base.as_str().to_owned()
        }
    }))
}
