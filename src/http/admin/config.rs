//! `GET /admin/api/config`: the configuration that was accepted last, without secrets, and how it stands to its file.
//!
//! It is in force but for the settings that `needs_restart` names: these are shown as they are written, and what this
//! process was started with goes on until it ends.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{private, threshold::steering};
use crate::{config::Applied, http::Api};

/// The configuration.
pub(in crate::http) async fn show(State(api): State<Arc<Api>>) -> Response {
    let steering = match steering(&api) {
        Ok(steering) => steering,
        Err(error) => return error.into_response(),
    };
    let in_force = steering.in_force().await;
    let (config, setup) = (api.config.load(), api.gateway.setup());
    let has_applied = in_force.applied != Applied::default();
    let path = in_force.overrides.filter(|_| has_applied);
    private(json!({
        "path": in_force.config.path.display().to_string(),
        "state": config.word(),
        "generation": setup.generation,
        "loaded_at": config.loaded_at,
        "started_at": in_force.started_at,
        "version": env!("CARGO_PKG_VERSION"),
        "problems": config.problems,
        "notices": config.notices,
        "needs_restart": config.needs_restart,
        "overrides": {
            "path": path.map(|path| path.display().to_string()),
            "text": has_applied.then(|| in_force.applied.text()),
        },
        "environment": in_force.config.environment,
        "effective": in_force.config.shown(),
    }))
}
