//! Whether the gateway lives, and whether it wants requests.

use std::sync::{Arc, atomic::Ordering};

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::{Api, admin::breakers::is_degraded};
use crate::gateway::setup::Tasks;

/// The process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The gateway wants requests; 503 while it is stopping, and at the start until it tells kinds of work apart as it
/// will (it answers them all the same). `degraded` is that it wants them, though some target is left alone: others may
/// answer, and another instance would have no more of them. A configuration that is not the file's is no reason to send it none.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, Json<Value>) {
    let setup = api.gateway.setup();
    let is_learned = setup.tasks.as_ref().is_none_or(Tasks::is_learned);
    let (code, status) = if api.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if !is_learned {
        (StatusCode::SERVICE_UNAVAILABLE, "starting")
    } else if is_degraded(&api) {
        (StatusCode::OK, "degraded")
    } else {
        (StatusCode::OK, "ready")
    };
    let config = api.config.load().word();
    (code, Json(json!({"status": status, "config": config})))
}

/// What runs here. Says nothing that a stranger could use.
pub(super) async fn summary(State(api): State<Arc<Api>>) -> Json<Value> {
    let setup = api.gateway.setup();
    let catalogue = &setup.catalogue;
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "providers": catalogue.active().iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "demo": catalogue.is_demo(),
        "semantic_cache": setup.settings.rules.semantic,
    }))
}
