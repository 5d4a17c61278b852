//! Clients of Anthropic, before providers of every dialect.

mod count;
mod errors;
mod native;
mod shared;
mod translated;

use serde_json::{Value, json};

use crate::support::{
    anthropic::Anthropic,
    client::{Ask, Reply},
    gateway::{Gateway, Setup, model},
};

/// What clients of Anthropic call the model of these tests.
const MODEL: &str = "gpt-test";

/// A plain request.
fn asking(question: &str) -> Value {
    json!({"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": question}]})
}

fn post(gateway: &Gateway, body: &Value) -> Ask {
    post_to(gateway, "/v1/messages", body)
}

fn post_to(gateway: &Gateway, path: &str, body: &Value) -> Ask {
    let ask = gateway.request("POST", path, body.to_string());
    ask.header("anthropic-version", "2023-06-01")
}

/// A gateway whose model is Claude.
async fn before_claude(anthropic: &Anthropic, more: &str) -> Gateway {
    let model = model(MODEL, &["claude/claude-sonnet-4-5"]);
    Setup::new(&format!("{}{model}", anthropic.provider(more)))
        .start()
        .await
}

/// The events of a stream: each has the name that its data has.
#[track_caller]
fn events(reply: &Reply) -> Vec<Value> {
    assert!(
        reply
            .header("content-type")
            .starts_with("text/event-stream")
    );
    let events = reply.text().split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    events.collect()
}

/// The message that the events of a stream tell, put together as the official clients do.
#[track_caller]
fn told(events: &[Value]) -> Value {
    let mut message = Value::Null;
    let mut arguments = String::new();
    let mut open = None;
    for event in events {
        let index = event["index"]
            .as_u64()
            .map(|index| usize::try_from(index).unwrap());
        match event["type"].as_str().unwrap() {
            "message_start" => {
                assert!(message.is_null());
                message = event["message"].clone();
            }
            "content_block_start" => {
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!((open, index), (None, Some(content.len())));
                content.push(event["content_block"].clone());
                arguments.clear();
                open = index;
            }
            "content_block_delta" => {
                assert!(open.is_some() && open == index);
                let delta = &event["delta"];
                let block = &mut message["content"][index.unwrap()];
                let mut add = |field: &str| {
                    let said = block[field].as_str().unwrap().to_owned();
                    block[field] = json!(said + delta[field].as_str().unwrap());
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => add("text"),
                    "thinking_delta" => add("thinking"),
                    "signature_delta" => add("signature"),
                    "input_json_delta" => {
                        arguments.push_str(delta["partial_json"].as_str().unwrap());
                    }
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                assert!(open.is_some() && open == index);
                let block = &mut message["content"][index.unwrap()];
                if block["type"] == "tool_use" && !arguments.is_empty() {
                    block["input"] = serde_json::from_str(&arguments).unwrap();
                }
                open = None;
            }
            "message_delta" => {
                assert_eq!(open, None);
                for field in ["stop_reason", "stop_sequence", "stop_details"] {
                    message[field] = event["delta"][field].clone();
                }
                let usage = message["usage"].as_object_mut().unwrap();
                usage.extend(event["usage"].as_object().unwrap().clone());
            }
            "ping" | "message_stop" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    message
}
