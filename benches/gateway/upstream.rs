//! The mock provider: chat completions in OpenAI's wire shape and messages in Anthropic's, at once, and
//! a counter.
//!
//! It answers with as many tokens as `max_tokens` allows, one chunk each in a stream, all chunks
//! sent together. It reads the request as a real provider would (bad JSON is a 400) and opens the
//! text with a hash of the last message. One thread: with two cores, the rest belongs to the others.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{Result, server};

/// Where the number of chat requests so far is told.
pub(crate) const COUNT_PATH: &str = "/count";

const CREATED: u64 = 1_700_000_000;
const MOST_TOKENS: usize = 10_000;
const MODEL: &str = "mock-model";

static ASKED: AtomicU64 = AtomicU64::new(0);
/// Streams already rendered, by number of tokens and whether usage was wanted.
static STREAMS: LazyLock<Mutex<Streams>> = LazyLock::new(Mutex::default);
/// The same in Anthropic's shape, by number of tokens.
static TRANSLATED: LazyLock<Mutex<HashMap<usize, Arc<[Bytes]>>>> = LazyLock::new(Mutex::default);

type Streams = HashMap<(usize, bool), Arc<[Bytes]>>;

/// Runs the mock until the benchmark is gone.
pub(crate) fn main() -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(server::serve(service_fn(handle)))
}

type Out = Response<Either<Full<Bytes>, StreamBody<Chunks>>>;
type Chunks = stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>;

async fn handle(request: Request<Incoming>) -> Result<Out, hyper::Error> {
    let path = request.uri().path();
    if path == COUNT_PATH {
        return Ok(whole(
            StatusCode::OK,
            ASKED.load(Ordering::Relaxed).to_string(),
        ));
    }
    let translated = path == "/v1/messages";
    if request.method() != Method::POST || !(translated || path == "/v1/chat/completions") {
        return Ok(error(StatusCode::NOT_FOUND, "no such endpoint"));
    }
    ASKED.fetch_add(1, Ordering::Relaxed);
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(chat) = serde_json::from_slice::<Chat<'_>>(&body) else {
        return Ok(error(
            StatusCode::BAD_REQUEST,
            "the body is no chat request",
        ));
    };
    let Some(last) = chat.messages.last() else {
        return Ok(error(StatusCode::BAD_REQUEST, "no messages"));
    };
    let tokens = chat.max_completion_tokens.or(chat.max_tokens);
    let tokens = tokens.unwrap_or(16).clamp(1, MOST_TOKENS);
    if translated {
        return Ok(if chat.stream == Some(true) {
            streamed(&anthropic_events(tokens))
        } else {
            let mut text = String::from("mock");
            text.extend((1..tokens).map(|_| " token"));
            let content = json!([{"type": "text", "text": text}]);
            whole(
                StatusCode::OK,
                message(&content, Some("end_turn"), tokens).to_string(),
            )
        });
    }
    Ok(if chat.stream == Some(true) {
        streamed(&events(
            tokens,
            chat.stream_options.is_some_and(|o| o.include_usage),
        ))
    } else {
        let question = last.content.map_or("", RawValue::get);
        whole(
            StatusCode::OK,
            completion(question, tokens, body.len() / 4).to_string(),
        )
    })
}

/// What the mock reads of a request.
#[derive(Deserialize)]
struct Chat<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

fn whole(status: StatusCode, body: String) -> Out {
    let mut response = Response::new(Either::Left(Full::from(body)));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn streamed(chunks: &[Bytes]) -> Out {
    let frames: Vec<_> = chunks.iter().map(|c| Ok(Frame::data(c.clone()))).collect();
    let mut response = Response::new(Either::Right(StreamBody::new(stream::iter(frames))));
    let sse = HeaderValue::from_static("text/event-stream; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, sse);
    response
}

fn error(status: StatusCode, message: &str) -> Out {
    let kind = "invalid_request_error";
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
    whole(status, body.to_string())
}

fn usage(prompt: usize, tokens: usize) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": tokens,
        "total_tokens": prompt + tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn completion(question: &str, tokens: usize, prompt_tokens: usize) -> Value {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(question);
    let mut text = format!("mock:{hash:016x}");
    text.extend((1..tokens).map(|_| " token"));
    json!({
        "id": format!("chatcmpl-{hash:016x}"),
        "object": "chat.completion",
        "created": CREATED,
        "model": MODEL,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage(prompt_tokens, tokens),
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
    })
}

/// A stream as events: the role, the tokens, the finish, the usage if wanted, `[DONE]`.
fn events(tokens: usize, with_usage: bool) -> Arc<[Bytes]> {
    let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(streams.entry((tokens, with_usage)).or_insert_with(|| {
        let choice = |delta: Value, finish: Value| {
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}])
        };
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        let mut choices = vec![choice(role, Value::Null)];
        choices.extend((0..tokens).map(|i| choice(json!({"content": format!(" tok{i}")}), Value::Null)));
        choices.push(choice(json!({}), "stop".into()));
        let mut chunks: Vec<_> = choices.into_iter().map(|c| chunk(&c, with_usage.then_some(Value::Null))).collect();
        if with_usage {
            chunks.push(chunk(&json!([]), Some(usage(32, tokens))));
        }
        chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
        chunks.into()
    }))
}

/// One event; `usage` is the field's value, if the stream has that field.
fn chunk(choices: &Value, usage: Option<Value>) -> Bytes {
    let mut event = json!({
        "id": "chatcmpl-mock",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
        "choices": choices,
    });
    if let (Some(usage), Some(fields)) = (usage, event.as_object_mut()) {
        fields.insert("usage".to_owned(), usage);
    }
    format!("data: {event}\n\n").into()
}

/// Anthropic's message.
fn message(content: &Value, stop_reason: Option<&str>, tokens: usize) -> Value {
    json!({
        "id": "msg_mock", "type": "message", "role": "assistant", "model": MODEL,
        "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 32, "output_tokens": tokens},
    })
}

/// The same as a stream, one delta for each token.
fn anthropic_events(tokens: usize) -> Arc<[Bytes]> {
    let mut streams = TRANSLATED.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(streams.entry(tokens).or_insert_with(|| {
        let start = message(&json!([]), None, 1);
        let mut events = vec![
            json!({"type": "message_start", "message": start}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "ping"}),
        ];
        events.extend((0..tokens).map(|i| {
            let delta = json!({"type": "text_delta", "text": format!(" tok{i}")});
            json!({"type": "content_block_delta", "index": 0, "delta": delta})
        }));
        let end = json!({"stop_reason": "end_turn", "stop_sequence": null});
        events.push(json!({"type": "content_block_stop", "index": 0}));
        events.push(json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": tokens}}));
        events.push(json!({"type": "message_stop"}));
        let event = |data: &Value| {
            let kind = data.get("type").and_then(Value::as_str).unwrap_or_default();
            Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
        };
        events.iter().map(event).collect()
    }))
}
