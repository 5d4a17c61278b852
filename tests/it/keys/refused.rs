//! Keys that a provider refuses.

use futures_util::future::join_all;
use serde_json::json;

use super::{ask, keys, seconds, with_keys, with_two};
use crate::support::{
    answer::Answer,
    asking,
    gateway::Gateway,
    upstream::{KEY, SECOND_KEY, Upstream},
    with,
};

#[tokio::test]
async fn one_of_two_is_revoked_and_no_client_sees_it() {
    let upstream = Upstream::start().await;
    upstream.accept(&[KEY, SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    assert_eq!(ask(&gateway, 0).await.status, 200);
    upstream.accept(&[SECOND_KEY]);
    for number in 1..20 {
        let reply = ask(&gateway, number).await;
        assert_eq!(
            (reply.status, reply.header("x-refrain-attempts")),
            (200, "1")
        );
        gateway.clock.advance(seconds(40));
    }
    assert_eq!(
        upstream.refused(),
        [KEY],
        "the other one is used from now on"
    );
    assert_eq!(keys(&upstream)[1..], vec![SECOND_KEY; 19]);
}

#[tokio::test]
async fn a_revoked_key_is_tried_once_in_its_time_while_the_other_one_is_limited() {
    let upstream = Upstream::start().await;
    upstream.accept(&[SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    assert_eq!(ask(&gateway, 0).await.status, 200);
    upstream.script(Answer::error(429, "slow down").header("retry-after", "1000"));
    assert_eq!(ask(&gateway, 1).await.status, 429);
    // 10 s, 20 s, 40 s, …, less a fifth at most.
    let mut asked = 1;
    for second in 0..150 {
        assert_eq!(ask(&gateway, 2 + second).await.status, 429);
        asked = asked.max(upstream.refused().len());
        gateway.clock.advance(seconds(1));
    }
    assert!((4..=6).contains(&asked), "{asked}");
    assert_eq!(upstream.calls(), 2);
    // It is good again.
    upstream.accept(&[KEY, SECOND_KEY]);
    gateway.clock.advance(seconds(160));
    for number in 200..205 {
        assert_eq!(ask(&gateway, number).await.status, 200);
    }
    assert_eq!(keys(&upstream)[2..], vec![KEY; 5]);
}

#[tokio::test]
async fn both_are_revoked_and_nobody_is_asked_for_a_while() {
    let upstream = Upstream::start().await;
    upstream.accept(&[]);
    let gateway = with_two(&upstream).await;
    let reply = ask(&gateway, 0).await;
    let code = || json!("upstream_auth");
    assert_eq!((reply.status, &reply.error()["code"]), (502, &code()));
    assert_eq!(upstream.refused(), [KEY, SECOND_KEY]);
    for number in 1..5 {
        let reply = ask(&gateway, number).await;
        assert_eq!((reply.status, &reply.error()["code"]), (502, &code()));
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((1..=10).contains(&wait), "{wait}");
    }
    assert_eq!(upstream.refused().len(), 2);
    upstream.accept(&[SECOND_KEY]);
    gateway.clock.advance(seconds(10));
    assert_eq!(ask(&gateway, 5).await.status, 200);
}

#[tokio::test]
async fn the_only_key_is_tried_by_one_call_when_its_time_is_over() {
    let upstream = Upstream::start().await;
    upstream.accept(&[]);
    let gateway = with_keys(&upstream, &["UPSTREAM_KEY"]).await;
    assert_eq!(ask(&gateway, 0).await.status, 502);
    gateway.clock.advance(seconds(7));
    assert_eq!(ask(&gateway, 1).await.status, 502);
    assert_eq!(upstream.refused().len(), 1);
    gateway.clock.advance(seconds(3));
    let replies = join_all((2..12).map(|number| ask(&gateway, number))).await;
    assert!(replies.iter().all(|reply| reply.status == 502));
    assert_eq!(upstream.refused().len(), 2);
    upstream.accept(&[KEY]);
    gateway.clock.advance(seconds(20));
    assert_eq!(ask(&gateway, 12).await.status, 200);
    assert_eq!(ask(&gateway, 13).await.status, 200);
}

async fn other(gateway: &Gateway, number: usize) -> u16 {
    let question = asking(&format!("What do {number} lobsters eat?"));
    let body = with(question, json!({"model": "gpt-other"}));
    gateway.ask(&body).send().await.status
}

#[tokio::test]
async fn a_key_that_is_refused_for_one_model_answers_for_others() {
    for (status, message) in [
        (401, "no such key here"),
        (403, "the project does not have access to the model"),
        (402, "this would cost more than is left"),
    ] {
        let upstream = Upstream::start().await;
        let gateway = with_keys(&upstream, &["UPSTREAM_KEY"]).await;
        upstream.script(Answer::error(status, message));
        assert_eq!(ask(&gateway, 1).await.status, 502);
        assert_eq!(ask(&gateway, 2).await.status, 502);
        assert_eq!(upstream.calls(), 1);
        assert_eq!(other(&gateway, 1).await, 200);
        gateway.clock.advance(seconds(60));
        assert_eq!(ask(&gateway, 3).await.status, 200);
    }
}

#[tokio::test]
async fn a_refusal_that_is_about_the_content_leaves_the_key_alone() {
    let upstream = Upstream::start().await;
    upstream.accept(&[KEY, SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    for number in [0, 1] {
        upstream.script(Answer::error(
            403,
            "it requires moderation, and your input was flagged",
        ));
        assert_eq!(ask(&gateway, number).await.status, 502);
    }
    assert_eq!(ask(&gateway, 2).await.status, 200);
    assert_eq!(keys(&upstream), [KEY; 3]);
}

#[tokio::test]
async fn an_account_without_money_is_left_alone_for_all_models() {
    let quota = json!({"error": {
        "message": "You exceeded your current quota", "type": "insufficient_quota", "param": null,
        "code": "insufficient_quota",
    }});
    let upstream = Upstream::start().await;
    upstream.accept(&[KEY, SECOND_KEY]);
    let gateway = with_two(&upstream).await;
    upstream.script(Answer::json(&quota).status(429));
    assert_eq!(ask(&gateway, 1).await.status, 200);
    gateway.clock.advance(seconds(45));
    upstream.script(Answer::error(429, "slow down").header("retry-after", "1"));
    assert_eq!(ask(&gateway, 2).await.status, 429);
    assert_eq!(keys(&upstream), [KEY, SECOND_KEY, SECOND_KEY]);
    assert_eq!(other(&gateway, 1).await, 200);
    gateway.clock.advance(seconds(15));
    assert_eq!(other(&gateway, 2).await, 200);
    assert_eq!(keys(&upstream)[3..], [SECOND_KEY, SECOND_KEY]);
}
