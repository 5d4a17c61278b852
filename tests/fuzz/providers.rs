//! Providers that answer nonsense: clients of every interface get an answer or an error in their own shape, and their streams end.

use bytes::Bytes;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::{
    running::Running,
    surfaces::{Surface, check, has_end},
    upstream::{self, DIALECTS},
};

pub(crate) fn run(running: &mut Running, input: &[u8]) -> Result<(), String> {
    let mut rng = Rng::with_seed(crate::hash(input));
    let rendered = serde_json::from_slice::<Value>(input).ok();
    let rendered = rendered.and_then(|answer| upstream::rendered(&answer));
    let ((dialect, stream), bytes) = rendered.unwrap_or_else(|| {
        let form = (DIALECTS[rng.usize(..DIALECTS.len())], rng.bool());
        (form, Bytes::copy_from_slice(input))
    });
    let (surface, model) = match dialect {
        "responses" => (Surface::Responses, "r-1"),
        "completions" => (Surface::Completions, "r-1"),
        dialect => {
            let surfaces = [
                Surface::Chat,
                Surface::Responses,
                Surface::Messages,
                Surface::Google,
                Surface::Completions,
            ];
            let model = match dialect {
                "anthropic" => "a-1",
                "gemini" => "g-1",
                "ollama" => "l-1",
                _ => "o-1",
            };
            (surfaces[rng.usize(..surfaces.len())], model)
        }
    };
    let (path, body) = asking(surface, model, stream);
    *running.upstream.told.lock().unwrap() = Some(bytes);
    let asked = [("cache-control", "no-cache, no-store")];
    let answer = running.post(&path, &asked, body.to_string().into_bytes());
    *running.upstream.told.lock().unwrap() = None;
    // The provider's fault, or a breaker's that has seen enough of it.
    if let 502..=503 = answer.status {
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| answer.shown())?;
        let told = body["error"]["message"].as_str();
        return if told.is_none_or(str::is_empty) {
            Err(format!("an error without a message: {}", answer.shown()))
        } else {
            Ok(())
        };
    }
    // The provider's own words go on as they are, whatever they say.
    let is_native = matches!(
        (surface, dialect),
        (Surface::Chat, "openai")
            | (Surface::Messages, "anthropic")
            | (Surface::Google, "gemini")
            | (Surface::Responses, "responses")
            | (Surface::Completions, "completions")
    );
    if is_native && answer.status < 500 {
        if answer.is_stream() {
            return has_end(surface, &answer);
        }
        return Ok(());
    }
    check(surface, body.to_string().as_bytes(), &answer)
}

fn asking(surface: Surface, model: &str, stream: bool) -> (String, Value) {
    let messages = json!([{"role": "user", "content": "What do crabs eat?"}]);
    match surface {
        Surface::Chat => (
            "/v1/chat/completions".to_owned(),
            json!({"model": model, "messages": messages, "stream": stream}),
        ),
        Surface::Responses => (
            "/v1/responses".to_owned(),
            json!({"model": model, "input": "What do crabs eat?", "stream": stream}),
        ),
        Surface::Messages => (
            "/v1/messages".to_owned(),
            json!({"model": model, "messages": messages, "max_tokens": 9, "stream": stream}),
        ),
        Surface::Completions => (
            "/v1/completions".to_owned(),
            json!({"model": model, "prompt": "What do crabs eat?", "stream": stream}),
        ),
        Surface::Embeddings => (
            "/v1/embeddings".to_owned(),
            json!({"model": model, "input": "What do crabs eat?"}),
        ),
        Surface::Google => {
            let method = if stream {
                "streamGenerateContent?alt=sse"
            } else {
                "generateContent"
            };
            let body =
                json!({"contents": [{"role": "user", "parts": [{"text": "What do crabs eat?"}]}]});
            (format!("/v1beta/models/{model}:{method}"), body)
        }
    }
}
