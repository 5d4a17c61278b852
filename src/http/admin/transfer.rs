//! Moving the cache: entries as lines of JSON, out of a gateway and into one.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

pub(in crate::http) mod import;

use super::entries::{Written, asked_for};
use crate::{
    cache::portable::{self, Header},
    error::Error,
    http::Api,
    policy::identity::Fingerprint,
};

/// An export is sent in pieces of about this size, in bytes.
const PIECE: usize = 64 << 10;
/// The entries that a query selects, as lines of JSON; all, if it says nothing.
pub(in crate::http) async fn export(
    State(api): State<Arc<Api>>,
    query: Result<Query<Written>, QueryRejection>,
) -> Response {
    let (selector, limit) = match asked_for(query, &api.front.load().auth) {
        Ok(asked_for) => asked_for,
        Err(error) => return error.into_response(),
    };
    let limit = limit.unwrap_or(usize::MAX);
    let (store, now) = (Arc::clone(&api.store), api.clock.unix());
    let selecting = tokio::task::spawn_blocking(move || {
        // Their names only: what is to be sent stays where it is until its turn comes.
        let (generation, mut selected) = (store.generation(), Vec::new());
        store.each(|entry| {
            // What is of another generation never answers again.
            let is_alive = entry.generation == generation;
            if is_alive && selected.len() < limit && selector.selects(&entry.traits(now)) {
                selected.push(entry.fingerprint);
            }
        });
        selected
    });
    let Ok(selected) = selecting.await else {
        return Error::Internal("an export failed".to_owned()).into_response();
    };
    let first = Bytes::from(Header::new(&api.front.load().auth.mark()).line());
    // Compression asks on after the end.
    let pieces = stream::iter([first]).chain(pieces(api, selected)).fuse();
    let mut response = Body::from_stream(pieces.map(Ok::<_, Infallible>)).into_response();
    let out = response.headers_mut();
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    out.insert(header::CONTENT_TYPE, ndjson);
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn pieces(api: Arc<Api>, selected: Vec<Fingerprint>) -> impl stream::Stream<Item = Bytes> {
    stream::unfold(selected.into_iter(), move |mut left| {
        let mut piece = Vec::new();
        while piece.len() < PIECE
            && let Some(fingerprint) = left.next()
        {
            let line = api.store.get(&fingerprint);
            piece.extend(
                line.and_then(|entry| portable::line(&entry))
                    .unwrap_or_default(),
            );
        }
        std::future::ready((!piece.is_empty()).then(|| (piece.into(), left)))
    })
}
