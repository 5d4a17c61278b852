//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{Api, chat};
use crate::gateway::reply::{Refusal, Reply};

/// Answers a request for embeddings.
pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Response {
    chat::render(&api, answer(&api, request).await)
}

async fn answer(api: &Api, request: Request) -> Result<Reply, Refusal> {
    let asked = chat::receive(api, request).await?;
    api.gateway.embeddings(asked).await
}
