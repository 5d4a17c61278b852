//! `POST /admin/api/route`: a decision and its reasons, without a call.

use serde_json::{Value, json};

use super::{Three, for_model};
use crate::support::{angles::Angles, gateway::Gateway, with};

const CONFIG: &str = r#"
[admin]
key_env = "ADMIN_KEY"
[routing]
margin = 0.1
[[tasks]]
name = "chat"
targets = ["one/chatty", "two/chatty"]
fallbacks = ["three/chatty"]
examples = ["hello"]
[[tasks]]
name = "sql"
targets = ["two/coder"]
examples = ["select"]
[[models]]
name = "house"
targets = ["one/gpt-4o", "two/gpt-4o"]
context_window = 500
context_window_fallbacks = ["three/long"]
supports = ["tools"]
price = { input = 1000.0, output = 0.0 }
"#;

async fn gateway(three: &Three) -> Gateway {
    let texts = [("hello", 1.0), ("select", 0.0), ("What do crabs eat?", 0.9)];
    three
        .setup(CONFIG)
        .encoder(Angles::of(&texts))
        .start()
        .await
}

async fn explain(gateway: &Gateway, body: &Value) -> Value {
    let ask = gateway.request("POST", "/admin/api/route", body.to_string());
    let reply = ask.key("sk-admin_key").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn roles(explained: &Value) -> Vec<(String, String, String)> {
    let text = |stop: &Value, key: &str| stop[key].as_str().unwrap().to_owned();
    let stops = explained["targets"].as_array().unwrap().iter();
    stops
        .map(|stop| {
            (
                text(stop, "provider"),
                text(stop, "model"),
                text(stop, "role"),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_classified_request_shows_how_near_each_task_is() {
    let three = Three::start().await;
    let gateway = gateway(&three).await;
    let explained = explain(&gateway, &for_model("auto")).await;
    assert_eq!(explained["task"]["name"], "chat");
    let scores = &explained["task"]["scores"];
    assert!(scores["chat"].as_f64().unwrap() > scores["sql"].as_f64().unwrap());
    let expected = [
        ("one", "chatty", "first"),
        ("two", "chatty", "next"),
        ("three", "chatty", "next"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(roles(&explained), expected);
    let declared = with(for_model("auto"), json!({"task_type": "sql"}));
    assert_eq!(
        explain(&gateway, &declared).await["task"]["why"],
        "declared"
    );
    assert_eq!(three.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn tokens_room_and_cost_are_shown() {
    let three = Three::start().await;
    let gateway = gateway(&three).await;
    let explained = explain(&gateway, &for_model("house")).await;
    assert_eq!(explained["tokens"]["least"], explained["tokens"]["most"]);
    let tokens = explained["tokens"]["most"].as_u64().unwrap();
    assert!((10..20).contains(&tokens), "{tokens}");
    let first = &explained["targets"][0];
    assert_eq!(first["room"], 500);
    #[expect(clippy::cast_precision_loss, reason = "few tokens")]
    let expected = tokens as f64 / 1000.0;
    assert!((first["prompt_usd"].as_f64().unwrap() - expected).abs() < 1e-9);

    let body = with(for_model("house"), json!({"trim_messages": true}));
    let long = json!([{"role": "user", "content": "word ".repeat(2000)}]);
    let body = with(body, json!({"messages": long}));
    let explained = explain(&gateway, &body).await;
    assert!(explained["trimmed_tokens"].as_u64().unwrap() > 1500);
}

#[tokio::test]
async fn who_is_passed_over_is_shown_with_the_reason() {
    let three = Three::start().await;
    let gateway = gateway(&three).await;
    let long = json!([{"role": "user", "content": "word ".repeat(2000)}]);
    let explained = explain(
        &gateway,
        &with(for_model("house"), json!({"messages": long})),
    )
    .await;
    assert_eq!(explained["targets"][0]["model"], "long");
    let passed: Vec<&Value> = (explained["targets"].as_array().unwrap().iter())
        .filter(|stop| stop["role"] == "passed_over")
        .collect();
    assert_eq!(passed.len(), 2);
    assert!(passed[0]["reason"].as_str().unwrap().contains("tokens"));

    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let seeing = json!([{"role": "user", "content": [image]}]);
    let explained = explain(
        &gateway,
        &with(for_model("house"), json!({"messages": seeing})),
    )
    .await;
    assert!(
        explained["refused"].as_str().unwrap().contains("images"),
        "{explained}"
    );
}

#[tokio::test]
async fn it_is_the_admins() {
    let three = Three::start().await;
    let gateway = gateway(&three).await;
    let body = for_model("house").to_string();
    let reply = gateway
        .request("POST", "/admin/api/route", body.clone())
        .send()
        .await;
    assert_eq!(reply.status, 401);
    let ask = gateway.request("POST", "/admin/api/route", "{");
    assert_eq!(ask.key("sk-admin_key").send().await.status, 400);
    let ask = gateway.request("POST", "/admin/api/route?client=nobody", body);
    assert_eq!(ask.key("sk-admin_key").send().await.status, 400);
}
