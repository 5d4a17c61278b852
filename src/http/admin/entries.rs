//! The operator's hands on the cache: look at entries, forget some, start a new generation.
//!
//! Whatever changes the cache can be asked for as a dry run first, and takes a body of JSON: a form on
//! a foreign page can't send one without the browser asking first.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use super::refuse;
use crate::{
    cache::entry::{Entry, PROMPT},
    clock::UnixMillis,
    error::Error,
    http::{Api, body},
    ident::{Namespace, Tag},
    policy::{identity::Fingerprint, selector::Selector},
};

/// The longest body that is read, in bytes.
const LONGEST: u64 = 64 << 10;
/// Entries of one list.
const MOST: usize = 1000;

/// A selector as it is written in a body or a query.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    everything: bool,
    #[serde(deserialize_with = "identity")]
    id: Option<Fingerprint>,
    #[serde(deserialize_with = "tag")]
    tag: Option<Tag>,
    #[serde(deserialize_with = "namespace")]
    namespace: Option<Namespace>,
    model: Option<String>,
    #[serde(deserialize_with = "span")]
    older_than: Option<Duration>,
    prompt_prefix: Option<String>,
    generation_below: Option<u64>,
    dry_run: bool,
    limit: Option<usize>,
}

impl Written {
    /// What it means.
    fn selector(self) -> Result<Selector, Error> {
        if (self.prompt_prefix.as_ref()).is_some_and(|prefix| prefix.len() > PROMPT / 2) {
            let message = format!("`prompt_prefix` must be at most {} bytes", PROMPT / 2);
            return Err(Error::bad_request("prompt_prefix".to_owned(), message));
        }
        Ok(Selector {
            everything: self.everything,
            id: self.id,
            tag: self.tag,
            namespace: self.namespace,
            model: self.model,
            older_than: self.older_than,
            prompt_prefix: self.prompt_prefix,
            generation_below: self.generation_below,
        })
    }
}

/// What a query selects, everything if it says nothing; and how much of it is wanted.
pub(super) fn asked_for(
    query: Result<Query<Written>, QueryRejection>,
) -> Result<(Selector, Option<usize>), Error> {
    let Query(written) = query.map_err(|rejection| unreadable(&rejection.body_text()))?;
    let limit = written.limit;
    let mut selector = written.selector()?;
    selector.everything |= !selector.says_something();
    Ok((selector, limit))
}

/// Entries that a query selects; all, if it says nothing.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    query: Result<Query<Written>, QueryRejection>,
) -> Response {
    if let Some(refusal) = refuse(&api, &headers) {
        return refusal;
    }
    let (selector, limit) = match asked_for(query) {
        Ok(asked_for) => asked_for,
        Err(error) => return error.into_response(),
    };
    let limit = limit.unwrap_or(100).min(MOST);
    let now = api.clock.unix();
    let store = Arc::clone(&api.store);
    let looked = tokio::task::spawn_blocking(move || {
        let (mut total, mut found) = (0_u64, Vec::new());
        store.each(|entry| {
            if selector.selects(&entry.traits(now)) {
                total += 1;
                if found.len() < limit {
                    found.push(described(entry, now));
                }
            }
        });
        json!({"total": total, "entries": found})
    });
    private(looked.await.unwrap_or_default())
}

/// Forgets one entry.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    if let Some(refusal) = refuse_change(&api, &headers) {
        return refusal;
    }
    let known = id.parse::<Fingerprint>().ok();
    if known.is_some_and(|fingerprint| api.store.condemn(fingerprint)) {
        private(json!({"deleted": true, "id": id}))
    } else {
        Error::NoSuchEntry.into_response()
    }
}

/// Forgets what a selector means; as a dry run, counts it.
pub(crate) async fn purge(State(api): State<Arc<Api>>, request: Request) -> Response {
    let written = match change(&api, request).await {
        Ok(written) => written,
        Err(response) => return response,
    };
    let dry_run = written.dry_run;
    let selector = match written.selector() {
        Ok(selector) if selector.says_something() => selector,
        Ok(_) => {
            let message = "name what to purge: `id`, `tag`, `namespace`, `model`, `older_than`, \
                           `prompt_prefix`, `generation_below`, or `everything` = true";
            return Error::bad_request(None, message).into_response();
        }
        Err(error) => return error.into_response(),
    };
    let (store, now) = (Arc::clone(&api.store), api.clock.unix());
    let purge = tokio::task::spawn_blocking(move || store.purge(&selector, now, dry_run));
    match purge.await {
        Ok(purged) => {
            tracing::info!(entries = purged.entries, dry_run, "cache purged");
            private(json!({"dry_run": dry_run, "entries": purged.entries, "bytes": purged.bytes}))
        }
        Err(_) => Error::Internal("a purge failed".to_owned()).into_response(),
    }
}

/// Starts a new generation, of which nothing is kept yet.
pub(crate) async fn new_generation(State(api): State<Arc<Api>>, request: Request) -> Response {
    let dry_run = match change(&api, request).await {
        Ok(written) => written.dry_run,
        Err(response) => return response,
    };
    let entries = api.store.size().entries;
    let generation = if dry_run {
        api.store.generation()
    } else {
        api.store.new_generation()
    };
    private(json!({"dry_run": dry_run, "generation": generation, "entries": entries}))
}

fn described(entry: &Entry, now: UnixMillis) -> Value {
    let age = now.since(entry.stored);
    json!({
        "id": entry.fingerprint.to_string(),
        "prompt": entry.prompt,
        "model": entry.asked_model,
        "answered_by": format!("{}/{}", entry.provider, entry.model),
        "namespace": entry.namespace.as_ref().map(Namespace::as_str),
        "tags": entry.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "age_seconds": age.as_secs(),
        "ttl_seconds": entry.ttl.as_secs(),
        "generation": entry.generation,
        "uses": entry.use_of.count(),
        "bytes": entry.weight(),
        "semantic": entry.question.is_some(),
        "saved_usd": entry.cost().map(|cost| cost.get() * f64::from(entry.use_of.count())),
    })
}

async fn change(api: &Api, request: Request) -> Result<Written, Response> {
    let (head, request_body) = request.into_parts();
    if let Some(refusal) = refuse_change(api, &head.headers) {
        return Err(refusal);
    }
    let body = body::read(api, &head, request_body, LONGEST)
        .await
        .map_err(IntoResponse::into_response)?;
    serde_json::from_slice(&body).map_err(|error| unreadable(&error.to_string()).into_response())
}

/// As [`refuse`]; and what a foreign page has sent by a browser that knows the key.
pub(super) fn refuse_change(api: &Api, headers: &HeaderMap) -> Option<Response> {
    const FETCH_SITE: &str = "sec-fetch-site";
    let foreign = headers
        .get(FETCH_SITE)
        .is_some_and(|site| site != "same-origin" && site != "none");
    if foreign {
        let message = "another site's page may not change this gateway";
        return Some(Error::bad_request(None, message).into_response());
    }
    refuse(api, headers)
}

fn unreadable(why: &str) -> Error {
    Error::bad_request(None, format!("the selector can't be read: {why}"))
}

pub(super) fn private(body: Value) -> Response {
    let mut response = Json(body).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn identity<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Fingerprint>, D::Error> {
    parsed(from, |text| {
        text.parse()
            .map_err(|_| "`id` must be 64 hexadecimal digits")
    })
}

fn tag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tag>, D::Error> {
    parsed(from, |text| Tag::new(text).map_err(|error| error.0))
}

fn namespace<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Namespace>, D::Error> {
    parsed(from, |text| Namespace::new(text).map_err(|error| error.0))
}

fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let expected = "`older_than` must be a time such as \"36h\" or \"7d\"";
    parsed(from, |text| {
        humantime::parse_duration(text).map_err(|_| expected)
    })
}

fn parsed<'de, D, T, E>(
    from: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    E: std::fmt::Display,
{
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| parse(&text).map_err(D::Error::custom))
        .transpose()
}
