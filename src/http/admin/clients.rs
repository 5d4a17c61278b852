//! `GET /admin/api/clients`: what each client may ask and spend, and how much of it is left. Never a key, nor its digest.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::refuse;
use crate::{
    gateway::limiter::Level,
    http::{Api, auth::Listed},
    policy::spend::{Budget, rfc3339},
    units::Usd,
};

/// The clients, in the order of the configuration.
pub(in crate::http) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse(&api, &headers) {
        return refusal;
    }
    let front = api.front.load();
    let clients: Vec<Value> = front.auth.clients().iter().map(client).collect();
    let body = Json(json!({"clients": clients}));
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn client(listed: &Listed) -> Value {
    let Listed { account, expires } = listed;
    let (limits, levels, spent) = (account.limits(), account.levels(), account.spent());
    // Where nothing is limited, nothing is counted.
    let in_flight = (!limits.is_empty()).then_some(levels.in_flight);
    json!({
        "name": account.name().as_str(),
        "limits": {
            "requests_per_minute": levels.requests.map(level),
            "tokens_per_minute": levels.tokens.map(level),
            "concurrent": limits.concurrent,
        },
        "in_flight": in_flight,
        "spent": {
            "date": spent.date,
            "day_usd": spent.day.dollars(),
            "month_usd": spent.month.dollars(),
        },
        "budget": account.budget().map(budget),
        "expires": expires.map(rfc3339),
    })
}

fn level(level: Level) -> Value {
    json!({
        "limit": level.limit,
        "remaining": level.remaining,
        "reset_seconds": level.reset.as_secs_f64(),
    })
}

fn budget(budget: Budget) -> Value {
    json!({
        "daily_usd": budget.daily.map(Usd::get),
        "monthly_usd": budget.monthly.map(Usd::get),
        "until": budget.until.map(rfc3339),
    })
}
