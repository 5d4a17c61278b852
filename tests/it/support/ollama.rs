//! A scripted Ollama on a socket of its own, that refuses what the real one refuses, and what the real
//! one would pass over in silence: fields that it does not know.
//!
//! Without a script it answers "answer 1", "answer 2", … in the form that was asked for.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    answer::{Answer, Body},
    socket::serve,
    upstream::KEY,
};

/// The fake server; stops when it is dropped.
pub(crate) struct Ollama {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

struct State {
    needs_key: bool,
    /// What `/api/show` says of every model.
    show: Mutex<Value>,
    script: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Value>>,
    shown: Mutex<usize>,
}

/// A line of a stream.
pub(crate) fn line(message: Value) -> String {
    let created_at = "2026-03-01T10:00:00.5Z";
    let line =
        json!({"model": "crab:7b", "created_at": created_at, "message": message, "done": false});
    format!("{line}\n")
}

/// The last line of a stream, or all of a whole answer.
pub(crate) fn done(message: Value) -> String {
    let line = json!({
        "model": "crab:7b", "created_at": "2026-03-01T10:00:01Z", "message": message, "done": true,
        "done_reason": "stop", "total_duration": 9, "load_duration": 1, "prompt_eval_count": 10,
        "prompt_eval_duration": 1, "eval_count": 5, "eval_duration": 7,
    });
    format!("{line}\n")
}

pub(crate) fn text(content: &str) -> Value {
    json!({"role": "assistant", "content": content})
}

/// A stream of these bytes.
pub(crate) fn ndjson(body: impl Into<Bytes>) -> Answer {
    Answer::raw("application/x-ndjson", body)
}

/// An error as Ollama has it.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    Answer::json(&json!({"error": message})).status(status)
}

impl Ollama {
    pub(crate) async fn start() -> Self {
        Self::serve(false).await
    }

    /// One behind a proxy that wants the key.
    pub(crate) async fn with_key() -> Self {
        Self::serve(true).await
    }

    async fn serve(needs_key: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            needs_key,
            show: Mutex::new(json!({
                "modelfile": "FROM crab", "parameters": "stop \"<end>\"", "template": "{{ .Prompt }}",
                "details": {"format": "gguf", "family": "crab"},
                "model_info": {"general.architecture": "crab", "crab.context_length": 32_768},
                "capabilities": ["completion", "tools"],
            })),
            script: Mutex::default(),
            received: Mutex::default(),
            shown: Mutex::default(),
        });
        let mut serving = JoinSet::new();
        let served = Arc::clone(&state);
        serving.spawn(serve(listener, move |request| {
            let state = Arc::clone(&served);
            async move { respond(&state, request).await }
        }));
        Self {
            address,
            state,
            _serving: serving,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next chat request that has no answer yet.
    pub(crate) fn script(&self, answer: Answer) {
        self.state.script.lock().unwrap().push_back(answer);
    }

    /// Has `/api/show` say this from now on.
    pub(crate) fn show(&self, show: Value) {
        *self.state.show.lock().unwrap() = show;
    }

    /// The chat requests so far.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.state.received.lock().unwrap().clone()
    }

    /// How many chat requests there were.
    pub(crate) fn calls(&self) -> usize {
        self.received().len()
    }

    /// How often a model was asked about.
    pub(crate) fn shown(&self) -> usize {
        *self.state.shown.lock().unwrap()
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let key = head.headers.get("authorization");
    let expected = format!("Bearer {KEY}");
    let right = if state.needs_key {
        key.is_some_and(|key| key == &expected)
    } else {
        key.is_none()
    };
    if !right {
        return error(401, "unauthorized").response(0, false).await;
    }
    if head.uri.query().is_some() {
        return error(400, "a query").response(0, false).await;
    }
    let answer = match (&head.method, head.uri.path()) {
        (&Method::GET, "/api/tags") => Answer::json(&json!({"models": [
            {"name": "crab:7b", "model": "crab:7b", "modified_at": "2026-01-02T03:04:05.6-07:00", "size": 1},
            {"name": "found:latest", "model": "found:latest", "modified_at": "2026-01-02T03:04:05Z"},
        ]})),
        (&Method::GET, "/api/ps") => Answer::json(&json!({"models": []})),
        (&Method::POST, "/api/show") => {
            *state.shown.lock().unwrap() += 1;
            Answer::json(&state.show.lock().unwrap().clone())
        }
        (&Method::POST, "/api/embed") => embeddings(state, &body),
        (&Method::POST, "/api/chat") => return chat(state, &head.headers, &body).await,
        _ => Answer::raw("text/plain", "404 page not found").status(404),
    };
    answer.response(0, false).await
}

/// Embeds each text as its length and its place.
fn embeddings(state: &State, body: &[u8]) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap();
    if only(
        &body,
        &["model", "input", "truncate", "dimensions", "keep_alive"],
    )
    .is_err()
    {
        return error(400, "unknown field");
    }
    let scripted = state.script.lock().unwrap().pop_front();
    let texts = body["input"].as_array().unwrap().iter().zip(0..);
    let embeddings = texts.map(|(text, place)| json!([text.as_str().unwrap().len(), place]));
    let answer = json!({
        "model": body["model"], "embeddings": embeddings.collect::<Vec<_>>(), "prompt_eval_count": 7,
    });
    state.received.lock().unwrap().push(body);
    scripted.unwrap_or_else(|| Answer::json(&answer))
}

async fn chat(state: &State, headers: &HeaderMap, body: &[u8]) -> Response<Body> {
    if let Err(objection) = objection(headers, body) {
        return error(400, &objection).response(0, false).await;
    }
    let body: Value = serde_json::from_slice(body).unwrap();
    let stream = body["stream"] == true;
    let number = {
        let mut received = state.received.lock().unwrap();
        received.push(body);
        received.len()
    };
    let scripted = state.script.lock().unwrap().pop_front();
    let answer = scripted.unwrap_or_else(|| {
        let said = format!("answer {number}");
        if stream {
            let words = said.split_inclusive(' ').map(|word| line(text(word)));
            ndjson(words.collect::<String>() + &done(text("")))
        } else {
            Answer::raw("application/json", done(text(&said)))
        }
    });
    answer.response(number, stream).await
}

/// What Ollama would not take, or not understand.
fn objection(headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let content_type = headers.get("content-type");
    if content_type.is_none_or(|kind| kind != "application/json") {
        return Err("content type".to_owned());
    }
    if let Some(name) = headers
        .keys()
        .find(|name| name.as_str().starts_with("x-refrain"))
    {
        return Err(format!("a header of the gateway's own: {name}"));
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let known = [
        "model",
        "messages",
        "tools",
        "format",
        "options",
        "stream",
        "keep_alive",
        "think",
        "logprobs",
        "top_logprobs",
        "truncate",
        "shift",
    ];
    only(&body, &known)?;
    let stream = &body["stream"];
    if !(body["model"].is_string() && stream.is_boolean()) {
        return Err("model is required".to_owned());
    }
    for message in list(&body["messages"])? {
        only(
            message,
            &[
                "role",
                "content",
                "thinking",
                "images",
                "tool_calls",
                "tool_name",
                "tool_call_id",
            ],
        )?;
        let role = message["role"].as_str().unwrap_or_default();
        if !["system", "user", "assistant", "tool"].contains(&role)
            || !message["content"].is_string()
        {
            return Err(format!("invalid message: {message}"));
        }
        for call in list(&message["tool_calls"])? {
            only(call, &["id", "function"])?;
            only(&call["function"], &["name", "arguments", "index"])?;
            if !call["function"]["arguments"].is_object() {
                return Err("cannot unmarshal arguments".to_owned());
            }
        }
        if !list(&message["images"])?.iter().all(Value::is_string) {
            return Err("cannot unmarshal images".to_owned());
        }
    }
    for tool in list(&body["tools"])? {
        only(tool, &["type", "function"])?;
        only(&tool["function"], &["name", "description", "parameters"])?;
        if !tool["function"]["parameters"]["properties"].is_object() {
            return Err("cannot unmarshal properties".to_owned());
        }
    }
    if !(body["format"].is_null() || body["format"] == "json" || body["format"].is_object()) {
        return Err("invalid format".to_owned());
    }
    let options = [
        "num_ctx",
        "num_predict",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "presence_penalty",
        "frequency_penalty",
        "repeat_penalty",
    ];
    only(&body["options"], &options)
}

fn list(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Err(format!("cannot unmarshal {other}"))
        }
    }
}

fn only(object: &Value, known: &[&str]) -> Result<(), String> {
    let fields = object.as_object().ok_or("cannot unmarshal into a struct")?;
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown field: {key}")),
        None => Ok(()),
    }
}
