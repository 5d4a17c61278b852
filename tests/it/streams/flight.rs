//! Identical requests share one call while it is under way.

use axum::{body::Body, http::Request, response::Response};
use futures_util::{future::join_all, poll};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{
    answer::Answer, asking, client::Reply, gateway::Gateway, streaming, upstream::Upstream, with,
};

const QUESTION: &str = "What do crabs eat?";

/// A request without a socket: polled once, it has come as far as it comes by itself.
pub(super) async fn inside(gateway: &Gateway, body: &Value) -> Reply {
    let request = Request::post("/v1/chat/completions").body(Body::from(body.to_string()));
    let answered: Response = gateway
        .app
        .router()
        .oneshot(request.unwrap())
        .await
        .unwrap();
    let (head, body) = answered.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    }
}

/// What is told of the latest requests.
async fn requests(gateway: &Gateway, query: &str) -> Vec<Value> {
    let path = format!("/admin/api/requests{query}");
    let listed = gateway.get(&path).send().await.json();
    listed["requests"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_late_joiner_gets_what_was_said_before_it_came() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("one ");
    let mut leader = gateway.ask(&streaming(QUESTION)).open().await;
    assert_eq!(leader.head.way(), "miss");
    let first = leader.piece().await.unwrap();
    let mut joiner = gateway.ask(&streaming(QUESTION)).open().await;
    assert_eq!(joiner.head.way(), "coalesced");
    assert_eq!(
        joiner.head.header("cache-status"),
        "refrain; fwd=miss; collapsed"
    );
    assert_eq!(joiner.piece().await.unwrap(), first);
    steps.say("two ");
    let second = joiner.piece().await.unwrap();
    assert_eq!(leader.piece().await.unwrap(), second);
    steps.finish();
    let (leader, joiner) = (leader.rest().await, joiner.rest().await);
    assert_eq!(leader.body, joiner.body);
    assert!(joiner.is_done());
    let hit = gateway.ask(&streaming(QUESTION)).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "one two "));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn what_sharing_a_stream_saves_is_told_of_who_shared_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("one");
    let question = with(
        streaming(QUESTION),
        json!({"stream_options": {"include_usage": true}}),
    );
    let leader = gateway.ask(&question).open().await;
    let joiner = gateway.ask(&question).open().await;
    assert_eq!(joiner.head.way(), "coalesced");
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}});
    steps.send(format!("data: {usage}\n\n"));
    steps.finish();
    leader.rest().await;
    joiner.rest().await;
    gateway.app.settle().await;
    let [shared] = &requests(&gateway, "?way=coalesced").await[..] else {
        panic!("one has shared")
    };
    let saved = &gateway.stats().await["requests"]["saved_usd"];
    assert!(saved.as_f64().unwrap() > 0.0);
    assert_eq!(shared["saved_usd"], *saved);
}

#[tokio::test]
async fn a_reader_that_leaves_takes_nothing_from_the_others() {
    for leader_leaves in [true, false] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let (answer, steps) = Answer::stepwise();
        upstream.script(answer);
        steps.say("one ");
        let mut leader = gateway.ask(&streaming(QUESTION)).open().await;
        leader.piece().await.unwrap();
        let mut joiner = gateway.ask(&streaming(QUESTION)).open().await;
        joiner.piece().await.unwrap();
        let (leaves, stays) = if leader_leaves {
            (leader, joiner)
        } else {
            (joiner, leader)
        };
        drop(leaves);
        steps.say("two");
        steps.finish();
        assert!(stays.rest().await.is_done());
        let hit = gateway.ask(&asking(QUESTION)).send().await;
        assert_eq!((hit.way(), hit.said().as_str()), ("exact", "one two"));
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test]
async fn a_break_reaches_all_who_share() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("one ");
    let leader = gateway.ask(&streaming(QUESTION)).open().await;
    let joiner = gateway.ask(&streaming(QUESTION)).open().await;
    steps.cut();
    for reply in [leader.rest().await, joiner.rest().await] {
        assert_eq!(
            reply.chunks().last().unwrap()["error"]["code"],
            "upstream_error"
        );
        assert!(!reply.text().contains("[DONE]"));
    }
    gateway.app.settle().await;
    // Both had asked; only one of them has made a call that says so.
    for told in requests(&gateway, "?way=error").await {
        assert_eq!(
            (&told["error"], &told["fault"], &told["complete"]),
            (
                &json!("the answer broke off"),
                &json!("provider"),
                &json!(false)
            )
        );
    }
    assert_eq!(requests(&gateway, "?way=error").await.len(), 2);
    assert_eq!(
        gateway.ask(&streaming(QUESTION)).send().await.said(),
        "answer 2"
    );
}

#[tokio::test]
async fn a_leader_that_leaves_hands_over() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, hold) = Answer::said("too late").held();
    upstream.script(answer);
    let body = asking(QUESTION);
    let mut leader = Box::pin(inside(&gateway, &body));
    tokio::select! {
        _ = &mut leader => panic!("there is no answer yet"),
        () = upstream.arrived(1) => {}
    }
    let mut follower = Box::pin(inside(&gateway, &body));
    assert!(poll!(&mut follower).is_pending());
    drop(leader);
    hold.abandoned().await;
    assert_eq!(follower.await.said(), "answer 2");
    assert_eq!(gateway.ask(&body).send().await.way(), "exact");
}

#[tokio::test]
async fn after_an_error_a_few_ask_for_themselves_and_the_rest_are_told() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (error, first) = Answer::error(500, "no capacity").held();
    upstream.script(error);
    let (seconds, holds): (Vec<_>, Vec<_>) =
        (0..8).map(|_| Answer::said("second try").held()).unzip();
    seconds
        .into_iter()
        .for_each(|answer| upstream.script(answer));
    let body = asking(QUESTION);
    let mut all: Vec<_> = (0..50).map(|_| Box::pin(inside(&gateway, &body))).collect();
    for request in &mut all {
        assert!(poll!(request).is_pending());
    }
    let script = async {
        upstream.arrived(1).await;
        first.release();
        upstream.arrived(9).await;
        drop(holds);
    };
    let (replies, ()) = tokio::join!(join_all(all), script);
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 200).count(),
        8
    );
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 502).collect();
    assert_eq!((refused.len(), upstream.calls()), (42, 9));
    assert!(
        refused
            .iter()
            .all(|reply| reply.error()["code"] == "upstream_error")
    );
}

#[tokio::test]
async fn what_the_provider_says_of_the_request_holds_for_all() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::error(400, "too long"));
    let body = asking(QUESTION);
    let replies = join_all((0..20).map(|_| inside(&gateway, &body))).await;
    assert!(
        replies
            .iter()
            .all(|reply| reply.error()["message"] == "too long")
    );
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn two_keys_never_share_a_call() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answers, holds): (Vec<_>, Vec<_>) = (0..2).map(|_| Answer::said("held").held()).unzip();
    answers
        .into_iter()
        .for_each(|answer| upstream.script(answer));
    let ask = |key| gateway.ask(&asking(QUESTION)).key(key).send();
    let both = async {
        upstream.arrived(2).await;
        drop(holds);
    };
    let (one, two, ()) = tokio::join!(ask("one"), ask("two"), both);
    assert_eq!((one.way(), two.way()), ("miss", "miss"));
}

#[tokio::test]
async fn whoever_wants_a_fresh_answer_shares_none() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, hold) = Answer::said("shared").held();
    upstream.script(answer);
    let fresh = async {
        upstream.arrived(1).await;
        let asked = gateway
            .ask(&asking(QUESTION))
            .header("cache-control", "no-cache");
        let reply = asked.send().await;
        hold.release();
        reply
    };
    let (shared, fresh) = tokio::join!(gateway.ask(&asking(QUESTION)).send(), fresh);
    assert_eq!(
        (shared.said().as_str(), fresh.said().as_str()),
        ("shared", "answer 2")
    );
    assert_eq!(json!([shared.way(), fresh.way()]), json!(["miss", "miss"]));
}
