//! One chat request from start to end. [`Gateway::chat`] reads as the picture in `ARCHITECTURE.md`.
//!
//! It joins the parts and decides nothing itself: what may be cached and what answers is `policy`'s,
//! keeping and finding `cache`'s, asking `provider`'s. Invariant: whatever goes wrong in the cache or
//! the encoder, the request goes on as if they were not there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::Semaphore;

pub mod catalogue;
mod dispatch;
pub mod record;
mod replay;
pub mod reply;

use self::{
    catalogue::{Catalogue, Route},
    dispatch::{Dispatched, dispatch},
    record::{Recorder, Ticket},
    reply::{Facts, Refusal, Reply, ReplyBody, Tier},
};
use crate::{
    cache::{
        entry::Entry,
        flight::{Flight, Flights, Role},
        shared::{Ended, Shared},
        store::{Alias, RawKey, Store},
    },
    clock::{Clock, Moment},
    config::AllowedModels,
    embed::{Embed, Embedding},
    error::{Error, UpstreamError},
    policy::{
        admit::{Verdict, admit},
        cacheable::{self, Plan, Rules},
        identity::{Identity, Scope, identify},
        veto::Wording,
    },
    provider::{ChatReply, Whole},
    telemetry::ledger::{Ledger, Way},
    units::Similarity,
    wire::{
        chat::{ChatRequest, Delivery},
        controls::Controls,
    },
};

/// Neighbours that are looked at: the nearest may be vetoed.
const CANDIDATES: usize = 4;
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

/// What a flight ends in; clones share it.
#[derive(Debug, Clone)]
enum Landed {
    Kept(Arc<Entry>),
    Whole(Arc<Dispatched<Whole>>),
    Stream(Arc<Dispatched<Arc<Shared>>>),
}

/// A request that has been understood, on its way to an answer.
struct Order {
    request: Arc<ChatRequest>,
    route: Route,
    facts: Facts,
    /// How to keep the answer, if it may be.
    ticket: Option<Ticket>,
}

enum Lookup {
    Hit(Arc<Entry>, Tier),
    Miss {
        reason: Option<&'static str>,
        embedding: Option<Embedding>,
    },
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
        let raw = (controls == Controls::default()).then(|| RawKey::new(caller.own, &body));
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

        let plan = match cacheable::plan(&request, &controls, &self.settings.rules) {
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
        let identity = identify(&request, scope, &route.identity());
        // A control in the body would be read again only by parsing: such bytes are not remembered.
        let raw = raw.filter(|_| controls == Controls::default());
        let (reason, embedding) = if plan.lookup {
            match self.look_up(&identity, &plan, &controls).await {
                Lookup::Hit(entry, tier) => {
                    if let Some(raw) = raw {
                        let (fingerprint, delivery) =
                            (tier.fingerprint(&identity), request.delivery());
                        self.store.remember(
                            raw,
                            Alias {
                                fingerprint,
                                delivery,
                                semantic: tier.is_semantic(),
                            },
                        );
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
        let delivery = request.delivery();
        let fingerprint = identity.fingerprint;
        let ticket = plan.keep.map(|ttl| Ticket {
            wording: identity.question.filter(|_| plan.semantic.is_ok()),
            fingerprint,
            partition: identity.partition,
            embedding,
            ttl,
            raw: raw.map(|raw| (raw, delivery)),
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

    /// A hit by the very bytes of the body, without reading them.
    fn identical(&self, raw: &RawKey, received: Moment) -> Option<Reply> {
        let alias = self.store.alias(raw)?;
        let entry = self.store.get(&alias.fingerprint)?;
        if !entry.is_fresh(self.clock.now(), None) {
            return None;
        }
        // Counting its tokens takes the request.
        if replay::lacks_usage(&entry, alias.delivery) {
            return None;
        }
        let tier = if alias.semantic {
            Tier::Semantic {
                similarity: None,
                fingerprint: alias.fingerprint,
            }
        } else {
            Tier::Exact
        };
        Some(self.serve(&entry, tier, alias.delivery, received))
    }

    async fn look_up(&self, identity: &Identity, plan: &Plan, controls: &Controls) -> Lookup {
        if let Some(entry) = self.fresh(&identity.fingerprint, controls.max_age) {
            return Lookup::Hit(entry, Tier::Exact);
        }
        let miss = |reason, embedding| Lookup::Miss { reason, embedding };
        if let Err(ineligible) = plan.semantic {
            return miss(Some(ineligible.as_str()), None);
        }
        let (Some(encoder), Some(question)) = (&self.encoder, &identity.question) else {
            return miss(None, None);
        };
        if !self.store.has_neighbours(identity.partition) {
            return miss(None, None);
        }
        let embedding = match encoder.embed(question).await {
            Ok(embedding) => embedding,
            Err(error) => return miss(Some(error.reason()), None),
        };
        let neighbours = self
            .store
            .neighbours(identity.partition, &embedding, CANDIDATES);
        let threshold = controls.threshold.unwrap_or(self.settings.threshold);
        let candidates = neighbours
            .iter()
            .map(|near| (near.similarity, &*near.wording));
        match admit(&Wording::of(question), threshold, candidates) {
            Verdict::Miss(reason) => miss(Some(reason.as_str()), Some(embedding)),
            Verdict::Hit(place) => {
                let near = neighbours.get(place);
                let entry = near.and_then(|near| self.fresh(&near.fingerprint, controls.max_age));
                match (near, entry) {
                    (Some(near), Some(entry)) => {
                        let similarity = Some(near.similarity);
                        let fingerprint = near.fingerprint;
                        Lookup::Hit(
                            entry,
                            Tier::Semantic {
                                similarity,
                                fingerprint,
                            },
                        )
                    }
                    _ => miss(Some("expired"), Some(embedding)),
                }
            }
        }
    }

    fn fresh(
        &self,
        fingerprint: &crate::policy::identity::Fingerprint,
        max_age: Option<Duration>,
    ) -> Option<Arc<Entry>> {
        let entry = self.store.get(fingerprint)?;
        let now = self.clock.now();
        if !entry.is_fresh(now, None) {
            self.store.remove(fingerprint);
        }
        entry.is_fresh(now, max_age).then_some(entry)
    }

    async fn hit(
        &self,
        entry: &Arc<Entry>,
        tier: Tier,
        request: &Arc<ChatRequest>,
        received: Moment,
    ) -> Reply {
        let delivery = request.delivery();
        if replay::lacks_usage(entry, delivery) {
            let (entry, request) = (Arc::clone(entry), Arc::clone(request));
            let count = tokio::task::spawn_blocking(move || replay::count_tokens(&entry, &request));
            if count.await.is_err() {
                tracing::error!("counting tokens failed");
            }
        }
        self.serve(entry, tier, delivery, received)
    }

    fn serve(&self, entry: &Entry, tier: Tier, delivery: Delivery, received: Moment) -> Reply {
        let way = if tier.is_semantic() {
            Way::Semantic
        } else {
            Way::Exact
        };
        self.ledger.count(way);
        let saved = entry.cost();
        self.ledger.save(entry.tokens(), saved);
        let now = self.clock.now();
        let facts = Facts {
            age: Some(now.since(entry.stored)),
            similarity: tier.similarity(),
            provider: Some(entry.provider.clone()),
            model: Some(entry.model.clone()),
            saved,
            ..Facts::new(way, None, received)
        };
        let created = self.clock.unix_seconds();
        Reply {
            body: replay::render(entry, delivery, created),
            headers: http::HeaderMap::new(),
            facts,
        }
    }

    /// Asks a provider, or shares the answer of an identical request that already does.
    async fn fly(
        &self,
        order: Order,
        flight: Arc<Flight<Result<Landed, UpstreamError>>>,
        max_age: Option<Duration>,
    ) -> Result<Reply, Refusal> {
        let fingerprint = order.ticket.as_ref().map(|ticket| ticket.fingerprint);
        let (landed, role) = flight
            .result(async || {
                // The answer may have come between this request's lookup and its flight.
                let kept = fingerprint.and_then(|fingerprint| self.fresh(&fingerprint, max_age));
                if let Some(entry) = kept {
                    return Ok(Landed::Kept(entry));
                }
                self.land(&order, &flight).await
            })
            .await;
        match landed {
            Ok(Landed::Kept(entry)) => Ok(self
                .hit(&entry, Tier::Exact, &order.request, order.facts.received)
                .await),
            Ok(Landed::Whole(whole)) => Ok(self.whole(&order, &whole, role)),
            Ok(Landed::Stream(stream)) => {
                // Held by every reader, so that others can join while it lasts.
                let events = Arc::clone(&stream.reply).read();
                let events = futures_util::StreamExt::map(events, move |item| {
                    let _joinable = &flight;
                    item
                });
                let facts = self.facts(&order, &stream, role);
                Ok(Reply {
                    body: ReplyBody::Events(Box::pin(events)),
                    headers: stream.headers.clone(),
                    facts,
                })
            }
            Err(error) => {
                flight.close();
                if role == Role::Follower
                    && error.is_retryable()
                    && let Ok(_permit) = self.second_tries.try_acquire()
                {
                    return self.fetch(order).await;
                }
                Err(self.refuse(error, order.facts))
            }
        }
    }

    async fn land(
        &self,
        order: &Order,
        flight: &Arc<Flight<Result<Landed, UpstreamError>>>,
    ) -> Result<Landed, UpstreamError> {
        let dispatched = dispatch(&order.route, &order.request, &self.clock).await?;
        let ticket = order.ticket.clone().filter(|_| dispatched.is_first_choice);
        Ok(match dispatched.split() {
            (ChatReply::Whole(whole), about) => {
                self.recorder.whole(ticket, &whole.answer, &about);
                flight.close();
                Landed::Whole(Arc::new(about.with(whole.headers.clone(), whole)))
            }
            (ChatReply::Stream(events), about) => {
                let recorder = self.recorder.clone();
                let (context, joinable) = (about.clone(), Arc::downgrade(flight));
                let bound = self.settings.max_shared;
                let name = about.provider.clone();
                let shared = Shared::new(name, events.first, events.rest, bound, move |ended| {
                    recorder.stream(ticket, ended, &context);
                    if let Some(flight) = joinable.upgrade() {
                        flight.close();
                    }
                });
                Landed::Stream(Arc::new(about.with(events.headers, shared)))
            }
        })
    }

    /// Asks a provider for this request alone.
    async fn fetch(&self, order: Order) -> Result<Reply, Refusal> {
        let dispatched = match dispatch(&order.route, &order.request, &self.clock).await {
            Ok(dispatched) => dispatched,
            Err(error) => return Err(self.refuse(error, order.facts)),
        };
        let ticket = order.ticket.clone().filter(|_| dispatched.is_first_choice);
        match dispatched.split() {
            (ChatReply::Whole(whole), about) => {
                self.recorder.whole(ticket, &whole.answer, &about);
                let whole = about.with(whole.headers.clone(), whole);
                Ok(self.whole(&order, &whole, Role::Leader))
            }
            (ChatReply::Stream(events), about) => {
                let about = about.with(events.headers.clone(), ());
                let facts = self.facts(&order, &about, Role::Leader);
                let recorder = self.recorder.clone();
                let body = if ticket.is_some() {
                    let bound = self.settings.max_shared;
                    let context = about.clone();
                    Shared::new(
                        about.provider,
                        events.first,
                        events.rest,
                        bound,
                        move |ended: Ended| {
                            recorder.stream(ticket, ended, &context);
                        },
                    )
                    .read()
                } else {
                    reply::unshared(events.first, events.rest)
                };
                Ok(Reply {
                    body: ReplyBody::Events(body),
                    headers: about.headers,
                    facts,
                })
            }
        }
    }

    fn whole(&self, order: &Order, whole: &Dispatched<Whole>, role: Role) -> Reply {
        let mut facts = self.facts(order, whole, role);
        let cost = whole.cost_of(&whole.reply.answer);
        if role == Role::Follower {
            self.ledger.save(whole.reply.answer.usage(), cost);
            facts.saved = cost;
        } else {
            facts.cost = cost;
        }
        let body = match order.request.delivery() {
            Delivery::Json => ReplyBody::Json(whole.reply.body.clone()),
            // Asked for a stream, the provider answered as a whole.
            Delivery::Stream { usage } => {
                let created = self.clock.unix_seconds();
                ReplyBody::EventsWhole(replay::split(&whole.reply.answer, created, usage))
            }
        };
        Reply {
            body,
            headers: whole.headers.clone(),
            facts,
        }
    }

    fn facts<T>(&self, order: &Order, about: &Dispatched<T>, role: Role) -> Facts {
        let way = match role {
            Role::Leader => order.facts.way,
            Role::Follower => Way::Coalesced,
        };
        self.ledger.count(way);
        Facts {
            way,
            provider: Some(about.provider.clone()),
            model: Some(about.model.clone()),
            attempts: about.attempts,
            upstream: about.waited,
            stored: order.ticket.is_some() && about.is_first_choice && role == Role::Leader,
            ..order.facts.clone()
        }
    }

    fn refuse(&self, error: UpstreamError, facts: Facts) -> Refusal {
        self.ledger.count_failed();
        Refusal {
            error: error.into(),
            facts: Some(facts),
        }
    }
}
