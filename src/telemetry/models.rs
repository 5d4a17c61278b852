//! Which models have a name in metrics: requests can make up models, and a series is there for ever.

use std::{
    collections::{HashMap, HashSet},
    sync::{LazyLock, PoisonError, RwLock},
};

use crate::ident::{ModelId, ProviderName};

/// Models with a name that are in no configuration.
const MOST_UNCONFIGURED: usize = 500;
/// The name of all others.
pub const OTHER: &str = "other";

/// Those of this process, as its recorder of metrics is.
pub static MODELS: LazyLock<NamedModels> = LazyLock::new(NamedModels::default);

/// The models of each provider that have a name of their own: those that are configured, and the first others that the
/// provider answered for, which thereby are no invention.
#[derive(Debug, Default)]
pub struct NamedModels(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    models: HashMap<ProviderName, HashSet<ModelId>>,
    unconfigured: usize,
}

impl NamedModels {
    /// Names a model that is configured.
    pub fn configured(&self, provider: &ProviderName, model: &ModelId) {
        self.write(|known| {
            let models = known.models.entry(provider.clone()).or_default();
            models.insert(model.clone());
        });
    }

    /// Names a model that has answered, if there is room.
    pub fn answered(&self, provider: &ProviderName, model: &ModelId) {
        if self.knows(provider, model) {
            return;
        }
        self.write(|known| {
            if known.unconfigured < MOST_UNCONFIGURED {
                let models = known.models.entry(provider.clone()).or_default();
                known.unconfigured += usize::from(models.insert(model.clone()));
            }
        });
    }

    /// Whether it has a name of its own.
    #[must_use]
    pub fn knows(&self, provider: &ProviderName, model: &ModelId) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (known.models.get(provider)).is_some_and(|models| models.contains(model))
    }

    /// The name of a model in metrics.
    #[must_use]
    pub fn label<'m>(&self, provider: &ProviderName, model: &'m ModelId) -> &'m str {
        if self.knows(provider, model) {
            model.as_str()
        } else {
            OTHER
        }
    }

    fn write(&self, write: impl FnOnce(&mut Known)) {
        write(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(model: &str) -> (ProviderName, ModelId) {
        (
            ProviderName::new("openai").unwrap(),
            ModelId::new(model).unwrap(),
        )
    }

    #[test]
    fn only_what_is_configured_or_has_answered_has_a_name() {
        let models = NamedModels::default();
        let (provider, configured) = name("gpt-4o");
        models.configured(&provider, &configured);
        assert_eq!(models.label(&provider, &configured), "gpt-4o");
        let (_, other) = name("gpt-5");
        assert_eq!(models.label(&provider, &other), OTHER);
        models.answered(&provider, &other);
        assert_eq!(models.label(&provider, &other), "gpt-5");
        // Of this provider, and of no other.
        let elsewhere = ProviderName::new("elsewhere").unwrap();
        assert_eq!(models.label(&elsewhere, &other), OTHER);
    }

    #[test]
    fn inventions_have_no_more_names_than_there_is_room_for() {
        let models = NamedModels::default();
        for number in 0..MOST_UNCONFIGURED * 2 {
            let (provider, model) = name(&format!("m{number}"));
            models.answered(&provider, &model);
            models.answered(&provider, &model);
            let has_room = number < MOST_UNCONFIGURED;
            assert_eq!(models.knows(&provider, &model), has_room, "{number}");
        }
        let (provider, model) = name("configured-later");
        models.configured(&provider, &model);
        assert!(models.knows(&provider, &model));
    }
}
