//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{Api, chat};

/// Answers a request for embeddings.
pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Response {
    chat::serve(&api, request, |asked| api.gateway.embeddings(asked)).await
}
