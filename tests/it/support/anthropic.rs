//! A scripted Anthropic on a socket of its own, that refuses what the real one refuses.
//!
//! Without a script it says "answer 1", "answer 2", … in the form that was asked for.

use std::{
    collections::{BTreeSet, VecDeque},
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
    answer::{Answer, Body, event},
    socket::serve,
    upstream::{KEY, Received},
};

/// The fake provider; stops when it is dropped.
pub(crate) struct Anthropic {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
}

impl Anthropic {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
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

    /// The section of this provider, under the name `claude`.
    pub(crate) fn provider(&self, more: &str) -> String {
        format!(
            "[[providers]]\nname = \"claude\"\nkind = \"anthropic\"\nbase_url = \"http://{}/v1\"\n\
             api_key_env = \"UPSTREAM_KEY\"\nretry = {{ attempts = 0 }}\n{more}\n",
            self.address
        )
    }

    /// Answers the next request that has no answer yet.
    pub(crate) fn script(&self, answer: Answer) {
        self.state.script.lock().unwrap().push_back(answer);
    }

    /// The messages so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// The body of the request that came last.
    #[track_caller]
    pub(crate) fn last(&self) -> Value {
        self.received().last().unwrap().json()
    }
}

async fn respond(state: &State, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return refuse("the body ended too early").await;
    };
    let body = body.to_bytes();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if header("x-api-key") != Some(KEY) || header("authorization").is_some() {
        let kind = "authentication_error";
        return failure(401, kind, &format!("invalid x-api-key {KEY}"))
            .response(0, false)
            .await;
    }
    if header("anthropic-version") != Some("2023-06-01") {
        return refuse("anthropic-version: header is required").await;
    }
    let query = head.uri.query().unwrap_or_default();
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/v1/models") => return models(query).response(0, false).await,
        (&Method::POST, "/v1/messages") if query.is_empty() => {}
        (&Method::POST, "/v1/messages/count_tokens") if query.is_empty() => {
            return count(state, head.headers, body).await;
        }
        (method, path) => {
            let gone = failure(404, "not_found_error", &format!("{method} {path}"));
            return gone.response(0, false).await;
        }
    }
    if let Err(objection) = check(&head.headers, &body) {
        return refuse(&objection).await;
    }
    let stream = serde_json::from_slice::<Value>(&body).unwrap()["stream"] == true;
    let scripted = state.script.lock().unwrap().pop_front();
    let number = {
        let mut received = state.received.lock().unwrap();
        received.push(Received {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body,
        });
        received.len()
    };
    let answer = scripted.unwrap_or_else(|| {
        let content = json!([{"type": "text", "text": format!("answer {number}")}]);
        if stream {
            Answer::events(events_of(&content, "end_turn").concat())
        } else {
            Answer::json(&message(&content, "end_turn"))
        }
    });
    answer.response(number, stream).await
}

/// Counts 1234 tokens, if nothing is scripted.
async fn count(state: &State, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let read: Value = serde_json::from_slice(&body).unwrap_or_default();
    let uncounted = ["max_tokens", "stream", "temperature", "metadata"];
    if let Some(field) = uncounted.iter().find(|field| read.get(field).is_some()) {
        return refuse(&format!("{field}: Extra inputs are not permitted")).await;
    }
    let scripted = state.script.lock().unwrap().pop_front();
    state.received.lock().unwrap().push(Received {
        path: "/v1/messages/count_tokens".to_owned(),
        headers,
        body,
    });
    let counted = scripted.unwrap_or_else(|| Answer::json(&json!({"input_tokens": 1234})));
    counted.response(0, false).await
}

async fn refuse(message: &str) -> Response<Body> {
    failure(400, "invalid_request_error", message)
        .response(0, false)
        .await
}

/// Two pages.
fn models(query: &str) -> Answer {
    let model = |id: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-09-22T00:00:00Z"});
    let (model, more) = match query {
        "limit=1000" => (model("claude-opus-5-5"), true),
        "limit=1000&after_id=claude-opus-5-5" => (model("claude-haiku-5-5"), false),
        _ => return failure(400, "invalid_request_error", query),
    };
    Answer::json(
        &json!({"data": [model], "has_more": more, "first_id": model["id"], "last_id": model["id"]}),
    )
}

/// An error as Anthropic has it.
pub(crate) fn failure(status: u16, kind: &str, message: &str) -> Answer {
    let error = json!({"type": kind, "message": message});
    Answer::json(&json!({"type": "error", "error": error, "request_id": "req_1"})).status(status)
}

/// A finished answer.
pub(crate) fn message(content: &Value, stop: &str) -> Value {
    json!({
        "id": "msg_upstream", "type": "message", "role": "assistant", "model": "claude-test-20260101",
        "content": content, "stop_reason": stop, "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
    })
}

/// The same as the events of a stream, each with its name as Anthropic sends it.
pub(crate) fn events_of(content: &Value, stop: &str) -> Vec<String> {
    let mut head = message(&json!([]), stop);
    head["stop_reason"] = Value::Null;
    let mut events = vec![json!({"type": "message_start", "message": head})];
    for (index, block) in content.as_array().unwrap().iter().enumerate() {
        let (start, delta) = match block["type"].as_str().unwrap() {
            "text" => (
                json!({"type": "text", "text": ""}),
                json!({"type": "text_delta", "text": block["text"]}),
            ),
            kind @ ("tool_use" | "server_tool_use") => (
                json!({"type": kind, "id": block["id"], "name": block["name"], "input": {}}),
                json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}),
            ),
            "thinking" => (
                json!({"type": "thinking", "thinking": "", "signature": block["signature"]}),
                json!({"type": "thinking_delta", "thinking": block["thinking"]}),
            ),
            kind => panic!("{kind}"),
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.push(json!({"type": "ping"}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}));
    events.push(json!({"type": "message_stop"}));
    let named =
        |data: &Value| format!("event: {}\n{}", data["type"].as_str().unwrap(), event(data));
    events.iter().map(named).collect()
}

type Check = Result<(), String>;

/// What Anthropic would not take.
fn check(headers: &HeaderMap, body: &[u8]) -> Check {
    if headers
        .get("content-type")
        .is_none_or(|kind| kind != "application/json")
    {
        return Err("content-type: not JSON".to_owned());
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    fields(
        "",
        &body,
        &["model", "max_tokens", "messages"],
        &[
            "system",
            "tools",
            "tool_choice",
            "thinking",
            "output_config",
            "temperature",
            "top_p",
            "top_k",
            "stop_sequences",
            "metadata",
            "cache_control",
            "stream",
            if headers.contains_key("anthropic-beta") {
                "context_management"
            } else {
                "stream"
            },
        ],
    )?;
    need(
        body["max_tokens"].as_u64().is_some_and(|most| most > 0),
        "max_tokens: not positive",
    )?;
    let thinking = &body["thinking"];
    if thinking["type"] == "enabled" {
        need(
            thinking["budget_tokens"].as_u64() < body["max_tokens"].as_u64(),
            "max_tokens: too few",
        )?;
        need(
            body.get("temperature").is_none(),
            "temperature: may only be 1 when thinking",
        )?;
    }
    for block in body["system"].as_array().into_iter().flatten() {
        check_block("system", block, &["text"])?;
    }
    let mut names = BTreeSet::new();
    for tool in body["tools"].as_array().into_iter().flatten() {
        fields(
            "tools",
            tool,
            &["name", "input_schema"],
            &["description", "strict", "cache_control"],
        )?;
        let schema = &tool["input_schema"];
        need(schema["type"] == "object", "input_schema.type: not object")?;
        let combined = ["oneOf", "anyOf", "allOf"]
            .iter()
            .any(|key| schema.get(key).is_some());
        need(
            !combined,
            "input_schema does not support oneOf, allOf, or anyOf at the top level",
        )?;
        need(
            names.insert(tool["name"].to_string()),
            "tools: Tool names must be unique.",
        )?;
    }
    check_messages(
        body["messages"].as_array().unwrap_or(&Vec::new()),
        !names.is_empty(),
    )
}

fn check_messages(messages: &[Value], has_tools: bool) -> Check {
    let mut ids = BTreeSet::new();
    let mut open: BTreeSet<String> = BTreeSet::new();
    for (place, message) in messages.iter().enumerate() {
        fields("messages", message, &["role", "content"], &[])?;
        let role = ["user", "assistant"][place % 2];
        need(message["role"] == role, "messages: roles must alternate")?;
        let text = [json!({"type": "text", "text": message["content"]})];
        let content = if message["content"].is_string() {
            text.as_slice()
        } else {
            message["content"].as_array().ok_or("content: not a list")?
        };
        need(!content.is_empty(), "messages: content must be non-empty")?;
        for block in content {
            let kinds: &[&str] = match role {
                "user" => &["text", "image", "document", "tool_result"],
                _ => &["text", "tool_use", "thinking", "redacted_thinking"],
            };
            check_block(role, block, kinds)?;
            if block["type"] == "tool_use" {
                let id = block["id"].as_str().unwrap_or_default();
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                need(
                    has_tools,
                    "Requests which include `tool_use` must define tools",
                )?;
                need(
                    !id.is_empty() && id.chars().all(fits),
                    "tool_use.id: wrong pattern",
                )?;
                need(ids.insert(id.to_owned()), "`tool_use` ids must be unique")?;
                open.insert(id.to_owned());
            }
            if block["type"] == "tool_result" {
                let id = block["tool_use_id"].as_str().unwrap_or_default();
                need(
                    open.remove(id),
                    "unexpected `tool_use_id` found in `tool_result` blocks",
                )?;
            } else if role == "user" {
                need(
                    open.is_empty(),
                    "`tool_use` ids were found without `tool_result` blocks",
                )?;
            }
        }
    }
    need(
        !messages.is_empty() && open.is_empty(),
        "messages: at least one message is required",
    )
}

fn check_block(at: &str, block: &Value, kinds: &[&str]) -> Check {
    let kind = block["type"].as_str().unwrap_or_default();
    need(
        kinds.contains(&kind),
        &format!("{at}: no block of type {kind}"),
    )?;
    let mark = "cache_control";
    match kind {
        "text" => {
            fields(at, block, &["type", "text"], &[mark])?;
            let text = block["text"].as_str().unwrap_or_default();
            need(
                !text.trim().is_empty(),
                "text content blocks must contain non-whitespace text",
            )
        }
        "image" => fields(at, block, &["type", "source"], &[mark]),
        "document" => fields(at, block, &["type", "source"], &["title", mark]),
        "tool_use" => {
            need(
                block["input"].is_object(),
                "tool_use.input: not a dictionary",
            )?;
            fields(at, block, &["type", "id", "name", "input"], &[mark])
        }
        "tool_result" => {
            fields(at, block, &["type", "tool_use_id"], &["content", mark])?;
            let mut parts = block["content"].as_array().into_iter().flatten();
            parts.try_for_each(|part| check_block(at, part, &["text", "image", "document"]))
        }
        "thinking" => fields(at, block, &["type", "thinking", "signature"], &[]),
        _ => fields(at, block, &["type", "data"], &[]),
    }
}

fn need(holds: bool, otherwise: &str) -> Check {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

fn fields(at: &str, value: &Value, needed: &[&str], allowed: &[&str]) -> Check {
    let given = value.as_object().ok_or(format!("{at}: not an object"))?;
    for field in needed {
        need(
            given.contains_key(*field),
            &format!("{at}.{field}: Field required"),
        )?;
    }
    for field in given.keys().map(String::as_str) {
        let known = needed.contains(&field) || allowed.contains(&field);
        need(
            known,
            &format!("{at}.{field}: Extra inputs are not permitted"),
        )?;
    }
    Ok(())
}
