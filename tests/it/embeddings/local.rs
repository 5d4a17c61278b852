//! The gateway's own encoder as a model.

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use refrain::embed::{
    Embed,
    fastembed::{EncoderOptions, LocalEncoder},
};

use super::*;
use crate::support::angles::Angles;

const TEXTS: [(&str, f32); 3] = [("along", 1.0), ("half", 0.5), ("across", 0.0)];

/// A gateway with this encoder, whose provider is never asked.
async fn with(upstream: &Upstream, encoder: Arc<dyn Embed>, more: &str) -> Gateway {
    setup(upstream, more).encoder(encoder).start().await
}

#[tokio::test]
async fn the_encoder_answers_and_costs_nothing() {
    let upstream = upstream().await;
    let encoder = Angles::of(&TEXTS);
    let gateway = with(&upstream, Arc::clone(&encoder) as Arc<dyn Embed>, "").await;
    let body = |input: Value| json!({"model": "local/angles", "input": input});
    let reply = ask(&gateway, &body(json!(["half", "along", "half"]))).await;
    assert_eq!(numbers(&reply), [0.5, 1.0, 0.5]);
    assert_eq!(reply.json()["model"], "local/angles");
    assert_eq!(
        reply.json()["usage"],
        json!({"prompt_tokens": 4, "total_tokens": 4})
    );
    assert_eq!(
        (reply.way(), reply.header("x-refrain-provider")),
        ("miss", "local")
    );
    assert_eq!(reply.header("x-refrain-model"), "angles");
    assert_eq!(reply.header("x-refrain-cost-usd"), "0.00000000");
    let mut encoded = body(json!("half"));
    encoded["encoding_format"] = json!("base64");
    encoded["dimensions"] = json!(2);
    assert_eq!(numbers(&ask(&gateway, &encoded).await), [0.5]);
    let more = ask(&gateway, &body(json!(["half", "across"]))).await;
    assert_eq!(
        (numbers(&more), more.header("x-refrain-cache-items")),
        (vec![0.5, 0.0], "1/2")
    );
    assert_eq!(ask(&gateway, &body(json!("across"))).await.way(), "exact");
    let uncached = json!({"model": "local/angles", "input": ["across", "along"], "refrain": {"no-cache": true, "no-store": true}});
    let uncached = ask(&gateway, &uncached).await;
    assert_eq!(
        (numbers(&uncached), uncached.way()),
        (vec![0.0, 1.0], "bypass")
    );
    assert_eq!(
        (
            upstream.calls(),
            gateway.stats().await["requests"]["billed_tokens"].as_u64()
        ),
        (0, Some(0))
    );
}

#[tokio::test]
async fn it_refuses_what_it_can_not_do() {
    let upstream = upstream().await;
    let gateway = with(&upstream, Angles::of(&TEXTS), "").await;
    for (fields, param) in [
        (json!({"input": [1, 2]}), "input"),
        (json!({"input": "half", "dimensions": 3}), "dimensions"),
        (
            json!({"input": "half", "input_type": "query"}),
            "input_type",
        ),
    ] {
        let mut body = json!({"model": "local/angles"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().cloned().unwrap());
        let reply = ask(&gateway, &body).await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!(param))
        );
    }
    let dropped = json!({"model": "local/angles", "input": "half", "input_type": "query", "drop_unsupported": true});
    assert_eq!(numbers(&ask(&gateway, &dropped).await), [0.5]);
    let other = ask(&gateway, &json!({"model": "local/other", "input": "a"})).await;
    assert_eq!(other.status, 404);
    assert!(
        other.error()["message"]
            .as_str()
            .unwrap()
            .contains("is `local/angles`")
    );
    // It is no model to talk to.
    let chat =
        json!({"model": "local/angles", "messages": [{"role": "user", "content": "Hello!"}]});
    assert_eq!(gateway.ask(&chat).send().await.status, 404);
    // A text of which the encoder makes nothing.
    let failed = ask(
        &gateway,
        &json!({"model": "local/angles", "input": "unknown"}),
    )
    .await;
    assert_eq!(failed.status, 500);
}

#[tokio::test]
async fn without_an_encoder_it_is_said_why() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    let reply = ask(
        &gateway,
        &json!({"model": "local/all-MiniLM-L6-v2", "input": "a"}),
    )
    .await;
    assert_eq!(reply.status, 404);
    assert!(
        reply.error()["message"]
            .as_str()
            .unwrap()
            .contains("which is not loaded")
    );
    // Nor does the demo pretend to be it.
    let demo = Setup::new("").start().await;
    let reply = ask(
        &demo,
        &json!({"model": "local/all-MiniLM-L6-v2", "input": "a"}),
    )
    .await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn it_is_listed_for_those_who_may_ask_for_it() {
    let upstream = upstream().await;
    let clients = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\nallowed_models = [\"local/*\"]\n\
                   [[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\nallowed_models = [\"gpt-*\"]\n";
    let gateway = with(&upstream, Angles::of(&TEXTS), clients).await;
    let listed = async |key: &str| {
        let list = gateway.get("/v1/models").key(key).send().await.json();
        let names = list["data"].as_array().unwrap().iter();
        names
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("sk-alice_key").await, ["local/angles"]);
    assert_eq!(listed("sk-bob_key").await, ["gpt-test"]);
    let one = gateway
        .get("/v1/models/local/angles")
        .key("sk-alice_key")
        .send()
        .await;
    assert_eq!(
        (one.status, one.json()["owned_by"].clone()),
        (200, json!("refrain"))
    );
    for (key, status) in [("sk-alice_key", 200), ("sk-bob_key", 403)] {
        let body = json!({"model": "local/angles", "input": "half"}).to_string();
        let reply = gateway
            .request("POST", "/v1/embeddings", body)
            .key(key)
            .send()
            .await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn a_provider_that_is_called_local_goes_before() {
    let upstream = upstream().await;
    let gateway = with(&upstream, Angles::of(&TEXTS), &provider("local", &upstream)).await;
    upstream.script(vectors(&[7.0], 1));
    let reply = ask(&gateway, &json!({"model": "local/angles", "input": "half"})).await;
    assert_eq!(
        (numbers(&reply), upstream.only().json()["model"].clone()),
        (vec![7.0], json!("angles"))
    );
    let list = gateway.get("/v1/models").send().await.text().to_owned();
    assert!(!list.contains("local/angles"));
}

#[tokio::test]
async fn the_real_one_counts_and_refuses_what_is_too_long() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let options = EncoderOptions {
        threads: NonZeroUsize::MIN,
        queue: NonZeroUsize::MIN,
        // Nobody who asks for embeddings is held to the cache's patience.
        deadline: Duration::ZERO,
    };
    let (model, runtime) = (
        models.join("all-MiniLM-L6-v2"),
        models.join("onnxruntime/libonnxruntime.so"),
    );
    let encoder = LocalEncoder::load(&model, &runtime, options).expect("run `make setup` first");
    let upstream = upstream().await;
    let gateway = with(&upstream, Arc::new(encoder), "").await;
    let body = |input: Value| json!({"model": "local/all-MiniLM-L6-v2", "input": input});
    let many: Vec<String> = (0..70).map(|number| format!("text {number}")).collect();
    let (many, few) = (body(json!(many)), body(json!(["a crab", "a lobster"])));
    let (one, other) = tokio::join!(ask(&gateway, &many), ask(&gateway, &few));
    assert_eq!(numbers(&one).len(), 70);
    assert_eq!(
        other.json()["data"][1]["embedding"]
            .as_array()
            .unwrap()
            .len(),
        384
    );
    // One token a word, one before them and one behind.
    assert_eq!(
        ask(&gateway, &body(json!("a crab"))).await.json()["usage"]["prompt_tokens"],
        4
    );
    let words = |count: usize| "crab ".repeat(count);
    assert_eq!(ask(&gateway, &body(json!(words(254)))).await.status, 200);
    for long in [words(255), "a".repeat(20_000)] {
        let reply = ask(&gateway, &body(json!(["short", long]))).await;
        let error = reply.error();
        assert_eq!((reply.status, &error["param"]), (400, &json!("input[1]")));
        assert!(error["message"].as_str().unwrap().contains("256 tokens"));
    }
}
