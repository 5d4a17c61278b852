//! The operator's side: a page that shows what the cache does, and its numbers as JSON.
//!
//! Who may see and do what is decided in one place, [`access`]; nothing else here asks for a key.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

pub(super) mod access;
pub(super) mod assets;
pub(super) mod breakers;
mod cache;
pub(super) mod clients;
pub(super) mod config;
pub(super) mod entries;
pub(super) mod history;
pub(super) mod live;
pub(super) mod providers;
pub(super) mod requests;
pub(super) mod route;
pub(super) mod threshold;
pub(super) mod transfer;
pub(super) mod why;

use super::Api;
use crate::gateway::learn::Known;

/// What was billed, saved and kept.
pub(super) async fn stats(State(api): State<Arc<Api>>) -> Response {
    let setup = api.gateway.setup();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "config": live::config(&api),
        "requests": api.ledger.totals(),
        "in_flight": {"requests": api.load.requests(), "bytes": api.load.bytes()},
        "cache": cache::held(&api, setup.settings.rules.semantic),
        "similarity": cache::similarity(&api, setup.settings.admission),
        "learning": {"classes": api.gateway.learned().iter().map(learned).collect::<Vec<_>>()},
        "providers": live::providers(&api),
        "breakers": breakers::summary(&api),
    });
    private(body)
}

/// An answer that nobody is to keep.
fn private(body: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// What is known of a class of questions: how many of its semantic hits are wrong at most, with a
/// confidence of 90 %, and from how many comparisons that is known.
fn learned(known: &Known) -> Value {
    let Known { class, point } = known;
    let (low, high) = point.interval;
    json!({
        "model": &*class.model,
        "has_matter": class.has_matter,
        "point": point.at.get(),
        "why": point.why.as_str(),
        "false_hits_at_most": point.bound.get(),
        "interval": [low.get(), high.get()],
        "sample": point.sample,
        "checked": {"hits": point.checked.size, "wrong": point.checked.wrong},
    })
}
