//! Counting tokens, and the list of models.

use serde_json::{Value, json};

use super::{MODEL, asking, before_claude, post_to};
use crate::support::{
    anthropic::{Anthropic, failure},
    gateway::Gateway,
    upstream::Upstream,
    with,
};

const PATH: &str = "/v1/messages/count_tokens";

fn counting() -> Value {
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    json!({
        "model": MODEL, "system": "Be brief.", "tools": tools,
        "messages": [{"role": "user", "content": "Where do storks sleep?"}],
    })
}

#[tokio::test]
async fn anthropic_counts() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    let reply = post_to(&gateway, PATH, &counting())
        .header("anthropic-beta", "b")
        .send()
        .await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, r#"{"input_tokens":1234}"#)
    );
    let received = anthropic.received();
    assert_eq!(received[0].path, PATH);
    assert_eq!(
        received[0].json(),
        with(counting(), json!({"model": "claude-sonnet-4-5"}))
    );
    assert_eq!(received[0].headers["anthropic-beta"], "b");
}

#[tokio::test]
async fn what_anthropic_can_not_count_is_counted_here() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    anthropic.script(failure(400, "invalid_request_error", "messages: no"));
    let reply = post_to(&gateway, PATH, &counting()).send().await;
    assert_eq!(
        (reply.status, &reply.error()["type"]),
        (400, &json!("invalid_request_error"))
    );
    for (status, kind) in [
        (404, "not_found_error"),
        (500, "api_error"),
        // The key is left alone from here on.
        (429, "rate_limit_error"),
    ] {
        anthropic.script(failure(status, kind, "no"));
        let reply = post_to(&gateway, PATH, &counting()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let tokens = reply.json()["input_tokens"].as_u64().unwrap();
        assert!((5..2000).contains(&tokens), "{tokens}");
    }
}

#[tokio::test]
async fn others_are_counted_for_here() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let count = async |body: &Value| {
        let reply = post_to(&gateway, PATH, body).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["input_tokens"].as_u64().unwrap()
    };
    let short = count(&counting()).await;
    let long = with(counting(), json!({"system": "Be brief. ".repeat(100)}));
    assert!(short > 0 && count(&long).await > short + 100);
    assert_eq!(upstream.calls(), 0);
    let reply = post_to(&gateway, "/v1/messages", &counting()).send().await;
    assert_eq!(reply.status, 400, "an answer needs `max_tokens`");
}

#[tokio::test]
async fn the_list_of_models_is_in_the_clients_shape() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let version = ("anthropic-version", "2023-06-01");
    let list = gateway
        .get("/v1/models")
        .header(version.0, version.1)
        .send()
        .await
        .json();
    let ids: Vec<&Value> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert!(ids.contains(&&json!(MODEL)), "{list}");
    assert_eq!(
        (&list["has_more"], &list["data"][0]["type"]),
        (&json!(false), &json!("model"))
    );
    let one = gateway
        .get("/v1/models/gpt-test")
        .header(version.0, version.1)
        .send()
        .await
        .json();
    assert_eq!((&one["type"], &one["id"]), (&json!("model"), &json!(MODEL)));
    let chat = gateway.get("/v1/models/gpt-test").send().await.json();
    assert_eq!(chat["object"], "model");
    assert_eq!(
        post_to(&gateway, PATH, &asking("?")).send().await.status,
        200
    );
}
