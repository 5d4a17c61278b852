//! What each provider is asked for, and how much more it may be asked.

use std::{collections::BTreeSet, sync::Arc};

use super::{Catalogue, Member, Target, find::may_chat};
use crate::{
    config::{self, ModelPattern, RouteRules, TargetModel},
    gateway::limiter::{Level, Levels},
    ident::{ModelId, ProviderName},
};

/// How much is left of the limits of a provider, or of one of its models; `None` where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headroom {
    /// Requests in a minute.
    pub requests: Option<Level>,
    /// Tokens in a minute.
    pub tokens: Option<Level>,
    /// Requests at the same time: how many there may be, and how many more there may be now.
    pub concurrent: Option<(u32, u32)>,
}

impl Catalogue {
    /// The provider of this name, if it is in force; the demo's too.
    #[must_use]
    pub fn in_force(&self, provider: &ProviderName) -> Option<Arc<Member>> {
        let is_demo = |demo: &&Arc<Member>| demo.provider.name() == provider;
        let demo = || self.demo().filter(is_demo).cloned();
        self.member(provider).or_else(demo)
    }

    /// The models of a provider that the configuration names, in the order of the file, each once.
    #[must_use]
    pub fn configured_of(&self, provider: &ProviderName) -> Vec<ModelId> {
        let models = self.table.iter().flat_map(|entry| {
            let own = match &entry.name {
                ModelPattern::Exact(name) => Some(name),
                ModelPattern::Prefix(_) => None,
            };
            let listed = entry.targets.iter().chain(others(&entry.rules));
            listed.map(move |target| (target, own))
        });
        let routes = self.tasks.iter().filter_map(|task| task.route.as_ref());
        let tasks = routes.flat_map(|route| {
            let listed = route.targets.iter().chain(&route.fast);
            listed
                .chain(others(&route.rules))
                .map(|target| (target, None))
        });
        let mut seen = BTreeSet::new();
        models
            .chain(tasks)
            .filter(|(target, _)| target.provider == *provider)
            .filter_map(|(target, own)| match &target.model {
                TargetModel::Named(model) => Some(model.clone()),
                TargetModel::AsRequested => own.cloned(),
            })
            .filter(|model| seen.insert(model.clone()))
            .collect()
    }

    /// A model of a provider that is likely to answer a question; the first that is configured, if any.
    #[must_use]
    pub fn usual_model(&self, provider: &ProviderName) -> Option<ModelId> {
        let configured = self.configured_of(provider).into_iter();
        let found = self.found(provider).into_iter();
        configured
            .chain(found.filter_map(|model| ModelId::new(&model.id).ok()))
            .find(|model| may_chat(model.as_str()))
    }

    /// How much more a provider may be asked; for one of its models, by the limits that are its own.
    #[must_use]
    pub fn headroom(&self, member: &Member, model: Option<&ModelId>) -> Headroom {
        let limits = match model {
            Some(model) => member.conduct.limits.of_model(model.as_str()),
            None => member.conduct.limits.all,
        };
        let limiter = self.vitals.limiter(member.provider.name(), model, limits);
        let Some(limiter) = limiter else {
            return Headroom::default();
        };
        let Levels {
            requests,
            tokens,
            in_flight,
        } = limiter.levels();
        let most = limits.concurrent.map(u32::from);
        Headroom {
            requests,
            tokens,
            concurrent: most.map(|most| (most, most.saturating_sub(in_flight))),
        }
    }

    /// This model of a provider that is in force, the demo's too, whatever the table says of its name.
    pub(in crate::gateway) fn probed(
        &self,
        provider: &ProviderName,
        model: ModelId,
    ) -> Option<Target> {
        let member = self.in_force(provider)?;
        Some(self.target(&member, model, None, 1))
    }
}

/// Who is asked besides the targets.
fn others(rules: &RouteRules) -> impl Iterator<Item = &config::Target> {
    let fallbacks = rules.fallbacks.iter();
    fallbacks
        .chain(&rules.context_window_fallbacks)
        .chain(&rules.content_policy_fallbacks)
}
