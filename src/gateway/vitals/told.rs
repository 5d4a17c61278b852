//! What operators are told when a target is left alone, and when it is asked again.

use moka::notification::RemovalCause;

use super::Name;
use crate::{
    policy::breaker::{Change, State},
    telemetry::{models::MODELS, names},
};

/// A breaker has changed: a line in the log, and two metrics.
pub(super) fn told(name: &Name, change: Change) {
    let (provider, model) = name;
    let (from, to) = (change.from.as_str(), change.to.as_str());
    match change.to {
        State::Open => tracing::warn!(%provider, %model, from, "target left alone"),
        State::HalfOpen => tracing::info!(%provider, %model, from, "target tried"),
        State::Closed => tracing::info!(%provider, %model, from, "target asked again"),
    }
    let labels = [
        ("provider", provider.to_string()),
        ("model", MODELS.label(provider, model).to_owned()),
        ("to", to.to_owned()),
    ];
    metrics::counter!(names::BREAKER_TRANSITIONS, &labels).increment(1);
    show(name, change.to);
}

/// A target is remembered no longer; one that is asked again begins closed.
pub(super) fn forgotten(name: &Name, cause: RemovalCause) {
    if cause.was_evicted() {
        show(name, State::Closed);
    }
}

/// What the breaker of a target does. Those without a name would all be one, so they are not shown.
fn show((provider, model): &Name, now: State) {
    if !MODELS.knows(provider, model) {
        return;
    }
    for state in [State::Closed, State::HalfOpen, State::Open] {
        let labels = [
            ("provider", provider.to_string()),
            ("model", model.to_string()),
            ("state", state.as_str().to_owned()),
        ];
        let is_now = if state == now { 1.0 } else { 0.0 };
        metrics::gauge!(names::BREAKER_STATE, &labels).set(is_now);
    }
}
