//! A kept answer is delivered in whatever form it is asked for.

use serde_json::{Value, json};

use crate::support::{
    answer::{Answer, chunk, completion, event},
    asking,
    client::Reply,
    gateway::Gateway,
    streaming,
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat in winter, and where?";
const TEXT: &str =
    "Algae, mollusks, worms, other crustaceans, fungi and bacteria, mostly on the sea floor.";

fn streaming_with_usage() -> Value {
    with(
        streaming(QUESTION),
        json!({"stream_options": {"include_usage": true}}),
    )
}

#[track_caller]
fn assert_is_hit(reply: &Reply) {
    assert_eq!(
        (reply.status, reply.way()),
        (200, "exact"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.said(), TEXT);
}

/// The framing that the documentation of the stream promises.
#[track_caller]
fn assert_is_well_formed(reply: &Reply, usage: Option<Value>) {
    assert!(reply.is_done());
    let chunks = reply.chunks();
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(
            (&chunk["id"], &chunk["created"]),
            (&chunks[0]["id"], &chunks[0]["created"])
        );
    }
    assert!(chunks[0]["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let finishes: Vec<_> = chunks
        .iter()
        .filter(|c| !c["choices"][0]["finish_reason"].is_null())
        .collect();
    assert_eq!(finishes.len(), 1);
    assert_eq!(finishes[0]["choices"][0]["delta"], json!({}));
    let last = chunks.last().unwrap();
    match usage {
        Some(usage) => {
            assert_eq!((&last["usage"], &last["choices"]), (&usage, &json!([])));
            assert!(
                chunks[..chunks.len() - 1]
                    .iter()
                    .all(|chunk| chunk["usage"].is_null())
            );
        }
        None => assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none())),
    }
}

fn counted() -> Value {
    json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
}

#[tokio::test]
async fn json_is_delivered_as_json_with_an_id_and_time_of_its_own() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::json(&with(
        completion(TEXT, 1),
        json!({"x_vendor": {"b": 1}}),
    )));
    let first = gateway.ask(&asking(QUESTION)).send().await.json();
    let (hit, again) = (
        gateway.ask(&asking(QUESTION)).send().await,
        gateway.ask(&asking(QUESTION)).send().await,
    );
    assert_is_hit(&hit);
    let ids = [&first, &hit.json(), &again.json()].map(|answer| answer["id"].clone());
    assert!(
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
        "{ids:?}"
    );
    assert_eq!(ids[1].as_str().unwrap().len(), "chatcmpl-".len() + 29);
    let renewed = json!({"id": ids[1], "created": 1_700_000_000});
    assert_eq!(hit.json(), with(first, renewed));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn json_is_delivered_as_a_stream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::said(TEXT));
    gateway.ask(&asking(QUESTION)).send().await;
    let plain = gateway.ask(&streaming(QUESTION)).send().await;
    assert_is_hit(&plain);
    assert_is_well_formed(&plain, None);
    assert!(plain.chunks().len() > 4, "in one lump: {}", plain.text());
    let with_usage = gateway.ask(&streaming_with_usage()).send().await;
    assert_is_hit(&with_usage);
    assert_is_well_formed(&with_usage, Some(counted()));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_stream_is_delivered_as_json() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::said(TEXT));
    gateway.ask(&streaming(QUESTION)).send().await;
    let hit = gateway.ask(&asking(QUESTION)).send().await;
    assert_is_hit(&hit);
    let answer = hit.json();
    assert_eq!(
        (&answer["object"], &answer["model"]),
        (&json!("chat.completion"), &json!("gpt-test-2026"))
    );
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["message"]["role"], &choice["finish_reason"]),
        (&json!("assistant"), &json!("stop"))
    );
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_stream_is_delivered_as_a_stream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::said(TEXT));
    let first = gateway.ask(&streaming(QUESTION)).send().await;
    let hit = gateway.ask(&streaming(QUESTION)).send().await;
    assert_is_hit(&hit);
    assert_is_well_formed(&hit, None);
    assert_ne!(hit.chunks()[0]["id"], first.chunks()[0]["id"]);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_count_that_came_with_a_stream_is_told_to_those_who_ask_for_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let usage = json!({"choices": [], "usage": counted()});
    let stream = event(&chunk(
        &json!({"role": "assistant", "content": TEXT}),
        Some("stop"),
    ));
    upstream.script(Answer::events(stream + &event(&usage) + "data: [DONE]\n\n"));
    gateway.ask(&streaming_with_usage()).send().await;
    let with_usage = gateway.ask(&streaming_with_usage()).send().await;
    assert_is_hit(&with_usage);
    assert_is_well_formed(&with_usage, Some(counted()));
    let plain = gateway.ask(&streaming(QUESTION)).send().await;
    assert_is_well_formed(&plain, None);
    assert_eq!(
        gateway.ask(&asking(QUESTION)).send().await.json()["usage"],
        counted()
    );
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_missing_count_is_counted_here() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::said("hello world"));
    gateway.ask(&streaming("hello world")).send().await;
    let wants_usage = with(
        streaming("hello world"),
        json!({"stream_options": {"include_usage": true}}),
    );
    // Three for each message and three for the answer's beginning, role and words one each.
    let counted = json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11});
    let hit = gateway.ask(&wants_usage).send().await;
    assert_eq!(hit.way(), "exact");
    assert_is_well_formed(&hit, Some(counted.clone()));
    let as_json = gateway.ask(&asking("hello world")).send().await;
    assert_eq!(
        (as_json.way(), &as_json.json()["usage"]),
        ("exact", &counted)
    );
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn tool_calls_are_delivered_whole_in_both_forms() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": \"crab\"}"}});
    let mut answer = completion("", 1);
    answer["choices"][0]["message"] =
        json!({"role": "assistant", "content": null, "tool_calls": [call]});
    answer["choices"][0]["finish_reason"] = json!("tool_calls");
    upstream.script(Answer::json(&answer));
    let tools = json!({"tools": [{"type": "function", "function": {"name": "look"}}]});
    gateway
        .ask(&with(asking(QUESTION), tools.clone()))
        .send()
        .await;
    let hit = gateway
        .ask(&with(asking(QUESTION), tools.clone()))
        .send()
        .await;
    assert_eq!(hit.json()["choices"], answer["choices"]);
    let stream = gateway.ask(&with(streaming(QUESTION), tools)).send().await;
    assert_eq!(stream.way(), "exact");
    let calls: Vec<_> = stream
        .chunks()
        .iter()
        .map(|c| c["choices"][0]["delta"]["tool_calls"][0].clone())
        .collect();
    let arguments: String = calls
        .iter()
        .filter_map(|call| call["function"]["arguments"].as_str())
        .collect();
    assert_eq!(arguments, "{\"at\": \"crab\"}");
    let named = calls.iter().find(|call| call["id"] == "call_1").unwrap();
    assert_eq!(
        (&named["index"], &named["function"]["name"]),
        (&json!(0), &json!("look"))
    );
    assert_eq!(upstream.calls(), 1);
}
