//! Answers that are delivered as they come.

use serde_json::json;

use super::{Fake, gateway, post};
use crate::support::{answer::Answer, client::Open, gateway::Gateway, upstream::KEY};

/// How the calls of the latest request ended.
async fn outcomes(gateway: &Gateway) -> Vec<serde_json::Value> {
    gateway.app.settle().await;
    let listed = gateway
        .get("/admin/api/requests?limit=1")
        .send()
        .await
        .json();
    let path = format!("/admin/api/requests/{}", listed["requests"][0]["seq"]);
    let whole = gateway.get(&path).send().await.json();
    let steps = whole["steps"].as_array().unwrap().iter();
    steps.map(|step| step["outcome"].clone()).collect()
}

async fn speak(gateway: &Gateway) -> Open {
    let body = r#"{"model": "tts", "input": "a", "stream_format": "sse"}"#;
    let asked = post(gateway, "/v1/audio/speech", "application/json", body);
    asked.header("accept-encoding", "gzip").open().await
}

#[tokio::test]
async fn bytes_are_there_before_their_end_is() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    for kind in ["audio/mpeg", "application/octet-stream", "audio/pcm", ""] {
        let (answer, steps) = Answer::stepwise();
        fake.script(answer.header("content-type", kind));
        steps.send(vec![7_u8; 10]);
        let mut open = speak(&gateway).await;
        assert_eq!(open.piece().await.unwrap(), vec![7; 10]);
        steps.send(vec![8_u8; 20_000]);
        drop(steps);
        let rest = open.rest().await;
        assert_eq!((rest.status, rest.body.len()), (200, 20_000));
        assert_eq!(outcomes(&gateway).await, ["ok"]);
    }
}

#[tokio::test]
async fn events_are_whole_and_without_the_gateways_key() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    let (answer, steps) = Answer::stepwise();
    fake.script(answer);
    steps.send("event: speech.audio.delta\ndata: {\"audio\": \"QQ==\"}\n\ndata: {\"a");
    let mut open = speak(&gateway).await;
    let first = open.piece().await.unwrap();
    assert!(first.ends_with(b"\"QQ==\"}\n\n"), "{first:?}");
    let (start, end) = KEY.split_at(8);
    steps.send(format!("\": \"{start}"));
    steps.send(format!("{end}\"}}\n\n"));
    drop(steps);
    let rest = open.rest().await;
    assert_eq!(rest.text(), "data: {\"a\": \"[the gateway's key]\"}\n\n");
    assert_eq!(rest.header("content-type"), "text/event-stream");
}

#[tokio::test]
async fn what_breaks_is_no_whole_answer() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    let (answer, steps) = Answer::stepwise();
    fake.script(answer);
    steps.send("data: {\"n\": 1}\n\n");
    let mut open = speak(&gateway).await;
    open.piece().await.unwrap();
    steps.cut();
    let rest = open.rest().await;
    let event = rest.events().pop().unwrap();
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["error"]["code"], json!("upstream_error"));
    assert_eq!(outcomes(&gateway).await, ["broken"]);

    let (answer, steps) = Answer::stepwise();
    fake.script(answer.header("content-type", "audio/mpeg"));
    steps.send("sound");
    let client = crate::support::client::http().build().unwrap();
    let request = client.post(gateway.url("/v1/audio/speech"));
    let request = request.header("content-type", "application/json");
    let body = r#"{"model": "tts", "input": "a"}"#;
    let mut response = request.body(body).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "sound");
    steps.cut();
    assert!(response.chunk().await.is_err());
}
