//! Whatever a provider worked for is billed once, however it was asked and whoever reads the answer.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    angles::Angles,
    answer::{Answer, completion, event, events_of},
    asking,
    gateway::{Gateway, Setup, provider},
    streaming,
    upstream::{Manners, Upstream},
    with,
};

/// What the fake provider says of each answer that it counts, and what that costs: 10 tokens in at one dollar for a
/// million, 5 out at two.
const TOKENS: u64 = 15;
const USD: f64 = 20e-6;

const FIRST: &str = "How many moons has Mars?";
const NEAR: &str = "What is the number of moons of Mars?";

#[derive(Debug)]
struct Billed {
    tokens: u64,
    usd: f64,
}

async fn billed(gateway: &Gateway) -> Billed {
    gateway.app.settle().await;
    let requests = gateway.stats().await["requests"].clone();
    Billed {
        tokens: requests["billed_tokens"].as_u64().unwrap(),
        usd: requests["billed_usd"].as_f64().unwrap(),
    }
}

#[track_caller]
fn assert_times(billed: &Billed, calls: u32) {
    assert_eq!(billed.tokens, TOKENS * u64::from(calls), "{billed:?}");
    let usd = USD * f64::from(calls);
    assert!((billed.usd - usd).abs() < 1e-9, "{billed:?}, not {usd}");
}

/// A stream that counts its tokens.
fn counted() -> Answer {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let count = json!({
        "id": "chatcmpl-upstream", "object": "chat.completion.chunk", "created": 1_600_000_000,
        "model": "gpt-test-2026", "choices": [], "usage": usage,
    });
    let done = "data: [DONE]\n\n";
    let stream = events_of("one two").replace(done, &(event(&count) + done));
    Answer::events(stream)
}

#[tokio::test]
async fn json_and_streams_kept_or_not() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    gateway.ask(&asking("one")).send().await;
    assert_times(&billed(&gateway).await, 1);
    // A hit is not billed.
    gateway.ask(&asking("one")).send().await;
    assert_times(&billed(&gateway).await, 1);
    upstream.script(counted());
    gateway.ask(&streaming("two")).send().await;
    assert_times(&billed(&gateway).await, 2);
    // Nor kept, nor shared.
    for (number, body) in [asking("three"), streaming("four")].iter().enumerate() {
        let answer = match number {
            0 => Answer::json(&completion("three", 3)),
            _ => counted(),
        };
        upstream.script(answer);
        let reply = gateway.ask(body).header("cache-control", "no-store");
        assert_eq!(reply.send().await.status, 200);
        assert_times(&billed(&gateway).await, 3 + u32::try_from(number).unwrap());
    }
    assert!(gateway.stats().await["requests"]["billed_seconds"].is_number());
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_without_a_count_is_estimated() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut sums = vec![0];
    for control in ["max-age=60", "no-store"] {
        upstream.script(Answer::events(events_of("one two")));
        let ask = gateway
            .ask(&streaming("one"))
            .header("cache-control", control);
        assert_eq!(ask.send().await.status, 200);
        let sum = billed(&gateway).await.tokens - sums.iter().sum::<u64>();
        assert!((5..30).contains(&sum), "{sum}");
        sums.push(sum);
        gateway.app.settle().await;
        let purge = json!({"everything": true}).to_string();
        gateway
            .request("POST", "/admin/api/cache/purge", purge)
            .send()
            .await;
    }
    assert_eq!(sums[1], sums[2], "kept or not");
    gateway.stop().await;
}

#[tokio::test]
async fn one_that_is_given_up_is_billed_for_what_it_was_asked() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("one ");
    let mut open = gateway.ask(&streaming("one")).open().await;
    open.piece().await.unwrap();
    assert_eq!(billed(&gateway).await.tokens, 0, "it is not over");
    drop(open);
    steps.abandoned().await;
    assert!((1..30).contains(&billed(&gateway).await.tokens));
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_that_others_share() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, hold) = Answer::json(&completion("one", 1)).held();
    upstream.script(answer);
    let body = asking("one");
    let all = join_all((0..4).map(|_| gateway.ask(&body).send()));
    let release = async {
        upstream.arrived(1).await;
        hold.release();
    };
    let (all, ()) = tokio::join!(all, release);
    assert!(all.iter().all(|reply| reply.said() == "one"));
    assert_eq!(upstream.calls(), 1);
    assert_times(&billed(&gateway).await, 1);
    let requests = gateway.stats().await["requests"].clone();
    assert_eq!(requests["saved_tokens"], 3 * TOKENS);
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_that_failed_costs_nothing() {
    let upstream = Upstream::start().await;
    let backup = Upstream::start().await;
    let models = "[[models]]\nname = \"both\"\ntargets = [\"main/gpt-test\", \"backup/gpt-test\"]\n\
        price = { input = 1.0, output = 2.0 }\n";
    let config = provider("main", &upstream) + &provider("backup", &backup) + models;
    let gateway = Setup::new(&config).start().await;
    upstream.script(Answer::error(500, "no"));
    backup.script(Answer::error(500, "no"));
    let body = with(asking("one"), json!({"model": "both"}));
    assert_eq!(gateway.ask(&body).send().await.status, 502);
    assert_times(&billed(&gateway).await, 0);
    // Somebody else answers: that is billed, and nothing else.
    upstream.script(Answer::error(500, "no"));
    assert_eq!(gateway.ask(&body).send().await.status, 200);
    assert_times(&billed(&gateway).await, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_check_of_what_the_cache_said() {
    let upstream = Upstream::start().await;
    let said = ["answer 1", "answer 2"].map(|said| (said, 1.0));
    let angles = Angles::of(&[(FIRST, 1.0), (NEAR, 0.999), said[0], said[1]]);
    let cache = "[cache]\nthreshold = 0.95\nshadow_checks = 1.0\n";
    let gateway = Gateway::setup(&upstream, cache)
        .encoder(angles)
        .start()
        .await;
    gateway.ask(&asking(FIRST)).send().await;
    gateway.app.settle().await;
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "semantic");
    gateway.app.settle().await;
    assert_eq!(upstream.calls(), 2, "the second one is the check");
    assert_times(&billed(&gateway).await, 2);
    gateway.stop().await;
}

#[tokio::test]
async fn embeddings_and_what_is_handed_on() {
    let manners = |chat| Manners {
        key: ("authorization", "Bearer "),
        chat,
        models: "/v1/models",
    };
    let vectors = Upstream::with(manners("/v1/embeddings")).await;
    let gateway = Gateway::before(&vectors).await;
    let answer = json!({
        "object": "list", "model": "e", "usage": {"prompt_tokens": 20, "total_tokens": 20},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    });
    vectors.script(Answer::json(&answer));
    let body = json!({"model": "gpt-test", "input": "one"}).to_string();
    for _ in 0..2 {
        let reply = gateway
            .request("POST", "/v1/embeddings", body.clone())
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let sum = billed(&gateway).await;
    assert_eq!(sum.tokens, 20, "the second time, they were known");
    assert!((sum.usd - 20e-6).abs() < 1e-9, "{sum:?}");
    gateway.stop().await;

    let judge = Upstream::with(manners("/v1/moderations")).await;
    let endpoints = "[endpoints]\nmoderations = { provider = \"main\", usd_per_request = 0.5 }\n";
    let gateway = Gateway::setup(&judge, endpoints).start().await;
    let body = json!({"model": "m", "input": "one", "messages": ["one"]}).to_string();
    judge.script(Answer::error(400, "no"));
    for (status, usd) in [(400, 0.0), (200, 0.5), (200, 1.0)] {
        judge.script(Answer::json(&json!({"results": []})));
        let reply = gateway
            .request("POST", "/v1/moderations", body.clone())
            .send()
            .await;
        assert_eq!(reply.status, status, "{}", reply.text());
        let sum = billed(&gateway).await;
        assert!((sum.usd - usd).abs() < 1e-9, "{sum:?}, not {usd}");
        assert_eq!(sum.tokens, 0, "nobody counts them");
    }
    gateway.stop().await;
}

/// Holds for every chart too, since it is made of the same sums.
#[tokio::test]
async fn the_charts_agree() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for question in ["one", "two", "one"] {
        gateway.ask(&asking(question)).send().await;
    }
    let sum = billed(&gateway).await;
    let history: Value = gateway
        .get("/admin/api/history?range=1h")
        .send()
        .await
        .json();
    let points = history["points"].as_array().unwrap();
    let all = |of: &dyn Fn(&Value) -> f64| points.iter().map(of).sum::<f64>();
    assert_eq!(
        all(&|point| point["tokens"]["billed"].as_f64().unwrap()),
        sum.tokens as f64
    );
    assert_eq!(
        all(&|point| point["requests"]["exact"].as_f64().unwrap()),
        1.0
    );
    let usd = all(&|point| point["usd"]["billed"].as_f64().unwrap());
    assert!((usd - sum.usd).abs() < 1e-9);
    gateway.stop().await;
}
