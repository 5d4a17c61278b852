//! The interface before chat: in the client's own words where a provider has it, else as chat requests.

mod mapped;
mod native;
mod several;

use serde_json::{Value, json};

use crate::support::{
    client::{Ask, Reply},
    gateway::Gateway,
    with,
};

/// A request to go on with this prompt, or these.
fn prompting(prompt: impl Into<Value>) -> Value {
    json!({"model": "gpt-test", "prompt": prompt.into()})
}

/// The same, answered as a stream.
fn streaming(prompt: impl Into<Value>) -> Value {
    with(prompting(prompt), json!({"stream": true}))
}

fn post(gateway: &Gateway, body: impl ToString) -> Ask {
    gateway.request("POST", "/v1/completions", body.to_string())
}

/// The texts of an answer in either form, by their index.
#[track_caller]
fn texts(reply: &Reply) -> Vec<String> {
    let mut texts = Vec::new();
    let objects = if reply
        .header("content-type")
        .starts_with("text/event-stream")
    {
        reply.chunks()
    } else {
        vec![reply.json()]
    };
    for object in &objects {
        assert_eq!(object["object"], "text_completion", "{object}");
        for choice in object["choices"].as_array().unwrap() {
            let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            if texts.len() <= index {
                texts.resize(index + 1, String::new());
            }
            texts[index].push_str(choice["text"].as_str().unwrap());
        }
    }
    texts
}
