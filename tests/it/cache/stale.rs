//! Answers whose time is over: given while a fresh one is fetched, or when nobody else answers.

use std::time::Duration;

use crate::support::{answer::Answer, asking, gateway::Gateway, streaming, upstream::Upstream};

const CRABS: &str = "What do crabs eat?";

async fn kept(more: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let config = format!("[cache]\nttl = \"60s\"\n{more}");
    let gateway = Gateway::setup(&upstream, &config).start().await;
    gateway.ask(&asking(CRABS)).send().await;
    (upstream, gateway)
}

#[tokio::test]
async fn while_a_fresh_one_is_fetched() {
    let (_upstream, gateway) = kept("stale_while_revalidate = \"30s\"").await;
    gateway.clock.advance(Duration::from_secs(75));
    let stale = gateway.ask(&asking(CRABS)).send().await;
    assert_eq!((stale.way(), stale.said().as_str()), ("stale", "answer 1"));
    assert_eq!(
        stale.header("cache-status"),
        "refrain; hit; ttl=-15; detail=exact"
    );
    assert_eq!(stale.header("age"), "75");
    gateway.app.settle().await;
    let fresh = gateway.ask(&asking(CRABS)).send().await;
    assert_eq!((fresh.way(), fresh.said().as_str()), ("exact", "answer 2"));
    let requests = &gateway.stats().await["requests"];
    assert_eq!(
        (&requests["stale"], &requests["background"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        requests["miss"], 1,
        "what the gateway asks itself is nobody's miss"
    );
}

#[tokio::test]
async fn what_the_gateway_asks_itself_is_nobodys_failure() {
    let (upstream, gateway) = kept("stale_while_revalidate = \"30s\"").await;
    gateway.clock.advance(Duration::from_secs(75));
    upstream.script(Answer::error(500, "out of order"));
    assert_eq!(gateway.ask(&asking(CRABS)).send().await.way(), "stale");
    gateway.app.settle().await;
    let requests = &gateway.stats().await["requests"];
    assert_eq!(
        (&requests["stale"], &requests["failed"]),
        (&1.into(), &0.into())
    );
}

#[tokio::test]
async fn whoever_waits_for_the_same_refresh_is_not_counted_again() {
    let (upstream, gateway) = kept("stale_while_revalidate = \"30s\"").await;
    gateway.clock.advance(Duration::from_secs(75));
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    for _ in 0..3 {
        assert_eq!(gateway.ask(&streaming(CRABS)).send().await.way(), "stale");
    }
    drop(steps);
    gateway.app.settle().await;
    let requests = &gateway.stats().await["requests"];
    let counts = ["miss", "stale", "coalesced", "exact", "failed"].map(|way| requests[way].clone());
    assert_eq!(counts, [1, 3, 0, 0, 0].map(serde_json::Value::from));
}

#[tokio::test]
async fn a_stream_is_refreshed_to_its_end() {
    let (_upstream, gateway) = kept("stale_while_revalidate = \"30s\"").await;
    gateway.clock.advance(Duration::from_secs(75));
    let stale = gateway.ask(&streaming(CRABS)).send().await;
    assert_eq!((stale.way(), stale.said().as_str()), ("stale", "answer 1"));
    gateway.app.settle().await;
    let fresh = gateway.ask(&streaming(CRABS)).send().await;
    assert_eq!((fresh.way(), fresh.said().as_str()), ("exact", "answer 2"));
}

#[tokio::test]
async fn not_for_longer_than_configured_and_not_by_default() {
    for (more, after) in [("stale_while_revalidate = \"30s\"", 90), ("", 60)] {
        let (_upstream, gateway) = kept(more).await;
        gateway.clock.advance(Duration::from_secs(after));
        assert_eq!(gateway.ask(&asking(CRABS)).send().await.way(), "miss");
    }
}

#[tokio::test]
async fn when_no_provider_answers() {
    let (upstream, gateway) = kept("stale_if_error = \"1h\"").await;
    gateway.clock.advance(Duration::from_secs(75));
    upstream.script(Answer::error(500, "out of order"));
    let stale = gateway.ask(&asking(CRABS)).send().await;
    assert_eq!(
        (stale.status, stale.way(), stale.said().as_str()),
        (200, "stale", "answer 1")
    );
    // It is one request, and the provider's time is not the gateway's.
    let requests = &gateway.stats().await["requests"];
    assert_eq!(
        (&requests["stale"], &requests["failed"]),
        (&1.into(), &0.into())
    );
    assert_eq!(stale.header("x-refrain-attempts"), "1");
    // Somebody answers again.
    let fresh = gateway.ask(&asking(CRABS)).send().await;
    assert_eq!((fresh.way(), fresh.said().as_str()), ("miss", "answer 3"));
}

#[tokio::test]
async fn what_the_client_did_wrong_is_no_failure_of_a_provider() {
    let (upstream, gateway) = kept("stale_if_error = \"1h\"").await;
    gateway.clock.advance(Duration::from_secs(75));
    upstream.script(Answer::error(400, "no such parameter"));
    assert_eq!(gateway.ask(&asking(CRABS)).send().await.status, 400);
}

#[tokio::test]
async fn a_request_may_allow_it_too() {
    let (upstream, gateway) = kept("stale_if_error = \"1s\"").await;
    gateway.clock.advance(Duration::from_secs(75));
    let allowing = |directive| {
        gateway
            .ask(&asking(CRABS))
            .header("cache-control", directive)
    };
    let stale = allowing("max-stale=15").send().await;
    assert_eq!((stale.way(), stale.said().as_str()), ("miss", "answer 2"));
    gateway.clock.advance(Duration::from_secs(75));
    let stale = allowing("max-stale=16").send().await;
    assert_eq!((stale.way(), stale.said().as_str()), ("stale", "answer 2"));
    gateway.app.settle().await;
    gateway.clock.advance(Duration::from_secs(75));
    upstream.script(Answer::error(503, "closed"));
    let stale = allowing("stale-if-error=60").send().await;
    assert_eq!((stale.way(), stale.said().as_str()), ("stale", "answer 3"));
}
