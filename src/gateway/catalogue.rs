//! Who serves which model: the configured table, and what providers say of themselves.
//!
//! Invariant: a route has at least one target, and every target is active.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use metrics::{Counter, Histogram};

use crate::{
    config::{self, CacheOverrides, Model, ModelPattern, ModelTable, TargetModel},
    error::Error,
    ident::{ModelId, ProviderName},
    provider::Provider,
    telemetry::names,
    units::Price,
    wire::models::ModelObject,
};

/// Where a request may go.
#[derive(Debug, Clone)]
pub struct Route {
    /// The first target's provider.
    pub name: ProviderName,
    /// To be tried in order; not empty.
    pub targets: Vec<Target>,
    /// What the model costs.
    pub price: Option<Price>,
    /// What is configured for the cache of its answers.
    pub cache: CacheOverrides,
}

/// A provider and what it calls the model.
#[derive(Debug, Clone)]
pub struct Target {
    /// Who is asked.
    pub member: Arc<Member>,
    /// For what.
    pub model: ModelId,
}

/// A provider, with the metrics of its successes, looked up once.
#[derive(Debug)]
pub struct Member {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Counts its answers.
    pub answers: Counter,
    /// Times them.
    pub latency: Histogram,
}

impl Member {
    fn new(provider: Arc<dyn Provider>) -> Arc<Self> {
        let name = provider.name().to_string();
        let labels = [("provider", name.clone()), ("outcome", "ok".to_owned())];
        let answers = metrics::counter!(names::UPSTREAM_ATTEMPTS, &labels);
        let latency = metrics::histogram!(names::UPSTREAM_DURATION, "gen_ai_provider_name" => name);
        Arc::new(Self {
            provider,
            answers,
            latency,
        })
    }
}

impl Route {
    /// What the answers of this route are kept under: the first target.
    #[must_use]
    pub fn identity(&self) -> String {
        let model = self
            .targets
            .first()
            .map_or("", |target| target.model.as_str());
        format!("{}/{model}", self.name)
    }
}

/// A provider that is not asked.
#[derive(Debug, Clone)]
pub struct Inactive {
    /// Its name.
    pub name: ProviderName,
    /// Why, for people.
    pub reason: String,
}

/// All models and providers.
#[derive(Debug)]
pub struct Catalogue {
    table: ModelTable,
    providers: HashMap<ProviderName, Arc<Member>>,
    inactive: Vec<Inactive>,
    /// Answers for every model when nobody else is there.
    demo: Option<Arc<Member>>,
    discovered: ArcSwap<Vec<(ProviderName, ModelObject)>>,
    started: u64,
}

impl Catalogue {
    /// A catalogue of the active `providers`. `started` is the time that models are said to be
    /// created, in seconds since 1970.
    #[must_use]
    pub fn new(
        table: ModelTable,
        providers: Vec<Arc<dyn Provider>>,
        inactive: Vec<Inactive>,
        demo: Option<Arc<dyn Provider>>,
        started: u64,
    ) -> Self {
        let members = providers
            .into_iter()
            .map(|p| (p.name().clone(), Member::new(p)));
        let (providers, demo) = (members.collect(), demo.map(Member::new));
        Self {
            table,
            providers,
            inactive,
            demo,
            discovered: ArcSwap::default(),
            started,
        }
    }

    /// Replaces what a provider says that it serves.
    pub fn discovered(&self, provider: &ProviderName, models: &[ModelObject]) {
        let mut all: Vec<_> = self
            .discovered
            .load()
            .iter()
            .filter(|(p, _)| p != provider)
            .cloned()
            .collect();
        all.extend(models.iter().map(|model| (provider.clone(), model.clone())));
        self.discovered.store(Arc::new(all));
    }

    /// The providers that have said what they serve.
    #[must_use]
    pub fn discovering(&self) -> Vec<Arc<dyn Provider>> {
        let discovered = self.discovered.load();
        let says = |name: &ProviderName| discovered.iter().any(|(provider, _)| provider == name);
        let providers = self.providers.values().map(|member| &member.provider);
        providers
            .filter(|provider| says(provider.name()))
            .cloned()
            .collect()
    }

    /// Where a request for `requested` may go: by an entry of its very name, by `provider/model`, by a
    /// pattern, by what providers say that they serve.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], saying why and what else there is.
    pub fn route(&self, requested: &str) -> Result<Route, Error> {
        let Ok(id) = ModelId::new(requested) else {
            return Err(self.unknown(requested));
        };
        let entry = self.table.resolve(requested);
        let exact = entry.filter(|entry| matches!(entry.name, ModelPattern::Exact(_)));
        exact
            .and_then(|entry| self.configured(entry, &id))
            .or_else(|| self.pinned(requested))
            .or_else(|| entry.and_then(|entry| self.configured(entry, &id)))
            .or_else(|| self.by_discovery(&id))
            .or_else(|| self.demo.as_ref().map(|demo| single(demo, id)))
            .ok_or_else(|| self.unknown(requested))
    }

    fn configured(&self, entry: &Model, requested: &ModelId) -> Option<Route> {
        let targets: Vec<Target> = (entry.targets.iter())
            .filter_map(|target| {
                let member = Arc::clone(self.providers.get(&target.provider)?);
                let model = match &target.model {
                    TargetModel::Named(model) => model.clone(),
                    TargetModel::AsRequested => requested.clone(),
                };
                Some(Target { member, model })
            })
            .collect();
        let name = targets.first()?.member.provider.name().clone();
        Some(Route {
            name,
            targets,
            price: entry.price,
            cache: entry.cache,
        })
    }

    fn pinned(&self, requested: &str) -> Option<Route> {
        let (provider, model) = requested.split_once('/')?;
        let provider = self.providers.get(&ProviderName::new(provider).ok()?)?;
        let entry = self.table.resolve(model);
        Some(Route {
            price: entry.and_then(|entry| entry.price),
            cache: entry.map(|entry| entry.cache).unwrap_or_default(),
            ..single(provider, ModelId::new(model).ok()?)
        })
    }

    fn by_discovery(&self, requested: &ModelId) -> Option<Route> {
        let discovered = self.discovered.load();
        let (name, _) = discovered
            .iter()
            .find(|(_, model)| model.id == requested.as_str())?;
        Some(single(self.providers.get(name)?, requested.clone()))
    }

    fn unknown(&self, requested: &str) -> Error {
        let shown: String = requested
            .chars()
            .take(80)
            .flat_map(char::escape_debug)
            .collect();
        if let Some(entry) = self.table.resolve(requested) {
            let waits_for: Vec<String> = (entry.targets.iter())
                .filter_map(|target| self.inactive.iter().find(|p| p.name == target.provider))
                .map(|p| format!("`{}` ({})", p.name, p.reason))
                .collect();
            let message = format!(
                "the model `{shown}` has no active provider; it is served by {}",
                waits_for.join(", ")
            );
            return Error::UnknownModel { message };
        }
        let names: Vec<String> = self.list().into_iter().map(|model| model.id).collect();
        let nearest = config::nearest(requested, names.iter().map(String::as_str));
        let hint = nearest.map_or_else(
            || "GET /v1/models lists what there is".to_owned(),
            |name| format!("did you mean `{name}`?"),
        );
        Error::UnknownModel {
            message: format!("the model `{shown}` does not exist here; {hint}"),
        }
    }

    /// The models that can be named: configured ones with an active target, and discovered ones.
    #[must_use]
    pub fn list(&self) -> Vec<ModelObject> {
        let mut models: Vec<ModelObject> = Vec::new();
        for entry in self.table.iter() {
            let ModelPattern::Exact(name) = &entry.name else {
                continue;
            };
            let owner = match self.configured(entry, name) {
                Some(route) => route.name.to_string(),
                None if self.demo.is_some() => "demo".to_owned(),
                None => continue,
            };
            models.push(ModelObject::new(name.as_str(), &owner, self.started));
        }
        for (provider, model) in self.discovered.load().iter() {
            if !models.iter().any(|known| known.id == model.id) {
                let created = if model.created == 0 {
                    self.started
                } else {
                    model.created
                };
                models.push(ModelObject::new(&model.id, provider.as_str(), created));
            }
        }
        models
    }

    /// One model, if it can be asked for.
    ///
    /// # Errors
    /// [`Error::UnknownModel`].
    pub fn describe(&self, requested: &str) -> Result<ModelObject, Error> {
        let route = self.route(requested)?;
        let known = self.list().into_iter().find(|model| model.id == requested);
        Ok(known.unwrap_or_else(|| ModelObject::new(requested, route.name.as_str(), self.started)))
    }

    /// The active providers, by name.
    #[must_use]
    pub fn active(&self) -> Vec<&ProviderName> {
        let mut names: Vec<&ProviderName> = self.providers.keys().collect();
        names.sort();
        names
    }

    /// The inactive providers, and why.
    #[must_use]
    pub fn inactive(&self) -> &[Inactive] {
        &self.inactive
    }

    /// Whether the demo provider answers because nobody else is there.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.demo.is_some()
    }
}

fn single(member: &Arc<Member>, model: ModelId) -> Route {
    let target = Target {
        member: Arc::clone(member),
        model,
    };
    Route {
        name: member.provider.name().clone(),
        targets: vec![target],
        price: None,
        cache: CacheOverrides::default(),
    }
}
