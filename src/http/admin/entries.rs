//! The operator's hands on the cache: look at entries, keep some, forget some, start a new generation.
//!
//! Whatever changes many entries can be asked for as a dry run first. What takes a look at all of them
//! is done off the threads that serve requests. Invariant: what prompts and answers say leaves here as
//! strings of JSON, and in no other way.

use std::sync::Arc;

use axum::{
    extract::{
        Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

mod described;
mod listing;
pub(in crate::http) mod search;
mod selection;

pub(super) use self::selection::{Written, asked_for};
use self::{
    described::{described, detailed},
    selection::unreadable,
};
use super::private;
use crate::{
    cache::{entry::Entry, memory::Pinned},
    error::Error,
    http::{Api, body},
    policy::identity::Fingerprint,
    units::Similarity,
};

/// The longest body that is read, in bytes.
const LONGEST: u64 = 64 << 10;
/// Entries of one list, if nothing is said, and at most.
const FEW: usize = 50;
const MOST: usize = 1000;
/// Neighbours that are told of an entry.
const NEIGHBOURS: usize = 10;

/// What a path names; it may not be text at all.
type Id = Result<Path<String>, PathRejection>;

/// Entries that a query selects; all, if it says nothing.
pub(in crate::http) async fn list(
    State(api): State<Arc<Api>>,
    query: Result<Query<Written>, QueryRejection>,
) -> Response {
    let front = api.front.load_full();
    let read = Written::of(query).and_then(|mut written| {
        let page = written.page()?;
        Ok((written.selector_or_all(&front.auth)?, page))
    });
    let (selector, page) = match read {
        Ok(read) => read,
        Err(error) => return error.into_response(),
    };
    let limit = page.limit.unwrap_or(FEW).min(MOST);
    let (store, now) = (Arc::clone(&api.store), api.clock.unix());
    let looked = tokio::task::spawn_blocking(move || {
        let (total, entries) = listing::page(&store, &selector, &page, limit, now);
        let entries = entries.iter();
        let entries = entries.map(|entry| described(entry, store.at(now), &front.auth));
        json!({"total": total, "entries": entries.collect::<Vec<_>>()})
    });
    answered(looked.await)
}

/// All that is known of one entry.
pub(in crate::http) async fn show(State(api): State<Arc<Api>>, id: Id) -> Response {
    let Some(entry) = named(id).and_then(|(_, id)| api.store.get(&id)) else {
        return Error::NoSuchEntry.into_response();
    };
    let (store, front) = (Arc::clone(&api.store), api.front.load_full());
    let now = store.at(api.clock.unix());
    let looked = tokio::task::spawn_blocking(move || {
        let near = store.around(&entry, NEIGHBOURS);
        let around: Vec<(Arc<Entry>, Similarity)> = near
            .into_iter()
            .filter_map(|near| Some((store.get(&near.fingerprint)?, near.similarity)))
            .collect();
        let around: Vec<_> = around
            .iter()
            .map(|(entry, near)| (&**entry, *near))
            .collect();
        detailed(&entry, &around, now, &front.auth)
    });
    answered(looked.await)
}

/// Forgets one entry.
pub(in crate::http) async fn delete(State(api): State<Arc<Api>>, id: Id) -> Response {
    match named(id).filter(|(_, fingerprint)| api.store.forget(*fingerprint)) {
        Some((id, _)) => private(json!({"deleted": true, "id": id})),
        None => Error::NoSuchEntry.into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    pinned: bool,
}

/// Has one entry stay, or lets it go its way again.
pub(in crate::http) async fn pin(
    State(api): State<Arc<Api>>,
    id: Id,
    request: Request,
) -> Response {
    let Pin { pinned } = match read(&api, request).await {
        Ok(pin) => pin,
        Err(error) => return error.into_response(),
    };
    let Some((_, fingerprint)) = named(id) else {
        return Error::NoSuchEntry.into_response();
    };
    match api.gateway.pin(&fingerprint, pinned) {
        Pinned::Done(entry) => {
            let now = api.store.at(api.clock.unix());
            private(described(&entry, now, &api.front.load().auth))
        }
        Pinned::Absent => Error::NoSuchEntry.into_response(),
        Pinned::Full => {
            let message = format!(
                "what is pinned would take more than {} bytes, a part of `cache.max_bytes`; unpin something first",
                api.store.pinnable()
            );
            let body = json!({"error": {
                "message": message,
                "type": "invalid_request_error", "param": null, "code": "too_much_pinned",
            }});
            (StatusCode::CONFLICT, private(body)).into_response()
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Forgets one entry because it is wrong, and learns from that what can be learned.
pub(in crate::http) async fn wrong(
    State(api): State<Arc<Api>>,
    id: Id,
    request: Request,
) -> Response {
    let Nothing {} = match read(&api, request).await {
        Ok(nothing) => nothing,
        Err(error) => return error.into_response(),
    };
    let Some((id, fingerprint)) = named(id) else {
        return Error::NoSuchEntry.into_response();
    };
    let gateway = Arc::clone(&api.gateway);
    let condemned = tokio::task::spawn_blocking(move || gateway.condemn(fingerprint));
    match condemned.await {
        Ok(true) => private(json!({"id": id, "forgotten": true})),
        Ok(false) => Error::NoSuchEntry.into_response(),
        Err(_) => Error::Internal("an entry could not be forgotten".to_owned()).into_response(),
    }
}

/// Forgets what a selector means; as a dry run, counts it.
pub(in crate::http) async fn purge(State(api): State<Arc<Api>>, request: Request) -> Response {
    let written = read::<Written>(&api, request).await;
    let (written, dry_run) = match written.and_then(Written::of_purge) {
        Ok(written) => written,
        Err(error) => return error.into_response(),
    };
    let selector = match written.selector(&api.front.load().auth) {
        Ok(selector) if selector.says_something() => selector,
        Ok(_) => {
            let message = "name what to purge: `id`, `client`, `tag`, `namespace`, `model`, `older_than`, \
                           `younger_than`, `pinned`, `prompt_prefix`, `generation_below`, or `everything` = true";
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

/// Nothing is selected: it is for all there is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGeneration {
    #[serde(default)]
    dry_run: bool,
}

/// Starts a new generation, of which nothing is kept yet.
pub(in crate::http) async fn new_generation(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Response {
    let NewGeneration { dry_run } = match read(&api, request).await {
        Ok(wanted) => wanted,
        Err(error) => return error.into_response(),
    };
    let entries = api.store.size().entries;
    let generation = if dry_run {
        api.store.generation()
    } else {
        api.store.new_generation()
    };
    private(json!({"dry_run": dry_run, "generation": generation, "entries": entries}))
}

/// The entry that a path names: as it is written, and what that means.
fn named(id: Id) -> Option<(String, Fingerprint)> {
    let Path(id) = id.ok()?;
    let fingerprint = id.parse().ok()?;
    Some((id, fingerprint))
}

/// The body, which is JSON.
async fn read<T: DeserializeOwned>(api: &Api, request: Request) -> Result<T, Error> {
    let (head, request_body) = request.into_parts();
    let body = body::read(api, &head, request_body, LONGEST).await?;
    body::object(&body).map_err(|error| unreadable(&error.to_string()))
}

fn answered(looked: Result<Value, tokio::task::JoinError>) -> Response {
    match looked {
        Ok(body) => private(body),
        Err(_) => Error::Internal("looking at the cache failed".to_owned()).into_response(),
    }
}
