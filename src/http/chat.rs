//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, future, stream::BoxStream};

use super::{Api, body, entrance::within_limits, error, headers};
use crate::{
    error::{Error, UpstreamError},
    gateway::{
        Asked,
        reply::{Refusal, Reply, ReplyBody},
    },
    wire::sse,
};

/// Answers a chat request.
pub(super) async fn complete(State(api): State<Arc<Api>>, request: Request) -> Response {
    serve(&api, request, |asked| api.gateway.chat(asked)).await
}

/// Answers a request as `answer` does, within the limits of who asks, who is told how much is left of them.
pub(super) async fn serve<F>(
    api: &Api,
    request: Request,
    answer: impl FnOnce(Asked) -> F,
) -> Response
where
    F: Future<Output = Result<Reply, Refusal>>,
{
    let look = |head: &request::Parts| {
        headers::controls(&head.headers)
            .map_err(|invalid| Error::bad_request(Some(invalid.name), invalid.message))
    };
    within_limits(api, request, look, |guest| async move {
        let most = api.front.load().max_body;
        let answered = match body::read(api, &guest.head, guest.body, most).await {
            Ok(body) => {
                guest.journal.content(&body);
                let asked = Asked {
                    caller: guest.caller,
                    controls: guest.found,
                    body,
                    received: guest.received,
                    journal: guest.journal,
                };
                answer(asked).await
            }
            Err(error) => Err(error.into()),
        };
        render(api, answered)
    })
    .await
}

/// An answer or a refusal as clients see it.
fn render(api: &Api, answered: Result<Reply, Refusal>) -> Response {
    match answered {
        Ok(reply) => respond(api, reply),
        Err(refusal) => refused(api, refusal),
    }
}

/// A refusal as clients see it.
pub(super) fn refused(api: &Api, Refusal { error, facts }: Refusal) -> Response {
    let mut response = error.into_response();
    if let Some(facts) = facts {
        headers::write(&mut response, facts, api);
    }
    response
}

fn respond(api: &Api, reply: Reply) -> Response {
    const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let (content_type, body) = match reply.body {
        ReplyBody::Json(bytes) => (JSON, Body::from(bytes)),
        ReplyBody::EventsWhole(bytes) => (EVENTS, Body::from(bytes)),
        ReplyBody::Events(events) => (EVENTS, Body::from_stream(with_errors_as_events(events))),
    };
    let is_stream = content_type == EVENTS;
    let mut response = (StatusCode::OK, body).into_response();
    let out = response.headers_mut();
    *out = reply.headers;
    out.insert(header::CONTENT_TYPE, content_type);
    if is_stream {
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Keeps proxies from holding the events back.
        out.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    headers::write(&mut response, reply.facts, api);
    response
}

/// A stream that breaks ends in an event with the error, and without `[DONE]`.
pub(super) fn with_errors_as_events(
    events: BoxStream<'static, Result<Bytes, UpstreamError>>,
) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    events
        .map(|item| {
            Ok(item.unwrap_or_else(|error| {
                tracing::warn!(error = error.summary(), "a stream broke");
                let mut event = Vec::new();
                sse::write_event(&mut event, &error::body(&Error::Exhausted(error)));
                event.into()
            }))
        })
        .filter(|item| future::ready(item.as_ref().is_ok_and(|bytes| !bytes.is_empty())))
}
