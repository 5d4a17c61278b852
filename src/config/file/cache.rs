//! `[cache]` as written, and what models, clients and tasks say instead.
//!
//! The judge and the variable of the secret are named here, not looked up. Invariant: the settings
//! are within the ranges that `config::cache` documents.

use super::{
    settings::{count, path},
    values::{Length, Zero, duration, key_variable, size, written_duration},
};
use crate::{
    config::{
        cache::{Cache, CacheMode, CacheOverrides, CacheScope},
        defaults,
        problem::{At, Origin, quoted},
        quantity::ByteSize,
        reader::Section,
    },
    ident::ModelId,
    units::{Admission, Policy, Share, Similarity},
};

/// `[cache]`, with what is resolved later left out of the settings.
#[derive(Debug)]
pub(crate) struct CacheEntry<'t> {
    /// With the path as written.
    pub(crate) settings: Cache,
    pub(crate) judge_model: Option<At<'t, ModelId>>,
    pub(crate) secret_env: Option<At<'t, &'t str>>,
}

/// What an entry of another section says about the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverridesEntry<'t> {
    pub(crate) overrides: CacheOverrides,
    /// Where `cache` is written.
    pub(crate) switch: Option<Origin<'t>>,
}

pub(super) fn cache<'t>(section: &mut Section<'_, 't>) -> CacheEntry<'t> {
    let enabled = section.switch("enabled").is_none_or(|at| at.value);
    let semantic = section.switch("semantic").is_none_or(|at| at.value);
    let mode = section.choice("mode", &CacheMode::NAMES);
    let admission = admission(section);
    let learning = section.switch("learning").is_none_or(|at| at.value);
    let max_false_hits = share(section, "max_false_hits", 0.0001..=0.2);
    let shadow_checks = share(section, "shadow_checks", 0.0..=1.0);
    let judge_model = judge_model(section);
    let scope = section.choice("scope", &CacheScope::NAMES);
    let ttl = duration(section, "ttl", Zero::Refused, defaults::TTL);
    let volatile_ttl = duration(
        section,
        "volatile_ttl",
        Zero::Allowed,
        defaults::VOLATILE_TTL,
    );
    let volatile_patterns = volatile_patterns(section);
    let stale_while_revalidate = staleness(section, "stale_while_revalidate");
    let stale_if_error = staleness(section, "stale_if_error");
    let generation = section.integer("generation", 0..=u64::MAX);
    let (max_bytes, max_entry_bytes) = cache_bytes(section);
    let default = defaults::MAX_EMBEDDING_BYTES;
    let bounds = ByteSize::bytes(0)..=ByteSize::mib(1024 * 1024);
    let max_embedding_bytes =
        size(section, "max_embedding_bytes", &bounds, default).map_or(default, |at| at.value);
    let settings = Cache {
        enabled,
        semantic,
        mode: mode.map(|at| at.value).unwrap_or_default(),
        admission: admission.unwrap_or_default(),
        learning,
        max_false_hits: max_false_hits.unwrap_or(defaults::MAX_FALSE_HITS),
        shadow_checks: shadow_checks.unwrap_or(defaults::SHADOW_CHECKS),
        judge_model: None,
        scope: scope.map(|at| at.value).unwrap_or_default(),
        ttl,
        volatile_ttl: volatile_ttl.min(ttl),
        volatile_patterns,
        stale_while_revalidate,
        stale_if_error,
        generation: generation.map_or(defaults::GENERATION, |at| at.value),
        max_bytes,
        max_entry_bytes,
        max_embedding_bytes,
        data_dir: path(section, "data_dir"),
        secret_env: None,
        secret: None,
        index_above: count(section, "index_above", 64..=1_000_000_000)
            .unwrap_or(defaults::INDEX_ABOVE),
        show_similarity: section.switch("show_similarity").is_some_and(|at| at.value),
    };
    CacheEntry {
        settings,
        judge_model,
        secret_env: key_variable(section, "secret_env"),
    }
}

/// The keys about the cache that models, clients and tasks have.
pub(super) fn overrides<'t>(section: &mut Section<'_, 't>) -> OverridesEntry<'t> {
    let instead = Zero::Instead("`cache = false` to leave the cache alone");
    let ttl = written_duration(section, "ttl", instead, Length::Year, defaults::TTL);
    let admission = admission(section);
    let switch = section.switch("cache");
    if switch.is_some_and(|at| !at.value) {
        for key in ["ttl", "policy", "threshold"] {
            if let Some(origin) = section.written(key) {
                let path = section.path_of(key);
                let message = "has no effect beside `cache = false`";
                section.reader.findings.notice(origin, path, message);
            }
        }
    }
    OverridesEntry {
        overrides: CacheOverrides {
            ttl: ttl.map(|at| at.value),
            admission,
            enabled: switch.map(|at| at.value),
        },
        switch: switch.map(|at| at.origin),
    }
}

/// `policy` or `threshold`. One that is set by environment goes before the other in the file.
fn admission(section: &mut Section<'_, '_>) -> Option<Admission> {
    let threshold = section.number("threshold", &(0.5..=1.0));
    let policy = section.choice("policy", &Policy::NAMES);
    #[expect(clippy::cast_possible_truncation, reason = "a similarity is a f32")]
    let by_threshold = |at: At<'_, f64>| Similarity::new(at.value as f32).map(Admission::Threshold);
    match (policy, threshold) {
        (Some(policy), Some(threshold)) => match (policy.origin, threshold.origin) {
            (Origin::Variable(_), Origin::Offset(_)) => Some(Admission::Policy(policy.value)),
            (Origin::Offset(_), Origin::Variable(_)) => by_threshold(threshold),
            (Origin::Offset(_), Origin::Offset(_)) | (Origin::Variable(_), Origin::Variable(_)) => {
                let message = "a policy stands for a threshold; leave out one of the two";
                let path = section.path_of("policy");
                section
                    .reader
                    .findings
                    .problem(policy.origin, path, message);
                None
            }
        },
        (Some(policy), None) => Some(Admission::Policy(policy.value)),
        (None, Some(threshold)) => by_threshold(threshold),
        (None, None) => None,
    }
}

fn share(
    section: &mut Section<'_, '_>,
    key: &'static str,
    range: std::ops::RangeInclusive<f64>,
) -> Option<Share> {
    let number = section.number(key, &range)?;
    Share::new(number.value)
}

fn judge_model<'t>(section: &mut Section<'_, 't>) -> Option<At<'t, ModelId>> {
    section.parsed("judge_model", "a model's name in quotes", |text| {
        if text.contains('*') {
            return Err(format!(
                "one model judges, so its whole name, without `*`: {}",
                quoted(text)
            ));
        }
        ModelId::new(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    })
}

fn staleness(section: &mut Section<'_, '_>, key: &'static str) -> std::time::Duration {
    let default = defaults::STALENESS;
    let read = written_duration(section, key, Zero::Allowed, Length::Month, default);
    read.map_or(default, |at| at.value)
}

fn volatile_patterns(section: &mut Section<'_, '_>) -> Vec<String> {
    const MOST: usize = 200;
    let mut patterns: Vec<String> = Vec::new();
    let list = section.list("volatile_patterns", "words or phrases in quotes", |text| {
        let pattern = volatile_pattern(text)?;
        if patterns.contains(&pattern) {
            return Err(format!("{} is there twice", quoted(text)));
        }
        patterns.push(pattern);
        Ok(())
    });
    if let Some(list) = list.filter(|list| list.value.len() > MOST) {
        let message = format!(
            "must be at most {MOST} patterns, found {}",
            list.value.len()
        );
        let path = section.path_of("volatile_patterns");
        section.reader.findings.problem(list.origin, path, message);
    }
    patterns
}

/// Reads a word or phrase; its case and the spaces around its words make no difference.
fn volatile_pattern(text: &str) -> Result<String, String> {
    const LONGEST: usize = 100;
    let lower = text.to_lowercase();
    let pattern = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = pattern.chars().count();
    if pattern.contains('*') {
        return Err(format!(
            "`*` stands for nothing here; write whole words: {}",
            quoted(text)
        ));
    }
    if !pattern.contains(char::is_alphanumeric) {
        return Err(format!("no word: {}", quoted(text)));
    }
    if pattern.contains(char::is_control) {
        return Err(format!("a control character in {}", quoted(text)));
    }
    if length > LONGEST {
        return Err(format!(
            "must be at most {LONGEST} characters, found {length}: {}",
            quoted(text)
        ));
    }
    Ok(pattern)
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
