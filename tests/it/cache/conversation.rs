//! Conversations that were given the same answer share what follows.

use serde_json::{Value, json};

use crate::support::{angles::Angles, asking, gateway::Gateway, upstream::Upstream, with};

const FIRST: &str = "How many planets are there?";
const NEAR: &str = "What is the number of planets?";
const THEN: &str = "And which of them is the largest?";

fn turns(first: &str, answer: &str, then: &str) -> Value {
    let messages = json!([
        {"role": "user", "content": first},
        // As an official client writes a message of its own that it sends back.
        {"role": "assistant", "content": answer, "refusal": null, "annotations": []},
        {"role": "user", "content": then},
    ]);
    with(asking(""), json!({"messages": messages}))
}

async fn two_conversations() -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let angles = Angles::of(&[(FIRST, 1.0), (NEAR, 0.99), (THEN, 1.0)]);
    let gateway = Gateway::setup(&upstream, "").encoder(angles).start().await;
    gateway.ask(&asking(FIRST)).send().await;
    gateway.app.settle().await;
    let near = gateway.ask(&asking(NEAR)).send().await;
    assert_eq!((near.way(), near.said().as_str()), ("semantic", "answer 1"));
    (upstream, gateway)
}

#[tokio::test]
async fn a_later_turn_is_shared_after_a_shared_one() {
    let (_upstream, gateway) = two_conversations().await;
    let second = gateway.ask(&turns(FIRST, "answer 1", THEN)).send().await;
    assert_eq!((second.way(), second.said().as_str()), ("miss", "answer 2"));
    let same = gateway.ask(&turns(NEAR, "answer 1", THEN)).send().await;
    assert_eq!((same.way(), same.said().as_str()), ("exact", "answer 2"));
}

#[tokio::test]
async fn a_conversation_that_went_otherwise_is_another() {
    let (_upstream, gateway) = two_conversations().await;
    gateway.ask(&turns(FIRST, "answer 1", THEN)).send().await;
    let other_answer = gateway.ask(&turns(NEAR, "answer 7", THEN)).send().await;
    assert_eq!(other_answer.way(), "miss");
    let other_question = gateway.ask(&turns("Why?", "answer 1", THEN)).send().await;
    assert_eq!(other_question.way(), "miss");
    let stranger = gateway.ask(&turns(NEAR, "answer 1", THEN)).key("sk-other");
    assert_eq!(stranger.send().await.way(), "miss");
}

#[tokio::test]
async fn what_was_found_to_be_wrong_is_shared_no_longer() {
    let (_upstream, gateway) = two_conversations().await;
    gateway.ask(&turns(FIRST, "answer 1", THEN)).send().await;
    let near = gateway.ask(&asking(NEAR)).send().await;
    let id = near.json()["id"].as_str().unwrap().to_owned();
    let wrong = json!({"id": id, "verdict": "wrong"}).to_string();
    let told = gateway
        .request("POST", "/v1/cache/feedback", wrong)
        .send()
        .await;
    assert_eq!(told.json()["evicted"], true);
    let later = gateway.ask(&turns(NEAR, "answer 1", THEN)).send().await;
    assert_eq!(later.way(), "miss");
}
