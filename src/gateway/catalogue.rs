//! Who serves which model: the configured table, and what providers say of themselves.
//!
//! Invariant: a route has at least one target, and every target is active.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use moka::sync::Cache;

mod find;
pub mod route;
mod served;

pub use self::{
    find::{AUTO, Destination},
    route::{Conduct, Member, Route, Target},
    served::Headroom,
};
use crate::{
    config::{self, ModelPattern, ModelTable, TargetModel, Task},
    error::Error,
    gateway::vitals::{VitalsTable, begin_at_zero},
    ident::{ProviderName, TaskName},
    provider::Provider,
    telemetry::models::MODELS,
    units::Price,
    wire::{controls::Controls, models::ModelObject},
};

/// Routes that are remembered: more than any configuration has, but requests can make up models.
const MOST_ROUTES: u64 = 1_000;
/// For how long. A route holds its targets' vitals, which are forgotten when nobody looks for them.
const ROUTE_KNOWN: Duration = Duration::from_secs(60);

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
    tasks: Vec<Task>,
    default_task: Option<TaskName>,
    /// How targets fare.
    vitals: VitalsTable,
    providers: HashMap<ProviderName, Arc<Member>>,
    inactive: Vec<Inactive>,
    /// Answers for every model when nobody else is there.
    demo: Option<Arc<Member>>,
    discovered: ArcSwap<Vec<(ProviderName, ModelObject)>>,
    /// The routes of models, by their names: finding one costs more than all else that is asked of it.
    routes: Cache<String, Arc<Route>>,
    /// The routes of kinds of work, or of any; and those where a quick answer is preferred.
    task_routes: Cache<(Option<TaskName>, bool), Arc<Route>>,
    started: u64,
    /// What answers are kept under where the choice is the gateway's: usually, and if a quick answer is
    /// preferred.
    auto: [OnceLock<String>; 2],
}

/// What a catalogue is made of.
#[derive(Debug)]
pub struct Parts {
    /// What may be asked for.
    pub table: ModelTable,
    /// The kinds of work.
    pub tasks: Vec<Task>,
    /// That of requests that resemble none enough.
    pub default_task: Option<TaskName>,
    /// The active providers, with what they say that they serve.
    pub members: Vec<(Arc<Member>, Vec<ModelObject>)>,
    /// Those that are not asked.
    pub inactive: Vec<Inactive>,
    /// Answers for every model when nobody else is there.
    pub demo: Option<Arc<Member>>,
    /// How targets fare; of a catalogue that takes another one's place, the same.
    pub vitals: VitalsTable,
    /// The time that models are said to be created, in seconds since 1970.
    pub started: u64,
}

fn few_routes<K: std::hash::Hash + Eq + Send + Sync + 'static>() -> Cache<K, Arc<Route>> {
    let routes = Cache::builder().max_capacity(MOST_ROUTES);
    routes.time_to_live(ROUTE_KNOWN).build()
}

impl Catalogue {
    /// A catalogue of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let mut providers = HashMap::new();
        let mut found = Vec::new();
        name_models(&parts.table, &parts.tasks);
        for (member, models) in parts.members {
            let name = member.provider.name().clone();
            found.extend(models.into_iter().map(|model| (name.clone(), model)));
            providers.insert(name, member);
        }
        Self {
            table: parts.table,
            tasks: parts.tasks,
            default_task: parts.default_task,
            vitals: parts.vitals,
            providers,
            inactive: parts.inactive,
            demo: parts.demo,
            discovered: ArcSwap::from_pointee(found),
            routes: few_routes(),
            task_routes: few_routes(),
            started: parts.started,
            auto: Default::default(),
        }
    }

    /// The active provider of this name.
    #[must_use]
    pub fn member(&self, name: &ProviderName) -> Option<Arc<Member>> {
        self.providers.get(name).cloned()
    }

    /// What a provider has said that it serves.
    #[must_use]
    pub fn found(&self, name: &ProviderName) -> Vec<ModelObject> {
        let discovered = self.discovered.load();
        let of_it = discovered.iter().filter(|(provider, _)| provider == name);
        of_it.map(|(_, model)| model.clone()).collect()
    }

    /// Who answers for every model when nobody else is there.
    #[must_use]
    pub fn demo(&self) -> Option<&Arc<Member>> {
        self.demo.as_ref()
    }

    /// The time that models are said to be created, in seconds since 1970.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// How targets fare.
    #[must_use]
    pub fn vitals(&self) -> VitalsTable {
        self.vitals.clone()
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
        self.routes.invalidate_all();
        self.task_routes.invalidate_all();
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
            let owner = match self.owner(entry) {
                Some(owner) => owner.to_string(),
                None if self.demo.is_some() => "demo".to_owned(),
                None => continue,
            };
            models.push(ModelObject::new(name.as_str(), &owner, self.started));
        }
        if self.classifies() {
            let owner = if self.is_demo() { "demo" } else { "refrain" };
            models.push(ModelObject::new(AUTO, owner, self.started));
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
        let route = match self.destination(requested, &Controls::default())? {
            Destination::Route(route)
            | Destination::Auto {
                otherwise: route, ..
            } => route,
        };
        let known = self.list().into_iter().find(|model| model.id == requested);
        Ok(known.unwrap_or_else(|| ModelObject::new(requested, route.name.as_str(), self.started)))
    }

    /// A price that no configured model exceeds.
    #[must_use]
    pub fn dearest(&self) -> Option<Price> {
        Price::dearest(self.table.iter().map(|entry| entry.price))
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

/// Gives the models that are configured their names in metrics, and begins what is told of their breakers.
fn name_models(table: &ModelTable, tasks: &[Task]) {
    let models = table.iter().map(|entry| (&entry.targets, &entry.rules));
    let routes = tasks.iter().filter_map(|task| task.route.as_ref());
    let fast = routes.clone().map(|route| (&route.fast, &route.rules));
    let routes = routes.map(|route| (&route.targets, &route.rules));
    for (targets, rules) in models.chain(routes).chain(fast) {
        let fallbacks = (rules.fallbacks.iter())
            .chain(&rules.context_window_fallbacks)
            .chain(&rules.content_policy_fallbacks);
        for target in targets.iter().chain(fallbacks) {
            if let TargetModel::Named(model) = &target.model {
                MODELS.configured(&target.provider, model);
                begin_at_zero(&target.provider, model);
            }
        }
    }
}
