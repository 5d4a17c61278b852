//! Providers that refuse, or send what can't be used.

use serde_json::json;

use super::{ENDPOINTS, FORM, Fake, form, gateway, model, part, post, sound};
use crate::support::{
    answer::Answer,
    client::Reply,
    gateway::{Gateway, Setup, provider_at},
    upstream::Upstream,
};

async fn both(gateway: &Gateway) -> [Reply; 2] {
    let json = post(
        gateway,
        "/v1/audio/speech",
        "application/json",
        r#"{"model": "m", "input": "a"}"#,
    );
    let upload = post(
        gateway,
        "/v1/audio/transcriptions",
        FORM,
        form(&[model("m"), sound()]),
    );
    [json.send().await, upload.send().await]
}

#[tokio::test]
async fn what_providers_say_is_told_in_one_shape() {
    let fake = Fake::start().await;
    // Or it would be left alone before all is said.
    let gateway = super::with(&fake, "", "breaker = { min_requests = 1000 }").await;
    let html = || Answer::raw("text/html", "<html>");
    type Case = (fn() -> Answer, u16, &'static str);
    let cases: [Case; 8] = [
        (|| Answer::error(400, "no such voice"), 400, "no such voice"),
        (|| Answer::error(403, "no"), 502, "main"),
        (|| Answer::error(500, "oops"), 502, "main"),
        (|| Answer::error(503, "oops"), 503, "main"),
        (
            || Answer::json(&json!({"error": {"message": "oops"}})),
            502,
            "main",
        ),
        (|| Answer::raw("application/json", "{\"ok\""), 502, "main"),
        (|| Answer::raw("audio/mpeg", ""), 502, "main"),
        (
            || Answer::raw("audio/mpeg", "x").header("content-encoding", "gzip"),
            502,
            "compressed",
        ),
    ];
    for (answer, status, words) in cases {
        for _each in 0..2 {
            fake.script(answer());
        }
        for reply in both(&gateway).await {
            assert_eq!(
                (reply.status, reply.header("x-refrain-error-origin")),
                (status, "upstream")
            );
            assert!(
                reply.error()["message"].as_str().unwrap().contains(words),
                "{}",
                reply.text()
            );
        }
    }
    fake.script(html());
    fake.script(html());
    for reply in both(&gateway).await {
        assert_eq!(reply.status, 502);
    }
}

#[tokio::test]
async fn a_key_that_has_enough_is_put_aside_by_uploads_too() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    fake.script(Answer::error(429, "slow down").header("retry-after", "20"));
    let upload = || {
        post(
            &gateway,
            "/v1/audio/transcriptions",
            FORM,
            form(&[model("m"), sound()]),
        )
    };
    let reply = upload().send().await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "20"));
    assert_eq!(reply.header("x-refrain-error-origin"), "upstream");
    let reply = upload().send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-error-origin")),
        (429, "gateway")
    );
    assert_eq!(fake.seen().requests, 1);
}

#[tokio::test]
async fn nobody_is_there() {
    let gone = Upstream::gone().await;
    let toml = format!("{ENDPOINTS}{}", provider_at("main", &gone));
    let gateway = Setup::new(&toml).start().await;
    for reply in both(&gateway).await {
        assert_eq!(
            (reply.status, &reply.error()["code"]),
            (502, &json!("upstream_error"))
        );
    }
}

#[tokio::test]
async fn an_address_for_each_model_needs_its_name_first() {
    let fake = Fake::start().await;
    let path = "chat_path = \"/d/{model}/chat/completions?v=1\"\n";
    let gateway = super::with(&fake, "", path).await;
    let upload = |body| post(&gateway, "/v1/audio/transcriptions", FORM, body);
    assert_eq!(
        upload(form(&[model("a/b"), sound()])).send().await.status,
        200
    );
    assert_eq!(fake.only().path, "/v1/d/a%2Fb/audio/transcriptions?v=1");
    let reply = upload(form(&[sound(), part("name=\"prompt\"", "")]))
        .send()
        .await;
    assert_eq!(
        (reply.status, &reply.error()["param"]),
        (400, &json!("model"))
    );
}
