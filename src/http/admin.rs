//! The operator's side: a page that shows what the cache does, its numbers as JSON, and `/metrics`.
//!
//! With an admin key configured, all of it asks for the key: as a bearer token, or as the password
//! of HTTP's basic authentication, which browsers ask people for.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

pub(super) mod breakers;
pub(super) mod clients;
pub(super) mod entries;
pub(super) mod route;
pub(super) mod transfer;

use super::{Api, auth};
use crate::{config::KeyDigest, gateway::learn::Known};

const PAGE: &str = include_str!("admin/page.html");
const SCRIPT: &str = include_str!("admin/script.js");
const STYLE: &str = include_str!("admin/style.css");

/// The page.
pub(super) async fn page(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    asset(&api, &headers, "text/html; charset=utf-8", PAGE)
}

/// Its script.
pub(super) async fn script(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    asset(&api, &headers, "text/javascript; charset=utf-8", SCRIPT)
}

/// Its style.
pub(super) async fn style(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    asset(&api, &headers, "text/css; charset=utf-8", STYLE)
}

/// What was billed, saved and kept.
pub(super) async fn stats(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse(&api, &headers) {
        return refusal;
    }
    let size = api.store.size();
    let setup = api.gateway.setup();
    let catalogue = &setup.catalogue;
    let inactive: Vec<Value> = (catalogue.inactive().iter())
        .map(|provider| json!({"name": provider.name.as_str(), "reason": provider.reason}))
        .collect();
    let config = api.config.load();
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "config": {
            "state": config.word(),
            "generation": setup.generation,
            "loaded_at": config.loaded_at,
            "problems": config.problems,
            "needs_restart": config.needs_restart,
        },
        "requests": api.ledger.totals(),
        "in_flight": {"requests": api.load.requests(), "bytes": api.load.bytes()},
        "cache": {
            "entries": size.entries,
            "bytes": size.bytes,
            "max_bytes": size.bound,
            "generation": api.store.generation(),
            "partitions": size.semantic.partitions,
            "questions": size.semantic.vectors,
            "graphs": size.semantic.graphs,
            "semantic": setup.settings.rules.semantic,
        },
        "learning": {"classes": api.gateway.learned().iter().map(learned).collect::<Vec<_>>()},
        "providers": {
            "active": catalogue.active().iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            "inactive": inactive,
            "demo": catalogue.is_demo(),
        },
        "breakers": breakers::summary(&api),
    });
    let mut response = Json(body).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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

/// The metrics, as Prometheus reads them.
pub(super) async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse(&api, &headers) {
        return refusal;
    }
    let text = api
        .metrics
        .as_ref()
        .map(metrics_exporter_prometheus::PrometheusHandle::render);
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, text.unwrap_or_default()).into_response()
}

fn asset(
    api: &Api,
    headers: &HeaderMap,
    content_type: &'static str,
    text: &'static str,
) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                          img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
    if let Some(refusal) = refuse(api, headers) {
        return refusal;
    }
    let mut response = text.into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    out.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    out.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    out.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    response
}

/// The answer to whoever lacks the admin key.
fn refuse(api: &Api, headers: &HeaderMap) -> Option<Response> {
    let front = api.front.load();
    let wanted = front.admin_key.as_ref()?;
    let basic = || {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let decoded = STANDARD.decode(value.strip_prefix("Basic ")?.trim()).ok()?;
        Some(
            String::from_utf8(decoded)
                .ok()?
                .split_once(':')?
                .1
                .to_owned(),
        )
    };
    let bearer = || auth::presented(headers).map(|key| String::from_utf8_lossy(key).into_owned());
    let key = basic().or_else(bearer).unwrap_or_default();
    let given = KeyDigest::of(&key);
    if bool::from(given.as_bytes().ct_eq(wanted.as_bytes())) {
        return None;
    }
    let challenge = [(
        header::WWW_AUTHENTICATE,
        "Basic realm=\"refrain admin\", charset=\"UTF-8\"",
    )];
    let body = json!({"error": {
        "message": "the admin key is needed: as a bearer token, or as password with any user name",
        "type": "invalid_request_error", "param": null, "code": "invalid_api_key",
    }});
    Some((StatusCode::UNAUTHORIZED, challenge, Json(body)).into_response())
}
