//! `POST /v1/messages` and `POST /v1/messages/count_tokens`, for clients of Anthropic.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use serde_json::json;

use super::{Api, chat, shape};
use crate::{
    error::Error,
    gateway::reply::{Reply, ReplyBody},
    wire::{
        chat::Invalid,
        messages::{self, Inbound},
    },
};

/// Answers a request.
pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Response {
    let headers = request.headers().clone();
    chat::serve(&api, request, async |asked| {
        let read = messages::read(&asked.body, &headers);
        let Inbound { translated, writer } = read.map_err(bad_request)?;
        let reply = api.gateway.chat(asked.with(translated)).await?;
        Ok(shape::tell(reply, writer))
    })
    .await
}

/// Counts the tokens of a request.
pub(super) async fn count_tokens(State(api): State<Arc<Api>>, request: Request) -> Response {
    let headers = request.headers().clone();
    chat::serve(&api, request, async |asked| {
        let translated = messages::read_to_count(&asked.body, &headers).map_err(bad_request)?;
        let counted = api.gateway.count_tokens(asked.with(translated)).await?;
        let body = json!({"input_tokens": counted.tokens.0}).to_string();
        Ok(Reply {
            body: ReplyBody::Json(body.into()),
            native: None,
            headers: counted.headers,
            facts: counted.facts,
        })
    })
    .await
}

fn bad_request(Invalid { message, param }: Invalid) -> Error {
    Error::bad_request(param, message)
}
