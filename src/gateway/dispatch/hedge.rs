//! Making a call, and another one beside it where the first is slow.

use std::{pin::pin, time::Duration};

use super::{Dispatch, Sending, cannot};
use crate::{
    error::UpstreamError,
    gateway::{attempt::Attempt, catalogue::Target, journey::Leg, turns::Turn},
    provider::{ChatCall, ChatReply},
    telemetry::names,
    units::Tokens,
};

/// A call that was made.
pub(super) struct Made {
    pub(super) turn: Turn<Leg>,
    pub(super) attempt: Attempt,
    pub(super) trimmed: Option<Tokens>,
    pub(super) result: Result<ChatReply, UpstreamError>,
}

impl Dispatch<'_, '_, '_> {
    /// Makes the call whose turn it is; if its answer is long in coming, and the route hedges, another one beside it.
    /// The first answer counts, and ends the other call.
    pub(super) async fn made(&mut self, turn: Turn<Leg>, attempt: Attempt) -> Made {
        let target = turn.stop.target.clone();
        self.asked
            .push((target.provider().clone(), target.model.clone()));
        let delivery = self.sending.request.delivery();
        let hedge = self.sending.route.hedge.as_ref();
        let wait = hedge.and_then(|rules| target.vitals.hedge_after(delivery, rules));
        let mut first = pin!(call(self.sending, turn, attempt));
        let Some(wait) = wait else {
            return first.await;
        };
        tokio::select! {
            biased;
            made = &mut first => return made,
            () = tokio::time::sleep(wait) => {}
        }
        let beside = self
            .turns
            .beside(|leg| leg.is_target, || target.vitals.may_hedge(delivery));
        let Some((turn, attempt)) = beside else {
            return first.await;
        };
        let other = &turn.stop.target;
        tracing::debug!(provider = %other.provider(), model = %other.model, ?wait, "asks another one too");
        self.asked
            .push((other.provider().clone(), other.model.clone()));
        // Rare: not to make every request's future as large as two calls.
        let mut second = Box::pin(call(self.sending, turn, attempt));
        let (made, is_second) = tokio::select! {
            biased;
            made = &mut first => (made, false),
            made = &mut second => (made, true),
        };
        // What the first one finds wrong with the request counts; the second one was asked for its answer only.
        let is_final = |made: &Made, is_second: bool| match &made.result {
            Ok(_) => true,
            Err(error) => !is_second && !error.is_retryable(),
        };
        let (made, is_second) = if is_final(&made, is_second) {
            (made, is_second)
        } else {
            // The other one may still answer.
            let other = if is_second { first.await } else { second.await };
            let (made, failed, is_second) = if is_second || is_final(&other, true) {
                (other, made, !is_second)
            } else {
                (made, other, false)
            };
            if let Err(error) = failed.result {
                failed.attempt.failed(&error);
                self.turns.note(error);
            }
            (made, is_second)
        };
        let winner = if is_second { "second" } else { "first" };
        metrics::counter!(names::HEDGES, "answered" => winner).increment(1);
        made
    }

    pub(super) fn observe(&self, target: &Target, latency: Duration) {
        if self.sending.route.hedge.is_some() {
            let delivery = self.sending.request.delivery();
            target.vitals.hedge_observe(delivery, latency);
        }
    }
}

/// Makes one call.
async fn call(sending: &Sending<'_>, turn: Turn<Leg>, attempt: Attempt) -> Made {
    let leg = &turn.stop;
    let (result, trimmed) = match leg.prepared(sending.request).await {
        Ok((request, trimmed)) => {
            let call = ChatCall {
                request,
                model: leg.target.model.clone(),
                scope: sending.scope,
                trace: attempt.trace(),
            };
            (leg.target.member.provider.chat(call).await, trimmed)
        }
        Err(unable) => (Err(cannot(leg.target.provider(), unable)), None),
    };
    Made {
        turn,
        attempt,
        trimmed,
        result,
    }
}
