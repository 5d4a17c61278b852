//! Tokens in a minute and money, which are set aside before a call and corrected after it.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ALICE, BOB, seen};
use crate::support::{
    answer::Answer,
    asking,
    client::{self, Ask, Reply},
    gateway::{Gateway, Setup, model, provider},
    program::Serving,
    streaming,
    upstream::{KEY, Upstream},
    with,
};

/// What the fake provider's answers cost, in dollars: 10 tokens of prompt and 5 of answer.
const COST: f64 = 10.0 * 1e-6 + 5.0 * 2e-6;

fn terms(upstream: &Upstream, alice: &str) -> String {
    let provider = provider("main", upstream);
    let model = model("gpt-test", &["main/gpt-test"]);
    format!(
        "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n{alice}\n\
         [[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\n\
         {provider}{model}price = {{ input = 1.0, output = 2.0 }}\n"
    )
}

async fn start(upstream: &Upstream, alice: &str) -> Gateway {
    Setup::new(&terms(upstream, alice)).start().await
}

/// A request whose answer is short.
fn short(question: &str) -> Value {
    with(asking(question), json!({"max_tokens": 5}))
}

async fn ask(gateway: &Gateway, body: Value) -> Reply {
    let reply = gateway.ask(&body).key(ALICE).send().await;
    // What was used is known once the answer is recorded.
    gateway.app.settle().await;
    reply
}

async fn spent(gateway: &Gateway) -> f64 {
    seen(gateway).await["spent"]["day_usd"].as_f64().unwrap()
}

#[tokio::test]
async fn nobody_spends_more_than_their_budget_and_hits_are_free() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "budget = { daily_usd = 0.001 }").await;
    let mut refused = None;
    for number in 0..60 {
        let reply = ask(&gateway, short(&format!("What is fact {number}?"))).await;
        if reply.status != 200 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("60 calls cost more than the budget");
    assert_eq!(
        (refused.status, refused.header("x-should-retry")),
        (429, "false")
    );
    let error = refused.error();
    assert_eq!(error["code"], "budget_exceeded");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("this key's budget of $0.001000 a day"),
        "{message}"
    );
    assert!(message.contains("2023-11-15T00:00:00Z"), "{message}");
    assert_eq!(refused.header("retry-after"), "6400", "until midnight");
    let calls = upstream.calls();
    assert!(calls >= 30, "{calls}: what was set aside was given back");
    #[expect(clippy::cast_precision_loss, reason = "some tens")]
    let cost = calls as f64 * COST;
    assert!((spent(&gateway).await - cost).abs() < 1e-9 && cost <= 0.001);

    assert_eq!(ask(&gateway, short("What is fact 0?")).await.way(), "exact");
    assert_eq!(upstream.calls(), calls);
    let bobs = gateway.ask(&short("What is a crab?")).key(BOB).send().await;
    assert_eq!(bobs.status, 200);
    gateway.clock.advance(Duration::from_secs(6400));
    assert_eq!(ask(&gateway, short("What is a crab?")).await.status, 200);
}

#[tokio::test]
async fn a_call_that_fails_costs_nothing() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "budget = { monthly_usd = 0.001 }").await;
    for number in 0..10 {
        upstream.script(Answer::error(400, "no"));
        let dear = with(
            asking(&format!("Why {number}?")),
            json!({"max_tokens": 300}),
        );
        assert_eq!(ask(&gateway, dear).await.status, 400);
    }
    assert_eq!(spent(&gateway).await, 0.0);
    assert_eq!(ask(&gateway, short("What is a crab?")).await.status, 200);
}

#[tokio::test]
async fn what_is_set_aside_for_a_stream_is_free_again_when_the_client_hangs_up() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "budget = { daily_usd = 0.001 }").await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let dear = |question: &str| with(streaming(question), json!({"max_tokens": 300}));
    let stream = gateway.ask(&dear("What do crabs eat?")).key(ALICE);
    let mut stream = stream.open().await;
    stream.piece().await.unwrap();
    let refused = ask(&gateway, dear("Where do crabs live?")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert!(
        refused
            .text()
            .contains("is set aside for calls that are under way")
    );
    drop(stream);
    steps.abandoned().await;
    while ask(&gateway, dear("Where do crabs live?")).await.status != 200 {}
    assert!(spent(&gateway).await < 0.001);
}

#[tokio::test]
async fn tokens_are_corrected_to_what_was_used_and_hits_use_none() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "limits = { tokens_per_minute = 1000 }").await;
    let left = |reply: &Reply| -> u64 {
        let left = reply.header("x-ratelimit-remaining-tokens");
        left.parse().unwrap()
    };
    let first = ask(
        &gateway,
        with(asking("What do crabs eat?"), json!({"max_tokens": 500})),
    )
    .await;
    assert_eq!(first.header("x-ratelimit-limit-tokens"), "1000");
    let hit = ask(
        &gateway,
        with(asking("What do crabs eat?"), json!({"max_tokens": 500})),
    )
    .await;
    assert_eq!((hit.way(), left(&hit)), ("exact", 985));
    let refused = ask(&gateway, with(asking("Why?"), json!({"max_tokens": 5000}))).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.error()["code"], "rate_limit_exceeded");
    // More than a whole minute's tokens need all of them.
    let wait: u64 = refused.header("retry-after-ms").parse().unwrap();
    assert_eq!(wait, 900);
    gateway.clock.advance(Duration::from_millis(wait));
    let dear = ask(&gateway, with(asking("Why?"), json!({"max_tokens": 5000}))).await;
    assert_eq!(dear.status, 200);
}

#[tokio::test]
async fn a_budget_that_has_ended_still_serves_hits() {
    let upstream = Upstream::start().await;
    let until = "budget = { daily_usd = 1.0, until = \"2023-11-15\" }";
    let gateway = start(&upstream, until).await;
    assert_eq!(ask(&gateway, short("What is a crab?")).await.way(), "miss");
    gateway.clock.advance(Duration::from_secs(6400));
    assert_eq!(ask(&gateway, short("What is a crab?")).await.way(), "exact");
    let refused = ask(&gateway, short("What is a lobster?")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, ""));
    let told = "this key's budget ended at 2023-11-15T00:00:00Z (UTC)";
    assert_eq!(refused.error()["message"], told);
}

#[tokio::test]
async fn a_process_that_is_killed_has_not_forgotten_what_was_spent() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let config = directory.path().join("gateway.toml");
    let data = directory.path().join("data");
    let head = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[cache]\nsemantic = \"off\"\ndata_dir = {data:?}\n"
    );
    let terms = terms(&upstream, "budget = { monthly_usd = 1.0 }");
    std::fs::write(&config, head + &terms).unwrap();
    let environment = [
        ("UPSTREAM_KEY", KEY),
        ("ALICE_KEY", ALICE),
        ("BOB_KEY", BOB),
    ];
    let client = client::http().build().unwrap();
    let ask = async |serving: &Serving, question: &str| {
        let url = format!("{}/v1/chat/completions", serving.url);
        let request = client.post(url).header("content-type", "application/json");
        Ask::new(request.body(short(question).to_string()))
            .key(ALICE)
            .send()
            .await
    };
    let serving = Serving::start(&config, &environment).await;
    assert_eq!(ask(&serving, "What is a crab?").await.status, 200);
    // It is written within a second; until then there is nothing to be asked but whether it lives.
    while !data.join("spend.json").exists() {
        let alive = client.get(format!("{}/health/live", serving.url));
        assert!(alive.send().await.unwrap().status().is_success());
    }
    serving.kill().await;
    serving.gone().await;

    let serving = Serving::start(&config, &environment).await;
    let clients = client.get(format!("{}/admin/api/clients", serving.url));
    let clients = Ask::new(clients).send().await.json();
    let month = clients["clients"][0]["spent"]["month_usd"]
        .as_f64()
        .unwrap();
    assert!((month - COST).abs() < 1e-9, "{month}");
    serving.kill().await;
    serving.gone().await;
}

/// A gateway whose `gpt-test` has a fallback that costs a thousand times as much, under a budget.
async fn with_a_dear_fallback(main: &Upstream, backup: &Upstream, budget: &str) -> Gateway {
    let toml = format!(
        "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n{budget}\n{}{}\
         [[models]]\nname = \"gpt-test\"\ntargets = [\"main/gpt-test\"]\nfallbacks = [\"dear\"]\n\
         price = {{ input = 1.0, output = 2.0 }}\n\
         [[models]]\nname = \"dear\"\ntargets = [\"backup/b\"]\nprice = {{ input = 1000.0, output = 2000.0 }}\n",
        provider("main", main),
        provider("backup", backup),
    );
    Setup::new(&toml).start().await
}

#[tokio::test]
async fn a_failure_on_the_way_frees_nothing_of_what_is_set_aside() {
    let (main, backup) = (Upstream::start().await, Upstream::start().await);
    let budget = "budget = { daily_usd = 1.0 }";
    let gateway = with_a_dear_fallback(&main, &backup, budget).await;
    main.mood(|_| Answer::error(500, "down"));
    // Each may cost about 0.8 dollars: only one of them at a time.
    let (answer, hold) = Answer::said("dear").held();
    backup.script(answer);
    let body = |number: usize| {
        with(
            asking(&format!("What is fact {number}?")),
            json!({"max_tokens": 390}),
        )
    };
    let (first, second) = (body(1), body(2));
    let first = gateway.ask(&first).key(ALICE).send();
    let second = async {
        backup.arrived(1).await;
        let reply = gateway.ask(&second).key(ALICE).send().await;
        hold.release();
        reply
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (200, 429));
    assert_eq!(
        second.header("x-should-retry"),
        "",
        "a moment later it may be let in"
    );
    assert_eq!(backup.calls(), 1);
}

#[tokio::test]
async fn whatever_name_a_model_is_asked_by_it_costs_the_same() {
    let (main, backup) = (Upstream::start().await, Upstream::start().await);
    let gateway = with_a_dear_fallback(&main, &backup, "budget = { daily_usd = 100.0 }").await;
    for (turn, name) in ["dear", "backup/b", "gpt-test"].into_iter().enumerate() {
        if name == "gpt-test" {
            main.script(Answer::error(500, "down"));
        }
        let body = with(
            short(&format!("What is fact {turn}?")),
            json!({"model": name}),
        );
        assert_eq!(ask(&gateway, body).await.status, 200);
        #[expect(clippy::cast_precision_loss, reason = "three")]
        let expect = 1000.0 * COST * (turn + 1) as f64;
        assert!((spent(&gateway).await - expect).abs() < 1e-9, "{name}");
    }
}

#[tokio::test]
async fn whoever_shares_a_call_sets_nothing_aside() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "budget = { daily_usd = 0.001 }").await;
    let (answer, hold) = Answer::said("shared").held();
    upstream.script(answer);
    let body = with(asking("What do crabs eat?"), json!({"max_tokens": 400}));
    let ask = || gateway.ask(&body).key(ALICE).send();
    let all = futures_util::future::join_all((0..5).map(|_| ask()));
    let release = async {
        upstream.arrived(1).await;
        hold.release();
    };
    let (replies, ()) = tokio::join!(all, release);
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_count_that_can_not_be_true_locks_nobody_out_for_good() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream, "limits = { tokens_per_minute = 100000000 }").await;
    let mut body = crate::support::answer::completion("x", 1);
    body["usage"] =
        json!({"prompt_tokens": 1, "completion_tokens": 1_u64 << 60, "total_tokens": 1_u64 << 60});
    upstream.script(Answer::json(&body));
    assert_eq!(ask(&gateway, short("How many?")).await.status, 200);
    assert_eq!(ask(&gateway, short("And now?")).await.status, 200);
}
