//! Errors in Anthropic's shape.

use serde_json::{Value, json};

use super::{MODEL, asking, before_claude, events, post, post_to};
use crate::support::{
    answer::Answer,
    anthropic::{Anthropic, failure},
    client::Reply,
    gateway::{Gateway, Setup, model, provider},
    upstream::Upstream,
    with,
};

/// The type and the message of an error that has Anthropic's shape.
#[track_caller]
fn error(reply: &Reply) -> (u16, String, String) {
    let body = reply.json();
    assert_eq!(body["type"], "error", "{body}");
    assert_eq!(body["request_id"], reply.header("request-id"));
    let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
    (reply.status, text("type"), text("message"))
}

#[tokio::test]
async fn a_key_a_model_and_a_version_that_are_not_known() {
    let upstream = Upstream::start().await;
    let client = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n";
    let toml = format!(
        "{client}{}{}",
        provider("main", &upstream),
        model(MODEL, &["main/gpt"])
    );
    let gateway = Setup::new(&toml).start().await;
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        let reply = post_to(&gateway, path, &asking("Hm?")).send().await;
        let (status, kind, _) = error(&reply);
        assert_eq!((status, kind.as_str()), (401, "authentication_error"));
        let reply = post_to(
            &gateway,
            path,
            &with(asking("Hm?"), json!({"model": "gpt-tset"})),
        )
        .header("x-api-key", "sk-alice_key")
        .send()
        .await;
        let (status, kind, message) = error(&reply);
        assert_eq!((status, kind.as_str()), (404, "not_found_error"));
        assert!(message.contains(MODEL), "{message}");
        let reply = gateway
            .request("POST", path, asking("Hm?").to_string())
            .header("anthropic-version", "2020-01-01")
            .key("sk-alice_key")
            .send()
            .await;
        let (status, kind, message) = error(&reply);
        assert_eq!((status, kind.as_str()), (400, "invalid_request_error"));
        assert!(message.contains("anthropic-version"), "{message}");
    }
    let reply = post(&gateway, &asking("Hm?"))
        .header("x-api-key", "sk-alice_key")
        .send()
        .await;
    assert_eq!((reply.status, upstream.calls()), (200, 1));
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (body, named) in [
        (json!({"model": MODEL}).to_string(), "max_tokens"),
        (
            with(asking("?"), json!({"temperature": 3})).to_string(),
            "temperature",
        ),
        (
            with(asking("?"), json!({"refrain": {"mood": 1}})).to_string(),
            "mood",
        ),
        (String::new(), "empty"),
        ("[]".to_owned(), "object"),
        ("{\"model\":\"a\",\"model\":\"b\"}".to_owned(), "twice"),
        (asking("").to_string(), "messages[0].content"),
    ] {
        let reply = gateway.request("POST", "/v1/messages", body).send().await;
        let (status, kind, message) = error(&reply);
        assert_eq!(
            (status, kind.as_str()),
            (400, "invalid_request_error"),
            "{message}"
        );
        assert!(message.contains(named), "{message}");
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn what_providers_refuse() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    anthropic.script(failure(529, "overloaded_error", "busy"));
    let reply = post(&gateway, &asking("Where do herons sleep?"))
        .send()
        .await;
    let (status, kind, _) = error(&reply);
    assert!(status >= 500, "{status}");
    assert!(
        ["overloaded_error", "api_error"].contains(&kind.as_str()),
        "{kind}"
    );
    let limited = failure(429, "rate_limit_error", "slow down").header("retry-after", "7");
    anthropic.script(limited);
    let reply = post(&gateway, &asking("Where do storks sleep?"))
        .send()
        .await;
    let (status, kind, message) = error(&reply);
    assert_eq!(
        (status, kind.as_str()),
        (429, "rate_limit_error"),
        "{message}"
    );
    assert_eq!(reply.header("retry-after"), "7");
}

/// What is told of a stream that breaks after a word.
async fn broken(gateway: &Gateway, said: impl FnOnce()) -> Vec<Value> {
    said();
    let body = with(asking("What do crabs eat?"), json!({"stream": true}));
    let reply = post(gateway, &body).send().await;
    assert_eq!(reply.status, 200);
    events(&reply)
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let told = broken(&gateway, || {
        let (answer, steps) = Answer::stepwise();
        steps.say("Algae");
        drop(steps);
        upstream.script(answer);
    })
    .await;
    let types: Vec<&Value> = told.iter().map(|event| &event["type"]).collect();
    let expect = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "error",
    ];
    assert_eq!(types, expect);
    assert_eq!(told[4]["error"]["type"], "api_error");

    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    let told = broken(&gateway, || {
        let events = crate::support::anthropic::events_of(
            &json!([{"type": "text", "text": "Algae"}]),
            "end_turn",
        );
        anthropic.script(Answer::events(events[..4].concat()));
    })
    .await;
    assert_eq!(told.last().unwrap()["type"], "error");
    assert_eq!(told[0]["type"], "message_start");
}
