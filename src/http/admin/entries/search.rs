//! `POST /admin/api/cache/search`: entries by the meaning of their questions, wherever they are.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    described::found,
    private, read,
    selection::{namespace, tag},
};
use crate::{
    error::Error,
    http::Api,
    ident::{Namespace, Tag},
    policy::selector::Selector,
};

/// Entries that are found, if nothing is said, and at most.
const FEW: usize = 20;
const MOST: usize = 100;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    text: String,
    limit: Option<usize>,
    model: Option<String>,
    client: Option<String>,
    #[serde(deserialize_with = "namespace")]
    namespace: Option<Namespace>,
    #[serde(deserialize_with = "tag")]
    tag: Option<Tag>,
}

/// The entries whose questions are nearest in meaning to a text, nearest first.
pub(in crate::http) async fn search(State(api): State<Arc<Api>>, request: Request) -> Response {
    let wanted: Wanted = match read(&api, request).await {
        Ok(wanted) => wanted,
        Err(error) => return error.into_response(),
    };
    if wanted.text.trim().is_empty() {
        let message = "`text` has to say what to look for";
        return Error::bad_request("text".to_owned(), message).into_response();
    }
    let front = api.front.load_full();
    let caller = wanted
        .client
        .as_deref()
        .map(|name| front.auth.named(Some(name)));
    let scope = match caller.transpose() {
        Ok(caller) => caller.map(|caller| caller.scope),
        Err(message) => {
            return Error::bad_request("client".to_owned(), message).into_response();
        }
    };
    let embedding = match api.gateway.encode(&wanted.text).await {
        Some(Ok(embedding)) => embedding,
        Some(Err(error)) => return unavailable(&error.to_string()),
        None => return unavailable("the semantic cache is off, so there is no encoder"),
    };
    let mut selector = Selector {
        scope,
        tag: wanted.tag,
        namespace: wanted.namespace,
        model: wanted.model,
        ..Selector::default()
    };
    selector.everything |= !selector.says_something();
    let most = wanted.limit.unwrap_or(FEW).min(MOST);
    let (store, now) = (Arc::clone(&api.store), api.clock.unix());
    let searched = tokio::task::spawn_blocking(move || {
        let found_ones = store.search(&embedding, most, |entry| {
            selector.selects(&entry.traits(now))
        });
        let found_ones = found_ones.iter();
        found_ones
            .map(|(entry, near)| found(entry, near.similarity, store.at(now), &front.auth))
            .collect::<Vec<Value>>()
    });
    match searched.await {
        Ok(entries) => private(json!({"entries": entries, "unavailable": null})),
        Err(_) => Error::Internal("a search failed".to_owned()).into_response(),
    }
}

fn unavailable(why: &str) -> Response {
    private(json!({"entries": [], "unavailable": why}))
}
