//! A stream that breaks ends in an error event without `[DONE]`, and is not kept.

use serde_json::{Value, json};

use crate::support::{
    answer::{Answer, Steps, chunk, completion, event},
    asking,
    client::Reply,
    gateway::Gateway,
    streaming,
    upstream::Upstream,
};

const QUESTION: &str = "What do crabs eat?";

/// The reply to a stream of which the provider breaks off after `Algae`.
async fn broken(gateway: &Gateway, upstream: &Upstream, break_off: impl FnOnce(Steps)) -> Reply {
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let mut reply = gateway.ask(&streaming(QUESTION)).open().await;
    let first = reply.piece().await.unwrap();
    break_off(steps);
    let rest = reply.rest().await;
    Reply {
        body: [first, rest.body].concat().into(),
        ..rest
    }
}

#[track_caller]
fn assert_ends_in_an_error(reply: &Reply, code: &str) {
    assert_eq!((reply.status, reply.said().as_str()), (200, "Algae"));
    let error = reply.chunks().last().unwrap()["error"].clone();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("server_error"), &json!(code))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("provider `main` "),
        "{error}"
    );
    assert!(
        reply.text().ends_with("}\n\n") && !reply.text().contains("[DONE]"),
        "{}",
        reply.text()
    );
}

/// Nothing of the broken stream is left: the next request is answered by a call of its own.
async fn assert_is_forgotten(gateway: &Gateway, upstream: &Upstream) {
    let calls = upstream.calls();
    gateway.app.settle().await;
    for body in [streaming(QUESTION), asking(QUESTION)] {
        let next = gateway.ask(&body).send().await;
        assert_eq!(next.said(), format!("answer {}", calls + 1));
    }
    assert_eq!(upstream.calls(), calls + 1);
}

#[tokio::test]
async fn a_connection_that_is_cut() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = broken(&gateway, &upstream, Steps::cut).await;
    assert_ends_in_an_error(&reply, "upstream_error");
    assert_is_forgotten(&gateway, &upstream).await;
}

#[tokio::test]
async fn an_end_between_two_events() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = broken(&gateway, &upstream, drop).await;
    assert_ends_in_an_error(&reply, "upstream_error");
    assert_is_forgotten(&gateway, &upstream).await;
}

#[tokio::test]
async fn an_end_inside_an_event() {
    let last = event(&chunk(&json!({}), Some("stop")));
    for half in [
        "data: {\"choices\":[{\"del",
        last.trim_end().strip_suffix('}').unwrap(),
        "data: [DONE",
        "data: [DONE]\nda",
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let reply = broken(&gateway, &upstream, |steps| steps.send(half.to_owned())).await;
        assert_ends_in_an_error(&reply, "upstream_error");
        assert_is_forgotten(&gateway, &upstream).await;
    }
}

#[tokio::test]
async fn a_cut_inside_an_event() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = broken(&gateway, &upstream, |steps| {
        steps.send("data: {\"choices\":[{\"del");
        steps.cut();
    });
    assert_ends_in_an_error(&reply.await, "upstream_error");
    assert_is_forgotten(&gateway, &upstream).await;
}

#[tokio::test]
async fn an_error_event_of_the_provider() {
    let error = json!({"error": {
        "message": "overloaded", "type": "server_error", "param": null, "code": null,
    }});
    for after in ["", "data: [DONE]\n\n", ": and so on\n\n"] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let sent = event(&error) + after;
        let reply = broken(&gateway, &upstream, |steps| steps.send(sent)).await;
        assert!(!reply.text().contains("[DONE]"), "{}", reply.text());
        let errors = reply
            .chunks()
            .into_iter()
            .filter(|chunk| !chunk["error"].is_null());
        assert_eq!(errors.collect::<Value>(), json!([error]));
        assert_is_forgotten(&gateway, &upstream).await;
    }
}

#[tokio::test]
async fn an_unreadable_event_is_passed_on_but_not_kept() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = broken(&gateway, &upstream, |steps| {
        steps.send("data: <html>\n\n");
        steps.finish();
    });
    assert!(reply.await.text().contains("<html>"));
    assert_is_forgotten(&gateway, &upstream).await;
}

#[tokio::test]
async fn a_finish_reason_and_a_clean_end_are_a_whole_stream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = broken(&gateway, &upstream, |steps| {
        steps.send(event(&chunk(&json!({}), Some("stop"))));
    });
    let reply = reply.await;
    assert!(reply.is_done(), "{}", reply.text());
    let hit = gateway.ask(&asking(QUESTION)).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "Algae"));
}

#[tokio::test]
async fn a_cut_after_the_end_does_no_harm() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    steps.send(event(&chunk(&json!({}), Some("stop"))) + "data: [DONE]\n\n");
    let mut reply = gateway.ask(&streaming(QUESTION)).open().await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: [DONE]\n\n") {
        seen.extend_from_slice(&reply.piece().await.unwrap());
    }
    steps.cut();
    assert_eq!(reply.piece().await, None);
    assert_eq!(gateway.ask(&asking(QUESTION)).send().await.way(), "exact");
}

#[tokio::test]
async fn a_whole_answer_to_a_stream_request_is_delivered_as_a_stream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::json(&completion("Algae and worms", 1)));
    let reply = gateway.ask(&streaming(QUESTION)).send().await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "text/event-stream; charset=utf-8")
    );
    assert_eq!(
        (reply.is_done(), reply.said().as_str()),
        (true, "Algae and worms")
    );
    assert_eq!(
        gateway.ask(&streaming(QUESTION)).send().await.way(),
        "exact"
    );
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_no_answer() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer.header("content-type", "application/json"));
    steps.send("{\"choices\":[");
    steps.cut();
    let reply = gateway.ask(&asking(QUESTION)).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (502, &json!("upstream_error"))
    );
    assert_is_forgotten(&gateway, &upstream).await;
}
