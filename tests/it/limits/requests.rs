//! Requests in a minute.

use std::{num::NonZeroU32, time::Duration};

use serde_json::json;

use super::{ALICE, BOB, seen, start};
use crate::support::{
    answer::{Answer, completion},
    asking,
    client::Reply,
    streaming,
    upstream::Upstream,
};

#[track_caller]
fn assert_levels(reply: &Reply, limit: &str, remaining: &str, reset: &str) {
    let told = ["limit", "remaining", "reset"]
        .map(|word| reply.header(&format!("x-ratelimit-{word}-requests")));
    assert_eq!(told, [limit, remaining, reset], "{}", reply.status);
}

#[tokio::test]
async fn one_too_many_is_refused_until_the_told_time() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, |alice| {
        alice.limits.requests_per_minute = NonZeroU32::new(2);
    })
    .await;
    let ask = |question: &str| gateway.ask(&asking(question)).key(ALICE).send();
    for question in ["What do crabs eat?", "Where do crabs live?"] {
        assert_eq!(ask(question).await.status, 200);
    }
    let refused = ask("How old are crabs?").await;
    assert_eq!(refused.status, 429);
    let told = ["retry-after", "retry-after-ms", "x-refrain-error-origin"];
    assert_eq!(
        told.map(|name| refused.header(name)),
        ["30", "30000", "gateway"]
    );
    assert_eq!(
        refused.error(),
        json!({
            "message": "this key's limit of 2 requests a minute is reached; try again in 30 s",
            "type": "rate_limit_error",
            "param": null,
            "code": "rate_limit_exceeded",
        })
    );
    assert_levels(&refused, "2", "0", "1m0s");
    gateway.clock.advance(Duration::from_millis(29_999));
    let refused = ask("How old are crabs?").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.header("retry-after-ms"), "1");
    gateway.clock.advance(Duration::from_millis(1));
    assert_eq!(ask("How old are crabs?").await.status, 200);
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test]
async fn every_reply_says_what_is_left() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, |alice| {
        alice.limits.requests_per_minute = NonZeroU32::new(60);
    })
    .await;
    let answer = Answer::json(&completion("Algae", 1))
        .header("x-ratelimit-limit-requests", "9")
        .header("x-ratelimit-remaining-requests", "8")
        .header("x-ratelimit-remaining-tokens", "7");
    upstream.script(answer);
    let ask = |body| gateway.ask(&body).key(ALICE).send();
    let miss = ask(asking("What do crabs eat?")).await;
    assert_eq!(
        (miss.way(), miss.header("x-ratelimit-remaining-tokens")),
        ("miss", "7")
    );
    assert_levels(&miss, "60", "59", "1s");
    let hit = ask(asking("What do crabs eat?")).await;
    assert_eq!(
        (hit.way(), hit.header("content-type")),
        ("exact", "application/json")
    );
    assert_levels(&hit, "60", "58", "2s");
    let hit = ask(streaming("What do crabs eat?")).await;
    assert_eq!((hit.way(), hit.is_done()), ("exact", true));
    assert_levels(&hit, "60", "57", "3s");
    let miss = ask(streaming("Where do crabs live?")).await;
    assert_eq!((miss.way(), miss.is_done()), ("miss", true));
    assert_levels(&miss, "60", "56", "4s");
    upstream.script(Answer::error(400, "no"));
    let refused = ask(asking("How old are crabs?")).await;
    assert_levels(&refused, "60", "55", "5s");
    let broken = gateway.post("{").key(ALICE).send().await;
    assert_eq!(broken.status, 400);
    assert_levels(&broken, "60", "54", "6s");
    let control = gateway
        .post("{}")
        .key(ALICE)
        .header("x-refrain-cache-ttl", "never");
    let control = control.send().await;
    assert_eq!(control.status, 400);
    assert_levels(&control, "60", "53", "7s");
    let embeddings = gateway.request("POST", "/v1/embeddings", "{}").key(ALICE);
    let embeddings = embeddings.send().await;
    assert_eq!(embeddings.status, 400);
    assert_levels(&embeddings, "60", "52", "8s");
    // What costs no provider anything is not counted.
    for path in ["/v1/models", "/v1/models/gpt-test", "/v1/models/none"] {
        assert_levels(&gateway.get(path).key(ALICE).send().await, "60", "52", "8s");
    }
    let feedback = gateway
        .request("POST", "/v1/cache/feedback", "{}")
        .key(ALICE);
    assert_levels(&feedback.send().await, "60", "52", "8s");
    gateway.clock.advance(Duration::from_millis(2500));
    let hit = ask(asking("What do crabs eat?")).await;
    assert_levels(&hit, "60", "53", "6.5s");
}

#[tokio::test]
async fn whoever_has_no_limits_is_neither_limited_nor_told_any() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, |alice| {
        alice.limits.requests_per_minute = NonZeroU32::new(1);
    })
    .await;
    let answer = Answer::json(&completion("Algae", 1)).header("x-ratelimit-limit-requests", "9");
    upstream.script(answer);
    let ask = |key| gateway.ask(&asking("What do crabs eat?")).key(key).send();
    assert_eq!(
        ask(BOB).await.header("x-ratelimit-limit-requests"),
        "9",
        "the provider's"
    );
    for _ in 0..3 {
        let hit = ask(BOB).await;
        assert_eq!(
            (hit.way(), hit.header("x-ratelimit-limit-requests")),
            ("exact", "")
        );
    }
    assert_eq!(
        (ask(ALICE).await.status, ask(ALICE).await.status),
        (200, 429)
    );
    assert_eq!(ask(BOB).await.status, 200);
    let unknown = ask("sk-unknown").await;
    assert_eq!(
        (unknown.status, unknown.header("x-ratelimit-limit-requests")),
        (401, "")
    );
}

#[tokio::test]
async fn operators_see_what_is_left_and_no_key() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, |alice| {
        alice.limits.requests_per_minute = NonZeroU32::new(60);
        alice.limits.concurrent = NonZeroU32::new(4);
    })
    .await;
    gateway
        .ask(&asking("What do crabs eat?"))
        .key(ALICE)
        .send()
        .await;
    let alice = json!({
        "name": "alice",
        "limits": {
            "requests_per_minute": {"limit": 60, "remaining": 59, "reset_seconds": 1.0},
            "tokens_per_minute": null,
            "concurrent": 4,
        },
        "in_flight": 0,
        "spent": {"date": "2023-11-14", "day_usd": 0.0, "month_usd": 0.0},
        "budget": null,
        "expires": null,
    });
    assert_eq!(seen(&gateway).await, alice);
    let page = gateway.get("/admin/api/clients").send().await;
    assert!(!page.text().contains("sk-") && page.text().contains("bob"));
    assert_eq!(page.header("cache-control"), "no-store");
}
