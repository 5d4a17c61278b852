//! Who may ask, for what, how often, how much, and for how much money.

use serde_json::json;

use super::{FORM, Fake, form, model, post, provider::Seen, sound, with};
use crate::support::{client::Reply, gateway::Gateway};

const SPEECH: &str = r#"{"model": "tts", "input": "a"}"#;

fn alice(terms: &str) -> String {
    format!("[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n{terms}\n")
}

async fn speak(gateway: &Gateway) -> Reply {
    let asked = post(gateway, "/v1/audio/speech", "application/json", SPEECH);
    asked.key("sk-alice_key").send().await
}

async fn write_down(gateway: &Gateway, body: String) -> Reply {
    let asked = post(gateway, "/v1/audio/transcriptions", FORM, body);
    asked.key("sk-alice_key").send().await
}

#[tokio::test]
async fn strangers_are_refused() {
    let fake = Fake::start().await;
    let gateway = with(&fake, &alice(""), "").await;
    for (path, kind, body) in [
        ("/v1/audio/speech", "application/json", SPEECH.to_owned()),
        ("/v1/audio/transcriptions", FORM, form(&[sound()])),
    ] {
        let reply = post(&gateway, path, kind, body)
            .key("sk-nobody")
            .send()
            .await;
        assert_eq!(
            (reply.status, &reply.error()["code"]),
            (401, &json!("invalid_api_key"))
        );
    }
    assert_eq!(fake.seen(), Seen::default());
    assert_eq!(speak(&gateway).await.status, 200);
}

#[tokio::test]
async fn models_that_a_key_may_not_use_are_not_asked() {
    let fake = Fake::start().await;
    let gateway = with(&fake, &alice("allowed_models = [\"whisper-*\"]"), "").await;
    let denied = |reply: &Reply| {
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"]),
            (403, &json!("model_not_allowed"))
        );
    };
    denied(&speak(&gateway).await);
    denied(&write_down(&gateway, form(&[model("tts"), sound()])).await);
    denied(&write_down(&gateway, form(&[sound(), model("tts")])).await);
    for body in [form(&[sound()])] {
        let reply = write_down(&gateway, body).await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!("model"))
        );
    }
    let moderation = post(
        &gateway,
        "/v1/moderations",
        "application/json",
        r#"{"input": "a"}"#,
    );
    let reply = moderation.key("sk-alice_key").send().await;
    assert_eq!(
        (reply.status, &reply.error()["param"]),
        (400, &json!("model"))
    );
    assert_eq!(fake.seen(), Seen::default());
    let reply = write_down(&gateway, form(&[sound(), model("whisper-1")])).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn requests_are_counted() {
    let fake = Fake::start().await;
    let gateway = with(&fake, &alice("limits = { requests_per_minute = 2 }"), "").await;
    assert_eq!(speak(&gateway).await.status, 200);
    let second = write_down(&gateway, form(&[sound()])).await;
    assert_eq!(
        (
            second.status,
            second.header("x-ratelimit-remaining-requests")
        ),
        (200, "0")
    );
    for reply in [
        speak(&gateway).await,
        write_down(&gateway, form(&[sound()])).await,
    ] {
        assert_eq!(
            (reply.status, &reply.error()["code"]),
            (429, &json!("rate_limit_exceeded"))
        );
    }
    assert_eq!(fake.seen().requests, 2);
}

#[tokio::test]
async fn the_limits_of_the_provider_count() {
    let fake = Fake::start().await;
    let limits = "limits = { requests_per_minute = 1, max_wait = \"1ms\" }";
    let gateway = with(&fake, &alice(""), limits).await;
    assert_eq!(speak(&gateway).await.status, 200);
    for reply in [
        speak(&gateway).await,
        write_down(&gateway, form(&[sound()])).await,
    ] {
        assert_eq!(
            (reply.status, reply.header("x-refrain-error-origin")),
            (429, "gateway")
        );
    }
    assert_eq!(fake.seen().requests, 1);
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let fake = Fake::start().await;
    let gateway = with(&fake, "[server]\nmax_body = \"1KiB\"\n", "").await;
    let long = super::part("name=\"file\"; filename=\"a\"", &"x".repeat(2000));
    for reply in [
        write_down(&gateway, form(&[long])).await,
        post(
            &gateway,
            "/v1/moderations",
            "application/json",
            "x".repeat(2000),
        )
        .send()
        .await,
    ] {
        assert_eq!(
            (reply.status, &reply.error()["code"]),
            (413, &json!("request_too_large"))
        );
    }
    assert_eq!(fake.seen(), Seen::default());
    let encoded = post(&gateway, "/v1/audio/transcriptions", FORM, form(&[sound()]));
    assert_eq!(
        encoded
            .header("content-encoding", "gzip")
            .send()
            .await
            .status,
        415
    );
}

#[tokio::test]
async fn nobody_spends_unseen() {
    let fake = Fake::start().await;
    let gateway = with(&fake, &alice("budget = { daily_usd = 0.05 }"), "").await;
    let refused = speak(&gateway).await;
    let error = refused.error();
    assert_eq!(
        (refused.status, &error["code"]),
        (429, &json!("budget_exceeded"))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("`usd_per_request`")
    );
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(fake.seen(), Seen::default());

    let main = crate::support::gateway::provider_at("main", &fake.base_url());
    let priced = "[endpoints]\naudio = { provider = \"main\", usd_per_request = 0.02 }\n";
    let toml = format!("{}{priced}{main}", alice("budget = { daily_usd = 0.05 }"));
    gateway
        .app
        .reload(&crate::support::gateway::config(&toml))
        .await
        .unwrap();
    let reply = speak(&gateway).await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-cost-usd")),
        (200, "0.02000000")
    );
    fake.script(crate::support::answer::Answer::error(400, "no such voice"));
    assert_eq!(speak(&gateway).await.status, 400);
    assert_eq!(write_down(&gateway, form(&[sound()])).await.status, 200);
    assert_eq!(
        speak(&gateway).await.error()["code"],
        json!("budget_exceeded")
    );
    assert_eq!(fake.seen().requests, 3);
    let clients = gateway.get("/admin/api/clients").send().await.json();
    assert_eq!(clients["clients"][0]["spent"]["day_usd"], json!(0.04));
}
