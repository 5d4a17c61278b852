//! How much may be asked, as written: `limits` of a provider or a client, `model_limits` of a provider.
//!
//! Invariant: limits that can't count, or that contradict others of the same table, were noted.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use super::values::{Length, Zero, written_duration};
use crate::{
    config::{
        defaults, pattern::ModelPattern, problem::At, provider::ModelLimits, reader::Section,
    },
    policy::limit::Limits,
};

/// What one table of limits says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LimitsEntry<'t> {
    requests_per_minute: Option<At<'t, u64>>,
    tokens_per_minute: Option<At<'t, u64>>,
    pub(crate) concurrent: Option<At<'t, u64>>,
}

impl<'t> LimitsEntry<'t> {
    pub(crate) fn limits(&self) -> Limits {
        let small = |at: Option<At<'t, u64>>| NonZeroU32::new(u32::try_from(at?.value).ok()?);
        Limits {
            requests_per_minute: small(self.requests_per_minute),
            tokens_per_minute: self
                .tokens_per_minute
                .and_then(|at| NonZeroU64::new(at.value)),
            concurrent: small(self.concurrent),
        }
    }

    fn by_name(&self) -> [(&'static str, Option<At<'t, u64>>); 3] {
        [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
            ("concurrent", self.concurrent),
        ]
    }
}

/// `limits` of a client.
pub(super) fn client_limits<'t>(section: &mut Section<'_, 't>) -> LimitsEntry<'t> {
    let limits = section.filled_table("limits", EXAMPLE, entries);
    limits.map(|at| at.value).unwrap_or_default()
}

/// `limits` of a provider, with how long a request waits for its turn, if that is written.
pub(super) fn provider_limits<'t>(
    section: &mut Section<'_, 't>,
) -> (LimitsEntry<'t>, Option<At<'t, Duration>>) {
    let limits = section.filled_table("limits", EXAMPLE, |table| {
        let limits = entries(table);
        let zero = Zero::Instead("`max_wait = \"1ms\"` for hardly any wait");
        let longest = Length::Year;
        let max_wait = written_duration(table, "max_wait", zero, longest, defaults::MAX_WAIT);
        (limits, max_wait)
    });
    limits.map(|at| at.value).unwrap_or_default()
}

/// `model_limits` of a provider that has limits of its `own`.
pub(super) fn model_limits(
    section: &mut Section<'_, '_>,
    own: &LimitsEntry<'_>,
) -> Vec<ModelLimits> {
    let example = "{ models = \"gpt-4o*\", requests_per_minute = 100 }";
    let mut earlier = Vec::new();
    if let Some(origin) = section
        .written("model_limits")
        .filter(|_| section.length("model_limits") == Some(0))
    {
        let message = format!("sets nothing; write for example `model_limits = [{example}]`");
        section.problem(origin, "model_limits", message);
    }
    section.tables("model_limits", example, |entry| {
        let models = models(entry, &mut earlier);
        let limits = entries(entry);
        if limits.by_name().iter().all(|(name, _)| entry.written(name).is_none()) {
            let message = format!("sets no limit; write for example `model_limits = [{example}]`");
            entry.problem(entry.origin, "requests_per_minute", message);
        }
        for ((name, one), (_, all)) in limits.by_name().into_iter().zip(own.by_name()) {
            if let (Some(one), Some(all)) = (one, all)
                && one.value > all.value
            {
                let message = format!(
                    "must be at most what `limits` has for all models together, which is {}, found {}",
                    all.value, one.value
                );
                entry.problem(one.origin, name, message);
            }
        }
        ModelLimits {
            models,
            limits: limits.limits(),
        }
    })
}

/// The models of an entry; those that only `earlier` entries can fit are noted.
fn models<'t>(
    entry: &mut Section<'_, 't>,
    earlier: &mut Vec<At<'t, ModelPattern>>,
) -> Vec<ModelPattern> {
    entry.require("models", "\"gpt-4o*\"");
    let models = entry.one_or_more("models", "names of models in quotes", ModelPattern::parse);
    let Some(models) = models else {
        return Vec::new();
    };
    if entry.length("models") == Some(0) {
        let message = "no model would be limited; write for example `models = \"gpt-4o*\"`";
        entry.problem(models.origin, "models", message);
    }
    for model in &models.value {
        let first = earlier
            .iter()
            .find(|first| first.value.covers(&model.value));
        if let Some(first) = first {
            let line = entry.reader.findings.line_of(first.origin);
            let message = format!(
                "`{}` never counts here: the first entry that fits a model does, and `{}` ({line}) fits before",
                model.value, first.value
            );
            entry.problem(model.origin, "models", message);
        }
    }
    earlier.extend(models.value.iter().cloned());
    models.value.into_iter().map(|at| at.value).collect()
}

const EXAMPLE: &str = "{ requests_per_minute = 500 }";

fn entries<'t>(table: &mut Section<'_, 't>) -> LimitsEntry<'t> {
    LimitsEntry {
        requests_per_minute: table.integer("requests_per_minute", 1..=1_000_000_000),
        tokens_per_minute: table.integer("tokens_per_minute", 1..=1_000_000_000_000),
        concurrent: table.integer("concurrent", 1..=1_000_000),
    }
}
