//! Models and tasks with the providers that answer them.
//!
//! Invariant: each target names a provider of the file, and each name or alias is there once.

use std::collections::HashMap;

use crate::{
    config::{
        cache::TaskCache,
        file::{ModelEntry, ProviderEntry, TaskEntry},
        models::{Model, ModelTable, Target, TargetModel},
        pattern::ModelPattern,
        problem::{At, Findings, Origin, quoted},
        suggest,
    },
    ident::{ModelId, ProviderName},
};

/// The providers by their names as written; without a value those whose name is none, which was
/// noted where it is written.
pub(super) type Known<'p> = HashMap<&'p str, Option<&'p ProviderName>>;

pub(super) fn known<'p>(providers: &'p [ProviderEntry<'_>]) -> Known<'p> {
    providers
        .iter()
        .filter_map(|entry| Some((entry.written_name?.value, entry.name.as_ref())))
        .collect()
}

/// `None` only if a problem was noted.
pub(super) fn resolve(
    entries: Vec<ModelEntry<'_>>,
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Option<ModelTable> {
    let mut names = Names::default();
    let models: Vec<Option<Model>> = entries
        .into_iter()
        .map(|entry| {
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
            let asked = match entry.name.as_ref().map(|name| &name.value) {
                Some(ModelPattern::Exact(_)) => Asked::OneName,
                // A pattern, or a name already noted as wrong: a second problem would not help.
                Some(ModelPattern::Prefix(_)) | None => Asked::ManyNames,
            };
            let targets = targets(&entry.targets, "models.targets", asked, known, findings);
            Some(Model {
                targets,
                name: entry.name?.value,
                aliases: entry.aliases.into_iter().map(|at| at.value).collect(),
                context_window: entry.context_window,
                max_output_tokens: entry.max_output_tokens,
                price: entry.price,
                cache: entry.cache.overrides,
            })
        })
        .collect();
    Some(ModelTable::new(models.into_iter().collect::<Option<_>>()?))
}

/// What tasks say about the cache; `None` only if a problem was noted. Their routing is not in force
/// yet, so their targets are only checked.
pub(super) fn tasks(
    entries: Vec<TaskEntry<'_>>,
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<TaskCache>> {
    let mut names = Names::default();
    let tasks: Vec<Option<TaskCache>> = entries
        .into_iter()
        .map(|task| {
            if let Some(name) = &task.name {
                names.add("tasks.name", name.value.as_str(), name.origin, findings);
            }
            for (key, written) in [("tasks.targets", &task.targets), ("tasks.fast", &task.fast)] {
                targets(written, key, Asked::OneName, known, findings);
            }
            Some(TaskCache {
                name: task.name?.value,
                overrides: task.cache.overrides,
            })
        })
        .collect();
    tasks.into_iter().collect()
}

/// Whether an entry stands for one name or for many, so that a target may pass the name on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    OneName,
    ManyNames,
}

fn targets(
    written: &[At<'_, &str>],
    key: &str,
    asked: Asked,
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Target> {
    let mut targets = Vec::new();
    for text in written {
        match target(text.value, asked, known) {
            Ok(Some(target)) if targets.contains(&target) => {
                let message = format!("{} is there twice", quoted(text.value));
                findings.problem(text.origin, key, message);
            }
            Ok(target) => targets.extend(target),
            Err(message) => findings.problem(text.origin, key, message),
        }
    }
    targets
}

/// Reads `provider/model`; `Ok(None)` if its provider was already noted as wrong.
fn target(text: &str, asked: Asked, known: &Known<'_>) -> Result<Option<Target>, String> {
    let Some((provider, model)) = text.split_once('/') else {
        return Err(format!(
            "not a target: {} (write \"provider/model\")",
            quoted(text)
        ));
    };
    let Some(name) = known.get(provider) else {
        let mut names: Vec<&str> = known.keys().copied().collect();
        names.sort_unstable();
        let hint = match names.as_slice() {
            [] => "; there are no `[[providers]]`".to_owned(),
            names => suggest::hint(provider, names),
        };
        return Err(format!("unknown provider {}{hint}", quoted(provider)));
    };
    let model = match (model, asked) {
        ("*", Asked::ManyNames) => TargetModel::AsRequested,
        ("*", Asked::OneName) => {
            return Err(format!(
                "{}: `*` passes on what was asked for and needs a name that ends in `*`; name the \
                 model",
                quoted(text)
            ));
        }
        (model, _) if model.contains('*') => {
            return Err(format!(
                "{}: `*` stands for the whole name or not at all",
                quoted(text)
            ));
        }
        (model, _) => {
            let model = ModelId::new(model).map_err(|rule| format!("{}: {rule}", quoted(text)))?;
            TargetModel::Named(model)
        }
    };
    Ok(name.map(|name| Target {
        provider: name.clone(),
        model,
    }))
}

/// Names seen so far, with where.
#[derive(Default)]
struct Names<'t>(HashMap<String, Origin<'t>>);

impl<'t> Names<'t> {
    fn add(&mut self, key: &str, name: &str, origin: Origin<'t>, findings: &mut Findings<'_>) {
        if let Some(first) = self.0.insert(name.to_owned(), origin) {
            let line = findings.line_of(first);
            let message = format!("{} is there twice; see {line}", quoted(name));
            findings.problem(origin, key, message);
        }
    }
}
