//! Requests in JSON.

use serde_json::{Value, json};

use super::{ENDPOINTS, Fake, gateway, post};
use crate::support::{
    answer::Answer,
    gateway::{config, provider_at},
    upstream::KEY,
};

#[tokio::test]
async fn bytes_pass_both_ways() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    for (path, theirs, body) in [
        (
            "/v1/moderations",
            "/v1/moderations",
            r#"{ "input": "a", "x": 1.50 }"#,
        ),
        (
            "/moderations",
            "/v1/moderations",
            r#"{"input": ["a"], "model": "org/m"}"#,
        ),
        (
            "/v1/audio/speech",
            "/v1/audio/speech",
            r#"{"model": "tts", "input": "a", "voice": "b"}"#,
        ),
        (
            "/v1/images/generations",
            "/v1/images/generations",
            r#"{"prompt": "a"}"#,
        ),
        (
            "/v1/images/edits",
            "/v1/images/edits",
            r#"{"prompt": "a", "images": []}"#,
        ),
        (
            "/v1/rerank",
            "/v1/v2/rerank",
            r#"{"query": "a", "documents": ["b"]}"#,
        ),
    ] {
        let asked = post(&gateway, path, "application/json", body)
            .key("sk-client-secret")
            .headers(&[
                ("x-api-key", "sk-client-secret"),
                ("cookie", "sk-client-secret"),
                ("openai-organization", "sk-client-secret"),
                ("x-refrain-cache-ttl", "60"),
                ("accept", "application/json;q=0.5"),
            ]);
        let reply = asked.send().await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, "{\"ok\": 1.50}"),
            "{path}"
        );
        assert_eq!(reply.header("x-refrain-provider"), "main");
        assert_eq!(reply.way(), "bypass");
        assert_eq!(reply.header("x-refrain-cache-reason"), "passthrough");
        let received = fake.received().pop().unwrap();
        assert_eq!(
            (received.path.as_str(), &*received.body),
            (theirs, body.as_bytes())
        );
        assert_eq!(received.headers["authorization"], format!("Bearer {KEY}"));
        assert!(!format!("{:?}", received.headers).contains("sk-client-secret"));
        let mut names: Vec<&str> = received.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept",
                "authorization",
                "content-length",
                "content-type",
                "host",
                "user-agent"
            ]
        );
        assert_eq!(received.headers["accept"], "application/json;q=0.5");
    }
    assert_eq!(gateway.stats().await["requests"]["bypass"], 6);
    // What is paid by the request has no tokens, which is not the same as none.
    let told = gateway.get("/admin/api/requests").send().await.json();
    let told = told["requests"].as_array().unwrap();
    assert_eq!(told.len(), 6);
    for one in told {
        assert_eq!(
            (&one["attempts"], &one["tokens"]),
            (&json!(1), &Value::Null)
        );
    }
}

#[tokio::test]
async fn the_name_of_the_provider_is_no_part_of_the_model() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    for (model, theirs) in [
        ("main/tts", "tts"),
        ("other/tts", "other/tts"),
        ("mainx", "mainx"),
        ("main/", "main/"),
    ] {
        let body = json!({"input": "a", "model": model}).to_string();
        let reply = post(&gateway, "/v1/audio/speech", "application/json", body)
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent: Value = serde_json::from_slice(&fake.received().pop().unwrap().body).unwrap();
        assert_eq!(sent, json!({"input": "a", "model": theirs}));
        assert_eq!(reply.header("x-refrain-model"), theirs);
    }
}

#[tokio::test]
async fn what_is_asked_of_nobody_is_refused() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    for (path, body, param) in [
        ("/v1/moderations", "{}", json!("input")),
        ("/v1/moderations", "", Value::Null),
        ("/v1/moderations", "[]", Value::Null),
        ("/v1/audio/speech", r#"{"input": "a"}"#, json!("model")),
        (
            "/v1/audio/speech",
            r#"{"model": "m", "input": ""}"#,
            json!("input"),
        ),
        (
            "/v1/audio/speech",
            r#"{"model": "m", "model": "n", "input": "a"}"#,
            Value::Null,
        ),
        (
            "/v1/audio/speech",
            r#"{"model": "a b", "input": "a"}"#,
            json!("model"),
        ),
        (
            "/v1/images/generations",
            r#"{"prompt": null}"#,
            json!("prompt"),
        ),
        ("/v1/rerank", r#"{"query": "a"}"#, json!("documents")),
        ("/v1/audio/transcriptions", "{}", Value::Null),
    ] {
        let reply = post(&gateway, path, "application/json", body).send().await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &param),
            "{path} {body}"
        );
    }
    let form = post(&gateway, "/v1/audio/speech", super::FORM, "--XyZ--")
        .send()
        .await;
    assert_eq!(form.status, 400);
    assert_eq!(fake.seen().requests, 0);
}

#[tokio::test]
async fn only_what_is_configured_is_there() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    for path in [
        "/v1/audio",
        "/v1/audio/",
        "/v1/audio/speech/x",
        "/v1/audio/voices",
        "/v1/images/x",
        "/v1/files",
        "/v1/moderations/x",
    ] {
        for method in ["GET", "POST"] {
            let reply = gateway.request(method, path, "{}").send().await;
            let error = reply.error();
            assert_eq!(
                (reply.status, &error["code"]),
                (404, &json!("unknown_url")),
                "{path}"
            );
            let message = error["message"].as_str().unwrap();
            for there in [
                "/v1/responses",
                "/v1/audio/{speech|",
                "/v1/rerank",
                "GET /admin",
            ] {
                assert!(message.contains(there), "{message}");
            }
        }
    }
    let get = gateway.get("/v1/audio/speech").send().await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
    // Without `[endpoints]`, and with them again.
    let main = provider_at("main", &fake.base_url());
    gateway.app.reload(&config(&main)).await.unwrap();
    let ask = async || {
        post(
            &gateway,
            "/v1/moderations",
            "application/json",
            r#"{"input": "a"}"#,
        )
        .send()
        .await
    };
    let reply = ask().await;
    let message = reply.error()["message"].as_str().unwrap().to_owned();
    assert_eq!(reply.status, 404);
    assert!(
        message.contains("`moderations = \"PROVIDER\"` below `[endpoints]`"),
        "{message}"
    );
    assert_eq!(fake.seen().requests, 0);
    gateway
        .app
        .reload(&config(&format!("{ENDPOINTS}{main}")))
        .await
        .unwrap();
    assert_eq!(ask().await.status, 200);
    let idle = main.replace("UPSTREAM_KEY", "NO_SUCH_KEY")
        + "[[providers]]\nname = \"d\"\nkind = \"demo\"\n";
    gateway
        .app
        .reload(&config(&format!("{ENDPOINTS}{idle}")))
        .await
        .unwrap();
    let reply = ask().await;
    assert_eq!(reply.status, 404);
    assert!(
        reply.text().contains("NO_SUCH_KEY is not set"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn other_bytes_stay_what_they_are() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    let sound: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    fake.script(
        Answer::raw("audio/mpeg", sound.clone())
            .header("openai-processing-ms", "7")
            .header("set-cookie", "a=b"),
    );
    let body = r#"{"model": "tts", "input": "a"}"#;
    let asked = post(&gateway, "/v1/audio/speech", "application/json", body);
    let reply = asked.header("accept-encoding", "gzip").send().await;
    assert_eq!(reply.header("content-type"), "audio/mpeg");
    assert_eq!(reply.header("content-length"), "100000");
    assert_eq!(reply.header("content-encoding"), "");
    assert_eq!(reply.header("openai-processing-ms"), "7");
    assert_eq!(reply.header("set-cookie"), "");
    assert!(reply.body == sound);
}
