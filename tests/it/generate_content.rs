//! Clients of Gemini: their requests to Google and to everybody else, and what they are told.

mod google;
mod others;
mod surface;

use serde_json::{Value, json};

use crate::support::{
    client::{Ask, Reply},
    gateway::{Gateway, Setup, model, provider},
    gemini::Gemini,
    upstream::Upstream,
};

const MODEL: &str = "gemini-2.5-flash";

fn asking(question: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": question}]}]})
}

/// Calls a method of a model.
fn call(gateway: &Gateway, model: &str, method: &str, body: &Value) -> Ask {
    gateway.request("POST", &path(model, method), body.to_string())
}

fn path(model: &str, method: &str) -> String {
    format!("/v1beta/models/{model}:{method}")
}

/// A gateway before Google and OpenAI, each with a model.
async fn before(google: &Gemini, openai: &Upstream) -> Gateway {
    let toml = [
        google.section("google"),
        provider("main", openai),
        model(MODEL, &[&format!("google/{MODEL}")]),
        model("gpt-test", &["main/gpt-test"]),
    ];
    Setup::new(&toml.concat()).start().await
}

/// The text of a response, or of the events of a stream.
fn said(reply: &Reply) -> String {
    let text = |response: &Value| {
        let parts = response["candidates"][0]["content"]["parts"]
            .as_array()
            .cloned();
        let parts = parts.unwrap_or_default();
        let texts = parts.iter().filter_map(|part| part["text"].as_str());
        texts.collect::<String>()
    };
    if reply
        .header("content-type")
        .starts_with("text/event-stream")
    {
        return reply.chunks().iter().map(text).collect();
    }
    let json = reply.json();
    match json.as_array() {
        Some(responses) => responses.iter().map(text).collect(),
        None => text(&json),
    }
}
