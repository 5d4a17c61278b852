//! Requests at the same time: each has its place until its answer is delivered.

use std::num::NonZeroU32;

use super::{ALICE, BOB, seen, start};
use crate::support::{answer::Answer, asking, gateway::Gateway, streaming, upstream::Upstream};

async fn one_at_a_time(upstream: &Upstream) -> Gateway {
    let change = |alice: &mut refrain::config::Client| {
        alice.limits.concurrent = NonZeroU32::new(1);
    };
    start(upstream, change).await
}

#[tokio::test]
async fn a_stream_has_its_place_until_its_end() {
    let upstream = Upstream::start().await;
    let gateway = one_at_a_time(&upstream).await;
    let ask = |key| gateway.ask(&asking("Where do crabs live?")).key(key).send();
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let stream = gateway.ask(&streaming("What do crabs eat?")).key(ALICE);
    let mut stream = stream.open().await;
    stream.piece().await.unwrap();
    assert_eq!(seen(&gateway).await["in_flight"], 1);
    let refused = ask(ALICE).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    let told = "this key's limit of 1 requests at the same time is reached";
    assert!(refused.text().contains(told));
    assert_eq!(
        ask(BOB).await.status,
        200,
        "others have places of their own"
    );
    steps.finish();
    assert!(stream.rest().await.is_done());
    assert_eq!(seen(&gateway).await["in_flight"], 0);
    assert_eq!(ask(ALICE).await.status, 200);
    for _ in 0..3 {
        assert_eq!(ask(ALICE).await.way(), "exact", "each in its turn");
    }
}

#[tokio::test]
async fn whoever_hangs_up_leaves_its_place() {
    let upstream = Upstream::start().await;
    let gateway = one_at_a_time(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let stream = gateway.ask(&streaming("What do crabs eat?")).key(ALICE);
    let mut stream = stream.open().await;
    stream.piece().await.unwrap();
    drop(stream);
    steps.abandoned().await;

    let (answer, hold) = Answer::said("too late").held();
    upstream.script(answer);
    tokio::select! {
        _ = gateway.ask(&asking("How old are crabs?")).key(ALICE).send() => panic!("no answer yet"),
        () = upstream.arrived(2) => {}
    }
    hold.abandoned().await;
    while seen(&gateway).await["in_flight"] != 0 {}
    let next = gateway.ask(&asking("Where do crabs live?")).key(ALICE);
    assert_eq!(next.send().await.status, 200);
}

#[tokio::test]
async fn whatever_is_refused_leaves_its_place() {
    let upstream = Upstream::start().await;
    let gateway = one_at_a_time(&upstream).await;
    for body in ["{", "", "{\"model\":\"none\",\"messages\":[]}"] {
        let status = gateway.post(body).key(ALICE).send().await.status;
        assert!(matches!(status, 400 | 404), "{status}");
    }
    upstream.script(Answer::error(400, "no"));
    assert_eq!(
        gateway.ask(&asking("Why?")).key(ALICE).send().await.status,
        400
    );
    assert_eq!(
        gateway.ask(&asking("How?")).key(ALICE).send().await.status,
        200
    );
    assert_eq!(seen(&gateway).await["in_flight"], 0);
}
