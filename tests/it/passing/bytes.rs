//! Bodies, in both directions.

use serde_json::json;

use crate::support::{
    answer::Answer,
    asking,
    gateway::{Gateway, model, provider},
    upstream::Upstream,
    with,
};

/// Odd but valid: spaces, escapes, unknown fields, numbers in several spellings.
const REQUEST: &str = "{ \"x_vendor\": {\"b\":1,\"a\":[null,1.50,1e2]},\n  \"model\":\"gpt-test\" ,\t\"messages\":[\
    {\"role\":\"user\",\"content\":\"Caf\\u00e9 \u{1f980}?\",\"x_extra\":true}],\"temperature\":0.70}\r\n";

#[tokio::test]
async fn a_request_reaches_the_provider_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = gateway.post(REQUEST).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(upstream.only().body, REQUEST);
}

#[tokio::test]
async fn an_answer_reaches_the_client_byte_for_byte() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let answer = "{\"choices\":[ {\"message\":{\"content\":\"Caf\\u00e9\",\"x_extra\":[1.50]},\"finish_reason\":\
        \"stop\"}],\n\"id\":\"from-upstream\",\"x_vendor\":{\"b\":1,\"a\":2}}\n";
    upstream.script(Answer::raw("application/json; charset=utf-8", answer));
    let reply = gateway.ask(&asking("What is a crab?")).send().await;
    assert_eq!((reply.status, reply.text()), (200, answer));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_stream_reaches_the_client_byte_for_byte() {
    let crlf = ": a comment\r\n\r\nevent: message\r\nid: 7\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\
        \"x_vendor\":1.50}\r\n\r\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n\
        data: [DONE]\r\n\r\n";
    let lf = "retry: 10\n\ndata:   {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}\n\n\n: ping\n\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for stream in [crlf, lf] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        upstream.script(Answer::events(stream));
        let body = with(asking("What is a crab?"), json!({"stream": true}));
        let reply = gateway.ask(&body).send().await;
        assert_eq!((reply.status, reply.text()), (200, stream));
        assert_eq!(
            reply.header("content-type"),
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(upstream.only().body, body.to_string());
    }
}

#[tokio::test]
async fn events_reach_the_client_as_they_come() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("one");
    let body = with(asking("Count for me"), json!({"stream": true}));
    let mut reply = gateway.ask(&body).open().await;
    assert!(reply.piece().await.unwrap().ends_with(b"\n\n"));
    for word in ["two", "three"] {
        // The provider says nothing more until the client has seen this.
        steps.say(word);
        let piece = reply.piece().await.unwrap();
        let text = String::from_utf8(piece.to_vec()).unwrap();
        assert!(text.contains(word) && text.ends_with("\n\n"), "{text}");
    }
    steps.finish();
    assert!(reply.rest().await.is_done());
}

#[tokio::test]
async fn half_an_event_is_held_until_it_is_whole() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.send("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choi");
    let body = with(asking("Count for me"), json!({"stream": true}));
    let mut reply = gateway.ask(&body).open().await;
    let first = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    assert_eq!(reply.piece().await.unwrap(), first);
    steps.send("ces\":[]}\n\n");
    assert_eq!(reply.piece().await.unwrap(), "data: {\"choices\":[]}\n\n");
    steps.finish();
    assert!(reply.rest().await.is_done());
}

#[tokio::test]
async fn an_alias_and_a_pin_rename_the_model_and_nothing_else() {
    let upstream = Upstream::start().await;
    let more = model("nickname", &["main/real-name"]);
    let gateway = Gateway::setup(&upstream, &more).start().await;
    for (asked, sent) in [("nickname", "real-name"), ("main/other-name", "other-name")] {
        let body = REQUEST.replace("gpt-test", asked);
        let reply = gateway.post(body).send().await;
        assert_eq!((reply.status, reply.header("x-refrain-model")), (200, sent));
    }
    for (received, sent) in upstream.received().iter().zip(["real-name", "other-name"]) {
        // Every other value has its bytes and its place.
        let expected = "{\"x_vendor\":{\"b\":1,\"a\":[null,1.50,1e2]},\"model\":\"NAME\",\"messages\":[\
            {\"role\":\"user\",\"content\":\"Caf\\u00e9 \u{1f980}?\",\"x_extra\":true}],\"temperature\":0.70}";
        assert_eq!(received.body, expected.replace("NAME", sent));
    }
}

#[tokio::test]
async fn a_pattern_passes_the_name_on() {
    let upstream = Upstream::start().await;
    let more = model("family-*", &["main/*"]);
    let gateway = Gateway::setup(&upstream, &more).start().await;
    let body = with(asking("What is a crab?"), json!({"model": "family-large"})).to_string();
    let reply = gateway.post(body.clone()).send().await;
    assert_eq!(reply.header("x-refrain-model"), "family-large");
    assert_eq!(upstream.only().body, body);
}

#[tokio::test]
async fn controls_of_the_gateway_do_not_reach_the_provider() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let fields = json!({
        "refrain": {"ttl": 60, "task": "chat", "prefer_fast": true},
        "cache": {"no-cache": true},
        "task_type": "chat",
        "prefer_fast": true,
        "trim_messages": true,
        "x_kept": 1,
    });
    let reply = gateway
        .ask(&with(asking("What is a crab?"), fields))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        upstream.only().json(),
        with(asking("What is a crab?"), json!({"x_kept": 1}))
    );
}

#[tokio::test]
async fn each_provider_gets_the_name_that_it_knows() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let more = provider("backup", &second) + &model("both", &["main/one", "backup/two"]);
    let gateway = Gateway::setup(&first, &more).start().await;
    first.script(Answer::json(&json!({})).status(500));
    let body = with(asking("What is a crab?"), json!({"model": "both"}));
    let reply = gateway.ask(&body).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-attempts")),
        (200, "2")
    );
    assert_eq!(reply.header("x-refrain-provider"), "backup");
    assert_eq!(first.only().json()["model"], "one");
    assert_eq!(second.only().json()["model"], "two");
}

#[tokio::test]
async fn a_stream_that_comes_byte_by_byte_is_the_same_stream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"caf\u{e9}\"}}]}\n\n: ping\r\n\r\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\r\n\r\n";
    stream.bytes().for_each(|byte| steps.send(vec![byte]));
    drop(steps);
    let body = with(asking("What is a crab?"), json!({"stream": true}));
    assert_eq!(gateway.ask(&body).send().await.text(), stream);
    let hit = gateway.ask(&asking("What is a crab?")).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "caf\u{e9}"));
}
