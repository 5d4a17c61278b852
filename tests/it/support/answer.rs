//! What the fake provider answers: a text, very bytes, or a body whose every step the test takes.

use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// One scripted answer.
pub(crate) struct Answer {
    status: u16,
    headers: HeaderMap,
    gate: Option<oneshot::Receiver<Infallible>>,
    delay: Duration,
    content: Content,
}

enum Content {
    /// A text, in the form that the request asks for.
    Said(String),
    /// These very bytes.
    Whole(Bytes),
    /// What is sent step by step.
    Steps(mpsc::UnboundedReceiver<io::Result<Bytes>>),
}

impl Answer {
    fn new(content_type: &'static str, content: Content) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        Self {
            status: 200,
            headers,
            gate: None,
            delay: Duration::ZERO,
            content,
        }
    }

    /// A finished answer with this text.
    pub(crate) fn said(text: &str) -> Self {
        Self::new("", Content::Said(text.to_owned()))
    }

    /// A JSON body.
    pub(crate) fn json(body: &Value) -> Self {
        Self::raw("application/json", body.to_string())
    }

    /// Any body.
    pub(crate) fn raw(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::new(content_type, Content::Whole(body.into()))
    }

    /// A stream of these very bytes, which ends cleanly.
    pub(crate) fn events(stream: impl Into<Bytes>) -> Self {
        Self::raw("text/event-stream", stream)
    }

    /// A stream whose pieces the test sends.
    pub(crate) fn stepwise() -> (Self, Steps) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (
            Self::new("text/event-stream", Content::Steps(receiver)),
            Steps(sender),
        )
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// The same, held back until the test lets it go.
    pub(crate) fn held(mut self) -> (Self, Hold) {
        let (sender, receiver) = oneshot::channel();
        self.gate = Some(receiver);
        (self, Hold(sender))
    }

    /// The same, after some time; for tests that pause it.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// An error in OpenAI's shape.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        let error = json!({
            "message": message, "type": "invalid_request_error", "param": null, "code": null,
        });
        Self::json(&json!({"error": error})).status(status)
    }

    pub(crate) async fn response(self, number: usize, stream: bool) -> Response<Body> {
        if let Some(gate) = self.gate {
            let _released = gate.await;
        }
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let mut headers = self.headers;
        let body = match self.content {
            Content::Said(text) => {
                let (kind, body) = if stream {
                    ("text/event-stream; charset=utf-8", events_of(&text))
                } else {
                    ("application/json", completion(&text, number).to_string())
                };
                headers.insert("content-type", kind.parse().unwrap());
                whole(body.into())
            }
            Content::Whole(bytes) => whole(bytes),
            Content::Steps(receiver) => {
                let steps = futures_util::stream::unfold(receiver, |mut receiver| async {
                    Some((receiver.recv().await?, receiver))
                });
                BodyExt::boxed(StreamBody::new(steps.map(|step| step.map(Frame::data))))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        *response.headers_mut() = headers;
        response
    }
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Holds an answer back; lets it go when dropped.
pub(crate) struct Hold(oneshot::Sender<Infallible>);

impl Hold {
    pub(crate) fn release(self) {
        drop(self);
    }

    /// Waits until the gateway has given the call up.
    pub(crate) async fn abandoned(mut self) {
        self.0.closed().await;
    }
}

/// Sends a body step by step; ends it cleanly when dropped.
pub(crate) struct Steps(mpsc::UnboundedSender<io::Result<Bytes>>);

impl Steps {
    pub(crate) fn send(&self, bytes: impl Into<Bytes>) {
        self.0.send(Ok(bytes.into())).unwrap();
    }

    /// Sends a chunk with some text.
    pub(crate) fn say(&self, text: &str) {
        self.send(event(&chunk(&json!({"content": text}), None)));
    }

    /// Sends the last chunk and `[DONE]`.
    pub(crate) fn finish(self) {
        self.send(event(&chunk(&json!({}), Some("stop"))));
        self.send("data: [DONE]\n\n");
    }

    /// Cuts the connection in the middle of the body.
    pub(crate) fn cut(self) {
        self.0
            .send(Err(io::ErrorKind::ConnectionReset.into()))
            .unwrap();
    }

    /// Waits until the gateway has hung up.
    pub(crate) async fn abandoned(self) {
        self.0.closed().await;
    }
}

/// A finished answer with this text, as JSON.
pub(crate) fn completion(text: &str, number: usize) -> Value {
    json!({
        "id": format!("chatcmpl-upstream{number}"),
        "object": "chat.completion",
        "created": 1_600_000_000,
        "model": "gpt-test-2026",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        "system_fingerprint": "fp_test",
    })
}

/// One chunk of a stream.
pub(crate) fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1_600_000_000,
        "model": "gpt-test-2026",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}

/// One event.
pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A finished answer with this text, as a stream without usage.
pub(crate) fn events_of(text: &str) -> String {
    let mut stream = event(&chunk(&json!({"role": "assistant", "content": ""}), None));
    for word in text.split_inclusive(' ') {
        stream += &event(&chunk(&json!({"content": word}), None));
    }
    stream + &event(&chunk(&json!({}), Some("stop"))) + "data: [DONE]\n\n"
}
