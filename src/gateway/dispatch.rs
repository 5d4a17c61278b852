//! Asking the targets of a journey, in order, until one answers.

use std::{sync::Arc, time::Duration};

mod content;
mod hedge;
mod plain;

pub(super) use self::{content::collect, plain::first_answer};
use self::{content::is_filtered, hedge::Made};
use super::{
    behalf::Behalf,
    catalogue::{Route, Target},
    journey::{Budget, Inquiry, Journey, Leg, plan},
    meter::metered,
    prompt::Counts,
    turns::{Turn, Turns},
};
use crate::{
    clock::Clock,
    error::{UpstreamError, UpstreamErrorKind},
    ident::{ModelId, ProviderName, TaskName},
    policy::{
        identity::Scope,
        truncate::{Overflow, told_window},
    },
    provider::ChatReply,
    telemetry::names,
    units::{Price, Tokens},
    wire::{ask::Unable, chat::ChatRequest},
};

/// Who gave an answer, and how it was come by.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) provider: ProviderName,
    pub(super) model: ModelId,
    pub(super) price: Option<Price>,
    pub(super) attempts: u32,
    /// How long all attempts took, until the head of the answer.
    pub(super) waited: Duration,
    /// Whether the model is one that the route names first, and was asked all that the client asked.
    /// Nothing else is kept under the route's name.
    pub(super) is_first_choice: bool,
    /// The kind of work that led there.
    pub(super) task: Option<TaskName>,
    /// What was cut from the prompt.
    pub(super) trimmed: Option<Tokens>,
}

/// A request on its way to providers.
pub(super) struct Sending<'r> {
    pub(super) route: &'r Route,
    pub(super) request: &'r Arc<ChatRequest>,
    /// On whose behalf.
    pub(super) scope: Option<Scope>,
    pub(super) budget: Budget,
    /// Who has answered this conversation so far.
    pub(super) pinned: Option<(&'r ProviderName, &'r ModelId)>,
    /// On whose behalf it is sent.
    pub(super) behalf: Behalf,
    /// Whether somebody is asked although all fail too often: not where an old answer is there instead.
    pub(super) has_last_resort: bool,
}

/// Sends a request along its route.
///
/// # Errors
/// The last target's, or the first that says that the request itself is wrong; or why nobody can be asked.
pub(super) async fn dispatch(
    sending: &Sending<'_>,
    clock: &Clock,
) -> Result<(ChatReply, Source), UpstreamError> {
    let Sending {
        route,
        request,
        budget,
        pinned,
        ..
    } = *sending;
    let counts = Counts::of(request, route, budget).await;
    let journey = plan(&Inquiry {
        route,
        request,
        counts: &counts,
        budget,
        pinned,
        now: clock.now(),
    });
    let journey = journey.map_err(|stuck| cannot(&route.name, stuck.unable))?;
    for (target, skip) in &journey.passed_over {
        tracing::debug!(provider = %target.provider(), model = %target.model, %skip, "passed over");
        metrics::counter!(names::PASSED_OVER, "reason" => skip.as_str()).increment(1);
    }
    Dispatch::new(journey, sending, clock).run().await
}

fn cannot(provider: &ProviderName, unable: Unable) -> UpstreamError {
    UpstreamError {
        provider: provider.clone(),
        kind: UpstreamErrorKind::Untranslatable(unable.into()),
    }
}

/// What is left of a journey.
struct Dispatch<'s, 'r, 'c> {
    sending: &'s Sending<'r>,
    clock: &'c Clock,
    turns: Turns<'c, Leg>,
    window_legs: Vec<Leg>,
    filter_legs: Vec<Leg>,
    on_overflow: Overflow,
    /// Who was asked, each time.
    asked: Vec<(ProviderName, ModelId)>,
    /// What a filter has left nothing of: better than nothing.
    refused: Option<(ChatReply, Source)>,
}

impl<'s, 'r, 'c> Dispatch<'s, 'r, 'c> {
    fn new(journey: Journey, sending: &'s Sending<'r>, clock: &'c Clock) -> Self {
        Self {
            sending,
            clock,
            turns: Turns::new(
                journey.legs,
                sending.behalf.clone(),
                sending.has_last_resort,
                clock,
            ),
            window_legs: journey.window_legs,
            filter_legs: journey.filter_legs,
            on_overflow: journey.on_overflow,
            asked: Vec::new(),
            refused: None,
        }
    }

    async fn run(mut self) -> Result<(ChatReply, Source), UpstreamError> {
        let start = self.clock.now();
        while let Some((turn, attempt)) = self.turns.next().await {
            let Made {
                turn,
                mut attempt,
                trimmed,
                result,
            } = self.made(turn, attempt).await;
            match result {
                Ok(reply) => {
                    let is_stream = matches!(reply, ChatReply::Stream(_));
                    let latency = attempt.begins(is_stream);
                    let leg = &turn.stop;
                    self.observe(&leg.target, latency);
                    let attempts = u32::try_from(self.asked.len()).unwrap_or(u32::MAX);
                    let waited = self.clock.now().since(start);
                    let source = Source {
                        is_first_choice: leg.is_choice && trimmed.is_none(),
                        task: self.sending.route.task.clone(),
                        trimmed,
                        ..answered(&leg.target, attempts, waited)
                    };
                    if let Some(cut) = trimmed {
                        let provider = source.provider.to_string();
                        metrics::counter!(names::TRUNCATED, "provider" => provider)
                            .increment(cut.0);
                        tracing::info!(provider = %source.provider, model = %source.model, tokens = cut.0, "cut the prompt");
                    }
                    if self.filter_legs.is_empty() || !is_filtered(&reply) {
                        return Ok((metered(reply, attempt), source));
                    }
                    tracing::info!(provider = %source.provider, model = %source.model, "content refused; others are asked");
                    // Its place may be needed by those who are asked instead.
                    drop(attempt);
                    self.turns.replace(std::mem::take(&mut self.filter_legs));
                    self.refused.get_or_insert((reply, source));
                }
                Err(error) => {
                    attempt.failed(&error);
                    if let Err(error) = self.go_on(turn, error).await {
                        return self.refused.ok_or(error);
                    }
                }
            }
        }
        let (route, last) = (self.sending.route, self.turns.into_error());
        let refused = self.refused;
        refused.ok_or_else(|| last.unwrap_or_else(|| nobody(route)))
    }

    /// Where to go after a failure.
    ///
    /// # Errors
    /// The failure, if asking anybody else is of no use.
    async fn go_on(&mut self, turn: Turn<Leg>, error: UpstreamError) -> Result<(), UpstreamError> {
        let target = &turn.stop.target;
        let (provider, model) = (target.provider(), &target.model);
        if error.is_unasked() {
            let is_it =
                |(name, asked): &(ProviderName, ModelId)| name == provider && asked == model;
            let place = self.asked.iter().rposition(is_it);
            place.map(|place| self.asked.remove(place));
        }
        if error.is_content_filter() && !self.filter_legs.is_empty() {
            tracing::info!(%provider, %model, "content refused; others are asked");
            self.turns.replace(std::mem::take(&mut self.filter_legs));
        } else if error.is_too_long() && self.on_overflow != Overflow::Reject {
            tracing::info!(%provider, %model, "finds the prompt too long");
            if self.on_overflow == Overflow::Trim {
                let told = told_window(&error.to_string());
                if let Some(shorter) = turn.stop.shorter(self.sending.request, told).await {
                    self.turns.push_front(shorter);
                }
            } else {
                self.go_larger(target.limits.window, error.is_unsupported());
            }
        } else if !error.is_retryable() {
            return Err(error);
        } else if error.is_unsupported() {
            tracing::debug!(%provider, %model, "can't be asked this");
        } else {
            tracing::warn!(%provider, %model, error = error.summary(), "attempt failed");
            self.turns.failed(turn, error).await;
            return Ok(());
        }
        self.turns.note(error);
        Ok(())
    }

    /// After a target of this `window` found the prompt too long: to those made for longer ones. Others would
    /// only say the same; those of which nothing is known are asked if this one was not (`for_nothing`).
    fn go_larger(&mut self, window: Option<Tokens>, for_nothing: bool) {
        self.turns.retain(|leg| {
            let windows = leg.target.limits.window.zip(window);
            let is_larger = match windows {
                Some((theirs, this)) => theirs > this,
                None => for_nothing || leg.target.limits.window.is_some(),
            };
            leg.for_long || is_larger
        });
        for larger in std::mem::take(&mut self.window_legs).into_iter().rev() {
            let Target { model, .. } = &larger.target;
            let was_asked = self
                .asked
                .iter()
                .any(|(provider, asked)| provider == larger.target.provider() && asked == model);
            if !was_asked {
                self.turns.push_front(larger);
            }
        }
    }
}

/// Whose an answer of `target` is.
fn answered(target: &Target, attempts: u32, waited: Duration) -> Source {
    Source {
        provider: target.provider().clone(),
        model: target.model.clone(),
        price: target.price,
        attempts,
        waited,
        is_first_choice: false,
        task: None,
        trimmed: None,
    }
}

fn nobody(route: &Route) -> UpstreamError {
    UpstreamError {
        provider: route.name.clone(),
        kind: UpstreamErrorKind::Connect("no target is configured".to_owned()),
    }
}
