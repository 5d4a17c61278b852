//! A provider that answers in the words of whatever interface it is asked in: from the corpus, or what it was told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use http::{Uri, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// An interface, and whether a stream is wanted.
pub(crate) type Form = (&'static str, bool);

/// The provider.
#[derive(Default)]
pub(crate) struct Upstream {
    canned: BTreeMap<Form, Vec<Bytes>>,
    /// What is answered instead.
    pub(crate) told: Mutex<Option<Bytes>>,
    count: AtomicUsize,
    serving: Mutex<JoinSet<()>>,
}

/// The interfaces of the corpus' answers.
pub(crate) const DIALECTS: [&str; 6] = [
    "openai",
    "anthropic",
    "gemini",
    "ollama",
    "responses",
    "completions",
];

/// A corpus' answer as it goes over the wire: `{"dialect", "events": […]}` for a stream, `{"dialect", "body"}` else.
pub(crate) fn rendered(answer: &Value) -> Option<(Form, Bytes)> {
    let dialect = answer.get("dialect")?.as_str()?;
    let dialect = DIALECTS.into_iter().find(|known| *known == dialect)?;
    let Some(events) = answer.get("events") else {
        return Some(((dialect, false), answer.get("body")?.to_string().into()));
    };
    let mut text = String::new();
    for event in events.as_array()? {
        match (event, event.get("type").and_then(Value::as_str)) {
            // As it is written.
            (Value::String(raw), _) => text += raw,
            (event, _) if dialect == "ollama" => text += &format!("{event}\n"),
            (event, Some(name)) if ["anthropic", "responses"].contains(&dialect) => {
                text += &format!("event: {name}\ndata: {event}\n\n");
            }
            (event, _) => text += &format!("data: {event}\n\n"),
        }
    }
    Some(((dialect, true), text.into()))
}

impl Upstream {
    pub(crate) async fn start() -> (Arc<Self>, SocketAddr) {
        let mut upstream = Self::default();
        for input in crate::corpus("providers") {
            let answer = serde_json::from_slice(&input).unwrap();
            let (form, bytes) = rendered(&answer).unwrap_or_else(|| panic!("{answer}"));
            upstream.canned.entry(form).or_default().push(bytes);
        }
        let upstream = Arc::new(upstream);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&upstream));
        upstream.serving.lock().unwrap().spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        (upstream, address)
    }
}

async fn answer(State(upstream): State<Arc<Upstream>>, uri: Uri, body: Bytes) -> Response {
    let path = uri.path();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(vectors) = embedded(path, &asked) {
        return response("application/json", vectors.to_string().into());
    }
    if path.contains("ount") {
        let counted = json!({"input_tokens": 7, "totalTokens": 7});
        return response("application/json", counted.to_string().into());
    }
    let says_stream = asked["stream"] == true;
    let form = if path.contains(":streamGenerateContent") {
        ("gemini", true)
    } else if path.contains(":generateContent") {
        ("gemini", false)
    } else if path.ends_with("/messages") {
        ("anthropic", says_stream)
    } else if path.ends_with("/api/chat") {
        ("ollama", asked["stream"] != false)
    } else if path.ends_with("/responses") {
        ("responses", says_stream)
    } else if path.ends_with("/chat/completions") {
        ("openai", says_stream)
    } else {
        ("completions", says_stream)
    };
    let told = upstream.told.lock().unwrap().clone();
    let bytes = told.unwrap_or_else(|| {
        let canned = &upstream.canned[&form];
        canned[upstream.count.fetch_add(1, Ordering::Relaxed) % canned.len()].clone()
    });
    let content_type = match form {
        (_, false) => "application/json",
        ("ollama", true) => "application/x-ndjson",
        _ => "text/event-stream",
    };
    response(content_type, bytes)
}

/// As many vectors as there are texts.
fn embedded(path: &str, asked: &Value) -> Option<Value> {
    if path.contains(":batchEmbedContents") {
        let many = asked["requests"].as_array().map_or(1, Vec::len);
        return Some(json!({"embeddings": vec![json!({"values": [0.5, 0.25]}); many]}));
    }
    if path.contains(":embedContent") {
        return Some(json!({"embedding": {"values": [0.5, 0.25]}}));
    }
    if !path.ends_with("/embeddings") && !path.ends_with("/api/embed") {
        return None;
    }
    let many = match &asked["input"] {
        // A list of tokens is one text.
        Value::Array(items) if !items.iter().all(Value::is_number) => items.len(),
        _ => 1,
    };
    if path.ends_with("/api/embed") {
        return Some(
            json!({"model": "m", "embeddings": vec![vec![0.5, 0.25]; many], "prompt_eval_count": many}),
        );
    }
    let vector = if asked["encoding_format"] == "base64" {
        json!("AAAAPwAAgD4=")
    } else {
        json!([0.5, 0.25])
    };
    let data: Vec<Value> = (0..many)
        .map(|index| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let usage = json!({"prompt_tokens": many, "total_tokens": many});
    Some(json!({"object": "list", "data": data, "model": "m", "usage": usage}))
}

fn response(content_type: &str, bytes: Bytes) -> Response {
    let builder = Response::builder().header(header::CONTENT_TYPE, content_type);
    builder.body(Body::from(bytes)).unwrap()
}
