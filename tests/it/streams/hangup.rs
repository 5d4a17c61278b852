//! Clients that leave before they have their answer.

use crate::support::{answer::Answer, asking, gateway::Gateway, streaming, upstream::Upstream};

const QUESTION: &str = "What do crabs eat?";

#[tokio::test]
async fn a_client_that_leaves_a_stream_ends_the_call() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let mut reply = gateway.ask(&streaming(QUESTION)).open().await;
    reply.piece().await.unwrap();
    drop(reply);
    steps.abandoned().await;
    gateway.app.settle().await;
    assert_eq!(gateway.stats().await["cache"]["entries"], 0);
    let next = gateway.ask(&streaming(QUESTION)).send().await;
    assert_eq!((next.way(), next.said().as_str()), ("miss", "answer 2"));
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_nobody_keeps_ends_the_call() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let asked = gateway
        .ask(&streaming(QUESTION))
        .header("cache-control", "no-cache, no-store");
    let mut reply = asked.open().await;
    reply.piece().await.unwrap();
    drop(reply);
    steps.abandoned().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_the_call() {
    for body in [asking(QUESTION), streaming(QUESTION)] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let (answer, hold) = Answer::said("too late").held();
        upstream.script(answer);
        tokio::select! {
            _ = gateway.ask(&body).send() => panic!("there is no answer yet"),
            () = upstream.arrived(1) => {}
        }
        hold.abandoned().await;
        let next = gateway.ask(&body).send().await;
        assert_eq!((next.way(), next.said().as_str()), ("miss", "answer 2"));
    }
}
