//! Whether the gateway lives, and whether it wants requests.

use std::sync::{Arc, atomic::Ordering};

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use super::Api;

/// The process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The gateway wants requests; 503 while it is stopping.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, Json<Value>) {
    if api.draining.load(Ordering::Relaxed) {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"status": "draining"})),
        )
    } else {
        (StatusCode::OK, Json(json!({"status": "ready"})))
    }
}

/// What runs here. Says nothing that a stranger could use.
pub(super) async fn summary(State(api): State<Arc<Api>>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "providers": api.catalogue.active().iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "demo": api.catalogue.is_demo(),
        "semantic_cache": api.semantic,
    }))
}
