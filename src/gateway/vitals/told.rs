//! What operators are told when a target is left alone, and when it is asked again.

use metrics::Counter;
use moka::notification::RemovalCause;

use super::{Name, Vitals};
use crate::{
    ident::{ModelId, ProviderName},
    policy::breaker::{Change, State},
    telemetry::{models::MODELS, names},
};

const STATES: [State; 3] = [State::Closed, State::HalfOpen, State::Open];

/// Begins the series of the changes of a target that is known beforehand: a counter that appears with its first event has no
/// rate of it.
pub(in crate::gateway) fn begin_at_zero(provider: &ProviderName, model: &ModelId) {
    for to in STATES {
        transitions(provider, model, to).increment(0);
    }
}

fn transitions(provider: &ProviderName, model: &ModelId, to: State) -> Counter {
    let labels = [
        ("provider", provider.to_string()),
        ("model", MODELS.label(provider, model).to_owned()),
        ("to", to.as_str().to_owned()),
    ];
    metrics::counter!(names::BREAKER_TRANSITIONS, &labels)
}

/// A breaker has changed: a line in the log, and two metrics.
pub(super) fn told(name: &Name, change: Change) {
    let (provider, model) = name;
    let from = change.from.as_str();
    match change.to {
        State::Open => tracing::warn!(%provider, %model, from, "target left alone"),
        State::HalfOpen => tracing::info!(%provider, %model, from, "target tried"),
        State::Closed => tracing::info!(%provider, %model, from, "target asked again"),
    }
    transitions(provider, model, change.to).increment(1);
    show(name, change.to);
}

/// A target is remembered no longer; one that is asked again begins closed. Of one that was never left alone nothing was
/// told.
pub(super) fn forgotten(name: &Name, vitals: &Vitals, cause: RemovalCause) {
    if cause.was_evicted() && !vitals.changes().is_empty() {
        show(name, State::Closed);
    }
}

/// What the breaker of a target does. Those without a name would all be one, so they are not shown.
fn show((provider, model): &Name, now: State) {
    if !MODELS.knows(provider, model) {
        return;
    }
    for state in STATES {
        let labels = [
            ("provider", provider.to_string()),
            ("model", model.to_string()),
            ("state", state.as_str().to_owned()),
        ];
        let is_now = if state == now { 1.0 } else { 0.0 };
        metrics::gauge!(names::BREAKER_STATE, &labels).set(is_now);
    }
}
