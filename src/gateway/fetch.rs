//! Getting a fresh answer: by a call of one's own, or by sharing that of an identical request.

use std::{sync::Arc, time::Duration};

use super::{
    Gateway, Order,
    dispatch::{Dispatched, dispatch},
    replay,
    reply::{self, Facts, Refusal, Reply, ReplyBody, Tier},
};
use crate::{
    cache::{
        entry::Entry,
        flight::{Flight, Role},
        shared::{Ended, Shared},
    },
    error::UpstreamError,
    provider::{ChatReply, Whole},
    telemetry::ledger::Way,
    wire::chat::Delivery,
};

/// What a flight ends in; clones share it.
#[derive(Debug, Clone)]
pub(super) enum Landed {
    Kept(Arc<Entry>),
    Whole(Arc<Dispatched<Whole>>),
    Stream(Arc<Dispatched<Arc<Shared>>>),
}

impl Gateway {
    /// Asks a provider, or shares the answer of an identical request that already does.
    pub(super) async fn fly(
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

    pub(super) async fn land(
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
    pub(super) async fn fetch(&self, order: Order) -> Result<Reply, Refusal> {
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

    pub(super) fn whole(&self, order: &Order, whole: &Dispatched<Whole>, role: Role) -> Reply {
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

    pub(super) fn facts<T>(&self, order: &Order, about: &Dispatched<T>, role: Role) -> Facts {
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

    pub(super) fn refuse(&self, error: UpstreamError, facts: Facts) -> Refusal {
        self.ledger.count_failed();
        Refusal {
            error: error.into(),
            facts: Some(facts),
        }
    }
}
