//! `POST /v1/embeddings`, handed on to who has them.

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    client::Reply,
    gateway::{Gateway, Setup, model, provider},
    upstream::{Manners, Upstream},
};

/// A fake provider that has embeddings and nothing else.
async fn upstream() -> Upstream {
    Upstream::with(Manners {
        key: ("authorization", "Bearer "),
        chat: "/v1/embeddings",
        models: "/v1/models",
    })
    .await
}

/// A gateway before it, with one more model that has another name here.
async fn gateway(upstream: &Upstream) -> Gateway {
    let alias =
        model("house-embedder", &["main/gpt-test"]) + "price = { input = 0.5, output = 0.0 }";
    Gateway::setup(upstream, &alias).start().await
}

fn answer() -> Answer {
    Answer::raw(
        "application/json",
        r#"{"object":"list", "data":[{"object":"embedding","index":0,"embedding":[0.5,-0.25]}], "model":"e", "usage":{"prompt_tokens":4,"total_tokens":4}}"#,
    )
}

async fn ask(gateway: &Gateway, body: &Value) -> Reply {
    gateway
        .request("POST", "/v1/embeddings", body.to_string())
        .send()
        .await
}

#[tokio::test]
async fn bytes_pass_both_ways() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.script(answer());
    let body =
        r#"{ "input": [1,2], "model": "gpt-test", "encoding_format": "float", "vendor_x": 1.50 }"#;
    let reply = gateway.request("POST", "/embeddings", body).send().await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().starts_with(r#"{"object":"list", "data":"#));
    assert_eq!(upstream.only().body, body);
    assert_eq!(reply.header("x-refrain-provider"), "main");
    assert_eq!(reply.way(), "bypass");
}

#[tokio::test]
async fn another_name_and_our_own_fields_are_taken_care_of() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.script(answer());
    let body = json!({"model": "house-embedder", "input": "a", "drop_unsupported": true});
    let reply = ask(&gateway, &body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        upstream.only().json(),
        json!({"model": "gpt-test", "input": "a"})
    );
    assert_eq!(reply.header("x-refrain-cost-usd"), "0.00000200");
    assert_eq!(gateway.stats().await["requests"]["billed_tokens"], 4);
}

#[tokio::test]
async fn what_can_not_be_embedded_is_refused_before_anybody_is_asked() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    for (fields, param) in [
        (json!({"input": ""}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": ["a", ""]}), "input"),
        (json!({"input": vec!["a"; 2049]}), "input"),
        (json!({"input": [-1]}), "input"),
        (
            json!({"input": "a", "encoding_format": "hex"}),
            "encoding_format",
        ),
        (json!({"input": "a", "dimensions": 0}), "dimensions"),
        (json!({"input": "a", "model": null}), "model"),
    ] {
        let mut body = json!({"model": "gpt-test"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().cloned().unwrap());
        let reply = ask(&gateway, &body).await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!(param)),
            "{fields}"
        );
    }
    for body in ["", "[]", "{", "\u{fffd}"] {
        let reply = gateway.request("POST", "/v1/embeddings", body).send().await;
        assert_eq!(reply.status, 400);
    }
    let unknown = ask(&gateway, &json!({"model": "nobody", "input": "a"})).await;
    assert_eq!(
        (unknown.status, unknown.error()["code"].as_str()),
        (404, Some("model_not_found"))
    );
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn the_next_target_answers_for_one_that_fails() {
    let (first, second) = (upstream().await, upstream().await);
    let config = provider("main", &first)
        + &provider("backup", &second)
        + &model("both", &["main/a", "backup/b"]);
    let gateway = Setup::new(&config).start().await;
    for broken in [
        Answer::error(503, "no capacity"),
        Answer::raw("text/html", "<html>"),
        Answer::json(&json!({"object": "list", "data": []})),
    ] {
        first.script(broken);
        second.script(answer());
        let reply = ask(&gateway, &json!({"model": "both", "input": "a"})).await;
        assert_eq!(
            (reply.status, reply.header("x-refrain-provider")),
            (200, "backup")
        );
    }
    first.script(Answer::error(400, "too long"));
    let reply = ask(&gateway, &json!({"model": "both", "input": "a"})).await;
    assert_eq!((reply.status, second.calls()), (400, 3));
}

#[tokio::test]
async fn a_provider_without_embeddings_says_so() {
    let config =
        "[[providers]]\nname = \"demo\"\nkind = \"demo\"\n".to_owned() + &model("m", &["demo/m"]);
    let gateway = Setup::new(&config).start().await;
    let reply = ask(&gateway, &json!({"model": "m", "input": "a"})).await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["code"]),
        (400, &json!("unsupported_parameter"))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("provider `demo` has no embeddings")
    );
    assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
}
