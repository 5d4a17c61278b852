//! Clients with their keys.
//!
//! Invariant: no two clients have the same name or the same key, and none has the admin's.

use std::collections::HashMap;

use super::secrets::{Lookup, look_up};
use crate::{
    clock::UnixMillis,
    config::{
        client::Client,
        file::{BudgetEntry, ClientEntry, KeySource, ServerEntry},
        moment,
        problem::{At, Findings, Origin},
        secret::KeyDigest,
    },
};

/// What clients are judged by that stands elsewhere.
#[derive(Debug)]
pub(super) struct Around<'e> {
    /// The present.
    pub(super) now: UnixMillis,
    /// What the whole gateway takes on.
    pub(super) server: &'e ServerEntry<'e>,
    /// Whether any model has a price.
    pub(super) knows_prices: bool,
    /// Whether what was spent outlives the process.
    pub(super) keeps_spend: bool,
}

impl Around<'_> {
    /// Notes what a client's limits, budget and end contradict.
    fn judge(&self, entry: &ClientEntry<'_>, findings: &mut Findings<'_>) {
        if let Some(end) = entry.expires.filter(|end| end.value <= self.now) {
            let message = format!(
                "this key ended at {}; write a later time, or take the client out",
                moment::show(end.value)
            );
            findings.problem(end.origin, "clients.expires", message);
        }
        if let Some(concurrent) = entry.limits.concurrent {
            self.concurrent(concurrent, findings);
        }
        if let Some(budget) = &entry.budget {
            self.budget(budget, findings);
        }
    }

    fn concurrent(&self, concurrent: At<'_, u64>, findings: &mut Findings<'_>) {
        const KEY: &str = "clients.limits.concurrent";
        let most = self.server.settings.max_in_flight;
        if usize::try_from(concurrent.value).is_ok_and(|concurrent| concurrent <= most) {
            return;
        }
        if self.server.bounds_in_flight {
            let message = format!(
                "must be at most `server.max_in_flight`, which is {most}, found {}",
                concurrent.value
            );
            findings.problem(concurrent.origin, KEY, message);
        } else {
            let message = format!(
                "the gateway as a whole takes {most} at a time; write `server.max_in_flight` for more"
            );
            findings.notice(concurrent.origin, KEY, message);
        }
    }

    fn budget(&self, budget: &BudgetEntry<'_>, findings: &mut Findings<'_>) {
        const KEY: &str = "clients.budget";
        if let Some(until) = budget.until.filter(|until| until.value <= self.now) {
            let message = format!(
                "this budget ended at {}; write a later time, or take `until` out",
                moment::show(until.value)
            );
            findings.problem(until.origin, "clients.budget.until", message);
        }
        if !self.knows_prices {
            let message =
                "has no effect: no model has a `price`, so nothing that is asked costs anything";
            findings.notice(budget.origin, KEY, message);
        }
        if !self.keeps_spend {
            let message =
                "what was spent is forgotten at a restart; write `cache.data_dir` to keep it";
            findings.notice(budget.origin, KEY, message);
        }
    }
}

/// `None` only if a problem was noted.
pub(super) fn resolve(
    entries: Vec<ClientEntry<'_>>,
    admin_key: &Lookup,
    around: &Around<'_>,
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
            around.judge(&entry, findings);
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
                key_env: source.value.variable().map(str::to_owned),
                namespace: entry.namespace,
                allowed_models: entry.allowed_models,
                cache: entry.cache.overrides,
                max_input_tokens: entry.max_input_tokens,
                on_overflow: entry.on_overflow,
                limits: entry.limits.limits(),
                budget: entry.budget.map(|entry| entry.budget),
                expires: entry.expires.map(|at| at.value),
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
