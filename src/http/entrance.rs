//! Letting a client in: who it is, and whether it may ask one more.
//!
//! Invariant: nothing of a body is read for anything before its client was let in, and a place that was taken is free
//! when the answer has been delivered.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::request,
    response::{IntoResponse, Response},
};

use super::{Api, body, headers, held};
use crate::{
    clock::Moment,
    error::Error,
    gateway::{Caller, account::Account},
    telemetry::journal::Journal,
};

/// A client that was let in, with what it brings.
pub(super) struct Guest<T> {
    pub(super) caller: Caller,
    pub(super) head: request::Parts,
    pub(super) body: Body,
    /// What was looked for in the head.
    pub(super) found: T,
    /// When the head came in.
    pub(super) received: Moment,
    /// Where it is noted what happens to it.
    pub(super) journal: Arc<Journal>,
}

/// Answers a request as `answer` does, within the limits of who asks, who is told how much is left of them. What
/// `look` finds wrong with the head is answered before the body is read.
pub(super) async fn within_limits<T, F>(
    api: &Api,
    request: Request,
    look: impl FnOnce(&request::Parts) -> Result<T, Error>,
    answer: impl FnOnce(Guest<T>) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let received = api.clock.now();
    let (head, body) = request.into_parts();
    let front = api.front.load_full();
    let caller = match front.auth.caller(&head.headers, api.clock.unix()) {
        Ok(caller) => caller,
        Err(error) => {
            body::skip(&head.headers, body).await;
            return error.into_response();
        }
    };
    let journal = head
        .extensions
        .get::<Arc<Journal>>()
        .map_or_else(|| Journal::unread(&api.clock), Arc::clone);
    let account = caller.account.clone();
    if let Some(account) = &account {
        journal.client(account.name());
    }
    let entered = account.as_ref().map_or(Ok(None), |account| account.enter());
    let (place, found) = match entered.and_then(|place| Ok((place, look(&head)?))) {
        Ok(admitted) => admitted,
        Err(error) => {
            body::skip(&head.headers, body).await;
            return told(error.into_response(), account.as_deref());
        }
    };
    let guest = Guest {
        caller,
        head,
        body,
        found,
        received,
        journal,
    };
    let response = told(answer(guest).await, account.as_deref());
    match place {
        // The place is taken until the answer has been delivered.
        Some(place) => held::hold(response, place),
        None => response,
    }
}

/// The response, with how much is left to the client.
pub(super) fn told(mut response: Response, account: Option<&Account>) -> Response {
    if let Some(account) = account {
        headers::rate_limits(response.headers_mut(), &account.levels());
    }
    response
}
