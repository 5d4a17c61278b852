//! `POST /v1/embeddings`: handed on, remembered item by item, divided among calls, and made here.

mod batches;
mod checks;
mod local;
mod remembered;

use base64::{Engine, engine::general_purpose::STANDARD};
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
    setup(upstream, "").start().await
}

fn setup(upstream: &Upstream, more: &str) -> Setup {
    let alias =
        model("house-embedder", &["main/gpt-test"]) + "price = { input = 0.5, output = 0.0 }\n";
    Gateway::setup(upstream, &(more.to_owned() + &alias))
}

fn answer() -> Answer {
    Answer::raw(
        "application/json",
        r#"{"object":"list", "data":[{"object":"embedding","index":0,"embedding":[0.5,-0.25]}], "model":"e", "usage":{"prompt_tokens":4,"total_tokens":4}}"#,
    )
}

/// An answer with these vectors of one number each, in the words of a provider that says `tokens`.
fn vectors(numbers: &[f64], tokens: u64) -> Answer {
    let data = numbers.iter().enumerate().map(
        |(index, number)| json!({"object": "embedding", "index": index, "embedding": [number]}),
    );
    Answer::json(&json!({
        "object": "list", "data": data.collect::<Vec<_>>(), "model": "e-1",
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

async fn ask(gateway: &Gateway, body: &Value) -> Reply {
    gateway
        .request("POST", "/v1/embeddings", body.to_string())
        .send()
        .await
}

/// The first numbers of the vectors of an answer, in its order.
#[track_caller]
fn numbers(reply: &Reply) -> Vec<f64> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let list = reply.json();
    let data = list["data"].as_array().unwrap();
    let one = |(place, datum): (usize, &Value)| {
        assert_eq!(datum["index"], json!(place));
        let embedding = &datum["embedding"];
        let Some(text) = embedding.as_str() else {
            return embedding[0].as_f64().unwrap();
        };
        let bytes = STANDARD.decode(text).unwrap();
        f64::from(f32::from_le_bytes(*bytes.first_chunk().unwrap()))
    };
    data.iter().enumerate().map(one).collect()
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
    assert_eq!(reply.way(), "miss");
}

#[tokio::test]
async fn another_name_and_our_own_fields_are_taken_care_of() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.script(answer());
    let body = json!({"model": "house-embedder", "input": "a", "drop_unsupported": true, "refrain": {"tags": ["x"]}});
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
