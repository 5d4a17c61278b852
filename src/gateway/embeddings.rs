//! One request for embeddings, item by item: what is known comes from the cache, and only the rest is asked for.
//!
//! Equal items of requests at the same time are asked for by each of them. Invariant: all vectors of an answer are of one
//! model, for those of two can't be compared.

use std::{collections::HashSet, sync::Arc};

mod answer;
mod ask;
mod items;
mod local;

pub use self::local::Local;
use self::{
    answer::{Fetched, reading},
    ask::{Job, Keeping, Place},
    items::{Shape, firsts},
    local::{is_local, is_own_name, unknown},
};
use super::{
    Asked, Caller, Gateway,
    behalf::Behalf,
    exception,
    reply::{Facts, Refusal, Reply},
    setup::Setup,
    tab::Tab,
};
use crate::{
    cache::{entry::Now, vectors::Kept},
    clock::Moment,
    config::{CacheMode, CacheOverrides},
    error::Error,
    policy::cacheable::embeddings::{Plan, plan},
    telemetry::ledger::Way,
    wire::{
        answer::Usage,
        controls::Controls,
        embeddings::{EmbeddingsRequest, Item},
        models::ModelObject,
    },
};

/// The vectors that are known by now, item by item.
type Known = Vec<Option<Arc<Kept>>>;

impl Gateway {
    /// The gateway's own encoder as a model, if it is loaded and no provider has its name.
    #[must_use]
    pub fn local_model(&self) -> Option<ModelObject> {
        let (setup, local) = (self.setup(), self.local.as_ref()?);
        let started = setup.catalogue.started();
        (!has_provider(&setup)).then(|| local.object(started))
    }

    /// Answers a request for embeddings.
    ///
    /// # Errors
    /// [`Refusal`]: the error, and what is known of the request by then.
    pub async fn embeddings(&self, asked: Asked) -> Result<Reply, Refusal> {
        let Asked {
            caller,
            mut controls,
            body,
            received,
            journal,
        } = asked;
        let setup = self.setup();
        let request = EmbeddingsRequest::parse(body, &mut controls)
            .map_err(|invalid| Error::bad_request(invalid.param, invalid.message))?;
        journal.asked_for(request.model());
        if !caller.allowed.allows(request.model()) {
            return Err(Error::ModelNotAllowed(request.model().to_owned()).into());
        }
        let place = self.place(&setup, request.model())?;
        if let Place::Local(local) = &place {
            local.check(&request, request.drops_unsupported())?;
        }
        let rules = &setup.settings.rules;
        let overrides = overrides(&setup, &controls, &caller, &place);
        let plan = plan(&controls, rules, exception(overrides));
        let (mut facts, known, keeping) = match plan {
            Ok(plan) => {
                let keeping = self.keeping(&setup, &caller, &controls, &place, &request, plan);
                let (facts, known) =
                    self.look_up_items(&setup, &controls, plan, &keeping, received);
                (facts, known, Some(keeping))
            }
            Err(bypass) => {
                self.ledger.reasons().bypasses.count(bypass.as_str());
                let facts = Facts::new(Way::Bypass, Some(bypass.as_str()), received);
                (facts, vec![None; request.input().len()], None)
            }
        };
        if known.iter().all(Option::is_some) {
            return Ok(self.known(&request, &known, facts).await?);
        }
        if controls.only_if_cached {
            self.ledger.count_failed();
            let facts = Some(facts);
            let error = Error::NotCached;
            return Err(Refusal { error, facts });
        }
        // Where nothing is kept, equal items are sent as often as they are there.
        let first = match &keeping {
            Some(keeping) => firsts(&keeping.keys),
            None => (0..known.len()).collect(),
        };
        let wanted = wanted(&first, &known);
        let estimate = estimate(&request, &wanted);
        let tab = Tab::open(caller.account.as_ref(), || place.dearest(), || estimate);
        let refused = |error, facts: &Facts| {
            self.ledger.count_failed();
            Refusal {
                error,
                facts: Some(facts.clone()),
            }
        };
        let tab = tab.map_err(|error| refused(error, &facts))?;
        let job = Job {
            drops_unsupported: request.drops_unsupported(),
            request: Arc::new(request),
            keeping,
            behalf: Behalf {
                tab,
                journal,
                ledger: Arc::clone(&self.ledger),
            },
        };
        let start = self.clock.now();
        let fetched = self.fetch_items(&job, &place, &first, &known, wanted).await;
        let fetched = fetched.map_err(|error| {
            (facts.attempts, facts.upstream) = job.behalf.journal.calls();
            refused(error, &facts)
        })?;
        facts.upstream = self.clock.now().since(start);
        self.ledger.count(facts.way);
        Ok(self.joined(&job, &first, &known, fetched, facts).await?)
    }

    fn place(&self, setup: &Setup, requested: &str) -> Result<Place, Error> {
        if !is_local(requested) || has_provider(setup) {
            return setup.catalogue.route(requested).map(Place::Route);
        }
        let own = self.local.as_ref();
        if let Some(local) = own.filter(|local| local.name() == requested) {
            return Ok(Place::Local(Arc::clone(local)));
        }
        match setup.catalogue.route(requested) {
            // A pattern of the configuration may mean it; the demo means everything.
            Ok(route) if !setup.catalogue.is_demo() => Ok(Place::Route(route)),
            Ok(_) | Err(_) => Err(unknown(own.map(Arc::as_ref))),
        }
    }

    fn keeping(
        &self,
        setup: &Setup,
        caller: &Caller,
        controls: &Controls,
        place: &Place,
        request: &EmbeddingsRequest,
        plan: Plan,
    ) -> Keeping {
        let namespace = controls.namespace.as_ref();
        let scope = namespace.map_or(caller.scope, |name| caller.scope.within(name));
        let target = match place {
            Place::Route(route) => route.identity(),
            Place::Local(local) => local.identity(),
        };
        let user = request.user().filter(|_| setup.settings.by_user);
        let shape = Shape::of(scope, &target, request, user);
        Keeping {
            keys: request
                .input()
                .items()
                .map(|item| shape.key(item))
                .collect(),
            ttl: plan.keep.filter(|_| self.store.vectors().has_room()),
            scope,
            namespace: namespace.or(caller.namespace.as_ref()).cloned(),
            tags: controls.tags.clone(),
            purges: self.store.purges(),
            generation: self.store.generation(),
        }
    }

    /// What the cache has, and may give, of the items; all of one model.
    fn look_up_items(
        &self,
        setup: &Setup,
        controls: &Controls,
        plan: Plan,
        keeping: &Keeping,
        received: Moment,
    ) -> (Facts, Known) {
        let now = Now {
            time: self.clock.unix(),
            generation: keeping.generation,
        };
        let table = self.store.vectors();
        let keys = keeping.keys.iter().filter(|_| plan.lookup);
        let mut known: Known = keys
            .map(|key| table.find(key, now, controls.max_age))
            .collect();
        known.resize(keeping.keys.len(), None);
        let model = known.iter().flatten().next();
        if let Some(model) = model.map(|kept| kept.origin.model.clone()) {
            for slot in &mut known {
                slot.take_if(|kept| kept.origin.model != model);
            }
        }
        let mut reason = (!plan.lookup).then_some("no_cache");
        if setup.settings.mode == CacheMode::Shadow {
            if known.iter().all(Option::is_some) {
                self.ledger.would_hit(Way::Exact);
                reason = Some("shadow");
            }
            known.fill(None);
        }
        let count = known.iter().flatten().count();
        let is_hit = count == known.len();
        if !is_hit {
            let why = *reason.get_or_insert("absent");
            self.ledger.reasons().misses.count(why);
        }
        let way = if is_hit { Way::Exact } else { Way::Miss };
        let facts = Facts {
            items: Some((count, known.len())),
            ..Facts::new(way, reason, received)
        };
        (facts, known)
    }

    /// Asks for what is `wanted`; for everything, if it turns out that another model answers than the one that the
    /// known vectors are of.
    async fn fetch_items(
        &self,
        job: &Job,
        place: &Place,
        first: &[usize],
        known: &Known,
        wanted: Vec<usize>,
    ) -> Result<Fetched, Error> {
        let answers = self.ask_items(job, place, &wanted).await?;
        let known = known.iter().flatten().map(|kept| &kept.origin.model);
        let fresh = answers.iter().map(|answered| &answered.source.model);
        let models: HashSet<_> = known.chain(fresh).collect();
        let (Some(one), 2..) = (answers.first(), models.len()) else {
            return Ok(Fetched::new(answers, &[]));
        };
        tracing::info!(model = %one.source.model, "another model answers: it is asked for all items");
        let only = place.only(&one.source);
        let all = first.iter().enumerate();
        let all = all.filter_map(|(place, first)| (place == *first).then_some(place));
        // What it is kept under is another model's name.
        let unkept = Job {
            request: Arc::clone(&job.request),
            drops_unsupported: job.drops_unsupported,
            keeping: None,
            behalf: job.behalf.clone(),
        };
        let all: Vec<usize> = all.collect();
        let again = self.ask_items(&unkept, &only, &all).await?;
        Ok(Fetched::new(again, &answers).alone())
    }
}

/// Whether the configuration has a provider where the gateway's own encoder would be; it goes before.
fn has_provider(setup: &Setup) -> bool {
    let mut inactive = setup.catalogue.inactive().iter();
    setup.catalogue.active().into_iter().any(is_own_name)
        || inactive.any(|provider| is_own_name(&provider.name))
}

/// What is configured for the kind of work, the client and the model, the former going first.
fn overrides(setup: &Setup, controls: &Controls, caller: &Caller, place: &Place) -> CacheOverrides {
    let of_route = match place {
        Place::Route(route) => route.cache,
        Place::Local(_) => CacheOverrides::default(),
    };
    let task = controls.task.as_ref().map(|task| setup.of_task(task));
    task.unwrap_or_default().or(caller.cache).or(of_route)
}

/// The places that have to be asked for: of equal items, the first.
fn wanted(first: &[usize], known: &Known) -> Vec<usize> {
    let all = first.iter().zip(known).enumerate();
    let wanted = all.filter(|(place, (first, known))| place == *first && known.is_none());
    wanted.map(|(place, _)| place).collect()
}

/// About how much is read for these.
fn estimate(request: &EmbeddingsRequest, wanted: &[usize]) -> Usage {
    let items: Vec<Item<'_>> = request.input().items().collect();
    let wanted = wanted.iter().filter_map(|place| items.get(*place));
    reading(wanted.map(|item| item.estimate()))
}
