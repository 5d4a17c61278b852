//! Answers and errors in the form of the interface that the client speaks.
//!
//! Whatever the gateway answers is a chat answer, or already in the client's own interface; whatever it refuses is
//! an error in OpenAI's shape. Both become here what the client knows, so no route has to. Invariant: an error
//! under `/v1/messages` is in Anthropic's shape, one under `/v1beta` in Google's, all others in OpenAI's.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{error, generate_content as google, models};
use crate::{
    error::{Error, UpstreamError},
    gateway::reply::{Reply, ReplyBody},
    wire::{
        answer::{Answer, delivery_head},
        error_body::ErrorObject,
        generate_content,
        heard::{Hearing, Writer, of_answer},
        messages,
    },
};

/// The shape of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    OpenAi,
    Anthropic,
    Google,
}

impl Shape {
    /// The shape that clients expect who ask for this path, with these headers.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Self {
        let below = |path: &str, root: &str| {
            path.strip_prefix(root)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let short = path.strip_prefix("/v1").unwrap_or(path);
        let is_googles = || google::is_a_call(short) || google::is_googles(headers);
        if below(path, "/v1beta") || below(short, "/models") && is_googles() {
            Self::Google
        } else if below(short, "/messages")
            || below(short, "/models") && headers.contains_key(models::ANTHROPIC)
        {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    fn body(self, status: u16, error: &ErrorObject, request_id: &str) -> Option<Vec<u8>> {
        match self {
            Self::OpenAi => None,
            Self::Anthropic => Some(messages::error_body(status, error, Some(request_id))),
            Self::Google => Some(generate_content::error_body(status, error)),
        }
    }

    /// `response` with its error, if it is one, in this shape.
    pub(super) fn put(self, mut response: Response, request_id: &HeaderValue) -> Response {
        if self == Self::Anthropic {
            response
                .headers_mut()
                .insert("request-id", request_id.clone());
        }
        let Some(error) = response.extensions().get::<Arc<Error>>() else {
            return response;
        };
        let status = response.status().as_u16();
        let id = request_id.to_str().unwrap_or_default();
        let Some(body) = self.body(status, &error::told(error).1, id) else {
            return response;
        };
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::CONTENT_ENCODING);
        *response.body_mut() = Body::from(body);
        response
    }
}

/// `reply`, told by `writer` unless it is in the client's own interface already.
pub(super) fn tell(reply: Reply, mut writer: Box<dyn Writer>) -> Reply {
    let is_native = reply.native.is_some();
    let body = match reply.body {
        body @ (ReplyBody::Json(_) | ReplyBody::EventsWhole(_)) if is_native => body,
        ReplyBody::Json(bytes) => match Answer::read(&bytes) {
            Ok(answer) => {
                let (id, created) = delivery_head(&bytes);
                for heard in of_answer(answer, &id, created) {
                    writer.hear(heard);
                }
                ReplyBody::Json(writer.whole().into())
            }
            // What the gateway answers is an answer.
            Err(_) => ReplyBody::Json(bytes),
        },
        ReplyBody::EventsWhole(bytes) => {
            let mut told = Told::new(writer, false);
            ReplyBody::EventsWhole(told.run(bytes))
        }
        ReplyBody::Events(events) => {
            let told = Told::new(writer, is_native);
            let events = stream::unfold((events, told), |(mut events, mut told)| async move {
                let bytes = match events.next().await? {
                    Ok(bytes) => told.run(bytes),
                    Err(error) => told.broken(error),
                };
                Some((Ok(bytes), (events, told)))
            });
            ReplyBody::Events(events.boxed())
        }
    };
    Reply { body, ..reply }
}

/// A stream that is told.
struct Told {
    writer: Box<dyn Writer>,
    hearing: Hearing,
    /// Whether its words are the client's interface's already.
    is_native: bool,
    ended: bool,
}

impl Told {
    fn new(writer: Box<dyn Writer>, is_native: bool) -> Self {
        Self {
            writer,
            hearing: Hearing::default(),
            is_native,
            ended: false,
        }
    }

    fn run(&mut self, bytes: Bytes) -> Bytes {
        if self.is_native {
            return bytes;
        }
        for heard in self.hearing.events(&bytes) {
            self.writer.hear(heard);
        }
        if self.hearing.is_over() && !self.ended {
            self.ended = true;
            self.writer.end();
        }
        self.writer.take().into()
    }

    fn broken(&mut self, error: UpstreamError) -> Bytes {
        tracing::warn!(error = error.summary(), "a stream broke");
        let (status, error) = error::told(&Error::Exhausted(error));
        self.writer.fail(status, &error);
        self.writer.take().into()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn the_shape_is_that_of_the_path() {
        for (path, shape) in [
            ("/v1/messages", Shape::Anthropic),
            ("/messages/count_tokens", Shape::Anthropic),
            ("/v1/messages/x/y", Shape::Anthropic),
            ("/v1/messagesx", Shape::OpenAi),
            ("/v1beta/models/m:generateContent", Shape::Google),
            ("/v1beta", Shape::Google),
            ("/v1betax", Shape::OpenAi),
            ("/v1/models/m:generateContent", Shape::Google),
            ("/models/a/b:1:countTokens", Shape::Google),
            ("/v1/models/m:7b", Shape::OpenAi),
            ("/v1/models", Shape::OpenAi),
            ("/v1/chat/completions", Shape::OpenAi),
            ("/", Shape::OpenAi),
        ] {
            assert_eq!(Shape::of(path, &HeaderMap::new()), shape, "{path}");
        }
        let googles = HeaderMap::from_iter([(
            HeaderName::from_static("x-goog-api-client"),
            HeaderValue::from_static("google-genai-sdk/3.4.0"),
        )]);
        assert_eq!(Shape::of("/v1/models", &googles), Shape::Google);
        assert_eq!(Shape::of("/v1/responses", &googles), Shape::OpenAi);
        let anthropics = HeaderMap::from_iter([(
            HeaderName::from_static(models::ANTHROPIC),
            HeaderValue::from_static("2023-06-01"),
        )]);
        assert_eq!(Shape::of("/v1/models/x", &anthropics), Shape::Anthropic);
    }
}
