//! Getting a fresh answer: by a call of one's own, or by sharing that of an identical request.

use std::{sync::Arc, time::Duration};

use futures_util::stream::BoxStream;
use http::HeaderMap;

use super::{
    Gateway, Order,
    dispatch::{Source, dispatch},
    lookup::Found,
    record::Ticket,
    replay,
    reply::{self, Facts, Refusal, Reply, ReplyBody, Tier},
};
use crate::{
    cache::{
        entry::Entry,
        flight::{Flight, Role},
        shared::Shared,
    },
    error::UpstreamError,
    provider::{ChatReply, Events, Piece, Whole},
    telemetry::ledger::Way,
    wire::chat::Delivery,
};

/// What a flight ends in; clones share it.
#[derive(Debug, Clone)]
pub(super) enum Landed {
    Kept(Arc<Entry>),
    Whole(Arc<(Whole, Source)>),
    Stream(Arc<Shared>, Arc<(HeaderMap, Source)>),
}

impl Gateway {
    /// Asks a provider, or shares the answer of an identical request that already does.
    pub(super) async fn fly(
        &self,
        order: Order,
        flight: Arc<Flight<Result<Landed, UpstreamError>>>,
        max_age: Option<Duration>,
    ) -> Result<Reply, Refusal> {
        let fingerprint = order
            .ticket
            .as_ref()
            .map(|ticket| ticket.identity.fingerprint);
        let (landed, role) = flight
            .result(async || {
                // The answer may have come between this request's lookup and its flight.
                let kept = fingerprint.and_then(|fingerprint| self.young(&fingerprint, max_age));
                if let Some(entry) = kept {
                    return Ok(Landed::Kept(entry));
                }
                self.land(&order, &flight).await
            })
            .await;
        match landed {
            Ok(Landed::Kept(entry)) => {
                let found = Found {
                    entry,
                    tier: Tier::Exact,
                    stale: None,
                };
                Ok(self.deliver(&found, &order.request, order.recipient).await)
            }
            Ok(Landed::Whole(whole)) => Ok(self.whole(&order, &whole.0, &whole.1, role)),
            Ok(Landed::Stream(shared, about)) => {
                // Held by every reader, so that others can join while it lasts.
                let events = shared.read();
                let events = futures_util::StreamExt::map(events, move |item| {
                    let _joinable = &flight;
                    item
                });
                let (headers, source) = &*about;
                let facts = self.facts(&order, source, role);
                Ok(Reply {
                    body: ReplyBody::Events(Box::pin(events)),
                    headers: headers.clone(),
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

    /// Asks a provider on behalf of everybody who joins `flight`.
    async fn land(
        &self,
        order: &Order,
        flight: &Arc<Flight<Result<Landed, UpstreamError>>>,
    ) -> Result<Landed, UpstreamError> {
        let (reply, source) = dispatch(&order.route, &order.request, &self.clock).await?;
        let ticket = order.ticket_for(&source);
        Ok(match reply {
            ChatReply::Whole(whole) => {
                self.recorder.whole(ticket, &whole, &source);
                flight.close();
                Landed::Whole(Arc::new((whole, source)))
            }
            ChatReply::Stream(Events {
                headers,
                first,
                rest,
            }) => {
                let joinable = Arc::downgrade(flight);
                let shared = self.share(first, rest, ticket, source.clone(), move || {
                    if let Some(flight) = joinable.upgrade() {
                        flight.close();
                    }
                });
                Landed::Stream(shared, Arc::new((headers, source)))
            }
        })
    }

    /// Asks a provider for this request alone.
    pub(super) async fn fetch(&self, order: Order) -> Result<Reply, Refusal> {
        let (reply, source) = match dispatch(&order.route, &order.request, &self.clock).await {
            Ok(answered) => answered,
            Err(error) => return Err(self.refuse(error, order.facts)),
        };
        let ticket = order.ticket_for(&source);
        match reply {
            ChatReply::Whole(whole) => {
                self.recorder.whole(ticket, &whole, &source);
                Ok(self.whole(&order, &whole, &source, Role::Leader))
            }
            ChatReply::Stream(Events {
                headers,
                first,
                rest,
            }) => {
                let facts = self.facts(&order, &source, Role::Leader);
                let events = if ticket.is_some() {
                    self.share(first, rest, ticket, source, || {}).read()
                } else {
                    reply::unshared(first, rest)
                };
                Ok(Reply {
                    body: ReplyBody::Events(events),
                    headers,
                    facts,
                })
            }
        }
    }

    /// A stream that is recorded when it ends; then, `after` is called.
    fn share(
        &self,
        first: Piece,
        rest: BoxStream<'static, Result<Piece, UpstreamError>>,
        ticket: Option<Ticket>,
        source: Source,
        after: impl FnOnce() + Send + 'static,
    ) -> Arc<Shared> {
        let recorder = self.recorder.clone();
        let name = source.provider.clone();
        Shared::new(name, first, rest, self.settings.max_shared, move |ended| {
            recorder.stream(ticket, ended, &source);
            after();
        })
    }

    fn whole(&self, order: &Order, whole: &Whole, source: &Source, role: Role) -> Reply {
        let mut facts = self.facts(order, source, role);
        let cost = source.cost_of(&whole.answer);
        if role == Role::Follower {
            self.ledger.save(whole.answer.usage(), cost);
            facts.saved = cost;
        } else {
            facts.cost = cost;
        }
        let body = match order.request.delivery() {
            Delivery::Json => ReplyBody::Json(whole.body.clone()),
            // Asked for a stream, the provider answered as a whole.
            Delivery::Stream { usage } => {
                let created = self.clock.unix_seconds();
                ReplyBody::EventsWhole(replay::split(&whole.answer, created, usage))
            }
        };
        Reply {
            body,
            headers: whole.headers.clone(),
            facts,
        }
    }

    fn facts(&self, order: &Order, source: &Source, role: Role) -> Facts {
        let way = match role {
            Role::Leader => order.facts.way,
            Role::Follower => Way::Coalesced,
        };
        self.ledger.count(way);
        Facts {
            way,
            provider: Some(source.provider.clone()),
            model: Some(source.model.clone()),
            attempts: source.attempts,
            upstream: source.waited,
            stored: order.ticket.is_some() && source.is_first_choice && role == Role::Leader,
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
