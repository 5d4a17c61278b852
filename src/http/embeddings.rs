//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{Api, body, chat, headers};
use crate::{
    error::Error,
    gateway::reply::{Refusal, Reply},
};

/// Answers a request for embeddings.
pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Response {
    chat::render(&api, answer(&api, request).await)
}

async fn answer(api: &Api, request: Request) -> Result<Reply, Refusal> {
    let received = api.clock.now();
    let (head, request_body) = request.into_parts();
    let caller = api.auth.caller(&head.headers)?;
    let controls = headers::controls(&head.headers)
        .map_err(|invalid| Error::bad_request(Some(invalid.name), invalid.message))?;
    let body = body::read(&head.headers, request_body, api.max_body).await?;
    let drops = controls.drop_unsupported == Some(true);
    api.gateway.embeddings(&caller, body, drops, received).await
}
