//! How long a request's prompt is, without an answer to it.
//!
//! Who would be asked first is asked to count, if it can; else it is counted here, by an upper bound where its
//! tokenizer is not known. A count is free at providers, so it is neither set aside nor billed; and since it can be
//! had here, nobody is waited for long.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;

use super::{
    Asked, Gateway, Wanted,
    catalogue::Target,
    prompt::Counts,
    reply::{Facts, Refusal},
};
use crate::{
    error::{UpstreamError, UpstreamErrorKind},
    policy::breaker::State,
    provider::ChatCall,
    telemetry::ledger::Way,
    units::Tokens,
};

/// How long a provider is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The length of a prompt.
#[derive(Debug)]
pub struct Counted {
    /// How many tokens it has, or the most that it can have.
    pub tokens: Tokens,
    /// Headers for the client.
    pub headers: HeaderMap,
    /// For whom it was counted.
    pub facts: Facts,
}

impl Gateway {
    /// Counts the tokens of a request.
    ///
    /// # Errors
    /// What is wrong with it, or what a provider says is.
    pub async fn count_tokens(
        self: &Arc<Self>,
        asked: Asked<impl Into<Wanted>>,
    ) -> Result<Counted, Refusal> {
        let order = self.inquiry(asked, (Way::Bypass, Some("count_tokens")))?;
        let mut facts = order.facts.clone();
        let chosen = self.choose(&order).await;
        let (route, request) = (&chosen.route, &order.request);
        let pinned = chosen.pinned.as_ref().and_then(|pin| {
            let mut all = route.all();
            all.find(|target| target.is(&pin.provider, &pin.model))
        });
        let target = pinned.or_else(|| route.targets.first());
        facts.task.clone_from(&route.task);
        let mut counted = None;
        if let Some(target) = target {
            facts.provider = Some(target.provider().clone());
            facts.model = Some(target.model.clone());
            let call = ChatCall {
                request: Arc::clone(request),
                model: target.model.clone(),
                scope: Some(order.scope),
                trace: order.journal.propagated(),
            };
            counted = match self.counted_by(target, call).await {
                Ok(counted) => counted,
                Err(error) => {
                    return Err(Refusal {
                        error: error.into(),
                        facts: Some(facts),
                    });
                }
            };
        }
        let tokens = match counted {
            Some(tokens) => tokens,
            None => {
                let counts = Counts::all(request, route).await;
                target.map_or(counts.bound, |target| counts.total(target.family).most)
            }
        };
        Ok(Counted {
            tokens,
            headers: HeaderMap::new(),
            facts,
        })
    }

    /// What `target` counts; `None` if it can't, or fails for reasons of its own.
    async fn counted_by(
        &self,
        target: &Target,
        call: ChatCall,
    ) -> Result<Option<Tokens>, UpstreamError> {
        let rules = &target.member.conduct.breaker;
        if target.vitals.view(self.clock.now(), rules).state != State::Closed {
            return Ok(None);
        }
        let counting = target.member.provider.count_tokens(call);
        match tokio::time::timeout(PATIENCE, counting).await {
            Ok(Err(error)) if is_clients_fault(&error) => Err(error),
            Ok(Err(error)) => {
                tracing::debug!(error = error.summary(), "a provider does not count");
                Ok(None)
            }
            Ok(Ok(counted)) => Ok(counted),
            Err(_) => Ok(None),
        }
    }
}

/// Whether there is something wrong with the request itself.
fn is_clients_fault(error: &UpstreamError) -> bool {
    matches!(
        error.kind,
        UpstreamErrorKind::Status {
            status: 400 | 413 | 422,
            ..
        }
    )
}
