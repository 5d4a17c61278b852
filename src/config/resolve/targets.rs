//! `provider/model`, with its provider.
//!
//! Invariant: each target names a provider of the file.

use std::collections::HashMap;

use crate::{
    config::{
        file::ProviderEntry,
        models::{Target, TargetModel},
        problem::{At, Findings, quoted},
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

/// Whether an entry stands for one name or for many, so that a target may pass the name on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    OneName,
    ManyNames,
}

/// Reads the targets of a list; wrong ones and repeated ones are noted.
pub(super) fn targets(
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
pub(super) fn target(
    text: &str,
    asked: Asked,
    known: &Known<'_>,
) -> Result<Option<Target>, String> {
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
