//! Getting a fresh answer: by a call of one's own, or by sharing that of an identical request.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{TryStreamExt, stream::BoxStream};

mod landed;
mod usage;

use self::landed::{Streamed, Told};
pub(super) use self::{landed::Landed, usage::last_count};
use super::{
    CallKey, Gateway, Order,
    dispatch::Source,
    lookup::Found,
    record::Ticket,
    reply::{self, Facts, Refusal, Reply, ReplyBody, Tier},
};
use crate::{
    cache::{
        flight::{Flight, Role},
        shared::{Ended, Shared},
    },
    clock::Moment,
    config::CacheMode,
    error::{Error, UpstreamError, UpstreamErrorKind},
    provider::{ChatReply, Events, Piece},
    telemetry::ledger::Way,
    units::Usd,
    wire::{answer::Usage, chat::Delivery, native::Interface},
};

/// A call that others may share.
type Call = Flight<CallKey, Result<Landed, UpstreamError>>;

impl Gateway {
    /// Asks a provider, or shares the answer of an identical request that already does.
    pub(super) async fn fly(
        &self,
        order: Order,
        flight: Arc<Call>,
        max_age: Option<Duration>,
    ) -> Result<Reply, Refusal> {
        let fingerprint = order
            .ticket
            .as_ref()
            .map(|ticket| ticket.identity.fingerprint);
        let joined = self.clock.now();
        let (landed, role) = flight
            .result(async || {
                // Only who asks pays.
                if let Err(error) = order.open_tab() {
                    return Ok(Landed::Unpaid(Arc::new(error)));
                }
                // The answer may have come between this request's lookup and its flight.
                let kept = fingerprint
                    .filter(|_| order.setup.settings.mode == CacheMode::Serve)
                    .and_then(|fingerprint| self.young(&fingerprint, max_age));
                if let Some(entry) = kept {
                    return Ok(Landed::Kept(entry));
                }
                self.land(&order, &flight).await
            })
            .await;
        let shares = |leader| {
            if role == Role::Follower {
                order.journal.shares(leader);
            }
        };
        match landed {
            Ok(Landed::Kept(entry)) => {
                let found = Found {
                    entry,
                    tier: Tier::Exact,
                    stale: None,
                    near: None,
                };
                // What is there already when it is to be made afresh is told to nobody.
                if order.facts.way == Way::Background {
                    return Ok(self.rendered(&found, order.recipient));
                }
                Ok(self.deliver(&found, &order.request, order.recipient).await)
            }
            Ok(Landed::Unpaid(error)) => {
                flight.close();
                if role == Role::Follower {
                    // That another client may not ask says nothing of this one.
                    return self.fetch(order).await;
                }
                Err(refuse(Error::clone(&error), order))
            }
            Ok(Landed::Whole(told)) => {
                shares(told.leader);
                let waited = self.waited(&told.source, role, joined);
                Ok(self.whole(&order, &told, role, waited).await)
            }
            Ok(Landed::Stream(streamed)) => {
                if role == Role::Follower && !streamed.shared.has_beginning() {
                    flight.close();
                    return self.ask_again(order, streamed.too_large()).await;
                }
                shares(streamed.leader);
                match order.request.delivery() {
                    Delivery::Json => {
                        self.assembled(order, &flight, &streamed, role, joined)
                            .await
                    }
                    Delivery::Stream { usage } => {
                        let waited = self.waited(&streamed.source, role, joined);
                        Ok(self.events(&order, flight, &streamed, usage, role, waited))
                    }
                }
            }
            Err(error) => {
                flight.close();
                if role == Role::Follower && error.is_retryable() {
                    return self.ask_again(order, error).await;
                }
                let mut refusal = refuse(error, order);
                if let Some(facts) = refusal.facts.as_mut().filter(|_| role == Role::Follower) {
                    facts.upstream = self.clock.now().since(joined);
                }
                Err(refusal)
            }
        }
    }

    /// Asks a provider on behalf of everybody who joins `flight`, in the form that `order` wants.
    async fn land(&self, order: &Order, flight: &Arc<Call>) -> Result<Landed, UpstreamError> {
        let (reply, source, ticket) = self.ask(order).await?;
        Ok(match reply {
            ChatReply::Whole(whole) => {
                self.recorder.whole(ticket, &whole, &source);
                flight.close();
                Landed::Whole(Arc::new(Told::new(whole, source, order.journal.trace())))
            }
            ChatReply::Stream(Events {
                headers,
                native,
                first,
                rest,
            }) => {
                let joinable = Arc::downgrade(flight);
                let used = Arc::new(OnceLock::new());
                let known = Arc::clone(&used);
                let ended = move |usage| {
                    if let Some(usage) = usage {
                        known.get_or_init(|| usage);
                    }
                    if let Some(flight) = joinable.upgrade() {
                        flight.close();
                    }
                };
                let shared = self.share(first, rest, ticket, source.clone(), ended);
                let has_usage = order.request.delivery() == Delivery::Stream { usage: true };
                let source = (source, order.journal.trace());
                let streamed = Streamed::new(shared, (headers, native), source, has_usage, used);
                Landed::Stream(Arc::new(streamed))
            }
        })
    }

    /// Asks for `order` alone after a call that it shared came to nothing, if not too many do.
    async fn ask_again(&self, order: Order, error: UpstreamError) -> Result<Reply, Refusal> {
        match self.second_tries.try_acquire() {
            Ok(_permit) => self.fetch(order).await,
            Err(_) => Err(refuse(error, order)),
        }
    }

    /// Asks a provider for this request alone.
    pub(super) async fn fetch(&self, order: Order) -> Result<Reply, Refusal> {
        if let Err(error) = order.open_tab() {
            return Err(refuse(error, order));
        }
        let (reply, source, ticket) = match self.ask(&order).await {
            Ok(answered) => answered,
            Err(error) => return Err(refuse(error, order)),
        };
        match reply {
            ChatReply::Whole(whole) => {
                self.recorder.whole(ticket, &whole, &source);
                let waited = source.waited;
                let told = Told::new(whole, source, order.journal.trace());
                Ok(self.whole(&order, &told, Role::Leader, waited).await)
            }
            ChatReply::Stream(Events {
                headers,
                native,
                first,
                rest,
            }) => {
                let facts = self.facts(&order, &source, Role::Leader, source.waited);
                let native = native.filter(|native| Some(*native) == order.request.interface());
                let events = if ticket.is_some() {
                    self.share(first, rest, ticket, source, |_| {}).read()
                } else {
                    reply::unshared(first, rest)
                };
                let events = reply::told(events, native.is_some(), order.journal);
                Ok(Reply {
                    body: ReplyBody::Events(events),
                    native,
                    headers,
                    facts,
                })
            }
        }
    }

    /// A stream that is recorded when it ends; then, `after` is called with its tokens, if the provider
    /// counted them.
    fn share(
        &self,
        first: Piece,
        rest: BoxStream<'static, Result<Piece, UpstreamError>>,
        ticket: Option<Ticket>,
        source: Source,
        after: impl FnOnce(Option<Usage>) + Send + 'static,
    ) -> Arc<Shared> {
        let recorder = self.recorder.clone();
        let name = source.provider.clone();
        let (clock, began) = (self.clock.clone(), self.clock.now());
        Shared::new(name, first, rest, self.max_shared, move |ended| {
            let used = match &ended {
                Ended::Whole(Some(stream)) => usage::last_count(stream),
                Ended::Whole(None) | Ended::Broken(_) => None,
            };
            recorder.stream(ticket, ended, &source, clock.now().since(began));
            after(used);
        })
    }

    /// A whole answer, as `order` wants it.
    async fn whole(&self, order: &Order, told: &Told, role: Role, waited: Duration) -> Reply {
        let mut facts = self.facts(order, &told.source, role, waited);
        self.settle(&mut facts, &told.source, told.whole.answer.usage(), role);
        let (body, native) = match (order.request.delivery(), &told.whole.native) {
            (Delivery::Json, Some((interface, words))) if told_in(*interface, order, role) => {
                (ReplyBody::Json(words.clone()), Some(*interface))
            }
            (Delivery::Json, _) => (ReplyBody::Json(told.whole.body.clone()), None),
            (Delivery::Stream { usage }, _) => {
                let now = self.clock.unix_seconds();
                let events = told.events(usage, &order.request, now).await;
                (ReplyBody::EventsWhole(events), None)
            }
        };
        Reply {
            body,
            native,
            headers: told.whole.headers.clone(),
            facts,
        }
    }

    /// A shared stream, as `order` wants it.
    fn events(
        &self,
        order: &Order,
        flight: Arc<Call>,
        streamed: &Arc<Streamed>,
        wants_usage: bool,
        role: Role,
        waited: Duration,
    ) -> Reply {
        let facts = self.facts(order, &streamed.source, role, waited);
        let now = self.clock.unix_seconds();
        let native = (streamed.native).filter(|native| told_in(*native, order, role));
        let is_native = native.is_some();
        let events = if is_native {
            Arc::clone(&streamed.shared).read()
        } else {
            streamed.events(wants_usage, &order.request, now)
        };
        let saves = (facts.way == Way::Coalesced).then(|| Arc::clone(&self.ledger));
        let source = streamed.source.clone();
        let used = Arc::clone(&streamed.used);
        let journal = Arc::clone(&order.journal);
        let events = events.inspect_ok(move |piece| {
            // Held by every reader, so that others can join while it lasts.
            let _joinable = &flight;
            if let Some(ledger) = saves.as_ref().filter(|_| piece.last) {
                let used = used.get().copied();
                let saved = cost(&source, used);
                ledger.save(used, saved);
                if let Some(saved) = saved {
                    journal.saved(saved);
                }
            }
        });
        let events = reply::told(events, is_native, Arc::clone(&order.journal));
        Reply {
            body: ReplyBody::Events(events),
            native,
            headers: streamed.headers.clone(),
            facts,
        }
    }

    /// A shared stream as one JSON object.
    async fn assembled(
        &self,
        order: Order,
        flight: &Call,
        streamed: &Streamed,
        role: Role,
        joined: Moment,
    ) -> Result<Reply, Refusal> {
        let now = self.clock.unix_seconds();
        match streamed.assembled(&order.request, now).await {
            Ok(assembled) => {
                let waited = self.clock.now().since(joined);
                let mut facts = self.facts(&order, &streamed.source, role, waited);
                self.settle(&mut facts, &streamed.source, assembled.used, role);
                Ok(Reply {
                    body: ReplyBody::Json(assembled.json.clone()),
                    native: None,
                    headers: streamed.headers.clone(),
                    facts,
                })
            }
            // Others may have read it, but nobody can make an answer of it.
            Err(error) if matches!(error.kind, UpstreamErrorKind::Decode(_)) => {
                flight.close();
                self.ask_again(order, error).await
            }
            Err(error) => Err(refuse(error, order)),
        }
    }

    /// How long providers were waited for, by this request.
    fn waited(&self, source: &Source, role: Role, joined: Moment) -> Duration {
        match role {
            Role::Leader => source.waited,
            Role::Follower => self.clock.now().since(joined),
        }
    }

    /// Notes what an answer cost, or saved.
    fn settle(&self, facts: &mut Facts, source: &Source, used: Option<Usage>, role: Role) {
        let cost = cost(source, used);
        match role {
            Role::Leader => facts.cost = cost,
            Role::Follower => {
                if facts.way == Way::Coalesced {
                    self.ledger.save(used, cost);
                }
                facts.saved = cost;
            }
        }
    }

    fn facts(&self, order: &Order, source: &Source, role: Role, waited: Duration) -> Facts {
        let way = match role {
            Role::Leader => order.facts.way,
            // Nobody's request, and no call of its own.
            Role::Follower if order.facts.way == Way::Background => Way::Background,
            Role::Follower => Way::Coalesced,
        };
        if role == Role::Leader || way == Way::Coalesced {
            self.ledger.count(way);
        }
        Facts {
            way,
            provider: Some(source.provider.clone()),
            model: Some(source.model.clone()),
            task: source.task.clone(),
            trimmed: source.trimmed,
            attempts: source.attempts,
            upstream: waited,
            stored: order.ticket.is_some() && source.is_first_choice && role == Role::Leader,
            ..order.facts.clone()
        }
    }
}

/// Why `order` is not answered, with what its calls took.
fn refuse(error: impl Into<Error>, order: Order) -> Refusal {
    let (attempts, upstream) = order.journal.calls();
    Refusal {
        error: error.into(),
        facts: Some(Facts {
            attempts,
            upstream,
            ..order.facts
        }),
    }
}

fn cost(source: &Source, used: Option<Usage>) -> Option<Usd> {
    let used = used?;
    Some(source.price?.of(used.input, used.output))
}

/// Whether whoever asks for `order` is told the provider's own words in this interface: they may repeat things of
/// the request that they answer (`metadata`, `user`), which those who joined it did not say.
fn told_in(interface: Interface, order: &Order, role: Role) -> bool {
    role == Role::Leader && order.request.interface() == Some(interface)
}
