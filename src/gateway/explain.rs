//! Why a request would go where: a decision without asking anybody.
//!
//! The steps are those of [`Gateway::chat`] after a miss, so what is told here is what would happen, but for
//! what is drawn by chance.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    Asked, Gateway, Order,
    catalogue::{Route, Target},
    choose::Chosen,
    journey::{Inquiry, Leg, plan},
    prompt::Counts,
};
use crate::{error::Error, telemetry::ledger::Way, units::Tokens};

/// A decision, with its reasons.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// What was asked for.
    model: String,
    /// The kind of work that led to the route.
    task: Option<Work>,
    /// Who has answered the conversation so far, as `provider/model`.
    pinned: Option<String>,
    /// How the first of the targets is chosen.
    strategy: &'static str,
    /// What is done with prompts that are too long.
    on_overflow: &'static str,
    /// The prompt's tokens for the target that would be asked first.
    tokens: Range,
    /// Everybody on the route, in the order in which they would be asked.
    targets: Vec<Stop>,
    /// What would be cut for the target that would be asked first.
    trimmed_tokens: Option<u64>,
    /// Why nobody would be asked.
    refused: Option<String>,
}

/// A kind of work.
#[derive(Debug, Serialize)]
struct Work {
    name: String,
    why: &'static str,
    /// By how much it is nearer than the next one.
    margin: Option<f32>,
    /// How near each kind is, from -1 to 1.
    scores: BTreeMap<String, f32>,
}

/// A number of tokens that is known to be in this range.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Range {
    least: u64,
    most: u64,
}

/// One target.
#[derive(Debug, Serialize)]
struct Stop {
    provider: String,
    model: String,
    role: &'static str,
    /// Why it is passed over.
    reason: Option<String>,
    tokens: Range,
    /// How many tokens the prompt may have.
    room: Option<u64>,
    /// What the prompt would be cut to.
    cut_to: Option<u64>,
    /// What its prompt alone would cost, in US dollars.
    prompt_usd: Option<f64>,
    in_flight: u32,
    latency_ms: Option<f64>,
    /// Whether its breaker lets it be asked: `closed`, `half_open`, `open`.
    breaker: &'static str,
}

impl Gateway {
    /// Where a request would go, and why.
    ///
    /// # Errors
    /// What is wrong with the request itself.
    pub async fn explain(&self, asked: Asked) -> Result<Explained, Error> {
        let order = self.inquiry(asked, (Way::Background, None))?;
        let chosen = self.choose(&order).await;
        Ok(self.explained(&order, &chosen).await)
    }

    pub(super) async fn explained(&self, order: &Order, chosen: &Chosen) -> Explained {
        let (route, request) = (&chosen.route, &order.request);
        let budget = order.setup.budget(&order.wish, route);
        let counts = Counts::all(request, route).await;
        let now = self.clock.now();
        let pinned = chosen.pinned.as_ref();
        let journey = plan(&Inquiry {
            route,
            request,
            counts: &counts,
            budget,
            pinned: pinned.map(|pin| (&pin.provider, &pin.model)),
            now,
        });
        let of_target = |target: &Target, role, reason| {
            let vitals =
                (target.vitals).candidate(target.weight, target.price, request.delivery(), now);
            let tokens = counts.total(target.family);
            let price = target
                .price
                .map(|price| price.of(tokens.most, Tokens(0)).get());
            Stop {
                provider: target.provider().to_string(),
                model: target.model.to_string(),
                role,
                reason,
                tokens: Range {
                    least: tokens.least.0,
                    most: tokens.most.0,
                },
                room: None,
                cut_to: None,
                prompt_usd: price,
                in_flight: vitals.in_flight,
                latency_ms: vitals.latency.map(in_ms),
                breaker: (target.vitals)
                    .view(now, &target.member.conduct.breaker)
                    .state
                    .as_str(),
            }
        };
        let of_leg = |leg: &Leg, role| Stop {
            room: leg.room.map(|room| room.hard.0),
            cut_to: leg.cut_to.map(|tokens| tokens.0),
            ..of_target(&leg.target, role, None)
        };
        let mut targets = Vec::new();
        let (mut trimmed, mut refused) = (None, None);
        let passed_over;
        match journey {
            Ok(journey) => {
                if let Some(first) = journey.legs.front() {
                    match first.prepared(request).await {
                        Ok((_, cut)) => trimmed = cut.map(|tokens| tokens.0),
                        Err(unable) => refused = Some(unable.to_string()),
                    }
                }
                let legs = journey.legs.iter().enumerate();
                targets.extend(legs.map(|(place, leg)| of_leg(leg, role(place))));
                for (legs, role) in [
                    (&journey.window_legs, "if_too_long"),
                    (&journey.filter_legs, "if_content_refused"),
                ] {
                    targets.extend(legs.iter().map(|leg| of_leg(leg, role)));
                }
                passed_over = journey.passed_over;
            }
            Err(stuck) => {
                refused = Some(stuck.unable.to_string());
                passed_over = stuck.passed_over;
            }
        }
        targets.extend(
            (passed_over.iter())
                .map(|(target, skip)| of_target(target, "passed_over", Some(skip.to_string()))),
        );
        Explained {
            model: request.model().to_owned(),
            task: work(route, chosen),
            pinned: pinned.map(|pin| format!("{}/{}", pin.provider, pin.model)),
            strategy: route.strategy.as_str(),
            on_overflow: budget.on_overflow.as_str(),
            tokens: targets.first().map(|stop| stop.tokens).unwrap_or_default(),
            targets,
            trimmed_tokens: trimmed,
            refused,
        }
    }
}

fn work(route: &Route, chosen: &Chosen) -> Option<Work> {
    let name = route.task.as_ref()?.to_string();
    Some(match &chosen.classified {
        Some(classified) => Work {
            name,
            why: classified.why.as_str(),
            margin: classified.margin,
            scores: (classified.scores.iter())
                .map(|(task, score)| (task.to_string(), *score))
                .collect(),
        },
        None => Work {
            name,
            why: if chosen.pinned.is_some() {
                "conversation"
            } else {
                "declared"
            },
            margin: None,
            scores: BTreeMap::new(),
        },
    })
}

fn role(place: usize) -> &'static str {
    if place == 0 { "first" } else { "next" }
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
