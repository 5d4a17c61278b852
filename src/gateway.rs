//! One chat request from start to end. [`Gateway::chat`] reads as the picture in `ARCHITECTURE.md`.
//!
//! It joins the parts and decides nothing itself: what may be cached and what answers is `policy`'s,
//! keeping and finding `cache`'s, asking `provider`'s. Invariant: whatever goes wrong in the cache or
//! the encoder, the request goes on as if they were not there.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub mod catalogue;
mod dispatch;
pub mod feedback;
mod fetch;
mod lookup;
pub mod record;
mod refresh;
mod replay;
pub mod reply;

use self::{
    catalogue::{Catalogue, Route},
    dispatch::Source,
    fetch::Landed,
    lookup::{Lookup, Missed, Recipient},
    record::{Recorder, Ticket},
    reply::{Facts, Refusal, Reply},
};
use crate::{
    cache::{
        flight::Flights,
        store::{RawKey, Store},
    },
    clock::{Clock, Moment},
    config::AllowedModels,
    embed::Embed,
    error::{Error, Fault, UpstreamError},
    ident::Namespace,
    policy::{
        cacheable::{self, Exception, Rules},
        identity::{Scope, Setting, identify},
        question,
    },
    telemetry::{
        ledger::{Ledger, Way},
        names,
    },
    units::Similarity,
    wire::{chat::ChatRequest, controls::Controls},
};

/// Requests that may ask for themselves when the call they shared has failed; the rest get its error.
/// Without a bound, one failure of a popular question becomes a storm of calls.
const SECOND_TRIES: usize = 8;

/// Calls that nobody waits for, at the same time: stale answers that are asked for again.
const BACKGROUND: usize = 16;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose entries it sees.
    pub scope: Scope,
    /// Itself, also where it shares a namespace with others.
    pub own: Scope,
    /// The namespace that it shares with others.
    pub namespace: Option<Namespace>,
    /// What it may ask for.
    pub allowed: AllowedModels,
}

/// A request as it came in.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub caller: Caller,
    /// What the headers say about the cache.
    pub controls: Controls,
    /// The body.
    pub body: Bytes,
    /// When its head came in.
    pub received: Moment,
}

/// What the gateway is set to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What may be cached, and for how long.
    pub rules: Rules,
    /// Whether every entry belongs to the end user whom a request names.
    pub by_user: bool,
    /// The least similarity of a semantic hit.
    pub threshold: Similarity,
    /// The largest stream that is held to be shared and kept, in bytes.
    pub max_shared: usize,
}

/// What a gateway is made of.
#[derive(Debug)]
pub struct Parts {
    /// Knows the models.
    pub catalogue: Arc<Catalogue>,
    /// Holds what is kept.
    pub store: Arc<Store>,
    /// Finds questions of the same meaning, if there is a semantic tier.
    pub encoder: Option<Arc<dyn Embed>>,
    /// Keeps answers.
    pub recorder: Recorder,
    /// Counts what was billed and saved.
    pub ledger: Arc<Ledger>,
    /// Owns what is done in the background.
    pub tasks: TaskTracker,
    /// The time.
    pub clock: Clock,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    catalogue: Arc<Catalogue>,
    store: Arc<Store>,
    encoder: Option<Arc<dyn Embed>>,
    recorder: Recorder,
    ledger: Arc<Ledger>,
    tasks: TaskTracker,
    clock: Clock,
    flights: Flights<Result<Landed, UpstreamError>>,
    second_tries: Semaphore,
    background: Arc<Semaphore>,
}

/// A request that has been understood, on its way to an answer.
struct Order {
    request: Arc<ChatRequest>,
    recipient: Recipient,
    route: Route,
    facts: Facts,
    /// How to keep the answer, if it may be.
    ticket: Option<Ticket>,
}

impl Order {
    /// The right to keep what this source has answered.
    fn ticket_for(&self, source: &Source) -> Option<Ticket> {
        self.ticket.clone().filter(|_| source.is_first_choice)
    }
}

impl Gateway {
    /// A gateway of these parts.
    #[must_use]
    pub fn new(settings: Settings, parts: Parts) -> Self {
        Self {
            settings,
            catalogue: parts.catalogue,
            store: parts.store,
            encoder: parts.encoder,
            recorder: parts.recorder,
            ledger: parts.ledger,
            tasks: parts.tasks,
            clock: parts.clock,
            flights: Flights::default(),
            second_tries: Semaphore::new(SECOND_TRIES),
            background: Arc::new(Semaphore::new(BACKGROUND)),
        }
    }

    /// Answers a chat request.
    ///
    /// # Errors
    /// [`Refusal`]: the error, and what is known of the request by then.
    pub async fn chat(self: &Arc<Self>, asked: Asked) -> Result<Reply, Refusal> {
        let Asked {
            caller,
            mut controls,
            body,
            received,
        } = asked;
        let is_plain = self.settings.rules.enabled && controls == Controls::default();
        let raw = is_plain.then(|| RawKey::new(caller.own, &body));
        if let Some(reply) = raw.and_then(|raw| self.identical(&raw, caller.own, received)) {
            return Ok(reply);
        }
        let request = ChatRequest::parse(body, &mut controls)
            .map_err(|invalid| Error::bad_request(invalid.param, invalid.message))?;
        if !caller.allowed.allows(request.model()) {
            return Err(Error::ModelNotAllowed(request.model().to_owned()).into());
        }
        let route = self.catalogue.route(request.model())?;
        let request = Arc::new(request);

        let recipient = Recipient {
            own: caller.own,
            delivery: request.delivery(),
            received,
        };
        let question = question::Asked::of(&request);
        let question = question.as_ref();
        let rules = &self.settings.rules;
        let exception = Exception::default();
        let plan = match cacheable::plan(&request, question, &controls, rules, exception) {
            Ok(plan) => plan,
            Err(bypass) => {
                metrics::counter!(names::CACHE_BYPASS, "reason" => bypass.as_str()).increment(1);
                let facts = Facts::new(Way::Bypass, Some(bypass.as_str()), received);
                let order = Order {
                    request,
                    recipient,
                    route,
                    facts,
                    ticket: None,
                };
                return self.fetch(order).await;
            }
        };
        let scope =
            (controls.namespace.as_ref()).map_or(caller.scope, |name| caller.scope.within(name));
        let identity = identify(
            &request,
            question,
            &Setting {
                scope,
                target: &route.identity(),
                by_user: self.settings.by_user,
                same_as: &|context| self.store.same_context(context),
            },
        );
        // A control in the body would be read again only by parsing: such bytes are not remembered.
        let raw = raw.filter(|_| controls == Controls::default());
        let purges = self.store.purges();
        let lookup = if plan.lookup {
            self.look_up(&identity, &plan, &controls).await
        } else {
            Lookup::Miss(Missed::because("no_cache"))
        };
        let order = |embedding, facts| {
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
                ttl,
                purges,
                raw,
                request: Arc::clone(&request),
            });
            Order {
                request: Arc::clone(&request),
                recipient,
                route,
                facts,
                ticket,
            }
        };
        let missed = match lookup {
            Lookup::Hit(found) => {
                let reply = self.hit(&found, &identity, raw, &request, recipient).await;
                if found.stale.is_some() {
                    self.refresh(order(None, Facts::new(Way::Background, None, received)));
                }
                return Ok(reply);
            }
            Lookup::Miss(missed) => missed,
        };
        let facts = Facts::new(Way::Miss, missed.reason, received);
        if controls.only_if_cached {
            return Err(Refusal {
                error: Error::NotCached,
                facts: Some(facts),
            });
        }
        let order = order(missed.embedding, facts);
        let answered = match &order.ticket {
            Some(ticket) if plan.lookup => {
                let flight = self
                    .flights
                    .join(ticket.identity.fingerprint, recipient.delivery);
                self.fly(order, flight, controls.max_age).await
            }
            _ => self.fetch(order).await,
        };
        match (answered, missed.stale) {
            (Err(refusal), Some(stale)) if refusal.error.fault() == Fault::Upstream => {
                Ok(self.serve(&stale, recipient))
            }
            (answered, _) => answered,
        }
    }
}
