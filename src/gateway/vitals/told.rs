//! What operators are told when a target is left alone, and when it is asked again.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use moka::notification::RemovalCause;

use super::Name;
use crate::{
    policy::breaker::{Change, State},
    telemetry::names,
};

/// Targets with a name in the metrics: requests can make up models, and each name is there for ever.
const MOST_NAMED: usize = 500;
/// The model of all others.
const OTHER: &str = "other";

static NAMED: LazyLock<Mutex<HashSet<Name>>> = LazyLock::new(Mutex::default);

/// A breaker has changed: a line in the log, and two metrics.
pub(super) fn told(name: &Name, change: Change) {
    let (provider, model) = name;
    let (from, to) = (change.from.as_str(), change.to.as_str());
    match change.to {
        State::Open => tracing::warn!(%provider, %model, from, "target left alone"),
        State::HalfOpen => tracing::info!(%provider, %model, from, "target tried"),
        State::Closed => tracing::info!(%provider, %model, from, "target asked again"),
    }
    let is_named = {
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        named.contains(name) || named.len() < MOST_NAMED && named.insert(name.clone())
    };
    let label = if is_named { model.as_str() } else { OTHER };
    let labels = [
        ("provider", provider.to_string()),
        ("model", label.to_owned()),
        ("to", to.to_owned()),
    ];
    metrics::counter!(names::BREAKER_CHANGES, &labels).increment(1);
    if is_named {
        show(name, change.to);
    }
}

/// A target is remembered no longer; one that is asked again begins closed.
pub(super) fn forgotten(name: &Name, cause: RemovalCause) {
    let named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    if cause.was_evicted() && named.contains(name) {
        show(name, State::Closed);
    }
}

fn show((provider, model): &Name, state: State) {
    let state = match state {
        State::Closed => 0.0,
        State::HalfOpen => 1.0,
        State::Open => 2.0,
    };
    let labels = [
        ("provider", provider.to_string()),
        ("model", model.to_string()),
    ];
    metrics::gauge!(names::BREAKER_STATE, &labels).set(state);
}
