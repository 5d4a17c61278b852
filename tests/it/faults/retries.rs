//! What is asked again, what is not, and how long that takes.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use super::{ALONE, BREAKER, HOUSE, Pair, asked, by, question, stream};
use crate::support::{
    answer::Answer,
    upstream::{Manners, Upstream},
};

const TWICE: &str = r#"retry = { attempts = 2, base = "200ms", cap = "2s" }"#;

#[tokio::test(start_paused = true)]
async fn a_hiccup_is_mended_by_the_same_provider() {
    for (status, body) in [(500, question()), (503, stream()), (502, question())] {
        let pair = Pair::start().await;
        let gateway = pair.setup(TWICE, HOUSE).start().await;
        pair.main.script(Answer::error(status, "hiccup"));
        let start = Instant::now();
        let reply = gateway.ask(&body).send().await;
        assert_eq!((reply.status, pair.calls()), (200, [2, 0]), "{status}");
        assert_eq!(reply.header("x-refrain-attempts"), "2");
        assert!(start.elapsed() <= Duration::from_millis(250));
    }
}

#[tokio::test(start_paused = true)]
async fn so_often_and_no_oftener_then_the_fallback_answers() {
    let pair = Pair::start().await;
    let gateway = pair.setup(TWICE, HOUSE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    let start = Instant::now();
    let reply = gateway.ask(&question()).send().await;
    assert_eq!((reply.status, pair.calls()), (200, [3, 1]));
    assert_eq!(reply.header("x-refrain-attempts"), "4");
    assert!(
        start.elapsed() <= Duration::from_millis(700),
        "full jitter of 200 and 400 ms"
    );
}

#[tokio::test(start_paused = true)]
async fn another_target_that_is_as_good_is_asked_at_once() {
    let pair = Pair::start().await;
    let models = "[[models]]\nname = \"house\"\ntargets = [\"main/a\", \"backup/a\"]\n";
    let gateway = pair.setup(TWICE, models).start().await;
    pair.main.script(Answer::error(500, "hiccup"));
    let start = Instant::now();
    assert_eq!(asked(&gateway, &question()).await, by("backup"));
    assert_eq!(
        (pair.calls(), start.elapsed().as_millis() < 50),
        ([1, 1], true)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_request_is_told_by_the_first_who_says_so() {
    for status in [400, 409, 415, 422] {
        let pair = Pair::start().await;
        let gateway = pair.setup(TWICE, HOUSE).start().await;
        pair.main.script(Answer::error(status, "no such parameter"));
        let reply = gateway.ask(&question()).send().await;
        assert_eq!((reply.status, pair.calls()), (status, [1, 0]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_server_is_asked_elsewhere() {
    for status in [404, 405, 410, 413, 421, 431, 451, 499] {
        let pair = Pair::start().await;
        let gateway = pair.setup(TWICE, HOUSE).start().await;
        pair.main.script(Answer::error(status, "not here"));
        let answered = asked(&gateway, &question()).await;
        assert_eq!((answered, pair.calls()), (by("backup"), [1, 1]), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_hiccup_are_asked_once_more() {
    let pair = Pair::start().await;
    let models = "[[models]]\nname = \"house\"\ntargets = [\"main/a\", \"backup/a\"]\n";
    let gateway = pair.setup(TWICE, models).start().await;
    pair.main.script(Answer::error(500, "hiccup"));
    pair.backup.script(Answer::error(502, "hiccup"));
    assert_eq!(asked(&gateway, &question()).await, by("main"));
    assert_eq!(pair.calls(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_wants_a_rest_is_not_waited_for_while_another_can_answer() {
    let pair = Pair::start().await;
    let gateway = pair.setup(TWICE, HOUSE).start().await;
    pair.main
        .mood(|_| Answer::error(429, "slow down").header("retry-after", "20"));
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(asked(&gateway, &question()).await, by("backup"));
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(pair.calls(), [1, 10], "one answer says it all");
    pair.main.recovers();
    tokio::time::advance(Duration::from_secs(21)).await;
    assert_eq!(asked(&gateway, &question()).await, by("main"));
}

#[tokio::test(start_paused = true)]
async fn alone_a_short_rest_is_waited_for_and_a_long_one_is_told() {
    let pair = Pair::start().await;
    let gateway = pair.setup(TWICE, ALONE).start().await;
    pair.main
        .script(Answer::error(429, "slow down").header("retry-after", "1"));
    let start = Instant::now();
    assert_eq!(asked(&gateway, &question()).await, by("main"));
    assert!(
        (1..=2).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    pair.main
        .mood(|_| Answer::error(429, "slow down").header("retry-after", "30"));
    let start = Instant::now();
    let reply = gateway.ask(&question()).send().await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "30"));
    assert_eq!(reply.error()["code"], "rate_limit_exceeded");
    assert!(start.elapsed() < Duration::from_secs(1));
    let calls = pair.main.calls();
    tokio::time::advance(Duration::from_secs(10)).await;
    let reply = gateway.ask(&question()).send().await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "20"));
    assert_eq!(pair.main.calls(), calls, "it is left alone until then");
}

#[tokio::test(start_paused = true)]
async fn all_the_time_that_a_call_has_is_taken_once() {
    let pair = Pair::start().await;
    let gateway = pair.setup(TWICE, ALONE).start().await;
    pair.main
        .mood(|_| Answer::said("too late").after(Duration::from_secs(10_000)));
    let start = Instant::now();
    let reply = gateway.ask(&stream()).send().await;
    assert_eq!((reply.status, pair.main.calls()), (504, 1));
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_multiplied() {
    let pair = Pair::start().await;
    let lines = format!("{TWICE}\nbreaker = {{ min_requests = 1000000 }}");
    let gateway = pair.setup(&lines, ALONE).start().await;
    pair.main.mood(|_| Answer::error(500, "down"));
    let body = question();
    for _ in 0..10 {
        let answered = join_all((0..20).map(|_| asked(&gateway, &body))).await;
        assert!(answered.iter().all(|(status, _)| *status == 502));
    }
    // Each could be made three times; a fifth may, and ten in ten seconds whatever else.
    let made = pair.main.calls();
    assert!((200..=200 + 40 + 20).contains(&made), "{made}");
}

#[tokio::test(start_paused = true)]
async fn embeddings_are_asked_for_again_and_elsewhere() {
    let embedder = || {
        Upstream::with(Manners {
            key: ("authorization", "Bearer "),
            chat: "/v1/embeddings",
            models: "/v1/models",
        })
    };
    let pair = Pair {
        main: embedder().await,
        backup: embedder().await,
    };
    let gateway = pair
        .setup(&format!("{TWICE}\n{BREAKER}"), HOUSE)
        .start()
        .await;
    let embeddings = || {
        Answer::raw(
            "application/json",
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"e","usage":{"prompt_tokens":4,"total_tokens":4}}"#,
        )
    };
    let body = json!({"model": "house", "input": "crabs"}).to_string();
    let ask = || {
        gateway
            .request("POST", "/v1/embeddings", body.clone())
            .send()
    };
    pair.main.mood(move |_| embeddings());
    pair.backup.mood(move |_| embeddings());
    pair.main.script(Answer::error(500, "hiccup"));
    assert_eq!((ask().await.status, pair.calls()), (200, [2, 0]));
    pair.main.mood(|_| Answer::error(500, "down"));
    for _ in 0..10 {
        let reply = ask().await;
        assert_eq!(
            (reply.status, reply.header("x-refrain-provider")),
            (200, "backup")
        );
    }
    assert!(pair.main.calls() <= 2 + 6, "{}", pair.main.calls());
}
