//! Answers that are known before anybody asks.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use refrain::embed::{EmbedError, Embedding, EncoderId};

use super::*;
use crate::support::gateway::model;

fn saying(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-test",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    })
}

fn warming(question: &str, answer: &str) -> Value {
    json!({"request": asking(question), "response": saying(answer), "client": "alice"})
}

fn written(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_known_answer_is_for_its_client_exactly_and_by_meaning() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    let answer = import(&gateway, &written(&[warming(FIRST, "eight")])).await;
    assert_eq!(counts(&answer), [1, 1, 0, 0]);
    for (question, way) in [(FIRST, "exact"), (NEAR, "semantic")] {
        let hit = gateway.ask(&asking(question)).key(ALICE).send().await;
        assert_eq!((hit.way(), hit.said().as_str()), (way, "eight"));
        assert_ne!(hit.json()["id"], "chatcmpl-1");
        assert_eq!(hit.header("x-refrain-provider"), "main");
    }
    assert_eq!(upstream.calls(), 0);
    let stats = gateway.stats().await;
    assert_eq!(stats["requests"]["billed_tokens"], 0);
    assert_eq!(stats["requests"]["miss"], 0);
    for question in [FIRST, NEAR] {
        let foreign = gateway.ask(&asking(question)).key(BOB);
        let foreign = foreign.header("cache-control", "no-store").send().await;
        assert_eq!(foreign.way(), "miss");
    }
}

#[tokio::test]
async fn namespace_time_and_tags_are_those_of_the_line() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    let more = json!({"namespace": "docs", "ttl": 60, "tags": ["faq"]});
    let line = with(warming(FIRST, "eight"), more);
    assert_eq!(
        counts(&import(&gateway, &written(&[line])).await),
        [1, 1, 0, 0]
    );
    let listed = gateway.get("/admin/api/cache/entries?tag=faq").send().await;
    let listed = listed.json();
    assert_eq!(listed["entries"][0]["namespace"], "docs");
    assert_eq!(listed["entries"][0]["ttl_seconds"], 60);
    let ask = || gateway.ask(&asking(FIRST)).key(ALICE);
    let inside = || ask().header("x-refrain-cache-namespace", "docs");
    assert_eq!(inside().send().await.way(), "exact");
    assert_eq!(ask().send().await.way(), "miss");
    gateway.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(inside().send().await.way(), "miss");
}

#[tokio::test]
async fn the_line_that_the_readme_shows_is_one() {
    let upstream = Upstream::start().await;
    let client = CLIENTS.replacen("alice", "shop", 1);
    let model = model("gpt-4o-mini", &["main/gpt-4o-mini"]);
    let gateway = Gateway::setup(&upstream, &format!("{client}{model}"));
    let gateway = gateway.start().await;
    let readme = include_str!("../../../README.md");
    let line = readme.lines().find(|line| line.starts_with("{\"request\""));
    let answer = import(&gateway, line.unwrap()).await;
    assert_eq!(counts(&answer), [1, 1, 0, 0], "{answer}");
    let asked = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How do I return a parcel?"}]});
    let hit = gateway.ask(&asked).key(ALICE).send().await;
    assert_eq!(
        (hit.way(), hit.said().as_str()),
        ("exact", "Within 30 days.")
    );
    let streamed = with(asked, json!({"stream": true}));
    assert_eq!(
        gateway.ask(&streamed).key(ALICE).send().await.said(),
        "Within 30 days."
    );
}

#[tokio::test]
async fn without_clients_it_is_for_who_sends_no_key() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let anybody = json!({"request": asking(FIRST), "response": saying("eight")});
    let answer = import(&gateway, &written(&[anybody, warming(FIRST, "nine")])).await;
    assert_eq!(counts(&answer), [2, 1, 0, 1]);
    assert!(error(&answer, 2).contains("`client` is not"));
    let hit = gateway.ask(&asking(FIRST)).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "eight"));
    assert_eq!(
        gateway.ask(&asking(FIRST)).key("any").send().await.way(),
        "miss"
    );
}

#[tokio::test]
async fn a_bad_line_is_reported_and_stops_no_other() {
    let upstream = Upstream::start().await;
    let more = "allowed_models = [\"gpt-test\"]\n";
    let clients = CLIENTS.replacen(
        "[[clients]]\nname = \"bob\"",
        &format!("{more}[[clients]]\nname = \"bob\""),
        1,
    );
    let gateway = Gateway::setup(&upstream, &clients)
        .encoder(planets())
        .start()
        .await;
    let good = warming(FIRST, "eight");
    let changed = |at: &str, to: Value| {
        let mut line = good.clone();
        *line.pointer_mut(at).unwrap() = to;
        line.to_string()
    };
    let added = |field: &str, value: Value| with(good.clone(), json!({field: value})).to_string();
    let half = good.to_string();
    let cases = [
        ("not JSON".to_owned(), "expected"),
        (half[..half.len() - 1].to_owned(), "EOF"),
        ("[]".to_owned(), ""),
        ("{}".to_owned(), "missing field `request`"),
        ("\"\u{1F980}\"".to_owned(), "invalid type"),
        (added("ttl_seconds", json!(5)), "unknown field `ttl_seconds`"),
        (added("client", json!("carol")), "`client` is not"),
        (added("client", json!("")), "`client` is not"),
        (added("client", Value::Null), "`client` has to say"),
        (added("ttl", json!(-1)), "ttl"),
        (added("ttl", json!(0)), "time to live is 0"),
        (added("namespace", json!("a b")), "namespace"),
        (added("tags", json!("faq")), "tags"),
        (changed("/request/model", json!("gpt-other")), "may not use"),
        (changed("/request/messages", json!([])), "`messages` is empty"),
        (changed("/request", with(asking(FIRST), json!({"refrain": {"no_store": true}}))), "the request says so"),
        (changed("/request", with(asking(FIRST), json!({"web_search_options": {}}))), "live_search"),
        (changed("/response", json!({"error": {"message": "no"}})), "`response`: JSON without"),
        (changed("/response/choices/0/finish_reason", json!("length")), "truncated"),
        (changed("/response/choices/0/message/content", json!("")), "empty"),
        ("{\"request\": {\"model\": \"gpt-test\", \"model\": \"x\"}, \"response\": {}, \"client\": \"alice\"}".to_owned(), "`response`"),
        ("{\"refrain_cache\": 1}".to_owned(), "missing field `secret`"),
        ("{\"refrain_cache\": 9, \"secret\": \"00\"}".to_owned(), "form 9"),
        (format!("{}1{}", "[".repeat(5000), "]".repeat(5000)), ""),
    ];
    let mut lines = String::from("\r\n");
    for (line, _) in &cases {
        lines += &format!("{line}\r\n\n");
    }
    lines += &good.to_string();
    let answer = import(&gateway, &lines).await;
    let bad = cases.len() as u64;
    assert_eq!(counts(&answer), [bad + 1, 1, 0, bad], "{answer}");
    for (at, (line, says)) in cases.iter().enumerate() {
        let told = error(&answer, 2 * at as u64 + 2);
        assert!(told.contains(says), "{line}: {told}");
    }
    assert_eq!(
        gateway.ask(&asking(FIRST)).key(ALICE).send().await.way(),
        "exact"
    );
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_a_bad_line_too() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    let mut body = b"{\"request\": \"\xff\xfe\"}\n".to_vec();
    body.extend_from_slice(warming(FIRST, "eight").to_string().as_bytes());
    let reply = gateway
        .request("POST", "/admin/api/cache/import?partial=true", body)
        .send()
        .await;
    assert_eq!(counts(&reply.json()), [2, 1, 0, 1]);
}

#[tokio::test]
async fn of_two_answers_to_one_request_the_later_line_counts() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    let lines: Vec<Value> = (0..20)
        .map(|n| warming(FIRST, &format!("answer {n}")))
        .collect();
    assert_eq!(
        counts(&import(&gateway, &written(&lines)).await),
        [20, 20, 0, 0]
    );
    for (question, way) in [(FIRST, "exact"), (NEAR, "semantic")] {
        let hit = gateway.ask(&asking(question)).key(ALICE).send().await;
        assert_eq!((hit.way(), hit.said().as_str()), (way, "answer 19"));
    }
}

#[tokio::test]
async fn errors_are_told_up_to_a_bound_and_counted_beyond() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "").await;
    let answer = import(&gateway, &"{}\n".repeat(250)).await;
    assert_eq!(counts(&answer), [250, 0, 0, 250]);
    assert_eq!(answer["errors"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_line_of_a_megabyte_is_read_and_a_body_beyond_the_limit_is_not() {
    let upstream = Upstream::start().await;
    let more =
        format!("[server]\nmax_body = \"3MiB\"\n[cache]\nmax_entry_bytes = \"2MiB\"\n{CLIENTS}");
    let gateway = Gateway::setup(&upstream, &more)
        .encoder(planets())
        .start()
        .await;
    let long = "crabs ".repeat(180_000);
    let lines = written(&[warming(FIRST, &long), warming("Where do crabs live?", "x")]);
    let answer = import(&gateway, &lines).await;
    assert_eq!(
        counts(&answer),
        [2, 1, 0, 1],
        "the encoder does not know the second"
    );
    let hit = gateway.ask(&asking(FIRST)).key(ALICE).send().await;
    assert_eq!((hit.way(), hit.said() == long), ("exact", true));
    let reply = post(&gateway, &lines.repeat(3)).await;
    assert_eq!(reply.status, 413);
}

/// Has no room three times out of four.
#[derive(Debug, Default)]
struct Busy {
    calls: AtomicUsize,
}

impl Embed for Busy {
    fn encoder(&self) -> EncoderId {
        EncoderId::new("busy")
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        let calls = self.calls.fetch_add(1, Ordering::SeqCst);
        let turn = text.len() as f32;
        let embedding = match calls % 4 {
            3 => Embedding::new(self.encoder(), vec![turn.cos(), turn.sin()]),
            2 => Err(EmbedError::Deadline),
            _ => Err(EmbedError::Saturated),
        };
        Box::pin(async { embedding })
    }
}

#[tokio::test]
async fn where_the_encoder_is_busy_nothing_is_dropped() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, CLIENTS)
        .encoder(Arc::new(Busy::default()))
        .start()
        .await;
    let lines: Vec<Value> = (1..=20)
        .map(|n| warming(&format!("What is {n} plus {n}?"), "y"))
        .collect();
    assert_eq!(
        counts(&import(&gateway, &written(&lines)).await),
        [20, 20, 0, 0]
    );
    assert_eq!(gateway.stats().await["cache"]["questions"], 20);
}
