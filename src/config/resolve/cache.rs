//! The cache with the model that judges for it, and its secret.
//!
//! Invariant: the judge is a configured model, and the secret is nobody's key: a client that knew it
//! could work out the scopes of others.

use super::secrets::{Lookup, look_up};
use crate::{
    config::{
        cache::{Cache, CacheMode},
        file::{CacheEntry, File, ModelEntry, OverridesEntry},
        pattern::ModelPattern,
        problem::{Findings, quoted},
        secret::{KeyDigest, Secret},
        suggest,
    },
    ident::ModelId,
};

/// The model that judges; `None` if none is to, or a problem was noted.
pub(super) fn judge(
    entry: &CacheEntry<'_>,
    models: &[ModelEntry<'_>],
    findings: &mut Findings<'_>,
) -> Option<ModelId> {
    let judge = entry.judge_model.as_ref()?;
    let name = judge.value.as_str();
    let patterns = || models.iter().filter_map(|model| model.name.as_ref());
    let aliases = || models.iter().flat_map(|model| &model.aliases);
    let is_configured = patterns().any(|pattern| pattern.value.matches(name))
        || aliases().any(|alias| alias.value == judge.value);
    if !is_configured {
        let exact = patterns().filter_map(|pattern| match &pattern.value {
            ModelPattern::Exact(name) => Some(name.as_str()),
            ModelPattern::Prefix(_) => None,
        });
        let names: Vec<&str> = exact
            .chain(aliases().map(|alias| alias.value.as_str()))
            .collect();
        let message = format!(
            "no `[[models]]` has the name {}{}",
            quoted(name),
            suggest::hint(name, &names)
        );
        findings.problem(judge.origin, "cache.judge_model", message);
        return None;
    }
    if judges_nothing(&entry.settings) {
        let message = "has nothing to judge: `learning` is off and `shadow_checks` is 0";
        findings.notice(judge.origin, "cache.judge_model", message);
    }
    Some(judge.value.clone())
}

fn judges_nothing(cache: &Cache) -> bool {
    let compares = cache.mode == CacheMode::Shadow || cache.shadow_checks.get() > 0.0;
    !cache.learning && !compares
}

/// The secret of the scopes; `None` if no variable is named for it, or a problem was noted.
pub(super) fn secret(
    entry: &CacheEntry<'_>,
    admin_key: &Lookup,
    clients: &[KeyDigest],
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> Option<Secret> {
    const KEY: &str = "cache.secret_env";
    const SHORTEST: usize = 16;
    let named = entry.secret_env?;
    let variable = named.value;
    let secret = match look_up(env, variable, KEY, findings) {
        Lookup::Set(secret) => secret,
        Lookup::Unusable => return None,
        Lookup::Unset => {
            let message = format!(
                "{variable} is not set; set it to a secret of {SHORTEST} characters or more \
                 (`openssl rand -hex 32` prints one), or take this line out"
            );
            findings.problem(named.origin, KEY, message);
            return None;
        }
    };
    let digest = KeyDigest::of(secret.expose());
    let is_admins = matches!(admin_key, Lookup::Set(key) if KeyDigest::of(key.expose()) == digest);
    let message = if secret.expose().len() < SHORTEST {
        format!(
            "the secret in {variable} is shorter than {SHORTEST} characters (`openssl rand -hex \
             32` prints one)"
        )
    } else if is_admins || clients.contains(&digest) {
        format!("the secret in {variable} is somebody's key, too; it needs to be one of its own")
    } else {
        return Some(secret);
    };
    findings.problem(named.origin, KEY, message);
    None
}

/// Says of each `cache = true` that it has no effect, if there is no cache at all.
pub(super) fn without_effect(file: &File<'_>, findings: &mut Findings<'_>) {
    if file.cache.settings.enabled {
        return;
    }
    let models = file.models.iter().map(|entry| ("models", entry.cache));
    let clients = file.clients.iter().map(|entry| ("clients", entry.cache));
    let tasks = file.tasks.iter().map(|entry| ("tasks", entry.cache));
    let entries: Vec<(&str, OverridesEntry<'_>)> = models.chain(clients).chain(tasks).collect();
    for (section, entry) in entries {
        if let (Some(true), Some(origin)) = (entry.overrides.enabled, entry.switch) {
            let message = "has no effect: `[cache]` has `enabled = false`";
            findings.notice(origin, format!("{section}.cache"), message);
        }
    }
}
