//! Keys that have asked too much for the moment.

use serde_json::json;

use super::{ask, keys, seconds, with_keys, with_two};
use crate::support::{
    answer::Answer,
    asking,
    upstream::{KEY, SECOND_KEY, Upstream},
    with,
};

fn slow_down(retry_after: &str) -> Answer {
    Answer::error(429, "slow down").header("retry-after", retry_after)
}

#[tokio::test]
async fn another_key_answers_and_the_first_one_serves_again_later() {
    let upstream = Upstream::start().await;
    upstream.accept(&[KEY, SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    upstream.script(slow_down("20"));
    for number in 0..3 {
        let reply = ask(&gateway, number).await;
        assert_eq!(
            (reply.status, reply.header("x-refrain-attempts")),
            (200, "1")
        );
    }
    gateway.clock.advance(seconds(20));
    upstream.script(slow_down("20"));
    assert_eq!(ask(&gateway, 3).await.status, 200);
    let expect = [KEY, SECOND_KEY, SECOND_KEY, SECOND_KEY, SECOND_KEY, KEY];
    assert_eq!(keys(&upstream), expect);
}

#[tokio::test]
async fn with_both_limited_the_client_waits_for_the_first_and_nobody_is_asked_before() {
    let upstream = Upstream::start().await;
    upstream.accept(&[KEY, SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    upstream.script(slow_down("20"));
    upstream.script(slow_down("30"));
    let reply = ask(&gateway, 0).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "20"));
    for (passed, wait) in [(5, "15"), (14, "1")] {
        gateway.clock.advance(seconds(passed));
        for number in [1, 2] {
            let reply = ask(&gateway, number).await;
            assert_eq!((reply.status, reply.header("retry-after")), (429, wait));
            assert_eq!(reply.error()["code"], "rate_limit_exceeded");
        }
    }
    assert_eq!(upstream.calls(), 2);
    // Limits are of one model.
    let other = with(
        asking("What do lobsters eat?"),
        json!({"model": "gpt-other"}),
    );
    assert_eq!(gateway.ask(&other).send().await.status, 200);
    gateway.clock.advance(seconds(1));
    assert_eq!(ask(&gateway, 3).await.status, 200);
    assert_eq!(keys(&upstream)[3..], [KEY]);
}

#[tokio::test]
async fn the_provider_does_not_say_for_how_long() {
    let upstream = Upstream::start().await;
    let gateway = with_keys(&upstream, &["UPSTREAM_KEY"]).await;
    for (number, wait) in [1_u64, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
        upstream.script(Answer::error(429, "slow down"));
        assert_eq!(ask(&gateway, number).await.status, 429);
        let reply = ask(&gateway, 100 + number).await;
        assert_eq!(reply.status, 429);
        assert_eq!(reply.header("retry-after"), wait.to_string());
        gateway.clock.advance(seconds(wait));
    }
    assert_eq!(upstream.calls(), 8);
    assert_eq!(ask(&gateway, 99).await.status, 200);
}

/// Answers a little, and says what is left.
fn left(name: &'static str, left: &str, reset: (&'static str, &str)) -> Answer {
    Answer::said("Algae")
        .header(name, left)
        .header(reset.0, reset.1)
        .header("date", "Fri, 06 Nov 2026 08:00:00 GMT")
}

#[tokio::test]
async fn a_key_of_which_nothing_is_left_goes_behind_the_other_before_any_429() {
    let requests = "x-ratelimit-remaining-requests";
    let tokens = "anthropic-ratelimit-output-tokens-remaining";
    for (name, reset) in [
        (requests, ("x-ratelimit-reset-requests", "6m0s")),
        (
            tokens,
            (
                "anthropic-ratelimit-output-tokens-reset",
                "2026-11-06T08:06:00Z",
            ),
        ),
    ] {
        let upstream = Upstream::start().await;
        upstream.accept(&[KEY, SECOND_KEY]);
        let gateway = with_two(&upstream).await;
        upstream.script(left(name, "1", reset));
        upstream.script(left(name, "0", reset));
        for number in 0..4 {
            assert_eq!(ask(&gateway, number).await.status, 200);
        }
        assert_eq!(keys(&upstream), [KEY, KEY, SECOND_KEY, SECOND_KEY]);
        // Better than none, since limits fill up little by little.
        upstream.script(slow_down("600"));
        assert_eq!(ask(&gateway, 4).await.status, 200);
        assert_eq!(keys(&upstream)[4..], [SECOND_KEY, KEY]);
    }
}

#[tokio::test]
async fn the_only_key_is_used_though_nothing_should_be_left_of_it() {
    let upstream = Upstream::start().await;
    let gateway = with_keys(&upstream, &["UPSTREAM_KEY"]).await;
    let reset = ("x-ratelimit-reset-tokens", "6m0s");
    upstream.script(left("x-ratelimit-remaining-tokens", "0", reset));
    assert_eq!(ask(&gateway, 0).await.status, 200);
    assert_eq!(ask(&gateway, 1).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn all_keys_together_have_the_time_of_one_attempt() {
    let upstream = Upstream::start().await;
    upstream.accept(&[KEY, SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    let (first, hold) = slow_down("20").held();
    upstream.script(first);
    let (second, never) = Answer::said("too late").held();
    upstream.script(second);
    let start = tokio::time::Instant::now();
    let release = async {
        upstream.arrived(1).await;
        tokio::time::sleep(seconds(40)).await;
        hold.release();
    };
    let (reply, ()) = tokio::join!(ask(&gateway, 0), release);
    assert_eq!((reply.status, upstream.calls()), (504, 2));
    assert_eq!(start.elapsed().as_secs(), 60);
    drop(never);
}

#[tokio::test]
async fn a_limit_is_told_rather_than_a_refusal() {
    for wait in ["20", "0"] {
        let upstream = Upstream::start().await;
        let gateway = with_two(&upstream).await;
        upstream.script(slow_down(wait));
        let reply = ask(&gateway, 0).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, wait));
        assert_eq!(upstream.refused(), [SECOND_KEY]);
    }
}
