//! A provider that says nothing. Time is paused: it jumps to the next limit when nothing else is to do.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    answer::Answer,
    asking,
    client::Raw,
    gateway::{Gateway, model, provider},
    streaming,
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_a_504() {
    // The limits as they are documented: for the first token of a stream, and for all of an answer.
    for (body, limit) in [(streaming(QUESTION), 60), (asking(QUESTION), 600)] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let (answer, hold) = Answer::said("too late").held();
        upstream.script(answer);
        let start = Instant::now();
        let reply = gateway.ask(&body).send().await;
        assert_eq!(start.elapsed().as_secs(), limit);
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"]),
            (504, &json!("upstream_timeout"))
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("provider `main` did not answer in time")
        );
        hold.abandoned().await;
        assert_eq!(gateway.ask(&body).send().await.said(), "answer 2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stops_talking_ends_in_an_error_event() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let start = Instant::now();
    let reply = gateway.ask(&streaming(QUESTION)).send().await;
    assert_eq!(start.elapsed().as_secs(), 30);
    let error = reply.chunks().last().unwrap()["error"].clone();
    assert_eq!(
        (&error["code"], reply.text().contains("[DONE]")),
        (&json!("upstream_timeout"), false)
    );
    steps.abandoned().await;
    assert_eq!(
        gateway.ask(&streaming(QUESTION)).send().await.said(),
        "answer 2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_that_keeps_talking_is_left_alone() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("x");
    let mut reply = gateway.ask(&streaming(QUESTION)).open().await;
    for _ in 0..10 {
        reply.piece().await.unwrap();
        tokio::time::advance(Duration::from_secs(29)).await;
        steps.say("x");
    }
    steps.finish();
    assert!(reply.rest().await.is_done());
}

#[tokio::test(start_paused = true)]
async fn somebody_else_is_asked_instead() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let more = provider("backup", &second) + &model("both", &["main/one", "backup/one"]);
    let gateway = Gateway::setup(&first, &more).start().await;
    let (answer, hold) = Answer::said("too late").held();
    first.script(answer);
    let body = with(streaming(QUESTION), json!({"model": "both"}));
    let reply = gateway.ask(&body).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-provider")),
        (200, "backup")
    );
    hold.abandoned().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_head_is_hung_up_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut client = Raw::connect(gateway.address).await;
    client
        .write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        .await;
    let start = Instant::now();
    client.read_to_end().await;
    assert_eq!(start.elapsed().as_secs(), 30);
}
