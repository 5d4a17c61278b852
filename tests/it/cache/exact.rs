//! Equal requests, however they are spelled; and how long and how much is kept.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{answer::Answer, asking, gateway::Gateway, upstream::Upstream, with};

const QUESTION: &str = "What do crabs eat?";

#[tokio::test]
async fn other_spellings_of_a_request_are_answered_from_the_cache() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let plain = asking(QUESTION);
    gateway.ask(&plain).send().await;
    let spelled = |fields| with(plain.clone(), fields).to_string();
    for body in [
        plain.to_string(),
        spelled(json!({"n": 1, "presence_penalty": 0})),
        spelled(json!({"n": 1, "stop": null, "tools": []})),
        spelled(json!({"user": "somebody", "metadata": {"a": "b"}, "store": false})),
        spelled(json!({"messages": [{"content": QUESTION, "role": "user"}]})),
        spelled(
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]}),
        ),
        r#"{ "messages" : [ { "role":"user", "content":"What do cr\u0061bs eat?" } ] ,
"model":"gpt-test"}"#
            .to_owned(),
    ] {
        let hit = gateway.post(body.clone()).send().await;
        assert_eq!(
            (hit.way(), hit.said().as_str()),
            ("exact", "answer 1"),
            "{body}"
        );
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn whatever_shapes_an_answer_keeps_requests_apart() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let user = json!({"role": "user", "content": QUESTION});
    let mut bodies = vec![asking(QUESTION), asking("What do crabs eat ?")];
    for fields in [
        json!({"messages": [{"role": "system", "content": "Be brief."}, user]}),
        json!({"messages": [{"role": "system", "content": "Be verbose."}, user]}),
        json!({"messages": [{"role": "developer", "content": "Be brief."}, user]}),
        json!({"messages": [user, {"role": "assistant", "content": "?"}, user]}),
        json!({"messages": [{"role": "user", "content": QUESTION, "name": "ann"}]}),
        json!({"temperature": 0.2}),
        json!({"max_tokens": 10}),
        json!({"seed": 1}),
        json!({"n": 2}),
        json!({"tools": [{"type": "function", "function": {"name": "look"}}]}),
        json!({"response_format": {"type": "json_object"}}),
        json!({"x_field_of_tomorrow": true}),
        json!({"model": "main/gpt-other"}),
    ] {
        bodies.push(with(asking(QUESTION), fields));
    }
    for (number, body) in (1..).zip(&bodies) {
        let reply = gateway.ask(body).send().await;
        assert_eq!(
            (reply.way(), reply.said()),
            ("miss", format!("answer {number}")),
            "{body}"
        );
    }
    for (number, body) in (1..).zip(&bodies) {
        assert_eq!(
            gateway.ask(body).send().await.said(),
            format!("answer {number}")
        );
    }
    assert_eq!(upstream.calls(), bodies.len());
}

#[tokio::test]
async fn an_answer_grows_old_and_is_asked_for_again() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "[cache]\nttl = \"10m\"")
        .start()
        .await;
    let ask = async || gateway.ask(&asking(QUESTION)).send().await;
    let first = ask().await;
    assert_eq!((first.way(), first.header("age")), ("miss", ""));
    for (wait, age) in [(0, "0"), (90, "90"), (509, "599")] {
        gateway.clock.advance(Duration::from_secs(wait));
        let hit = ask().await;
        assert_eq!((hit.way(), hit.header("age")), ("exact", age));
    }
    gateway.clock.advance(Duration::from_secs(1));
    let second = ask().await;
    assert_eq!((second.way(), second.said().as_str()), ("miss", "answer 2"));
    assert_eq!(ask().await.header("age"), "0");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn a_question_about_the_present_is_kept_for_a_shorter_time() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let ask = async || {
        gateway
            .ask(&asking("What is the weather like in Rome?"))
            .send()
            .await
    };
    ask().await;
    gateway.clock.advance(Duration::from_secs(59));
    assert_eq!(ask().await.way(), "exact");
    gateway.clock.advance(Duration::from_secs(1));
    assert_eq!(ask().await.way(), "miss");
}

#[tokio::test]
async fn a_longer_answer_than_allowed_is_not_kept() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "[cache]\nmax_entry_bytes = \"4KiB\"")
        .start()
        .await;
    for stream in [false, true] {
        let body = with(asking(QUESTION), json!({"stream": stream, "seed": stream}));
        for _ in 0..2 {
            upstream.script(Answer::said(&"word ".repeat(2000)));
            let reply = gateway.ask(&body).send().await;
            assert_eq!((reply.way(), reply.said().len()), ("miss", 10_000));
        }
    }
    assert_eq!(upstream.calls(), 4);
    assert_eq!(gateway.stats().await["cache"]["entries"], 0);
}

#[tokio::test]
async fn all_answers_together_stay_within_their_bytes() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "[cache]\nmax_bytes = \"1MiB\"")
        .start()
        .await;
    for number in 0..30 {
        upstream.script(Answer::said(&"x".repeat(100_000)));
        let reply = gateway
            .ask(&asking(&format!("Question {number}")))
            .send()
            .await;
        assert_eq!((reply.status, reply.said().len()), (200, 100_000));
    }
    let cache = gateway.stats().await["cache"].clone();
    let held = |name: &str| cache[name].as_u64().unwrap();
    assert!(held("bytes") <= 1 << 20 && held("entries") >= 5, "{cache}");
}

#[tokio::test]
async fn nothing_is_kept_where_the_cache_is_off() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "[cache]\nenabled = false")
        .start()
        .await;
    for number in 1..3 {
        let reply = gateway.ask(&asking(QUESTION)).send().await;
        assert_eq!(reply.said(), format!("answer {number}"));
        assert_eq!(
            (reply.way(), reply.header("x-refrain-cache-reason")),
            ("bypass", "disabled")
        );
        assert_eq!(
            reply.header("cache-status"),
            "refrain; fwd=bypass; detail=disabled"
        );
    }
}

#[tokio::test]
async fn a_live_search_is_never_answered_from_the_cache() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let body = with(asking(QUESTION), json!({"web_search_options": {}}));
    for number in 1..3 {
        let reply = gateway.ask(&body).send().await;
        assert_eq!(reply.said(), format!("answer {number}"));
        assert_eq!(
            reply.header("cache-status"),
            "refrain; fwd=bypass; detail=live_search"
        );
    }
}

#[tokio::test]
async fn the_admin_page_tells_what_was_saved() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for _ in 0..3 {
        gateway.ask(&asking(QUESTION)).send().await;
    }
    let stats = gateway.stats().await;
    let sums = ["miss", "exact", "billed_tokens", "saved_tokens"]
        .map(|name| stats["requests"][name].clone());
    assert_eq!(sums, [1, 2, 15, 30].map(Value::from));
    assert_eq!(stats["cache"]["entries"], 1);
}

#[tokio::test]
async fn the_border_between_question_and_matter_counts() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let matter = "A long text about harbours. ".repeat(30);
    let one = format!("Translate into French.\n\n{matter}\n\nNo, forget that.\nInto German.");
    let two = format!("Translate into French.\nNo, forget that.\n\n{matter}\n\nInto German.");
    gateway.ask(&asking(&one)).send().await;
    let reply = gateway.ask(&asking(&two)).send().await;
    assert_eq!(reply.way(), "miss");
}

#[tokio::test]
async fn white_space_at_the_start_counts() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    gateway
        .ask(&asking("    indent: what is this line's indentation?"))
        .send()
        .await;
    let reply = gateway
        .ask(&asking("indent: what is this line's indentation?"))
        .send()
        .await;
    assert_eq!(reply.way(), "miss");
}

#[tokio::test]
async fn a_field_given_twice_within_a_message_is_not_read_as_once() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let body = |messages: &str| format!("{{\"model\":\"gpt-test\",\"messages\":[{messages}]}}");
    gateway
        .post(body("{\"role\":\"user\",\"content\":\"safe\"}"))
        .send()
        .await;
    let reply = gateway
        .post(body(
            "{\"role\":\"user\",\"content\":\"evil\",\"content\":\"safe\"}",
        ))
        .send()
        .await;
    assert!(
        reply.status == 400 || reply.way() == "miss",
        "{} {}",
        reply.status,
        reply.way()
    );
}

#[tokio::test]
async fn numbers_beyond_64_bits_are_kept_apart() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let body = asking("What is a crab?").to_string();
    let seed = |n: &str| body.replacen('{', &format!("{{\"seed\":{n},"), 1);
    gateway
        .post(seed("123456789012345678901234567890"))
        .send()
        .await;
    let reply = gateway
        .post(seed("123456789012345678901234567891"))
        .send()
        .await;
    assert_eq!(reply.way(), "miss");
}
