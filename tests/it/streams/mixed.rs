//! Identical requests that want their answer in different forms share one call.

use std::pin::Pin;

use futures_util::{FutureExt, future::join_all};
use serde_json::{Value, json};

use super::flight::inside;
use crate::support::{
    answer::{Answer, Steps, chunk, completion, event},
    asking,
    client::{Ask, Open, Reply},
    gateway::Gateway,
    streaming,
    upstream::Upstream,
    with,
};

mod trouble;

const QUESTION: &str = "What do crabs eat?";

fn counting(question: &str) -> Value {
    let options = json!({"stream_options": {"include_usage": true}});
    with(streaming(question), options)
}

fn counted() -> Value {
    json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
}

/// What the gateway counts for the question and "one two": three for the message, six words and
/// the role, three for the beginning of the answer.
fn counted_here() -> Value {
    json!({"prompt_tokens": 13, "completion_tokens": 2, "total_tokens": 15})
}

/// A stream whose first piece, "one ", its leader has read.
async fn under_way(upstream: &Upstream, gateway: &Gateway, body: &Value) -> (Open, Steps) {
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("one ");
    let mut leader = gateway.ask(body).open().await;
    leader.piece().await.unwrap();
    (leader, steps)
}

/// A request that has come as far as it comes by itself, and has no head yet.
fn waiting<'a>(
    gateway: &'a Gateway,
    body: &'a Value,
) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>> {
    let mut request = inside(gateway, body).boxed();
    assert!((&mut request).now_or_never().is_none());
    request
}

#[track_caller]
fn assert_is_shared(reply: &Reply, said: &str) {
    assert_eq!(
        (reply.status, reply.way(), reply.header("cache-status")),
        (200, "coalesced", "refrain; fwd=miss; collapsed"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.said(), said);
}

/// The usage of a stream, which only its last chunk has.
#[track_caller]
fn usage_of(reply: &Reply) -> Value {
    assert!(reply.is_done(), "{}", reply.text());
    let chunks = reply.chunks();
    let (last, others) = chunks.split_last().unwrap();
    assert!(others.iter().all(|chunk| chunk["usage"].is_null()));
    if !last["usage"].is_null() {
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["object"], "chat.completion.chunk");
        assert_eq!(
            (&last["id"], &last["created"], &last["model"]),
            (&chunks[0]["id"], &chunks[0]["created"], &chunks[0]["model"])
        );
    }
    last["usage"].clone()
}

#[tokio::test]
async fn json_joins_a_stream_half_way() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let body = asking(QUESTION);
    let joiners = [waiting(&gateway, &body), waiting(&gateway, &body)];
    steps.say("two");
    steps.finish();
    let (joiners, leader) = tokio::join!(join_all(joiners), leader.rest());
    assert!(leader.is_done());
    for joiner in &joiners {
        assert_is_shared(joiner, "one two");
        assert_eq!(joiner.header("content-type"), "application/json");
        let answer = joiner.json();
        let head = ["id", "object", "created", "model"].map(|field| answer[field].clone());
        assert_eq!(
            json!(head),
            json!([
                "chatcmpl-upstream",
                "chat.completion",
                1_600_000_000,
                "gpt-test-2026"
            ])
        );
        assert_eq!(answer["usage"], counted_here());
    }
    let hit = gateway.ask(&body).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "one two"));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn streams_join_json() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, hold) = Answer::said("Algae and worms").held();
    upstream.script(answer);
    let bodies = [asking(QUESTION), streaming(QUESTION), counting(QUESTION)];
    let all = bodies.each_ref().map(|body| waiting(&gateway, body));
    let release = async {
        upstream.arrived(1).await;
        hold.release();
    };
    let (replies, ()) = tokio::join!(join_all(all), release);
    let [leader, plain, with_usage] = &replies[..] else {
        panic!("three requests");
    };
    assert_eq!(leader.way(), "miss");
    assert_is_shared(plain, "Algae and worms");
    assert_is_shared(with_usage, "Algae and worms");
    assert_eq!(usage_of(plain), Value::Null);
    assert_eq!(usage_of(with_usage), counted());
    for stream in [plain, with_usage] {
        let first = stream.chunks()[0].clone();
        assert_eq!(
            (&first["id"], &first["created"]),
            (&leader.json()["id"], &leader.json()["created"])
        );
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_count_is_added_for_those_who_ask_for_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let (plain, with_usage) = (streaming(QUESTION), counting(QUESTION));
    let joiners = [
        gateway.ask(&plain).open().await,
        gateway.ask(&with_usage).open().await,
    ];
    steps.say("two");
    steps.finish();
    let leader = leader.rest().await;
    let [plain, with_usage] = joiners.map(Open::rest);
    let (plain, with_usage) = (plain.await, with_usage.await);
    assert!(!leader.text().contains("usage"));
    assert!(plain.text().ends_with(leader.text()));
    assert_is_shared(&with_usage, "one two");
    assert_eq!(usage_of(&with_usage), counted_here());
    // Everything else keeps its bytes.
    let shared = plain.text().strip_suffix("data: [DONE]\n\n").unwrap();
    assert!(with_usage.text().starts_with(shared));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_count_is_left_out_for_those_who_do_not() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &counting(QUESTION)).await;
    let plain = gateway.ask(&streaming(QUESTION)).open().await;
    let same = gateway.ask(&counting(QUESTION)).open().await;
    let body = asking(QUESTION);
    let as_json = waiting(&gateway, &body);
    let count = event(&json!({
        "id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": 1_600_000_000,
        "model": "gpt-test-2026", "choices": [], "usage": counted(),
    }));
    steps.send(event(&chunk(&json!({}), Some("stop"))) + &count + "data: [DONE]\n\n");
    let (leader, plain, same, as_json) =
        tokio::join!(leader.rest(), plain.rest(), same.rest(), as_json);
    assert_eq!(usage_of(&same), counted());
    assert!(same.text().ends_with(leader.text()));
    assert_is_shared(&plain, "one ");
    assert_eq!(plain.text(), same.text().replace(&count, ""));
    assert_is_shared(&as_json, "one ");
    assert_eq!(as_json.json()["usage"], counted());
    assert_eq!(upstream.calls(), 1);
    // Saved once for each of three, billed once.
    let requests = gateway.stats().await["requests"].clone();
    assert_eq!(
        json!([
            requests["coalesced"],
            requests["saved_tokens"],
            requests["billed_tokens"]
        ]),
        json!([3, 3 * 15, 15])
    );
}

#[tokio::test]
async fn tool_calls_and_thoughts_are_told_as_json() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let body = asking(QUESTION);
    let joiner = waiting(&gateway, &body);
    let call = |part: Value| event(&chunk(&json!({"tool_calls": [part]}), None));
    let deltas = [
        event(&chunk(
            &json!({"role": "assistant", "reasoning_content": "It asks "}),
            None,
        )),
        event(&chunk(&json!({"reasoning_content": "\u{1f980}s."}), None)),
        call(json!({"index": 0, "id": "call_1", "type": "function",
            "function": {"name": "look", "arguments": "{\"at\":"}})),
        call(json!({"index": 1, "id": "call_2", "type": "function",
            "function": {"name": "smell", "arguments": "{}"}})),
        call(json!({"index": 0, "function": {"arguments": "\"crab\"}"}})),
        event(&chunk(&json!({}), Some("tool_calls"))) + "data: [DONE]\n\n",
    ];
    deltas.into_iter().for_each(|delta| steps.send(delta));
    let (joiner, _) = tokio::join!(joiner, leader.rest());
    assert_is_shared(&joiner, "one ");
    let choice = joiner.json()["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(
        choice["message"]["reasoning_content"],
        "It asks \u{1f980}s."
    );
    assert_eq!(
        choice["message"]["tool_calls"],
        json!([
            {"id": "call_1", "type": "function",
             "function": {"name": "look", "arguments": "{\"at\":\"crab\"}"}},
            {"id": "call_2", "type": "function",
             "function": {"name": "smell", "arguments": "{}"}},
        ])
    );
}

#[tokio::test]
async fn an_answer_that_is_not_kept_is_shared_all_the_same() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let body = asking(QUESTION);
    let joiner = waiting(&gateway, &body);
    steps.send(event(&chunk(&json!({}), Some("length"))) + "data: [DONE]\n\n");
    let (joiner, _) = tokio::join!(joiner, leader.rest());
    assert_is_shared(&joiner, "one ");
    assert_eq!(joiner.json()["choices"][0]["finish_reason"], "length");
    assert_eq!(gateway.ask(&body).send().await.said(), "answer 2");
}

#[tokio::test]
async fn a_whole_answer_without_a_count_is_counted_for_those_who_ask() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut answer = completion("one two", 1);
    answer.as_object_mut().unwrap().remove("usage");
    let (answer, hold) = Answer::json(&answer).held();
    upstream.script(answer);
    let bodies = [asking(QUESTION), counting(QUESTION)];
    let all = bodies.each_ref().map(|body| waiting(&gateway, body));
    drop(hold);
    let replies = join_all(all).await;
    assert_is_shared(&replies[1], "one two");
    assert_eq!(usage_of(&replies[1]), counted_here());
}

#[tokio::test]
async fn whoever_says_what_the_cache_may_do_joins_no_other_form() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (leader, steps) = under_way(&upstream, &gateway, &streaming(QUESTION)).await;
    let ask = |controls: &str| {
        let asked = gateway.ask(&asking(QUESTION));
        Ask::send(asked.header("cache-control", controls))
    };
    assert_eq!(ask("no-store").await.said(), "answer 2");
    assert_eq!(ask("no-cache").await.said(), "answer 3");
    // `no-cache` has left an entry.
    assert_eq!(ask("only-if-cached").await.said(), "answer 3");
    let other = asking("What else do crabs eat?");
    let only = gateway
        .ask(&other)
        .header("cache-control", "only-if-cached");
    assert_eq!(only.send().await.status, 504);
    steps.finish();
    assert!(leader.rest().await.is_done());
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_comes_at_the_very_end_makes_no_call() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for round in 1..=20 {
        let question = format!("How many legs have {round} crabs?");
        let forms = [asking(&question), streaming(&question), counting(&question)];
        let (leader, steps) = under_way(&upstream, &gateway, &forms[1 + round % 2]).await;
        let late = (0..12).map(|number| gateway.ask(&forms[number % 3]).send());
        let end = async {
            steps.finish();
            leader.rest().await
        };
        let (late, leader) = tokio::join!(join_all(late), end);
        assert!(leader.is_done());
        for reply in late {
            assert!(["coalesced", "exact"].contains(&reply.way()));
            assert_eq!((reply.status, reply.said().as_str()), (200, "one "));
        }
        assert_eq!(upstream.calls(), round);
    }
}
