//! Questions of the same meaning, with similarities that are chosen.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    angles::Angles,
    answer::{Answer, completion},
    asking,
    client::Reply,
    gateway::Gateway,
    streaming,
    upstream::Upstream,
    with,
};

const FIRST: &str = "How many planets are there?";
const NEAR: &str = "What is the number of planets?";
const FAR: &str = "How many planets are known?";

/// A plain threshold between the similarities, and no calls but those that clients make.
const AT_90: &str = "[cache]\nthreshold = 0.90\nshadow_checks = 0.0\n";

fn planets() -> Arc<Angles> {
    Angles::of(&[(FIRST, 1.0), (NEAR, 0.901), (FAR, 0.899)])
}

/// The reply to a second question after a first one was answered and indexed.
async fn after(gateway: &Gateway, first: &Value, second: &Value) -> Reply {
    let kept = gateway.ask(first).send().await;
    assert_eq!((kept.status, kept.way()), (200, "miss"), "{}", kept.text());
    gateway.app.settle().await;
    gateway.ask(second).send().await
}

#[track_caller]
fn assert_miss(reply: &Reply, reason: &str) {
    let found = (
        reply.status,
        reply.way(),
        reply.header("x-refrain-cache-reason"),
    );
    assert_eq!(found, (200, "miss", reason));
    assert_eq!(reply.said(), "answer 2");
}

#[tokio::test]
async fn a_question_just_within_the_threshold_is_answered() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(planets())
        .start()
        .await;
    let hit = after(&gateway, &asking(FIRST), &asking(NEAR)).await;
    assert_eq!((hit.way(), hit.said().as_str()), ("semantic", "answer 1"));
    assert_eq!(hit.header("cache-status"), "refrain; hit; detail=semantic");
    assert_eq!(hit.header("age"), "0");
    assert_eq!(
        hit.header("x-refrain-cache-similarity"),
        "",
        "an oracle about other prompts"
    );
    let stream = gateway.ask(&streaming(NEAR)).send().await;
    assert_eq!(
        (stream.way(), stream.said().as_str()),
        ("semantic", "answer 1")
    );
    assert!(stream.is_done());
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_question_just_outside_the_threshold_is_not() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(planets())
        .start()
        .await;
    assert_miss(
        &after(&gateway, &asking(FIRST), &asking(FAR)).await,
        "below_point",
    );
}

#[tokio::test]
async fn the_threshold_can_be_set_and_the_similarity_shown() {
    let upstream = Upstream::start().await;
    let cache = "[cache]\nthreshold = 0.89\nshow_similarity = true";
    let gateway = Gateway::setup(&upstream, cache)
        .encoder(planets())
        .start()
        .await;
    let hit = after(&gateway, &asking(FIRST), &asking(FAR)).await;
    assert_eq!(
        (hit.way(), hit.header("x-refrain-cache-similarity")),
        ("semantic", "0.8990")
    );
    let strict = gateway
        .ask(&asking(NEAR))
        .header("x-refrain-cache-threshold", "0.95")
        .send()
        .await;
    assert_miss(&strict, "below_point");
}

#[tokio::test]
async fn a_veto_is_named() {
    for (first, second, reason) in [
        ("turn on dark mode", "turn off dark mode", "veto_opposites"),
        ("is 15 a prime?", "is 51 a prime?", "veto_numbers"),
        ("can crabs swim?", "can crabs not swim?", "veto_negation"),
        (
            "where is Ostrava on a map?",
            "where is Lugano on a map?",
            "veto_names",
        ),
        (
            "what does \"crab\" mean?",
            "what does \"lobster\" mean?",
            "veto_quotes",
        ),
        (
            "what does `ls -a` do?",
            "what does `ls -l` do?",
            "veto_code",
        ),
        (
            "ride the ferry from Arran to Bute",
            "ride the ferry from Bute to Arran",
            "veto_order",
        ),
    ] {
        let upstream = Upstream::start().await;
        let encoder = Angles::of(&[(first, 1.0), (second, 0.99)]);
        let gateway = Gateway::setup(&upstream, AT_90)
            .encoder(encoder)
            .start()
            .await;
        assert_miss(
            &after(&gateway, &asking(first), &asking(second)).await,
            reason,
        );
    }
}

#[tokio::test]
async fn only_the_wording_of_the_question_may_differ() {
    let system = |rule| json!({"messages": [{"role": "system", "content": rule}, {"role": "user", "content": NEAR}]});
    let tool = json!({"tools": [{"type": "function", "function": {"name": "look"}}]});
    for other in [
        system("Be brief."),
        tool,
        json!({"temperature": 0.2}),
        json!({"model": "main/gpt-other"}),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::setup(&upstream, AT_90)
            .encoder(planets())
            .start()
            .await;
        assert_miss(
            &after(&gateway, &asking(FIRST), &with(asking(NEAR), other)).await,
            "absent",
        );
    }
}

#[tokio::test]
async fn nothing_is_embedded_where_there_is_nothing_to_compare_with() {
    let upstream = Upstream::start().await;
    let encoder = planets();
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(encoder.clone())
        .start()
        .await;
    let reply = gateway
        .ask(&asking(NEAR))
        .header("cache-control", "no-store")
        .send()
        .await;
    gateway.app.settle().await;
    assert_eq!((reply.way(), encoder.calls()), ("miss", 0));
}

#[tokio::test]
async fn what_only_an_equal_request_may_answer_says_why() {
    let open_call = json!([
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "user", "content": NEAR},
    ]);
    let image = json!([{"role": "user", "content": [
        {"type": "text", "text": NEAR}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]}]);
    for (fields, reason) in [
        (json!({"n": 2}), "choices"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"messages": open_call}), "open_tool_call"),
        (json!({"messages": image}), "not_text"),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::setup(&upstream, AT_90)
            .encoder(planets())
            .start()
            .await;
        let body = with(asking(NEAR), fields);
        assert_miss(&after(&gateway, &asking(FIRST), &body).await, reason);
        assert_eq!(gateway.ask(&body).send().await.way(), "exact");
    }
}

#[tokio::test]
async fn an_answer_with_tool_calls_answers_equal_requests_only() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(planets())
        .start()
        .await;
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let mut answer = completion("", 1);
    answer["choices"][0]["message"]["tool_calls"] = json!([call]);
    answer["choices"][0]["finish_reason"] = json!("tool_calls");
    upstream.script(Answer::json(&answer));
    assert_miss(
        &after(&gateway, &asking(FIRST), &asking(NEAR)).await,
        "absent",
    );
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "exact");
}

#[tokio::test]
async fn an_encoder_that_fails_makes_nothing_fail() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(Angles::of(&[(FIRST, 1.0)]))
        .start()
        .await;
    assert_miss(
        &after(&gateway, &asking(FIRST), &asking(NEAR)).await,
        "embed_failed",
    );
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "exact");
}

#[tokio::test]
async fn an_expired_answer_answers_no_paraphrase() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "[cache]\nttl = \"10m\"")
        .encoder(planets())
        .start()
        .await;
    gateway.ask(&asking(FIRST)).send().await;
    gateway.app.settle().await;
    gateway.clock.advance(Duration::from_secs(600));
    assert_miss(&gateway.ask(&asking(NEAR)).send().await, "expired");
}

#[tokio::test]
async fn the_same_paraphrase_again_costs_no_embedding() {
    let upstream = Upstream::start().await;
    let encoder = planets();
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(encoder.clone())
        .start()
        .await;
    after(&gateway, &asking(FIRST), &asking(NEAR)).await;
    let calls = encoder.calls();
    let again = gateway.ask(&asking(NEAR)).send().await;
    assert_eq!((again.way(), encoder.calls()), ("semantic", calls));
}

#[tokio::test]
async fn a_paraphrase_asked_afresh_keeps_its_fresh_answer() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(planets())
        .start()
        .await;
    assert_eq!(
        after(&gateway, &asking(FIRST), &asking(NEAR)).await.said(),
        "answer 1"
    );
    let fresh = gateway
        .ask(&asking(NEAR))
        .header("cache-control", "no-cache")
        .send()
        .await;
    assert_eq!(fresh.said(), "answer 2");
    gateway.app.settle().await;
    let again = gateway.ask(&asking(NEAR)).send().await;
    assert_eq!((again.way(), again.said().as_str()), ("exact", "answer 2"));
}
