//! `GET /admin/api/clients`: what each client may ask and spend, and how much of it is left. Never a key, nor its digest.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde_json::{Value, json};

use super::private;
use crate::{
    gateway::limiter::Level,
    http::{Api, auth::Listed},
    policy::spend::{Budget, rfc3339},
    telemetry::clients::Clients,
    units::Usd,
};

/// The clients, in the order of the configuration.
pub(in crate::http) async fn list(State(api): State<Arc<Api>>) -> Response {
    let front = api.front.load();
    let clients = front.auth.clients().iter();
    let clients: Vec<Value> = clients.map(|listed| client(listed, &api.clients)).collect();
    private(json!({"clients": clients}))
}

fn client(listed: &Listed, counted: &Clients) -> Value {
    let Listed { account, expires } = listed;
    let (limits, levels, spent) = (account.limits(), account.levels(), account.spent());
    let sums = counted.of(account.name());
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
        "requests": {
            "hits": sums.hits,
            "misses": sums.misses,
            "bypasses": sums.bypasses,
            "failed": sums.failed,
        },
        "billed_usd": sums.billed_usd,
        "saved_usd": sums.saved_usd,
        "tokens": {"input": sums.used.input.0, "output": sums.used.output.0},
        "last_seen": sums.last_seen,
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
