//! Asking the targets of a journey, in order, until one answers.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::StreamExt;

use super::{
    catalogue::{Route, Target},
    journey::{Budget, Inquiry, Journey, Leg, plan},
    prompt::Counts,
    vitals::Guard,
};
use crate::{
    clock::Clock,
    error::{UpstreamError, UpstreamErrorKind},
    ident::{ModelId, ProviderName, TaskName},
    policy::{
        identity::Scope,
        truncate::{Overflow, told_window},
    },
    provider::{ChatCall, ChatReply, Events},
    telemetry::names,
    units::{Price, Tokens, Usd},
    wire::{answer::Answer, ask::Unable, assemble::assemble, chat::ChatRequest, sse},
};

/// Why an answer ended that a filter refused.
const FILTERED: &str = "content_filter";

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

impl Source {
    pub(super) fn cost_of(&self, answer: &Answer) -> Option<Usd> {
        let usage = answer.usage()?;
        Some(self.price?.of(usage.input, usage.output))
    }
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
    Dispatch::new(journey, clock).run(sending).await
}

fn cannot(provider: &ProviderName, unable: Unable) -> UpstreamError {
    UpstreamError {
        provider: provider.clone(),
        kind: UpstreamErrorKind::Untranslatable(unable.into()),
    }
}

/// What is left of a journey.
struct Dispatch<'c> {
    clock: &'c Clock,
    legs: VecDeque<Leg>,
    window_legs: Vec<Leg>,
    filter_legs: Vec<Leg>,
    on_overflow: Overflow,
    attempts: u32,
    asked: Vec<(ProviderName, ModelId)>,
    last: Option<UpstreamError>,
    /// What a filter has left nothing of: better than nothing.
    refused: Option<(ChatReply, Source)>,
}

impl<'c> Dispatch<'c> {
    fn new(journey: Journey, clock: &'c Clock) -> Self {
        Self {
            clock,
            legs: journey.legs,
            window_legs: journey.window_legs,
            filter_legs: journey.filter_legs,
            on_overflow: journey.on_overflow,
            attempts: 0,
            asked: Vec::new(),
            last: None,
            refused: None,
        }
    }

    async fn run(mut self, sending: &Sending<'_>) -> Result<(ChatReply, Source), UpstreamError> {
        let start = self.clock.now();
        while let Some(leg) = self.legs.pop_front() {
            let (request, trimmed) = match leg.prepared(sending.request).await {
                Ok(prepared) => prepared,
                Err(unable) => {
                    self.failed(cannot(leg.target.provider(), unable));
                    continue;
                }
            };
            let target = &leg.target;
            let call = ChatCall {
                request,
                model: target.model.clone(),
                scope: sending.scope,
            };
            self.attempts += 1;
            self.asked
                .push((target.provider().clone(), target.model.clone()));
            let mut attempt = (target.vitals).begin(self.clock, sending.request.delivery());
            match target.member.provider.chat(call).await {
                Ok(reply) => {
                    attempt.first_token();
                    let waited = self.clock.now().since(start);
                    let source = Source {
                        is_first_choice: leg.is_choice && trimmed.is_none(),
                        task: sending.route.task.clone(),
                        trimmed,
                        ..answered(target, self.attempts, waited)
                    };
                    if let Some(cut) = trimmed {
                        metrics::counter!(names::TRIMMED).increment(cut.0);
                        tracing::info!(provider = %source.provider, model = %source.model, tokens = cut.0, "cut the prompt");
                    }
                    let answered = (under_way(reply, attempt), source);
                    if self.filter_legs.is_empty() || !is_filtered(&answered.0) {
                        return Ok(answered);
                    }
                    tracing::info!(provider = %target.provider(), model = %target.model, "content refused; others are asked");
                    self.legs = std::mem::take(&mut self.filter_legs).into();
                    self.refused.get_or_insert(answered);
                }
                Err(error) => {
                    // What it can't be asked, and what is the request's fault, says nothing of how it fares.
                    if error.is_retryable() && !error.is_unsupported() {
                        attempt.failed();
                    }
                    count(target.provider(), &error);
                    if let Err(error) = self.go_on(leg, error, sending.request).await {
                        return self.refused.ok_or(error);
                    }
                }
            }
        }
        let refused = self.refused;
        refused.ok_or_else(|| self.last.unwrap_or_else(|| nobody(sending.route)))
    }

    /// Where to go after a failure.
    ///
    /// # Errors
    /// The failure, if asking anybody else is of no use.
    async fn go_on(
        &mut self,
        leg: Leg,
        error: UpstreamError,
        request: &Arc<ChatRequest>,
    ) -> Result<(), UpstreamError> {
        let (provider, model) = (leg.target.provider(), &leg.target.model);
        if error.is_content_filter() && !self.filter_legs.is_empty() {
            tracing::info!(provider = %provider, model = %model, "content refused; others are asked");
            self.legs = std::mem::take(&mut self.filter_legs).into();
        } else if error.is_too_long() && self.on_overflow != Overflow::Reject {
            tracing::info!(provider = %provider, model = %model, "finds the prompt too long");
            if self.on_overflow == Overflow::Trim {
                let told = told_window(&error.to_string());
                if let Some(shorter) = leg.shorter(request, told).await {
                    self.legs.push_front(shorter);
                }
            } else {
                self.go_larger(leg.target.limits.window, error.is_unsupported());
            }
        } else if !error.is_retryable() {
            return Err(error);
        } else if error.is_unsupported() {
            tracing::debug!(provider = %provider, model = %model, "can't be asked this");
        } else {
            tracing::warn!(provider = %provider, model = %model, error = error.summary(), "attempt failed");
        }
        self.failed(error);
        Ok(())
    }

    /// After a target of this `window` found the prompt too long: to those made for longer ones. Others would
    /// only say the same; those of which nothing is known are asked if this one was not (`for_nothing`).
    fn go_larger(&mut self, window: Option<Tokens>, for_nothing: bool) {
        self.legs.retain(|leg| {
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
                self.legs.push_front(larger);
            }
        }
    }

    /// That one target lacks something must not hide that another one failed.
    fn failed(&mut self, error: UpstreamError) {
        if self.last.is_none() || !error.is_unsupported() {
            self.last = Some(error);
        }
    }
}

/// What the first of the targets of `route` answers that can, asked by `ask` in order.
///
/// # Errors
/// The last target's, or the first that says that the request itself is wrong.
pub(super) async fn first_answer<'r, T, F>(
    route: &'r Route,
    clock: &Clock,
    ask: impl Fn(&'r Target) -> F,
) -> Result<(T, Source), UpstreamError>
where
    F: Future<Output = Result<T, UpstreamError>>,
{
    let start = clock.now();
    let mut last: Option<UpstreamError> = None;
    for (attempts, target) in (1..).zip(route.targets.iter().chain(&route.fallbacks)) {
        match ask(target).await {
            Ok(reply) => {
                let source = Source {
                    is_first_choice: route.chooses(target),
                    ..answered(target, attempts, clock.now().since(start))
                };
                return Ok((reply, source));
            }
            Err(error) => {
                count(target.provider(), &error);
                if !error.is_retryable() {
                    return Err(error);
                }
                if last.is_none() || !error.is_unsupported() {
                    last = Some(error);
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| nobody(route)))
}

/// Counts an answer of `target`, and tells whose it is.
fn answered(target: &Target, attempts: u32, waited: Duration) -> Source {
    target.member.answers.increment(1);
    target.member.latency.record(waited);
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

fn count(provider: &ProviderName, error: &UpstreamError) {
    let labels = [
        ("provider", provider.to_string()),
        ("outcome", error.outcome().to_owned()),
    ];
    metrics::counter!(names::UPSTREAM_ATTEMPTS, &labels).increment(1);
}

fn nobody(route: &Route) -> UpstreamError {
    UpstreamError {
        provider: route.name.clone(),
        kind: UpstreamErrorKind::Connect("no target is configured".to_owned()),
    }
}

/// The reply, which counts as under way until it is over.
fn under_way(reply: ChatReply, attempt: Guard) -> ChatReply {
    match reply {
        ChatReply::Whole(whole) => ChatReply::Whole(whole),
        ChatReply::Stream(events) => {
            let mut attempt = Some(attempt);
            let rest = events.rest.inspect(move |piece| {
                if piece.is_err()
                    && let Some(attempt) = attempt.take()
                {
                    attempt.failed();
                }
            });
            ChatReply::Stream(Events {
                rest: rest.boxed(),
                ..events
            })
        }
    }
}

/// Whether a filter has left nothing of the answer.
fn is_filtered(reply: &ChatReply) -> bool {
    let empty = |answer: &Answer| {
        !answer.choices.is_empty()
            && answer.choices.iter().all(|choice| {
                let said = choice
                    .message
                    .get("content")
                    .and_then(|content| content.as_str());
                choice.finish_reason.as_deref() == Some(FILTERED)
                    && said.is_none_or(str::is_empty)
                    && !choice.message.contains_key("tool_calls")
            })
    };
    match reply {
        ChatReply::Whole(whole) => empty(&whole.answer),
        ChatReply::Stream(events) => {
            let first = &events.first;
            if memchr::memmem::find(&first.bytes, FILTERED.as_bytes()).is_none() {
                return false;
            }
            // Whether the end has come too is a matter of chance.
            let end: &[u8] = if first.last { b"" } else { sse::DONE };
            let so_far = [&first.bytes, end].concat();
            assemble(&so_far).is_ok_and(|answer| empty(&answer))
        }
    }
}

/// The whole answer of a reply that no client reads; `None` if it breaks or is longer than `most` bytes.
pub(super) async fn collect(reply: ChatReply, most: usize) -> Option<Answer> {
    match reply {
        ChatReply::Whole(whole) => Some(whole.answer),
        ChatReply::Stream(Events {
            first, mut rest, ..
        }) => {
            let mut bytes = first.bytes.to_vec();
            let mut ended = first.last;
            while !ended {
                let piece = rest.next().await?.ok()?;
                if bytes.len() + piece.bytes.len() > most {
                    return None;
                }
                bytes.extend_from_slice(&piece.bytes);
                ended = piece.last;
            }
            assemble(&bytes).ok()
        }
    }
}
