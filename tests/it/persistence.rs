//! The cache across restarts.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{angles::Angles, asking, gateway::Gateway, streaming, upstream::Upstream};

const FIRST: &str = "How many planets are there?";
const NEAR: &str = "What is the number of planets?";

fn planets() -> Arc<Angles> {
    Angles::of(&[(FIRST, 1.0), (NEAR, 0.99)])
}

async fn start(upstream: &Upstream, directory: &TempDir, more: &str) -> Gateway {
    let cache = format!(
        "[cache]\nshadow_checks = 0.0\ndata_dir = {:?}\n{more}",
        directory.path()
    );
    Gateway::setup(upstream, &cache)
        .encoder(planets())
        .start()
        .await
}

#[tokio::test]
async fn what_was_kept_answers_after_a_restart() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let gateway = start(&upstream, &directory, "").await;
    let tagged = gateway
        .ask(&asking(FIRST))
        .header("x-refrain-cache-tags", "faq");
    tagged.key("sk-one").send().await;
    gateway.stop().await;

    let gateway = start(&upstream, &directory, "").await;
    let ask = |body| gateway.ask(&body).key("sk-one").send();
    let exact = ask(asking(FIRST)).await;
    assert_eq!((exact.way(), exact.said().as_str()), ("exact", "answer 1"));
    let stream = ask(streaming(FIRST)).await;
    assert_eq!(
        (stream.way(), stream.said().as_str()),
        ("exact", "answer 1")
    );
    let near = ask(asking(NEAR)).await;
    assert_eq!((near.way(), near.said().as_str()), ("semantic", "answer 1"));
    let other = gateway.ask(&asking(FIRST)).key("sk-two").send().await;
    assert_eq!(other.way(), "miss", "keys are kept apart as before");
    let list = gateway
        .get("/admin/api/cache/entries?tag=faq")
        .send()
        .await
        .json();
    assert_eq!(list["total"], 1);
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_forgotten_stays_so() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let gateway = start(&upstream, &directory, "").await;
    for question in [FIRST, NEAR] {
        gateway
            .ask(&asking(question))
            .header("x-refrain-cache-namespace", question_name(question))
            .send()
            .await;
    }
    let purge = json!({"namespace": "first"}).to_string();
    gateway
        .request("POST", "/admin/api/cache/purge", purge)
        .send()
        .await;
    gateway.stop().await;

    let gateway = start(&upstream, &directory, "").await;
    for (question, way) in [(FIRST, "miss"), (NEAR, "exact")] {
        let asked = gateway
            .ask(&asking(question))
            .header("x-refrain-cache-namespace", question_name(question));
        assert_eq!(asked.send().await.way(), way, "{question}");
    }
    gateway
        .request("POST", "/admin/api/cache/generation", "{}")
        .send()
        .await;
    gateway.stop().await;

    let gateway = start(&upstream, &directory, "").await;
    assert_eq!(gateway.stats().await["cache"]["entries"], 0);
    assert_eq!(gateway.stats().await["cache"]["generation"], 1);
    gateway.stop().await;
}

fn question_name(question: &str) -> &'static str {
    if question == FIRST { "first" } else { "near" }
}

#[tokio::test]
async fn what_grew_old_meanwhile_does_not_answer() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let gateway = start(&upstream, &directory, "ttl = \"60s\"").await;
    gateway.ask(&asking(FIRST)).send().await;
    gateway.stop().await;
    let cache = format!(
        "[cache]\nttl = \"60s\"\ndata_dir = {:?}\n",
        directory.path()
    );
    let setup = Gateway::setup(&upstream, &cache).encoder(planets());
    setup.clock.advance(Duration::from_secs(61));
    let gateway = setup.start().await;
    assert_eq!(gateway.stats().await["cache"]["entries"], 0);
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "miss");
    gateway.stop().await;
}

#[tokio::test]
async fn another_encoder_embeds_again() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let gateway = start(&upstream, &directory, "").await;
    gateway.ask(&asking(FIRST)).send().await;
    gateway.stop().await;

    let cache = format!(
        "[cache]\nshadow_checks = 0.0\ndata_dir = {:?}\n",
        directory.path()
    );
    let encoder = Angles::named("other", &[(FIRST, 1.0), (NEAR, 0.99)]);
    let setup = Gateway::setup(&upstream, &cache).encoder(encoder);
    let gateway = setup.start().await;
    // The exact tier serves at once; the semantic one as soon as the question has its new vector.
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "exact");
    let questions = async || gateway.stats().await["cache"]["questions"].as_u64();
    while questions().await != Some(1) {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "semantic");
    gateway.stop().await;
}

#[tokio::test]
async fn a_file_that_is_none_is_set_aside() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    std::fs::write(directory.path().join("cache.redb"), "not a database").unwrap();
    let gateway = start(&upstream, &directory, "").await;
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "miss");
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "exact");
    gateway.stop().await;
    let names: Vec<_> = (std::fs::read_dir(directory.path()).unwrap())
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("cache.redb.corrupt-")),
        "{names:?}"
    );
    let gateway = start(&upstream, &directory, "").await;
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "exact");
    gateway.stop().await;
}

#[tokio::test]
async fn an_index_is_there_again_at_once() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let questions: Vec<String> = (0..100).map(|n| format!("Is {n} a prime?")).collect();
    let angles = (0_u8..100).map(|n| (f32::from(n) * 0.01).cos());
    let texts: Vec<_> = questions.iter().map(String::as_str).zip(angles).collect();
    let start = async || {
        let cache = format!(
            "[cache]\nindex_above = 64\ndata_dir = {:?}\n",
            directory.path()
        );
        let setup = Gateway::setup(&upstream, &cache).encoder(Angles::of(&texts));
        setup.start().await
    };
    let gateway = start().await;
    for question in &questions {
        gateway.ask(&asking(question)).send().await;
    }
    gateway.app.settle().await;
    assert_eq!(gateway.stats().await["cache"]["graphs"], 1);
    gateway.stop().await;
    let graphs = || std::fs::read_dir(directory.path().join("graphs")).unwrap();
    let file = graphs().next().unwrap().unwrap().path();

    let gateway = start().await;
    let cache = &gateway.stats().await["cache"];
    assert_eq!(
        (&cache["graphs"], &cache["questions"]),
        (&json!(1), &json!(100))
    );
    gateway.stop().await;

    std::fs::write(&file, "half a graph").unwrap();
    let gateway = start().await;
    assert_eq!(gateway.stats().await["cache"]["questions"], 100);
    assert_eq!(
        gateway.ask(&asking("Is 7 a prime?")).send().await.way(),
        "exact"
    );
    gateway.stop().await;
}
