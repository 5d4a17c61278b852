//! From what a request asks for to where it may go.

use std::sync::Arc;

use super::{Catalogue, Member, Route, Target};
use crate::{
    config::{self, Model, ModelPattern, TargetModel, Task},
    error::Error,
    ident::{ModelId, ProviderName, TaskName},
    policy::routing::eligible::Limits,
    tokenizer::Family,
    units::Price,
    wire::controls::Controls,
};

/// The model name of requests that leave the choice to the gateway.
pub const AUTO: &str = "auto";

/// Where a request may go, as far as its words say it.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Here.
    Route(Arc<Route>),
    /// Where its kind of work is done, which has yet to be found out.
    Auto {
        /// Whether a quick answer is preferred.
        fast: bool,
        /// Where it may go in any case.
        otherwise: Arc<Route>,
    },
}

impl Catalogue {
    /// Where a request for the model `requested` may go that says this of itself.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], saying why and what else there is; [`Error::BadRequest`] for a task that
    /// there is not.
    pub fn destination(&self, requested: &str, controls: &Controls) -> Result<Destination, Error> {
        if let Some(task) = &controls.task
            && !self.tasks.is_empty()
            && self.task(task.as_str()).is_none()
        {
            return Err(self.unknown_task(task));
        }
        let fast = controls.prefer_fast == Some(true);
        let to = |route| Ok(Destination::Route(route));
        match requested.split_once(':') {
            _ if !self.classifies() => to(self.route(requested)?),
            None if requested == AUTO => {
                let declared = controls
                    .task
                    .as_ref()
                    .and_then(|task| self.task(task.as_str()));
                match declared.filter(|task| task.route.is_some()) {
                    Some(task) => to(self.for_task(&task.name, fast)?),
                    None => {
                        let otherwise = self.for_any_task(fast)?;
                        Ok(Destination::Auto { fast, otherwise })
                    }
                }
            }
            Some((AUTO, task))
                if (controls.task.as_ref()).is_some_and(|declared| declared.as_str() != task) =>
            {
                Err(Error::bad_request(
                    Some("model".to_owned()),
                    "`model` names another task than the one that is declared elsewhere in the request",
                ))
            }
            Some((AUTO, task)) => match self.task(task).filter(|task| task.route.is_some()) {
                Some(task) => to(self.for_task(&task.name, fast)?),
                None => Err(self.unknown(requested)),
            },
            None | Some(_) => to(self.route(requested)?),
        }
    }

    /// Whether requests may leave the choice of a model to the gateway.
    #[must_use]
    pub fn classifies(&self) -> bool {
        self.tasks.iter().any(|task| task.route.is_some())
    }

    /// The kinds of work that have a route, in the order of the file.
    pub fn routed_tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| task.route.is_some())
    }

    /// Where a request for `requested` may go: by an entry of its very name, by `provider/model`, by a
    /// pattern, by what providers say that they serve.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], saying why and what else there is.
    pub fn route(&self, requested: &str) -> Result<Arc<Route>, Error> {
        if let Some(known) = self.routes.get(requested) {
            return Ok(known);
        }
        let route = Arc::new(self.find(requested)?);
        (self.routes).insert(requested.to_owned(), Arc::clone(&route));
        Ok(route)
    }

    fn find(&self, requested: &str) -> Result<Route, Error> {
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
            .or_else(|| self.by_demo(id))
            .ok_or_else(|| self.unknown(requested))
    }

    /// Where requests of this kind of work may go: to its own targets, else to those of the default task,
    /// else to whoever is there.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] if nobody is.
    pub fn for_task(&self, name: &TaskName, fast: bool) -> Result<Arc<Route>, Error> {
        self.known_for((Some(name.clone()), fast), || {
            self.find_for_task(name, fast)
        })
    }

    fn for_any_task(&self, fast: bool) -> Result<Arc<Route>, Error> {
        self.known_for((None, fast), || self.find_for_any_task(fast))
    }

    fn known_for(
        &self,
        work: (Option<TaskName>, bool),
        find: impl FnOnce() -> Result<Route, Error>,
    ) -> Result<Arc<Route>, Error> {
        if let Some(known) = self.task_routes.get(&work) {
            return Ok(known);
        }
        let route = Arc::new(find()?);
        self.task_routes.insert(work, Arc::clone(&route));
        Ok(route)
    }

    fn find_for_task(&self, name: &TaskName, fast: bool) -> Result<Route, Error> {
        let task = self.task(name.as_str());
        let own = task.and_then(|task| self.of_task(task, fast));
        let route = own.map_or_else(|| self.find_for_any_task(fast), Ok)?;
        Ok(Route {
            task: Some(name.clone()),
            ..route
        })
    }

    fn find_for_any_task(&self, fast: bool) -> Result<Route, Error> {
        let default = self.default_task.as_ref();
        let default = default.and_then(|name| self.task(name.as_str()));
        let mut tasks = default.into_iter().chain(self.routed_tasks());
        tasks
            .find_map(|task| {
                let route = self.of_task(task, fast)?;
                Some(Route {
                    task: Some(task.name.clone()),
                    ..route
                })
            })
            .or_else(|| self.by_any_discovery())
            .or_else(|| self.by_demo(ModelId::new(AUTO).ok()?))
            .ok_or_else(|| self.unknown(AUTO))
    }

    /// What the answers are kept under of requests that leave the choice to the gateway: all routes that
    /// it may choose.
    #[must_use]
    pub fn auto_identity(&self, fast: bool) -> &str {
        let [usual, quick] = &self.auto;
        let known = if fast { quick } else { usual };
        known.get_or_init(|| self.hash_of_tasks(fast))
    }

    fn hash_of_tasks(&self, fast: bool) -> String {
        let mut hasher = blake3::Hasher::new();
        for task in self.routed_tasks() {
            let route = self.of_task(task, fast);
            let identity = route.map(|route| route.identity()).unwrap_or_default();
            for part in [task.name.as_str(), identity.as_str()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        let speed = if fast { ":fast" } else { "" };
        let hash = hasher.finalize().to_hex();
        format!("{AUTO}{speed} {}", hash.get(..16).unwrap_or_default())
    }

    fn of_task(&self, task: &Task, fast: bool) -> Option<Route> {
        let entry = task.route.as_ref()?;
        let (usual, quick) = (
            self.targets(&entry.targets, None, None, &entry.rules.weights),
            self.targets(&entry.fast, None, None, &[]),
        );
        let (first, then) = match (fast, usual.is_empty(), quick.is_empty()) {
            (true, _, false) => (quick, usual),
            (false, true, false) => (quick, Vec::new()),
            (true, _, true) | (false, _, _) => (usual, Vec::new()),
        };
        let listed = |targets: &[config::Target]| self.targets(targets, None, None, &[]);
        let mut fallbacks = then;
        fallbacks.extend(listed(&entry.rules.fallbacks));
        // Whoever has only fallbacks left is served by them.
        let first = if first.is_empty() {
            std::mem::take(&mut fallbacks)
        } else {
            fallbacks.retain(|other| {
                !first
                    .iter()
                    .any(|one| one.is(other.provider(), &other.model))
            });
            first
        };
        let name = first.first()?.provider().clone();
        Some(Route {
            fallbacks,
            window_fallbacks: listed(&entry.rules.context_window_fallbacks),
            filter_fallbacks: listed(&entry.rules.content_policy_fallbacks),
            ..Route::new(name, first, &entry.rules)
        })
    }

    fn configured(&self, entry: &Model, requested: &ModelId) -> Option<Route> {
        // What an entry says of its model is not said of its fallbacks.
        let listed = |targets: &[config::Target]| self.targets(targets, Some(requested), None, &[]);
        let rules = &entry.rules;
        let own = Some(entry);
        let targets = self.targets(&entry.targets, Some(requested), own, &rules.weights);
        let fallbacks = listed(&rules.fallbacks);
        // Whoever has only fallbacks left is served by them.
        let (targets, fallbacks) = if targets.is_empty() {
            (fallbacks, Vec::new())
        } else {
            (targets, fallbacks)
        };
        let name = targets.first()?.provider().clone();
        Some(Route {
            fallbacks,
            window_fallbacks: listed(&rules.context_window_fallbacks),
            filter_fallbacks: listed(&rules.content_policy_fallbacks),
            cache: entry.cache,
            // It is in what is known of the targets.
            max_input: None,
            ..Route::new(name, targets, rules)
        })
    }

    /// The active ones of these targets. `requested` is what `*` stands for, `entry` the entry that names
    /// them.
    fn targets(
        &self,
        targets: &[config::Target],
        requested: Option<&ModelId>,
        entry: Option<&Model>,
        weights: &[u32],
    ) -> Vec<Target> {
        let ready = targets.iter().enumerate().filter_map(|(place, target)| {
            let member = self.providers.get(&target.provider)?;
            let model = match &target.model {
                TargetModel::Named(model) => model,
                TargetModel::AsRequested => requested?,
            };
            let weight = weights.get(place).copied().unwrap_or(1);
            Some(self.target(member, model.clone(), entry, weight))
        });
        ready.collect()
    }

    /// A target with what is known of it: by the `entry` that has it among its targets, then by the entry
    /// `provider/model`, then by that of the model's name.
    pub(super) fn target(
        &self,
        member: &Arc<Member>,
        model: ModelId,
        entry: Option<&Model>,
        weight: u32,
    ) -> Target {
        let provider = member.provider.name();
        let exact = |name: &str| {
            let found = self.table.resolve(name);
            found.filter(|entry| matches!(&entry.name, ModelPattern::Exact(name) if serves(entry, provider, name, &model)))
        };
        let full = format!("{provider}/{model}");
        let known = [entry, exact(&full), exact(model.as_str())];
        let known = || known.iter().copied().flatten();
        let limits = &member.conduct.limits;
        Target {
            weight,
            price: known()
                .find_map(|entry| entry.price)
                .or_else(|| self.price_elsewhere(provider, &model)),
            limits: Limits {
                supports: known().find_map(|entry| entry.supports),
                window: known().find_map(|entry| entry.context_window),
                max_output: known().find_map(|entry| entry.max_output_tokens),
            },
            max_input: known().find_map(|entry| entry.rules.max_input_tokens),
            family: Family::of(member.kind, model.as_str()),
            vitals: self.vitals.of(provider, &model),
            limiter: self.vitals.limiter(provider, None, limits.all),
            model_limiter: (self.vitals).limiter(
                provider,
                Some(&model),
                limits.of_model(model.as_str()),
            ),
            member: Arc::clone(member),
            model,
        }
    }

    /// What entries of other names say that this model costs, the dearest of them: whoever asks for it by another
    /// name pays for it, too.
    fn price_elsewhere(&self, provider: &ProviderName, model: &ModelId) -> Option<Price> {
        let entries = self.table.iter().filter(|entry| {
            let mut targets = entry.targets.iter();
            targets.any(|target| {
                let is_it = matches!(&target.model, TargetModel::Named(name) if name == model);
                target.provider == *provider && is_it
            })
        });
        Price::dearest(entries.map(|entry| entry.price))
    }

    /// This model of an active provider, whatever the table says of its name.
    pub(in crate::gateway) fn of_provider(
        &self,
        provider: &ProviderName,
        model: ModelId,
    ) -> Option<Target> {
        let member = self.providers.get(provider)?;
        Some(self.target(member, model, None, 1))
    }

    fn pinned(&self, requested: &str) -> Option<Route> {
        let (provider, model) = requested.split_once('/')?;
        let provider = self.providers.get(&ProviderName::new(provider).ok()?)?;
        let entry = self.table.resolve(model);
        let target = self.target(provider, ModelId::new(model).ok()?, entry, 1);
        Some(Route {
            cache: entry.map(|entry| entry.cache).unwrap_or_default(),
            ..Route::single(target)
        })
    }

    fn by_discovery(&self, requested: &ModelId) -> Option<Route> {
        let discovered = self.discovered.load();
        let (name, _) = discovered
            .iter()
            .find(|(_, model)| model.id == requested.as_str())?;
        let target = self.target(self.providers.get(name)?, requested.clone(), None, 1);
        Some(Route::single(target))
    }

    /// The first model that any provider says that it serves.
    fn by_any_discovery(&self) -> Option<Route> {
        let discovered = self.discovered.load();
        let mut served = discovered.iter().filter(|(_, model)| may_chat(&model.id));
        served.find_map(|(_, model)| self.by_discovery(&ModelId::new(&model.id).ok()?))
    }

    fn by_demo(&self, model: ModelId) -> Option<Route> {
        let demo = self.demo.as_ref()?;
        Some(Route::single(self.target(demo, model, None, 1)))
    }

    fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name.as_str() == name)
    }

    /// Who answers first for an entry; `None` if nobody of its targets is active.
    pub(super) fn owner<'m>(&self, entry: &'m Model) -> Option<&'m ProviderName> {
        let all = entry.targets.iter().chain(&entry.rules.fallbacks);
        all.map(|target| &target.provider)
            .find(|provider| self.providers.contains_key(*provider))
    }

    fn unknown_task(&self, task: &TaskName) -> Error {
        let names = || self.tasks.iter().map(|task| task.name.as_str());
        let hint = config::nearest(task.as_str(), names()).map_or_else(
            || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            |name| format!("did you mean `{name}`?"),
        );
        Error::BadRequest {
            message: format!("the task `{task}` does not exist here; {hint}"),
            param: Some("task".to_owned()),
        }
    }
}

/// Whether a model of this name may be one that answers questions, as far as names tell.
pub(super) fn may_chat(model: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "embed",
        "minilm",
        "bge-",
        "rerank",
        "moderation",
        "whisper",
        "tts",
        "dall-e",
        "transcribe",
        "realtime",
    ];
    let name = model.to_lowercase();
    !OTHERS.iter().any(|other| name.contains(other))
}

/// Whether `entry`, called `name`, tells of this model of this provider, rather than giving the name of
/// one model to another.
fn serves(entry: &Model, provider: &ProviderName, name: &ModelId, model: &ModelId) -> bool {
    let is_named = name == model || name.as_str() == format!("{provider}/{model}");
    is_named
        && entry.targets.iter().any(|target| match &target.model {
            TargetModel::Named(served) => served == model,
            TargetModel::AsRequested => true,
        })
}
