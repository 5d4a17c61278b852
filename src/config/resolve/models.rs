//! Models with the providers that answer them.
//!
//! Invariant: each name or alias is there once.

use super::{
    names::Names,
    routes::Routes,
    targets::{Asked, Known, targets},
};
use crate::config::{
    file::ModelEntry,
    models::{Model, ModelTable, Target},
    pattern::ModelPattern,
    problem::Findings,
};

/// The targets of each entry.
pub(super) fn all_targets(
    entries: &[ModelEntry<'_>],
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Vec<Target>> {
    entries
        .iter()
        .map(|entry| {
            targets(
                &entry.targets,
                "models.targets",
                asked(entry),
                known,
                findings,
            )
        })
        .collect()
}

/// Which names an entry is asked for by.
pub(super) fn asked(entry: &ModelEntry<'_>) -> Asked {
    match entry.name.as_ref().map(|name| &name.value) {
        Some(ModelPattern::Exact(_)) => Asked::OneName,
        // A pattern, or a name already noted as wrong: a second problem would not help.
        Some(ModelPattern::Prefix(_)) | None => Asked::ManyNames,
    }
}

/// The table of the entries with their `targets`; `None` only if a problem was noted.
pub(super) fn resolve(
    entries: &[ModelEntry<'_>],
    targets: &[Vec<Target>],
    routes: &Routes<'_, '_>,
    findings: &mut Findings<'_>,
) -> Option<ModelTable> {
    let mut names = Names::default();
    let models: Vec<Option<Model>> = entries
        .iter()
        .zip(targets)
        .enumerate()
        .map(|(position, (entry, targets))| {
            if let Some(name) = &entry.name {
                names.add(
                    "models.name",
                    &name.value.to_string(),
                    name.origin,
                    findings,
                );
            }
            for alias in &entry.aliases {
                names.add(
                    "models.aliases",
                    alias.value.as_str(),
                    alias.origin,
                    findings,
                );
            }
            let rules = routes.of_model(position, &entry.rules, targets, findings);
            Some(Model {
                name: entry.name.as_ref()?.value.clone(),
                aliases: entry.aliases.iter().map(|at| at.value.clone()).collect(),
                targets: targets.clone(),
                rules,
                supports: entry.supports,
                context_window: entry.context_window,
                max_output_tokens: entry.max_output_tokens,
                price: entry.price,
                cache: entry.cache.overrides,
            })
        })
        .collect();
    Some(ModelTable::new(models.into_iter().collect::<Option<_>>()?))
}
