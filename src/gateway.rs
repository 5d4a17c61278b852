//! One chat request from start to end. [`Gateway::chat`] reads as the picture in `ARCHITECTURE.md`.
//!
//! It joins the parts and decides nothing itself: what may be cached and what answers is `policy`'s,
//! keeping and finding `cache`'s, asking `provider`'s. Invariant: whatever goes wrong in the cache or
//! the encoder, the request goes on as if they were not there.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

pub mod catalogue;
mod dispatch;
mod fetch;
mod lookup;
pub mod record;
mod replay;
pub mod reply;

use self::{
    catalogue::{Catalogue, Route},
    dispatch::Source,
    fetch::Landed,
    lookup::Lookup,
    record::{Recorder, Ticket},
    reply::{Facts, Refusal, Reply},
};
use crate::{
    cache::{
        flight::Flights,
        store::{Alias, RawKey, Store},
    },
    clock::{Clock, Moment},
    config::AllowedModels,
    embed::Embed,
    error::{Error, UpstreamError},
    policy::{
        cacheable::{self, Rules},
        identity::{Scope, identify},
        question,
    },
    telemetry::ledger::{Ledger, Way},
    units::Similarity,
    wire::{chat::ChatRequest, controls::Controls},
};

/// Requests that may ask for themselves when the call they shared has failed; the rest get its error.
/// Without a bound, one failure of a popular question becomes a storm of calls.
const SECOND_TRIES: usize = 8;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose entries it sees.
    pub scope: Scope,
    /// Itself, also where it shares a namespace with others.
    pub own: Scope,
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
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What may be cached, and for how long.
    pub rules: Rules,
    /// The least similarity of a semantic hit.
    pub threshold: Similarity,
    /// The largest stream that is held to be shared and kept, in bytes.
    pub max_shared: usize,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    catalogue: Arc<Catalogue>,
    store: Arc<Store>,
    encoder: Option<Arc<dyn Embed>>,
    recorder: Recorder,
    flights: Flights<Result<Landed, UpstreamError>>,
    second_tries: Semaphore,
    ledger: Arc<Ledger>,
    clock: Clock,
}

/// A request that has been understood, on its way to an answer.
struct Order {
    request: Arc<ChatRequest>,
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
    pub fn new(
        settings: Settings,
        catalogue: Arc<Catalogue>,
        store: Arc<Store>,
        encoder: Option<Arc<dyn Embed>>,
        recorder: Recorder,
        ledger: Arc<Ledger>,
        clock: Clock,
    ) -> Self {
        Self {
            settings,
            catalogue,
            store,
            encoder,
            recorder,
            flights: Flights::default(),
            second_tries: Semaphore::new(SECOND_TRIES),
            ledger,
            clock,
        }
    }

    /// Answers a chat request.
    ///
    /// # Errors
    /// [`Refusal`]: the error, and what is known of the request by then.
    pub async fn chat(&self, asked: Asked) -> Result<Reply, Refusal> {
        let Asked {
            caller,
            mut controls,
            body,
            received,
        } = asked;
        let is_plain = self.settings.rules.enabled && controls == Controls::default();
        let raw = is_plain.then(|| RawKey::new(caller.own, &body));
        if let Some(reply) = raw.and_then(|raw| self.identical(&raw, received)) {
            return Ok(reply);
        }
        let request = ChatRequest::parse(body, &mut controls)
            .map_err(|invalid| Error::bad_request(invalid.param, invalid.message))?;
        if !caller.allowed.allows(request.model()) {
            return Err(Error::ModelNotAllowed(request.model().to_owned()).into());
        }
        let route = self.catalogue.route(request.model())?;
        let scope = controls
            .namespace
            .as_ref()
            .map_or(caller.scope, |name| caller.scope.within(name));
        let request = Arc::new(request);

        let question = question::Asked::of(&request);
        let question = question.as_ref();
        let plan = match cacheable::plan(&request, question, &controls, &self.settings.rules) {
            Ok(plan) => plan,
            Err(bypass) => {
                metrics::counter!(crate::telemetry::names::CACHE_BYPASS, "reason" => bypass.as_str()).increment(1);
                let facts = Facts::new(Way::Bypass, Some(bypass.as_str()), received);
                return self
                    .fetch(Order {
                        request,
                        route,
                        facts,
                        ticket: None,
                    })
                    .await;
            }
        };
        let identity = identify(&request, question, scope, &route.identity());
        // A control in the body would be read again only by parsing: such bytes are not remembered.
        let raw = raw.filter(|_| controls == Controls::default());
        let (reason, embedding) = if plan.lookup {
            match self.look_up(&identity, &plan, &controls).await {
                Lookup::Hit(entry, tier) => {
                    if let Some(raw) = raw {
                        let alias = Alias {
                            fingerprint: identity.fingerprint,
                            paraphrase_of: tier.paraphrase_of(),
                            delivery: request.delivery(),
                        };
                        self.store.remember(raw, alias);
                    }
                    return Ok(self.hit(&entry, tier, &request, received).await);
                }
                Lookup::Miss { reason, embedding } => (reason, embedding),
            }
        } else {
            (Some("no_cache"), None)
        };
        if controls.only_if_cached {
            let facts = Facts::new(Way::Miss, reason, received);
            return Err(Refusal {
                error: Error::NotCached,
                facts: Some(facts),
            });
        }
        let (delivery, fingerprint) = (request.delivery(), identity.fingerprint);
        let ticket = plan.keep.map(|ttl| Ticket {
            wording: identity.question.filter(|_| plan.semantic.is_ok()),
            fingerprint,
            partition: identity.partition,
            embedding,
            ttl,
            raw,
            request: Arc::clone(&request),
        });
        let facts = Facts::new(Way::Miss, reason, received);
        let shareable = plan.lookup && ticket.is_some();
        let order = Order {
            request,
            route,
            facts,
            ticket,
        };
        if shareable {
            let flight = self.flights.join(fingerprint, delivery);
            self.fly(order, flight, controls.max_age).await
        } else {
            self.fetch(order).await
        }
    }
}
