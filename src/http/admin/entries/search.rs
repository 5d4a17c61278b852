//! `POST /admin/api/cache/search`: entries by the meaning of their questions, wherever they are.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    described::found,
    private, read,
    selection::{Search, Written},
};
use crate::{error::Error, http::Api};

/// Entries that are found, if nothing is said, and at most.
const FEW: usize = 20;
const MOST: usize = 100;

/// The entries whose questions are nearest in meaning to a text, nearest first.
pub(in crate::http) async fn search(State(api): State<Arc<Api>>, request: Request) -> Response {
    let front = api.front.load_full();
    let written = read::<Written>(&api, request).await;
    let search = written.and_then(|written| written.of_search(&front.auth));
    let Search {
        text,
        selector,
        limit,
    } = match search {
        Ok(search) => search,
        Err(error) => return error.into_response(),
    };
    let embedding = match api.gateway.encode(&text).await {
        Some(Ok(embedding)) => embedding,
        Some(Err(error)) => return unavailable(&error.to_string()),
        None => return unavailable("the semantic cache is off, so there is no encoder"),
    };
    let most = limit.unwrap_or(FEW).min(MOST);
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
