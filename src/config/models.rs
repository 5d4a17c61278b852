//! What clients may ask for, and who answers it.
//!
//! It finds the entry for a name; which of its targets is taken is decided by `policy::routing`.
//! Invariant: every target names a configured provider, and no name leads to two entries.

use std::collections::HashMap;

use super::{cache::CacheOverrides, pattern::ModelPattern, routes::RouteRules};
use crate::{
    ident::{ModelId, ProviderName},
    policy::routing::ability::Abilities,
    units::{Price, Tokens},
};

/// One `[[models]]` entry.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name, or the pattern of the names it stands for; unique.
    pub name: ModelPattern,
    /// Other names for it; empty for a pattern. Unique over all entries.
    pub aliases: Vec<ModelId>,
    /// Who answers; not empty.
    pub targets: Vec<Target>,
    /// In which order they are asked, and who is asked after them.
    pub rules: RouteRules,
    /// What it can take; `None` if that is not said.
    pub supports: Option<Abilities>,
    /// Prompt and answer together.
    pub context_window: Option<Tokens>,
    /// The longest answer.
    pub max_output_tokens: Option<Tokens>,
    /// What it costs.
    pub price: Option<Price>,
    /// What is different about the cache for it.
    pub cache: CacheOverrides,
}

/// A provider's model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The provider.
    pub provider: ProviderName,
    /// What to ask it for.
    pub model: TargetModel,
}

/// What a provider is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetModel {
    /// This model.
    Named(ModelId),
    /// The name that the client asked for (`openai/*`); only under a pattern.
    AsRequested,
}

/// All `[[models]]`, findable by name.
#[derive(Clone, Debug, Default)]
pub struct ModelTable {
    models: Vec<Model>,
    /// Names and aliases, to positions in `models`.
    exact: HashMap<String, usize>,
    /// Prefixes, longest first, with positions in `models`.
    prefixes: Vec<(String, usize)>,
}

impl ModelTable {
    /// A table of `models`; of two entries for one name the first is found.
    pub(crate) fn new(models: Vec<Model>) -> Self {
        let mut exact = HashMap::new();
        let mut prefixes = Vec::new();
        for (position, model) in models.iter().enumerate() {
            match &model.name {
                ModelPattern::Exact(name) => {
                    exact.entry(name.as_str().to_owned()).or_insert(position);
                }
                ModelPattern::Prefix(prefix) => prefixes.push((prefix.clone(), position)),
            }
            for alias in &model.aliases {
                exact.entry(alias.as_str().to_owned()).or_insert(position);
            }
        }
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self {
            models,
            exact,
            prefixes,
        }
    }

    /// The entry for a requested name: an exact name or alias before a pattern, a longer pattern
    /// before a shorter one.
    #[must_use]
    pub fn resolve(&self, requested: &str) -> Option<&Model> {
        let by_prefix = || {
            let matching = |(prefix, _): &&(String, usize)| requested.starts_with(prefix.as_str());
            self.prefixes
                .iter()
                .find(matching)
                .map(|(_, position)| position)
        };
        let position = self.exact.get(requested).or_else(by_prefix)?;
        self.models.get(*position)
    }

    /// The entries in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }
}
