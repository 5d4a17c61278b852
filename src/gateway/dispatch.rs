//! Asking the targets of a route, in order, until one answers.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;

use super::catalogue::{Route, Target};
use crate::{
    clock::Clock,
    error::{UpstreamError, UpstreamErrorKind},
    ident::{ModelId, ProviderName},
    policy::identity::Scope,
    provider::{ChatCall, ChatReply, Events},
    telemetry::names,
    units::{Price, Usd},
    wire::{answer::Answer, assemble::assemble, chat::ChatRequest},
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
    /// Whether the model is the one that the route names first. Another model's answer is not kept
    /// under this one's name.
    pub(super) is_first_choice: bool,
}

impl Source {
    pub(super) fn cost_of(&self, answer: &Answer) -> Option<Usd> {
        let usage = answer.usage()?;
        Some(self.price?.of(usage.input, usage.output))
    }
}

/// Asks the targets of `route`, in order, on behalf of `scope`.
///
/// # Errors
/// The last target's, or the first that says that the request itself is wrong.
pub(super) async fn dispatch(
    route: &Route,
    request: &Arc<ChatRequest>,
    scope: Option<Scope>,
    clock: &Clock,
) -> Result<(ChatReply, Source), UpstreamError> {
    first_answer(route, clock, |target| {
        let call = ChatCall {
            request: Arc::clone(request),
            model: target.model.clone(),
            scope,
        };
        async move { target.member.provider.chat(call).await }
    })
    .await
}

/// What the first of the targets of `route` answers that can, asked by `ask` in order.
///
/// # Errors
/// As of [`dispatch`].
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
    for (attempts, target) in (1..).zip(&route.targets) {
        let result = ask(target).await;
        let provider = target.member.provider.name();
        if let Err(error) = &result {
            let labels = [
                ("provider", provider.to_string()),
                ("outcome", error.outcome().to_owned()),
            ];
            metrics::counter!(names::UPSTREAM_ATTEMPTS, &labels).increment(1);
        }
        match result {
            Ok(reply) => {
                let waited = clock.now().since(start);
                target.member.answers.increment(1);
                target.member.latency.record(waited);
                let source = Source {
                    provider: provider.clone(),
                    model: target.model.clone(),
                    price: route.price,
                    attempts,
                    waited,
                    is_first_choice: route
                        .targets
                        .first()
                        .is_some_and(|first| first.model == target.model),
                };
                return Ok((reply, source));
            }
            Err(error) if error.is_retryable() => {
                if error.is_unsupported() {
                    tracing::debug!(provider = %provider, model = %target.model, "can't be asked this");
                } else {
                    tracing::warn!(provider = %provider, model = %target.model, error = error.summary(), "attempt failed");
                }
                // That one target lacks something must not hide that another one failed.
                if last.is_none() || !error.is_unsupported() {
                    last = Some(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| UpstreamError {
        provider: route.name.clone(),
        kind: UpstreamErrorKind::Connect("no target is configured".to_owned()),
    }))
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
