//! Which targets are left alone, and the operator's hand on them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    asking,
    gateway::{Gateway, Setup, model, provider},
    upstream::Upstream,
    with,
};

const PATH: &str = "/admin/api/breakers";
/// Opens after two calls that failed, for 15 to 18 seconds.
const BREAKER: &str = "breaker = { window = \"60s\", min_requests = 2, failure_ratio = 0.5, open_for = \"15s\", probes = 1 }\n";

/// A gateway before a provider `main`, with further settings, and `other`.
async fn before(main: &Upstream, other: &Upstream, first: &str) -> Gateway {
    let toml = format!(
        "{first}\n[cache]\nenabled = false\n{}{BREAKER}{}{}{}",
        provider("main", main),
        provider("other", other),
        model("gpt-test", &["main/gpt-test"]),
        model("spare", &["other/spare"]),
    );
    Setup::new(&toml).start().await
}

async fn shown(gateway: &Gateway) -> Value {
    let reply = gateway.get(PATH).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()
}

async fn force(gateway: &Gateway, body: &Value) -> Value {
    let reply = gateway.request("POST", PATH, body.to_string()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["breakers"].clone()
}

async fn ready(gateway: &Gateway) -> Value {
    let reply = gateway.get("/health/ready").send().await;
    assert_eq!(reply.status, 200);
    reply.json()["status"].clone()
}

async fn ask(gateway: &Gateway, model: &str) -> u16 {
    let body = with(asking("What do crabs eat?"), json!({"model": model}));
    gateway.ask(&body).send().await.status
}

#[tokio::test]
async fn what_fails_is_seen_until_it_is_well_again() {
    let (main, other) = (Upstream::start().await, Upstream::start().await);
    let gateway = before(&main, &other, "").await;
    assert_eq!(shown(&gateway).await, json!({"total": 0, "breakers": []}));
    assert_eq!(ready(&gateway).await, "ready");
    for _ in 0..2 {
        main.script(Answer::error(500, "down"));
        ask(&gateway, "gpt-test").await;
    }
    assert_eq!(ask(&gateway, "spare").await, 200);
    gateway.clock.advance(Duration::from_millis(3_500));
    let listed = shown(&gateway).await;
    assert_eq!(listed["total"], 2);
    let [worst, other] = &listed["breakers"].as_array().unwrap()[..] else {
        panic!("{listed}");
    };
    let left = worst["retry_in_seconds"].as_u64().unwrap();
    assert!((12..=15).contains(&left), "{worst}");
    let expected = json!({
        "provider": "main", "model": "gpt-test", "state": "open", "forced": null,
        "requests": 2, "failures": 2, "in_flight": 0, "since_seconds": 3, "retry_in_seconds": left,
    });
    assert_eq!(*worst, expected);
    let expected = json!({
        "provider": "other", "model": "spare", "state": "closed", "forced": null,
        "requests": 1, "failures": 0, "in_flight": 0, "since_seconds": null, "retry_in_seconds": null,
    });
    assert_eq!(*other, expected);
    let stats = &gateway.stats().await["breakers"];
    assert_eq!(
        (
            &stats["open"],
            &stats["closed"],
            &stats["half_open"],
            &stats["forced"]
        ),
        (&json!(1), &json!(1), &json!(0), &json!(0))
    );
    assert_eq!(stats["worst"], listed["breakers"]);
    assert_eq!(ready(&gateway).await, "degraded");
    let said = gateway.get("/health/ready").send().await;
    assert!(!said.text().contains("main"), "strangers read it");

    gateway.clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&gateway, "gpt-test").await, 200);
    assert_eq!(ready(&gateway).await, "ready");
    let listed = shown(&gateway).await;
    assert_eq!(listed["breakers"][0]["state"], "closed");
    assert_eq!(listed["breakers"][0]["since_seconds"], 0);
}

#[tokio::test]
async fn an_operator_has_a_target_left_alone_and_asked_again() {
    let (main, other) = (Upstream::start().await, Upstream::start().await);
    let gateway = before(&main, &other, "").await;
    // Before it was ever asked.
    let wish = json!({"provider": "main", "model": "gpt-test", "state": "open"});
    let changed = force(&gateway, &wish).await;
    let expected = json!([{
        "provider": "main", "model": "gpt-test", "state": "open", "forced": "open",
        "requests": 0, "failures": 0, "in_flight": 0, "since_seconds": 0, "retry_in_seconds": null,
    }]);
    assert_eq!(changed, expected);
    assert_eq!(ready(&gateway).await, "degraded");
    gateway.clock.advance(Duration::from_secs(100_000));
    assert_eq!(
        ask(&gateway, "gpt-test").await,
        503,
        "not even as a last resort"
    );
    assert_eq!(ask(&gateway, "spare").await, 200);
    assert_eq!(main.calls(), 0);
    assert_eq!(gateway.stats().await["breakers"]["forced"], 1);

    // All of its models.
    let changed = force(&gateway, &json!({"provider": "main", "state": "closed"})).await;
    assert_eq!(changed.as_array().unwrap().len(), 1);
    for _ in 0..4 {
        main.script(Answer::error(500, "down"));
        ask(&gateway, "gpt-test").await;
    }
    assert_eq!(main.calls(), 4, "asked whatever happens");
    assert_eq!(ready(&gateway).await, "ready");

    let changed = force(&gateway, &json!({"provider": "main", "state": "auto"})).await;
    assert_eq!(
        (&changed[0]["state"], &changed[0]["forced"]),
        (&json!("closed"), &json!(null))
    );
    for _ in 0..2 {
        main.script(Answer::error(500, "down"));
        ask(&gateway, "gpt-test").await;
    }
    assert_eq!(ready(&gateway).await, "degraded");
    let changed = force(&gateway, &json!({"provider": "main", "state": "auto"})).await;
    assert_eq!(changed[0]["state"], "closed", "begins anew");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_what_to_write() {
    let (main, other) = (Upstream::start().await, Upstream::start().await);
    let gateway = before(&main, &other, "").await;
    let cases = [
        ("", Value::Null, "\"state\": \"open\""),
        ("[]", Value::Null, "\"state\": \"open\""),
        (
            "{\"provider\": \"main\"}",
            Value::Null,
            "missing field `state`",
        ),
        (
            r#"{"provider": "main", "state": "open", "modle": "m"}"#,
            Value::Null,
            "`modle`",
        ),
        (
            r#"{"provider": "main", "state": "open", "state": "auto"}"#,
            Value::Null,
            "duplicate",
        ),
        (
            r#"{"provider": "main", "state": "shut"}"#,
            json!("state"),
            "\"auto\"",
        ),
        (
            r#"{"provider": "mian", "state": "open"}"#,
            json!("provider"),
            "did you mean `main`?",
        ),
        (
            r#"{"provider": "<b>", "state": "open"}"#,
            json!("provider"),
            "there are: main, other",
        ),
        (
            r#"{"provider": "main", "state": "open"}"#,
            json!("model"),
            "name one",
        ),
        (
            r#"{"provider": "main", "model": "a?b", "state": "open"}"#,
            json!("model"),
            "visible ASCII",
        ),
        (
            r#"{"provider": "main", "model": "", "state": "open"}"#,
            json!("model"),
            "1-256",
        ),
    ];
    for (body, param, says) in cases {
        let reply = gateway.request("POST", PATH, body).send().await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["param"]),
            (400, &param),
            "{body}: {error}"
        );
        assert_eq!(error["type"], "invalid_request_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{body}: {message}");
    }
    let long = format!("{{\"provider\": \"{}\"}}", "m".repeat(5_000));
    assert_eq!(gateway.request("POST", PATH, long).send().await.status, 413);
    assert_eq!(shown(&gateway).await["total"], 0, "nothing was changed");
}

#[tokio::test]
async fn only_the_operator_changes_anything() {
    let (main, other) = (Upstream::start().await, Upstream::start().await);
    let gateway = before(&main, &other, "[admin]\nkey_env = \"ADMIN_KEY\"\n").await;
    let wish = json!({"provider": "main", "model": "gpt-test", "state": "open"}).to_string();
    let post = || gateway.request("POST", PATH, wish.clone());
    assert_eq!(post().send().await.status, 401);
    assert_eq!(post().key("sk-admin_kez").send().await.status, 401);
    let foreign = post()
        .key("sk-admin_key")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.status, 403);
    assert_eq!(ready(&gateway).await, "ready");
    assert_eq!(post().key("sk-admin_key").send().await.status, 200);
    assert_eq!(ready(&gateway).await, "degraded");
}

#[tokio::test]
async fn what_nobody_asks_for_any_more_degrades_nothing() {
    let (main, other) = (Upstream::start().await, Upstream::start().await);
    let gateway = before(&main, &other, "").await;
    for _ in 0..2 {
        main.script(Answer::error(500, "down"));
        ask(&gateway, "main/made-up").await;
    }
    // It may be tried again after 15 s, or a little earlier.
    for (seconds, expected) in [(0, "degraded"), (70, "degraded"), (10, "ready")] {
        gateway.clock.advance(Duration::from_secs(seconds));
        assert_eq!(ready(&gateway).await, expected);
    }
    assert_eq!(shown(&gateway).await["breakers"][0]["state"], "open");
    let wish = json!({"provider": "main", "model": "made-up", "state": "open"});
    force(&gateway, &wish).await;
    gateway.clock.advance(Duration::from_secs(1000));
    assert_eq!(ready(&gateway).await, "degraded", "an operator wants it");
}
