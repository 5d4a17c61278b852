//! A provider that has completions gets the client's words, and its own go back.

use serde_json::{Value, json};

use super::{post, prompting, streaming, texts};
use crate::support::{
    answer::{Answer, event},
    asking,
    gateway::{Gateway, Setup, model, provider},
    upstream::{COMPLETIONS, Upstream},
    with,
};

/// The section of a provider that has completions.
fn legacy(name: &str, upstream: &Upstream) -> String {
    provider(name, upstream) + "interfaces = [\"completions\"]\n"
}

async fn before(upstream: &Upstream) -> Gateway {
    let model = model("gpt-test", &["main/gpt-test"]);
    Setup::new(&(legacy("main", upstream) + &model))
        .start()
        .await
}

/// A whole answer, with white space of its own.
fn said(text: &str) -> String {
    let answer = json!({
        "id": "cmpl-up", "object": "text_completion", "created": 1_600_000_000, "model": "gpt-test-0914",
        "choices": [{"text": text, "index": 0, "finish_reason": "stop", "logprobs": {
            "tokens": [text], "token_logprobs": [-0.25], "top_logprobs": [{text: -0.25, "x": -3.5}],
            "text_offset": [0],
        }}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    });
    serde_json::to_string_pretty(&answer).unwrap()
}

fn piece(choices: Value) -> String {
    event(&json!({
        "id": "cmpl-up", "object": "text_completion", "created": 1_600_000_000, "choices": choices,
        "model": "gpt-test-0914",
    }))
}

fn told(text: &str, index: u64, finish: Option<&str>) -> String {
    piece(json!([{"text": text, "index": index, "logprobs": null, "finish_reason": finish}]))
}

#[tokio::test]
async fn the_words_of_both_go_through_and_the_answer_is_kept() {
    let upstream = Upstream::with(COMPLETIONS).await;
    upstream.script(Answer::raw("application/json", said(" upon a tide")));
    let gateway = before(&upstream).await;
    let words =
        "{\"prompt\": \"On\\u0063e\",\n \"logprobs\": 1, \"top_k\": 5.0, \"model\":\"gpt-test\"}";
    let first = post(&gateway, words).send().await;
    assert_eq!(
        (first.status, first.way()),
        (200, "miss"),
        "{}",
        first.text()
    );
    assert_eq!(first.text(), said(" upon a tide"));
    let sent = upstream.only();
    assert_eq!(
        (sent.path.as_str(), &sent.body[..]),
        ("/v1/completions", words.as_bytes())
    );
    gateway.app.settle().await;
    // Other bytes of the same meaning.
    let same = with(
        prompting("Once"),
        json!({"logprobs": 1, "top_k": 5.0, "user": "u"}),
    );
    let second = post(&gateway, &same).send().await;
    assert_eq!(
        (second.way(), texts(&second)),
        ("exact", vec![" upon a tide".to_owned()])
    );
    let (kept, fresh) = (second.json(), first.json());
    assert_eq!(kept["choices"], fresh["choices"]);
    assert_eq!(kept["usage"], fresh["usage"]);
    assert!(kept["id"].as_str().unwrap().starts_with("cmpl-"));
    let stream = post(&gateway, with(same, json!({"stream": true})))
        .send()
        .await;
    assert_eq!((stream.way(), stream.is_done()), ("exact", true));
    assert_eq!(texts(&stream), [" upon a tide"]);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_stream_goes_through_and_is_kept() {
    let upstream = Upstream::with(COMPLETIONS).await;
    let stream = told(" upon", 0, None)
        + ": ping\r\n\r\n"
        + &told(" a reef", 0, Some("stop"))
        + "data: [DONE]\n\n";
    upstream.script(Answer::events(stream.clone()));
    let gateway = before(&upstream).await;
    let reply = post(&gateway, streaming("Once")).send().await;
    assert_eq!((reply.status, reply.text()), (200, stream.as_str()));
    gateway.app.settle().await;
    let whole = post(&gateway, prompting("Once")).send().await;
    assert_eq!(
        (whole.way(), texts(&whole)),
        ("exact", vec![" upon a reef".to_owned()])
    );
    assert_eq!(whole.json()["choices"][0]["finish_reason"], "stop");
    let usage = json!({"stream_options": {"include_usage": true}});
    let again = post(&gateway, with(streaming("Once"), usage)).send().await;
    assert!(again.chunks().last().unwrap()["usage"].is_object());
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_continuation_and_a_chat_never_serve_each_other() {
    let upstream = Upstream::with(COMPLETIONS).await;
    upstream.mood(|_| Answer::raw("application/json", said(" upon a tide")));
    let gateway = before(&upstream).await;
    assert_eq!(post(&gateway, prompting("Once")).send().await.way(), "miss");
    gateway.app.settle().await;
    // All that a chat can say to look like it.
    let assistant = json!([{"role": "assistant", "content": "Once"}]);
    for chat in [
        with(asking("Once"), json!({"max_tokens": 16})),
        json!({"model": "gpt-test", "messages": assistant, "prompt": true}),
    ] {
        let reply = gateway.ask(&chat).send().await;
        assert_eq!(reply.status, 404, "{}", reply.text());
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn lists_tokens_and_scores_are_one_call_and_not_kept() {
    let upstream = Upstream::with(COMPLETIONS).await;
    upstream.mood(|_| Answer::raw("application/json", said("x")));
    let gateway = before(&upstream).await;
    let bodies = [
        prompting(json!(["One", "", "Three"])),
        prompting(json!([464, 3290])),
        prompting(json!([[464], [3290]])),
        with(
            prompting("One"),
            json!({"max_tokens": 0, "echo": true, "logprobs": 5}),
        ),
        with(prompting("One"), json!({"messages": []})),
    ];
    for (calls, body) in (1..).zip(&bodies) {
        let reply = post(&gateway, body).send().await;
        assert_eq!(
            (reply.status, reply.way()),
            (200, "bypass"),
            "{}",
            reply.text()
        );
        assert_eq!(reply.header("x-refrain-cache-reason"), "untranslated");
        assert_eq!(upstream.received().last().unwrap().json(), *body);
        assert_eq!(upstream.calls(), calls);
    }
}

#[tokio::test]
async fn what_is_the_gateways_own_is_taken_out() {
    let upstream = Upstream::with(COMPLETIONS).await;
    upstream.script(Answer::raw("application/json", said("x")));
    let model = model("gpt-test", &["main/davinci-002"]);
    let gateway = Setup::new(&(legacy("main", &upstream) + &model))
        .start()
        .await;
    let body = r#"{"model":"gpt-test","refrain":{"ttl":60},"prompt":"One","cache":{"no-store":true},"n":1}"#;
    assert_eq!(post(&gateway, body).send().await.status, 200);
    assert_eq!(
        upstream.only().body,
        r#"{"model":"davinci-002","prompt":"One","n":1}"#
    );
}

#[tokio::test]
async fn who_has_no_completions_does_not_stand_in() {
    let (broken, chat) = (Upstream::with(COMPLETIONS).await, Upstream::start().await);
    broken.mood(|_| Answer::error(500, "out of order"));
    let model = model("gpt-test", &["main/gpt-test"]) + "fallbacks = [\"second/gpt-test\"]\n";
    let toml = legacy("main", &broken) + &provider("second", &chat) + &model;
    let gateway = Setup::new(&toml).start().await;
    for more in [json!({}), json!({"drop_unsupported": true})] {
        let reply = post(&gateway, with(prompting("Once"), more)).send().await;
        assert!(reply.status >= 400, "{}", reply.text());
    }
    assert_eq!(chat.calls(), 0);
}

#[tokio::test]
async fn of_several_targets_those_that_have_completions_are_asked() {
    let (native, chat) = (Upstream::with(COMPLETIONS).await, Upstream::start().await);
    native.mood(|_| Answer::raw("application/json", said("x")));
    let model = model("gpt-test", &["second/gpt-test", "main/gpt-test"]);
    let toml = legacy("main", &native) + &provider("second", &chat) + &model;
    let gateway = Setup::new(&toml).start().await;
    let reply = post(&gateway, prompting("Once")).send().await;
    assert_eq!(
        (reply.status, texts(&reply)),
        (200, vec!["x".to_owned()]),
        "{}",
        reply.text()
    );
    assert_eq!((native.calls(), chat.calls()), (1, 0));
}

#[tokio::test]
async fn refusals_and_broken_streams() {
    let upstream = Upstream::with(COMPLETIONS).await;
    let gateway = before(&upstream).await;
    upstream.script(Answer::error(400, "This model does not support suffix"));
    let refused = post(&gateway, with(prompting("Once"), json!({"suffix": "end"})))
        .send()
        .await;
    assert_eq!(
        (refused.status, &refused.error()["message"]),
        (400, &json!("This model does not support suffix"))
    );
    // It ends before its text does.
    upstream.script(Answer::events(told(" upon", 0, None)));
    let broken = post(&gateway, streaming("Once")).send().await;
    assert_eq!((broken.status, broken.is_done()), (200, false));
    let last = broken.chunks().pop().unwrap();
    assert!(last["error"]["message"].is_string(), "{}", broken.text());
    // The provider reports an error where a stream should begin.
    upstream.script(Answer::events(event(
        &json!({"error": {"message": "overloaded", "code": 503}}),
    )));
    assert_eq!(post(&gateway, streaming("Twice")).send().await.status, 503);
    for nothing in [
        "{}",
        "{\"choices\":[]}",
        "[]",
        "{\"choices\":[{\"index\":0}]}",
    ] {
        upstream.script(Answer::raw("application/json", nothing));
        let reply = post(&gateway, prompting(format!("Thrice {nothing}")))
            .send()
            .await;
        assert_eq!(reply.status, 502, "{}", reply.text());
    }
    gateway.app.settle().await;
    upstream.script(Answer::raw("application/json", said(" upon")));
    assert_eq!(post(&gateway, prompting("Once")).send().await.way(), "miss");
}
