//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, future, stream::BoxStream};

use super::{Api, body, error, headers};
use crate::{
    error::{Error, UpstreamError},
    gateway::{
        Asked,
        reply::{Refusal, Reply, ReplyBody},
    },
    wire::{controls::InvalidControl, sse},
};

/// Answers a chat request.
pub(super) async fn complete(State(api): State<Arc<Api>>, request: Request) -> Response {
    let answered = answer(&api, request).await;
    render(&api, answered)
}

/// Who asks, and what.
///
/// # Errors
/// As of [`auth`](super::auth), [`headers::controls`] and [`body::read`], the first before the others.
pub(super) async fn receive(api: &Api, request: Request) -> Result<Asked, Error> {
    let received = api.clock.now();
    let (head, request_body) = request.into_parts();
    let front = api.front.load_full();
    let known = front.auth.caller(&head.headers).and_then(|caller| {
        let controls = headers::controls(&head.headers);
        let invalid =
            |invalid: InvalidControl| Error::bad_request(Some(invalid.name), invalid.message);
        Ok((caller, controls.map_err(invalid)?))
    });
    let (caller, controls) = match known {
        Ok(known) => known,
        Err(error) => {
            body::skip(request_body).await;
            return Err(error);
        }
    };
    let body = body::read(&head.headers, request_body, front.max_body).await?;
    Ok(Asked {
        caller,
        controls,
        body,
        received,
    })
}

/// An answer or a refusal as clients see it.
pub(super) fn render(api: &Api, answered: Result<Reply, Refusal>) -> Response {
    match answered {
        Ok(reply) => respond(api, reply),
        Err(Refusal { error, facts }) => {
            let mut response = error.into_response();
            if let Some(facts) = facts {
                headers::write(response.headers_mut(), &facts, api);
            }
            response
        }
    }
}

async fn answer(api: &Api, request: Request) -> Result<Reply, Refusal> {
    let asked = receive(api, request).await?;
    api.gateway.chat(asked).await
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
    headers::write(out, &reply.facts, api);
    response
}

/// A stream that breaks ends in an event with the error, and without `[DONE]`.
fn with_errors_as_events(
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
