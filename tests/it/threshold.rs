//! What would be at other thresholds, and setting one: the curve, the file that keeps it, the configuration in force.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    angles::Angles,
    asking,
    gateway::{Gateway, config},
    upstream::Upstream,
};

const FIRST: &str = "How many planets are there?";
const NEAR: &str = "What is the number of planets?";

fn cache(data: Option<&Path>, more: &str) -> String {
    let data = data.map(|path| format!("data_dir = {path:?}\n"));
    format!(
        "[cache]\nthreshold = 0.97\nshadow_checks = 0.0\n{}{more}",
        data.unwrap_or_default()
    )
}

async fn gateway(upstream: &Upstream, cache: &str) -> Gateway {
    let encoder = Angles::of(&[
        (FIRST, 1.0),
        (NEAR, 0.95),
        ("answer 1", 1.0),
        ("answer 2", 1.0),
    ]);
    Gateway::setup(upstream, cache)
        .encoder(encoder)
        .start()
        .await
}

async fn threshold(gateway: &Gateway) -> Value {
    gateway.get("/admin/api/threshold").send().await.json()
}

async fn apply(gateway: &Gateway, body: Value) -> (u16, Value) {
    let answer = gateway
        .request("POST", "/admin/api/threshold", body.to_string())
        .send()
        .await;
    (answer.status, answer.json())
}

async fn settled(gateway: &Gateway, prompt: &str) -> String {
    let way = gateway.ask(&asking(prompt)).send().await.way().to_owned();
    gateway.app.settle().await;
    way
}

#[tokio::test]
async fn misses_with_near_neighbours_say_what_a_lower_threshold_would_save() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, &cache(None, "")).await;
    assert_eq!(threshold(&gateway).await["curve"][0]["saved"], Value::Null);
    assert_eq!(settled(&gateway, FIRST).await, "miss");
    assert_eq!(settled(&gateway, NEAR).await, "miss");
    let shown = threshold(&gateway).await;
    assert_eq!(shown["mode"], "serve");
    assert_eq!(
        shown["admission"],
        json!({"kind": "threshold", "policy": null, "threshold": 0.97})
    );
    assert_eq!(
        (&shown["looked_up"], &shown["labels"]),
        (&json!(1), &json!(1))
    );
    let curve = shown["curve"].as_array().unwrap();
    let at = |at: f64| curve.iter().find(|point| point["at"] == at).unwrap();
    assert_eq!(
        (at(0.8)["saved"].as_f64(), at(0.95)["saved"].as_f64()),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(
        (at(0.955)["saved"].as_f64(), &at(0.955)["wrong"]),
        (Some(0.0), &Value::Null)
    );
    // "answer 1" and "answer 2" differ in a number.
    assert_eq!(
        (at(0.95)["wrong"].as_f64(), at(0.95)["labelled"].as_u64()),
        (Some(1.0), Some(1))
    );
    assert_eq!(curve.len(), 41);
    assert_eq!(shown["classes"][0]["model"], "main/gpt-test");
}

#[tokio::test]
async fn what_is_applied_is_in_force_at_once_and_after_a_restart_until_it_is_taken_back() {
    let upstream = Upstream::start().await;
    let directory = TempDir::new().unwrap();
    let toml = cache(Some(directory.path()), "");
    let file = directory.path().join("overrides.toml");
    let first = gateway(&upstream, &toml).await;
    assert_eq!(settled(&first, FIRST).await, "miss");
    let (status, dry) = apply(&first, json!({"threshold": 0.94, "dry_run": true})).await;
    assert_eq!((status, &dry["written"]), (200, &Value::Null));
    assert!(dry["text"].as_str().unwrap().contains("threshold = 0.94\n"));
    assert!(!file.exists());
    let in_force = |shown: &Value| shown["admission"]["threshold"].as_f64();
    assert_eq!(in_force(&threshold(&first).await), Some(0.97));

    let (status, applied) = apply(&first, json!({"threshold": 0.94})).await;
    assert_eq!((status, applied["written"].as_str()), (200, file.to_str()));
    assert_eq!(
        applied["config"],
        json!({"state": "current", "generation": 1})
    );
    assert_eq!(in_force(&threshold(&first).await), Some(0.94));
    assert_eq!(settled(&first, NEAR).await, "semantic");
    // The file of the configuration may change: what was set goes before it.
    first
        .app
        .reload(&config(&toml.replace("0.97", "0.99")))
        .await
        .unwrap();
    assert_eq!(in_force(&threshold(&first).await), Some(0.94));
    let shown: Value = first.get("/admin/api/config").send().await.json();
    assert_eq!(shown["overrides"]["path"].as_str(), file.to_str());
    assert_eq!(shown["effective"]["cache"]["threshold"], 0.94);
    first.stop().await;

    let second = gateway(&upstream, &toml).await;
    assert_eq!(in_force(&threshold(&second).await), Some(0.94));
    let (status, taken_back) = apply(&second, json!({"threshold": null})).await;
    assert_eq!(
        (status, &taken_back["written"], &taken_back["text"]),
        (200, &Value::Null, &Value::Null)
    );
    assert!(!file.exists());
    let shown = threshold(&second).await;
    assert_eq!(
        (in_force(&shown), &shown["override"]),
        (Some(0.97), &Value::Null)
    );
}

#[tokio::test]
async fn what_cannot_be_applied_says_why() {
    let upstream = Upstream::start().await;
    let nowhere = gateway(&upstream, &cache(None, "")).await;
    assert_eq!(threshold(&nowhere).await["can_apply"], false);
    let (status, refused) = apply(&nowhere, json!({"threshold": 0.94})).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("conflict"))
    );
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("data_dir"), "{message}");
    for body in [
        json!({"threshold": 2}),
        json!({"threshold": "x"}),
        json!({"treshold": 0.9}),
        json!([]),
        json!([0.9, true]),
        json!({}),
        json!({"dry_run": true}),
    ] {
        let (status, refused) = apply(&nowhere, body).await;
        assert_eq!(status, 400, "{refused}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_stops_the_start_and_a_reload() {
    let upstream = Upstream::start().await;
    let directory = TempDir::new().unwrap();
    let toml = cache(Some(directory.path()), "");
    let gateway = gateway(&upstream, &toml).await;
    std::fs::write(
        directory.path().join("overrides.toml"),
        "[cache]\nthreshold = 7\n",
    )
    .unwrap();
    let provider = crate::support::gateway::provider("main", &upstream);
    let refused = gateway
        .app
        .reload(&config(&format!("{toml}{provider}")))
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("overrides.toml:2:13") && refused.contains("found 7"),
        "{refused}"
    );
    let shown: Value = gateway.get("/admin/api/config").send().await.json();
    assert_eq!(shown["state"], "last_good");
}
