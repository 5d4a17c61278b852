//! One chat request from start to end. [`Gateway::chat`] reads as the picture in `ARCHITECTURE.md`.
//!
//! It joins the parts and decides nothing itself: what may be cached and what answers is `policy`'s,
//! keeping and finding `cache`'s, asking `provider`'s. Invariant: whatever goes wrong in the cache or
//! the encoder, the request goes on as if they were not there.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub mod account;
mod asked;
mod attempt;
mod behalf;
pub mod catalogue;
mod choose;
mod completions;
mod count_tokens;
mod dispatch;
pub mod embeddings;
pub mod explain;
pub mod feedback;
mod fetch;
pub mod import;
mod journey;
pub mod judge;
mod kept;
pub mod learn;
pub mod limiter;
mod lookup;
mod meter;
mod order;
pub mod passthrough;
pub mod pins;
pub mod probe;
mod prompt;
pub mod record;
mod refresh;
mod replay;
pub mod reply;
pub mod setup;
mod tab;
mod turns;
pub mod vitals;
pub mod why;

pub use self::{
    asked::{Asked, Caller, Wanted},
    count_tokens::Counted,
};
use self::{
    catalogue::Destination,
    embeddings::Local,
    fetch::Landed,
    learn::Learner,
    lookup::{Known, Lookup, Missed, Recipient, Sought},
    order::{CallKey, Order},
    pins::Pins,
    record::{Recorder, Ticket},
    reply::{Facts, Refusal, Reply},
    setup::{Current, Setup, Wish},
    why::words::Word,
};
use crate::{
    cache::{flight::Flights, pointer::RawKey, store::Store},
    clock::Clock,
    config::{CacheMode, CacheOverrides},
    embed::Embed,
    error::{Error, UpstreamError},
    policy::{
        admit::Verifier,
        cacheable::{self, Exception, Plan},
        identity::{Identity, Scope, Setting, identify},
        learn::{Calibrator, Class, Source as LabelSource},
        question,
    },
    telemetry::ledger::{Ledger, Way},
    wire::{chat::ChatRequest, controls::Controls},
};

/// Requests that may ask for themselves when the call they shared has failed; the rest get its error.
/// Without a bound, one failure of a popular question becomes a storm of calls.
const SECOND_TRIES: usize = 8;

/// Calls that nobody waits for, at the same time: stale answers that are asked for again.
const BACKGROUND: usize = 16;

/// What a gateway is made of.
#[derive(Debug)]
pub struct Parts {
    /// What the configuration says.
    pub current: Arc<Current>,
    /// Holds what is kept.
    pub store: Arc<Store>,
    /// Finds questions of the same meaning, if there is a semantic tier.
    pub encoder: Option<Arc<dyn Embed>>,
    /// Says how surely a neighbour asks the same.
    pub verifier: Arc<dyn Verifier>,
    /// Keeps answers.
    pub recorder: Recorder,
    /// Learns where to admit.
    pub learner: Learner,
    /// Counts what was billed and saved.
    pub ledger: Arc<Ledger>,
    /// Owns what is done in the background.
    pub tasks: TaskTracker,
    /// The time.
    pub clock: Clock,
    /// The largest stream that is held to be shared and kept, in bytes.
    pub max_shared: usize,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    current: Arc<Current>,
    store: Arc<Store>,
    encoder: Option<Arc<dyn Embed>>,
    /// The same, for clients.
    local: Option<Arc<Local>>,
    verifier: Arc<dyn Verifier>,
    recorder: Recorder,
    learner: Learner,
    ledger: Arc<Ledger>,
    tasks: TaskTracker,
    clock: Clock,
    max_shared: usize,
    pins: Pins,
    flights: Flights<CallKey, Result<Landed, UpstreamError>>,
    second_tries: Semaphore,
    background: Arc<Semaphore>,
}

impl Gateway {
    /// A gateway of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let local = parts
            .encoder
            .clone()
            .and_then(|encoder| Local::new(encoder).ok());
        Self {
            local: local.map(Arc::new),
            current: parts.current,
            store: parts.store,
            encoder: parts.encoder,
            verifier: parts.verifier,
            recorder: parts.recorder,
            learner: parts.learner,
            ledger: parts.ledger,
            tasks: parts.tasks,
            clock: parts.clock,
            max_shared: parts.max_shared,
            pins: Pins::default(),
            flights: Flights::default(),
            second_tries: Semaphore::new(SECOND_TRIES),
            background: Arc::new(Semaphore::new(BACKGROUND)),
        }
    }

    /// What is known for people of where questions are admitted.
    #[must_use]
    pub fn learned(&self) -> Vec<learn::Known> {
        self.learner.known()
    }

    /// What would be at other points of admission: for all questions together, and by class.
    #[must_use]
    pub fn curves(&self) -> (Calibrator, Vec<(Class, Calibrator)>) {
        self.learner.curves()
    }

    /// What the configuration says at present.
    #[must_use]
    pub fn setup(&self) -> Arc<Setup> {
        self.current.load_full()
    }

    /// Has all requests from now on see `setup`; those under way go on with what they saw.
    pub fn replace(&self, setup: Arc<Setup>) {
        self.current.store(setup);
    }

    /// What makes a request of this scope, which goes to `target`, the same as another.
    fn identity(
        &self,
        setup: &Setup,
        request: &ChatRequest,
        asked: Option<&question::Asked<'_>>,
        scope: Scope,
        target: &str,
        plan: &Plan,
    ) -> Identity {
        let setting = Setting {
            scope,
            target,
            by_user: setup.settings.by_user,
            by_surface: plan.semantic.is_ok(),
            same_as: &|context| self.store.same_context(context),
        };
        identify(request, asked, &setting)
    }

    /// Answers a chat request.
    ///
    /// # Errors
    /// [`Refusal`]: the error, and what is known of the request by then.
    pub async fn chat(self: &Arc<Self>, asked: Asked<impl Into<Wanted>>) -> Result<Reply, Refusal> {
        let Asked {
            caller,
            mut controls,
            body,
            received,
            journal,
        } = asked;
        let wanted = body.into();
        let setup = self.setup();
        let serves = setup.settings.mode == CacheMode::Serve;
        // What was allowed by another configuration is not remembered by its bytes, nor found by them.
        let is_plain = caller.generation == setup.generation
            && setup.settings.rules.enabled
            && serves
            && controls == Controls::default();
        let raw = match &wanted {
            Wanted::Chat(body) if is_plain => Some(RawKey::new(caller.own, setup.generation, body)),
            Wanted::Chat(_) | Wanted::Translated(_) => None,
        };
        if let Some(reply) = raw.and_then(|raw| self.identical(&raw, caller.own, received)) {
            return Ok(reply);
        }
        let (request, destination) = setup.understand(&caller, wanted, &mut controls, &journal)?;
        let wish = Wish::of(&controls, &caller);
        let account = caller.account.clone();

        let recipient = Recipient {
            own: caller.own,
            delivery: request.delivery(),
            received,
        };
        let question = question::Asked::of(&request);
        let question = question.as_ref();
        let rules = &setup.settings.rules;
        let overrides = setup.overrides(controls.task.as_ref(), caller.cache, &destination);
        let exception = exception(overrides);
        let plan = match cacheable::plan(&request, question, &controls, rules, exception) {
            Ok(plan) => plan,
            Err(bypass) => {
                self.ledger.reasons().bypasses.count(bypass.as_str());
                let facts = Facts::new(Way::Bypass, Some(bypass.as_str()), received);
                let order = Order {
                    setup,
                    request,
                    scope: caller.scope,
                    recipient,
                    destination,
                    wish,
                    facts,
                    ticket: None,
                    account,
                    tab: OnceLock::new(),
                    has_stale: false,
                    journal,
                };
                let answered = self.fetch(order).await;
                return answered.inspect_err(|_| self.ledger.count_failed());
            }
        };
        let sought = Sought {
            setup: &setup,
            request: &request,
            question,
            controls: &controls,
            caller: &caller,
            overrides,
            destination: &destination,
            wish: &wish,
        };
        let Known {
            scope,
            identity,
            terms,
        } = self.known_by(&sought, &plan);
        // A control in the body would be read again only by parsing: such bytes are not remembered.
        let raw = raw.filter(|_| controls == Controls::default());
        let purges = self.store.purges();
        let lookup = if plan.lookup {
            self.look_up(&identity, &plan, terms, &journal).await
        } else {
            Lookup::Miss(Missed::because(Word::NoCache))
        };
        let task = match &destination {
            Destination::Route(route) => route.task.clone(),
            Destination::Auto { .. } => None,
        };
        let keys = match &lookup {
            Lookup::Hit(_) => setup.keys(&destination, caller.scope, &request),
            Lookup::Miss(_) => None,
        };
        let order = |embedding, near, facts, journal| {
            let ticket = plan.keep.map(|ttl| Ticket {
                identity: identity.clone(),
                scope,
                own: caller.own,
                namespace: controls.namespace.clone().or(caller.namespace.clone()),
                tags: controls.tags.clone(),
                semantic: plan.semantic.is_ok(),
                has_matter: question.is_some_and(question::Asked::has_matter),
                prompt: record::beginning(question.map_or("", |asked| asked.text)),
                embedding,
                near,
                ttl,
                purges,
                raw,
                request: Arc::clone(&request),
            });
            Order {
                setup: Arc::clone(&setup),
                request: Arc::clone(&request),
                scope: caller.scope,
                recipient,
                destination,
                wish,
                facts,
                ticket,
                account,
                tab: OnceLock::new(),
                has_stale: false,
                journal,
            }
        };
        let missed = match lookup {
            Lookup::Hit(found) if serves => {
                let mut reply = self.hit(&found, &identity, raw, &request, recipient).await;
                reply.facts.task = task;
                self.stay(keys, &found.entry);
                let in_background = Facts::new(Way::Background, None, received);
                if found.stale.is_some() {
                    self.refresh(order(None, None, in_background, journal.aside()));
                } else if let Some(near) = found.near
                    && self.learner.served(&near.admitted)
                {
                    self.check(near, order(None, None, in_background, journal.aside()));
                }
                return Ok(reply);
            }
            Lookup::Hit(found) => {
                self.ledger.would_hit(found.tier.way());
                Missed {
                    near: found.near.map(|near| (near, LabelSource::Shadow)),
                    ..Missed::because(Word::Shadow)
                }
            }
            Lookup::Miss(missed) => missed,
        };
        let reason = missed.reason.unwrap_or(Word::Absent.as_str());
        self.ledger.reasons().misses.count(reason);
        tracing::debug!(reason, "not answered from the cache");
        let facts = Facts::new(Way::Miss, Some(reason), received);
        if controls.only_if_cached {
            self.ledger.count_failed();
            return Err(Refusal {
                error: Error::NotCached,
                facts: Some(facts),
            });
        }
        let mut order = order(missed.embedding, missed.near, facts, journal);
        order.has_stale = missed.stale.is_some();
        let answered = match order.call_key() {
            Some(key) if plan.lookup => {
                let flight = self.flights.join(key);
                self.fly(order, flight, controls.max_age).await
            }
            _ => self.fetch(order).await,
        };
        match (answered, missed.stale) {
            (Err(refusal), Some(stale)) if refusal.error.allows_stale() => {
                let mut reply = self.deliver(&stale, &request, recipient).await;
                if let Some(facts) = refusal.facts {
                    reply.facts.attempts = facts.attempts;
                    reply.facts.upstream = facts.upstream;
                }
                Ok(reply)
            }
            (answered, _) => answered.inspect_err(|_| self.ledger.count_failed()),
        }
    }
}

/// What `policy::cacheable` has to know of the overrides.
fn exception(overrides: CacheOverrides) -> Exception {
    Exception {
        enabled: overrides.enabled,
        ttl: overrides.ttl,
    }
}

/// Runs what takes milliseconds where it holds nobody up. `None` if it panics.
async fn off_the_workers<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    if done.is_err() {
        tracing::error!("work for a request failed");
    }
    done.ok()
}
