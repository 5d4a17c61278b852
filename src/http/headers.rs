//! The headers that are read and written: cache controls in, facts about the answer out.
//!
//! `Cache-Status` is RFC 9211's, `Age` RFC 9111's; the rest has our own prefix.

use std::fmt::Write as _;

mod limits;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};

pub(super) use self::limits::write as rate_limits;
use super::Api;
use crate::{
    gateway::reply::{Facts, Tier},
    telemetry::ledger::Way,
    wire::controls::{Controls, InvalidControl},
};

/// What the headers say about the cache.
///
/// # Errors
/// When one of ours holds a value out of range.
pub(super) fn controls(headers: &HeaderMap) -> Result<Controls, InvalidControl> {
    let mut controls = Controls::default();
    for (name, value) in headers {
        if Controls::is_control_header(name.as_str()) {
            controls.apply_header(name.as_str(), value.to_str().unwrap_or("\u{fffd}"))?;
        }
    }
    Ok(controls)
}

/// Writes how an answer came to be, and leaves it in the extensions for whoever notes what happened.
pub(super) fn write(response: &mut Response, facts: Facts, api: &Api) {
    write_headers(response.headers_mut(), &facts, api);
    response.extensions_mut().insert(facts);
}

fn write_headers(headers: &mut HeaderMap, facts: &Facts, api: &Api) {
    const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
    const CACHE: HeaderName = HeaderName::from_static("x-refrain-cache");
    const REASON: HeaderName = HeaderName::from_static("x-refrain-cache-reason");
    const ITEMS: HeaderName = HeaderName::from_static("x-refrain-cache-items");
    const SIMILARITY: HeaderName = HeaderName::from_static("x-refrain-cache-similarity");
    const PROVIDER: HeaderName = HeaderName::from_static("x-refrain-provider");
    const MODEL: HeaderName = HeaderName::from_static("x-refrain-model");
    const TASK: HeaderName = HeaderName::from_static("x-refrain-task");
    const TRIMMED: HeaderName = HeaderName::from_static("x-refrain-trimmed-tokens");
    const ATTEMPTS: HeaderName = HeaderName::from_static("x-refrain-attempts");
    const COST: HeaderName = HeaderName::from_static("x-refrain-cost-usd");
    const SAVED: HeaderName = HeaderName::from_static("x-refrain-saved-usd");
    const OVERHEAD: HeaderName = HeaderName::from_static("x-refrain-overhead-ms");

    headers.insert(CACHE_STATUS, cache_status(facts));
    headers.insert(CACHE, HeaderValue::from_static(facts.way.as_str()));
    if let Some(reason) = facts.reason {
        headers.insert(REASON, HeaderValue::from_static(reason));
    }
    if let Some((known, all)) = facts.items {
        insert_text(headers, ITEMS, &format!("{known}/{all}"));
    }
    if let Some(age) = facts.age {
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
    if let Some(similarity) =
        (facts.tier.and_then(Tier::similarity)).filter(|_| api.front.load().show_similarity)
    {
        insert_text(headers, SIMILARITY, &similarity.to_string());
    }
    if let Some(provider) = &facts.provider {
        insert_text(headers, PROVIDER, provider.as_str());
    }
    if let Some(model) = &facts.model {
        insert_text(headers, MODEL, model.as_str());
    }
    if let Some(task) = &facts.task {
        insert_text(headers, TASK, task.as_str());
    }
    if let Some(trimmed) = facts.trimmed {
        headers.insert(TRIMMED, HeaderValue::from(trimmed.0));
    }
    if facts.attempts > 0 {
        headers.insert(ATTEMPTS, HeaderValue::from(facts.attempts));
    }
    if let Some(cost) = facts.cost {
        insert_text(headers, COST, &cost.to_string());
    }
    if let Some(saved) = facts.saved {
        insert_text(headers, SAVED, &saved.to_string());
    }
    let overhead = api
        .clock
        .now()
        .since(facts.received)
        .saturating_sub(facts.upstream);
    let mut text = String::with_capacity(12);
    let micros = overhead.as_micros();
    if write!(text, "{}.{:03}", micros / 1000, micros % 1000).is_ok() {
        insert_text(headers, OVERHEAD, &text);
    }
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn cache_status(facts: &Facts) -> HeaderValue {
    let text = match facts.way {
        Way::Exact | Way::Semantic | Way::Stale => {
            let detail = facts.tier.map_or("exact", Tier::as_str);
            // A negative `ttl` says how long ago it became stale, RFC 9211 §2.5.
            let ttl =
                (facts.stale).map_or_else(String::new, |age| format!("; ttl=-{}", age.as_secs()));
            return text_value(
                &format!("refrain; hit{ttl}; detail={detail}"),
                "refrain; hit",
            );
        }
        Way::Coalesced => "refrain; fwd=miss; collapsed",
        Way::Miss if facts.stored => "refrain; fwd=miss; stored",
        Way::Miss | Way::Background => "refrain; fwd=miss",
        Way::Bypass => {
            let detail = facts.reason.unwrap_or("request");
            let text = format!("refrain; fwd=bypass; detail={detail}");
            return text_value(&text, "refrain; fwd=bypass");
        }
    };
    HeaderValue::from_static(text)
}

fn text_value(text: &str, otherwise: &'static str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(otherwise))
}
