//! One entry for all who ask the same, in whichever interface.

use serde_json::{Value, json};

use super::{asking, events, post, told};
use crate::support::{
    angles::Angles, asking as asking_chat, gateway::Gateway, streaming, upstream::Upstream, with,
};

const QUESTION: &str = "How many planets are there?";
const NEAR: &str = "What is the number of planets?";

fn text(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

#[tokio::test]
async fn an_answer_to_a_chat_is_one_for_anthropic_s_clients() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let system = json!({"role": "system", "content": "Be brief."});
    let question = json!({"role": "user", "content": QUESTION});
    let chat = with(
        asking_chat(""),
        json!({"messages": [system, question], "max_completion_tokens": 100}),
    );
    assert_eq!(gateway.ask(&chat).send().await.way(), "miss");
    gateway.app.settle().await;
    for (system, content) in [
        (json!("Be brief."), json!(QUESTION)),
        (text("Be brief."), text(QUESTION)),
        (
            json!([{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]),
            json!([{"type": "text", "text": ""}, {"type": "text", "text": QUESTION}]),
        ),
    ] {
        let body = with(
            asking(""),
            json!({"system": system, "messages": [{"role": "user", "content": content}], "metadata": {"user_id": "u"}}),
        );
        let reply = post(&gateway, &body).send().await;
        assert_eq!((reply.status, reply.way()), (200, "exact"), "{body}");
        assert_eq!(reply.json()["content"], text("answer 1"));
        let reply = post(&gateway, &with(body, json!({"stream": true})))
            .send()
            .await;
        assert_eq!(reply.way(), "exact");
        assert_eq!(told(&events(&reply))["content"], text("answer 1"));
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_question_of_the_same_meaning() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(
        &upstream,
        "[cache]\nthreshold = 0.90\nshadow_checks = 0.0\n",
    )
    .encoder(Angles::of(&[(QUESTION, 1.0), (NEAR, 0.95)]))
    .start()
    .await;
    let first = post(&gateway, &with(asking(QUESTION), json!({"stream": true})))
        .send()
        .await;
    assert_eq!(
        (first.status, first.way()),
        (200, "miss"),
        "{}",
        first.text()
    );
    gateway.app.settle().await;
    let limit = json!({"max_tokens": 100});
    let second = gateway.ask(&with(streaming(NEAR), limit)).send().await;
    assert_eq!(
        (second.way(), second.said().as_str()),
        ("semantic", "answer 1")
    );
    let third = post(&gateway, &asking(NEAR)).send().await;
    assert_eq!(third.json()["content"], text("answer 1"));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn effort_and_tools_tell_requests_apart() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    for more in [
        json!({}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 30_000}}),
        json!({ "tools": tools }),
        json!({"top_k": 1}),
        json!({"max_tokens": 99}),
        json!({"stop_sequences": ["x"]}),
    ] {
        let reply = post(&gateway, &with(asking(QUESTION), more)).send().await;
        assert_eq!((reply.status, reply.way()), (200, "miss"));
        gateway.app.settle().await;
    }
}
