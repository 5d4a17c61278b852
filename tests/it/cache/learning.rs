//! Admission: by policy, by a plain threshold, and by what answers have shown.

use std::sync::Arc;

use serde_json::Value;

use crate::support::{
    angles::Angles,
    answer::Answer,
    asking,
    gateway::{Gateway, provider},
    upstream::Upstream,
};

const FIRST: &str = "How many planets are there?";
const NEAR: &str = "What is the number of planets?";

fn at(similarity: f32) -> Arc<Angles> {
    let said = |number: usize| format!("answer {number}");
    let answers: Vec<String> = (1..9).map(said).collect();
    let answers = answers.iter().map(|answer| (answer.as_str(), 1.0));
    let texts = [(FIRST, 1.0), (NEAR, similarity)];
    Angles::of(&texts.into_iter().chain(answers).collect::<Vec<_>>())
}

async fn gateway(upstream: &Upstream, cache: &str, similarity: f32) -> Gateway {
    let config = format!("[cache]\n{cache}\n");
    let setup = Gateway::setup(upstream, &config).encoder(at(similarity));
    let gateway = setup.start().await;
    gateway.ask(&asking(FIRST)).send().await;
    gateway.app.settle().await;
    gateway
}

fn checks(stats: &Value) -> Vec<(String, u64)> {
    let classes = stats["learning"]["classes"].as_array().unwrap();
    let of = |class: &Value| {
        (
            class["why"].as_str().unwrap().to_owned(),
            class["sample"].as_u64().unwrap(),
        )
    };
    classes.iter().map(of).collect()
}

#[tokio::test]
async fn a_looser_policy_admits_what_a_stricter_one_does_not() {
    let upstream = Upstream::start().await;
    for (similarity, strict, loose) in [(0.999, true, true), (0.80, false, false)] {
        for (policy, hits) in [("strict", strict), ("loose", loose)] {
            let cache = format!("policy = \"{policy}\"\nshadow_checks = 0.0");
            let gateway = gateway(&upstream, &cache, similarity).await;
            let way = gateway.ask(&asking(NEAR)).send().await.way().to_owned();
            assert_eq!(way == "semantic", hits, "{policy} at {similarity}");
        }
    }
}

#[tokio::test]
async fn a_request_a_model_and_a_client_may_say_otherwise() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "threshold = 0.99\nshadow_checks = 0.0", 0.95).await;
    let with = |value| {
        gateway
            .ask(&asking(NEAR))
            .header("x-refrain-cache-threshold", value)
    };
    assert_eq!(with("0.96").send().await.way(), "miss");
    gateway.app.settle().await;

    let upstream = Upstream::start().await;
    let model =
        "[[models]]\nname = \"gpt-test\"\ntargets = [\"main/gpt-test\"]\nthreshold = 0.94\n";
    let config = format!(
        "[cache]\nthreshold = 0.99\n{}{model}",
        provider("main", &upstream)
    );
    let setup = crate::support::gateway::Setup::new(&config).encoder(at(0.95));
    let gateway = setup.start().await;
    gateway.ask(&asking(FIRST)).send().await;
    gateway.app.settle().await;
    let strict = gateway
        .ask(&asking(NEAR))
        .header("x-refrain-cache-threshold", "0.96");
    let only = strict
        .header("cache-control", "only-if-cached")
        .send()
        .await;
    assert_eq!(only.status, 504);
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "semantic");
}

#[tokio::test]
async fn in_shadow_mode_nothing_is_served_and_all_is_known() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "mode = \"shadow\"", 0.999).await;
    let same = gateway.ask(&asking(FIRST)).send().await;
    assert_eq!((same.way(), same.said().as_str()), ("miss", "answer 2"));
    assert_eq!(same.header("x-refrain-cache-reason"), "shadow");
    gateway.app.settle().await;
    let near = gateway.ask(&asking(NEAR)).send().await;
    assert_eq!((near.way(), near.said().as_str()), ("miss", "answer 3"));
    gateway.app.settle().await;
    let would = &gateway.stats().await["requests"]["would_hit"];
    assert_eq!(
        (&would["exact"], &would["semantic"]),
        (&1.into(), &1.into())
    );
}

#[tokio::test]
async fn a_miss_with_a_near_neighbour_is_a_label() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "threshold = 0.95\nshadow_checks = 0.0", 0.90).await;
    upstream.script(Answer::said("answer 1"));
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "miss");
    gateway.app.settle().await;
    assert_eq!(checks(&gateway.stats().await).len(), 1);
}

#[tokio::test]
async fn a_checked_hit_is_answered_at_once_and_asked_again_unseen() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "threshold = 0.95\nshadow_checks = 1.0", 0.999).await;
    upstream.script(Answer::said("Eight, since 2006."));
    let hit = gateway.ask(&asking(NEAR)).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("semantic", "answer 1"));
    gateway.app.settle().await;
    assert_eq!(upstream.calls(), 2, "the second one is the check");
    assert_eq!(gateway.stats().await["requests"]["background"], 1);
}

#[tokio::test]
async fn an_entry_that_fails_two_checks_goes() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, "threshold = 0.95\nshadow_checks = 1.0", 0.999).await;
    for times in 1..=2 {
        upstream.script(Answer::said("There are 8 of them"));
        // Another delivery, so that it is no hit by identical bytes.
        let body = serde_json::json!({"messages": [{"role": "user", "content": NEAR}], "model": "gpt-test", "user": times.to_string()});
        assert_eq!(gateway.ask(&body).send().await.way(), "semantic", "{times}");
        gateway.app.settle().await;
    }
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "miss");
}

#[tokio::test]
async fn a_configured_model_judges_where_the_comparison_is_not_sure() {
    let upstream = Upstream::start().await;
    let cache = "threshold = 0.95\nshadow_checks = 0.0\njudge_model = \"gpt-test\"";
    let gateway = gateway(&upstream, cache, 0.90).await;
    upstream.script(Answer::said("As many as there are dwarfs and one more."));
    upstream.script(Answer::said("SAME"));
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "miss");
    gateway.app.settle().await;
    let received = upstream.received();
    assert_eq!(received.len(), 3, "the third one is the judge's");
    let asked = received[2].json()["messages"][1]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        asked.contains("one more") && asked.contains("answer 1"),
        "{asked}"
    );
    assert_eq!(checks(&gateway.stats().await).len(), 1);
}

#[tokio::test]
async fn a_task_goes_before_a_client_and_a_client_before_a_model() {
    let upstream = Upstream::start().await;
    let client = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\nthreshold = 0.99\n";
    let task = "[[tasks]]\nname = \"support\"\nthreshold = 0.85\n[[tasks]]\nname = \"legal\"\ncache = false\n";
    let model =
        "[[models]]\nname = \"gpt-test\"\ntargets = [\"main/gpt-test\"]\nthreshold = 0.85\n";
    let config = format!(
        "[cache]\nshadow_checks = 0.0\n{client}{}{model}{task}",
        provider("main", &upstream)
    );
    let setup = crate::support::gateway::Setup::new(&config).encoder(at(0.90));
    let gateway = setup.start().await;
    gateway.ask(&asking(FIRST)).key("sk-alice_key").send().await;
    gateway.app.settle().await;
    let ask = |headers: &[(&str, &str)]| {
        let only = [("cache-control", "only-if-cached")];
        let ask = gateway.ask(&asking(NEAR)).key("sk-alice_key");
        ask.headers(headers).headers(&only).send()
    };
    assert_eq!(
        ask(&[]).await.status,
        504,
        "the client's threshold, not the model's"
    );
    assert_eq!(
        ask(&[("x-refrain-task", "support")]).await.way(),
        "semantic"
    );
    let strict = ("x-refrain-cache-threshold", "0.95");
    assert_eq!(
        ask(&[("x-refrain-task", "support"), strict]).await.status,
        504
    );
    let legal = gateway
        .ask(&asking(FIRST))
        .key("sk-alice_key")
        .header("x-refrain-task", "legal");
    let legal = legal.send().await;
    assert_eq!(
        (legal.way(), legal.header("x-refrain-cache-reason")),
        ("bypass", "disabled")
    );
}
