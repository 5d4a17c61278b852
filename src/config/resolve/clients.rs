//! Clients with their keys.
//!
//! Invariant: no two clients have the same name or the same key, and none has the admin's.

use std::collections::HashMap;

use super::secrets::{Lookup, look_up};
use crate::config::{
    client::Client,
    file::{ClientEntry, KeySource},
    problem::{At, Findings, Origin},
    secret::KeyDigest,
};

/// `None` only if a problem was noted.
pub(super) fn resolve(
    entries: Vec<ClientEntry<'_>>,
    admin_key: &Lookup,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Client>> {
    let mut names = HashMap::new();
    let mut keys = HashMap::new();
    let admin = match admin_key {
        Lookup::Set(secret) => Some(KeyDigest::of(secret.expose())),
        Lookup::Unset | Lookup::Unusable => None,
    };
    let clients: Vec<Option<Client>> = entries
        .into_iter()
        .map(|entry| {
            if let Some(name) = &entry.name
                && let Some(first) = names.insert(name.value.clone(), name.origin)
            {
                let message = format!(
                    "there are two clients of this name; see {}",
                    findings.line_of(first)
                );
                findings.problem(name.origin, "clients.name", message);
            }
            let source = entry.key?;
            let setting = source.value.setting();
            let key = digest(source, env, findings)?;
            if let Some(first) = keys.insert(key.value, key.origin) {
                let message = format!(
                    "another client has the same key; see {}. Each needs its own; clients that \
                     should share answers share a `namespace`",
                    findings.line_of(first)
                );
                findings.problem(key.origin, setting, message);
            }
            if admin == Some(key.value) {
                let message = "this is the admin key, too; a client needs one of its own";
                findings.problem(key.origin, setting, message);
            }
            Some(Client {
                name: entry.name?.value,
                key: key.value,
                namespace: entry.namespace,
                allowed_models: entry.allowed_models,
                cache: entry.cache.overrides,
                max_input_tokens: entry.max_input_tokens,
                on_overflow: entry.on_overflow,
            })
        })
        .collect();
    clients.into_iter().collect()
}

fn digest<'t>(
    source: At<'t, KeySource<'t>>,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> Option<At<'t, KeyDigest>> {
    let origin: Origin<'t> = source.origin;
    let variable = match source.value {
        KeySource::Digest(value) => return Some(At { value, origin }),
        KeySource::Variable(variable) => variable,
    };
    match look_up(env, variable, "clients.key_env", findings) {
        Lookup::Set(secret) => Some(At {
            value: KeyDigest::of(secret.expose()),
            origin,
        }),
        Lookup::Unusable => None,
        Lookup::Unset => {
            let message = format!("{variable} is not set; set it to the key of this client");
            findings.problem(origin, "clients.key_env", message);
            None
        }
    }
}
