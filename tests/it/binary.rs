//! The program itself: starting, refusing to start, stopping, and what it writes.

use std::{
    io::{Seek, Write},
    path::Path,
};

use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{
    answer::Answer,
    asking,
    client::{self, Ask},
    gateway::{model, provider},
    program::{Ended, QUIET, Serving, refrain, run, written},
    streaming,
    upstream::{KEY, Upstream},
    with,
};

const QUESTION: &str = "What do crabs eat?";

fn ask(url: &str, body: &serde_json::Value) -> Ask {
    let client = client::http().build().unwrap();
    Ask::new(
        client
            .post(format!("{url}/v1/chat/completions"))
            .body(body.to_string()),
    )
}

fn before(upstream: &Upstream, more: &str) -> String {
    format!(
        "{QUIET}{more}{}{}",
        provider("main", upstream),
        model("gpt-test", &["main/gpt-test"])
    )
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_every_problem_and_its_place() {
    let toml = "[server]\nlisten = \"127.0.0.1:0\"\nmax_boby = \"1MiB\"\n[cache]\nttl = 5\n";
    for command in ["serve", "check"] {
        let (_directory, path) = written(toml);
        let ended = run(refrain(&[command, "--config", &path])).await;
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(1), ""),
            "{}",
            ended.err
        );
        assert!(
            ended.err.contains(&format!("{path}:3:1: ")),
            "{}",
            ended.err
        );
        assert!(
            ended.err.contains("did you mean `max_body`?"),
            "{}",
            ended.err
        );
        assert!(
            ended.err.contains(&format!("{path}:5:7: ")),
            "{}",
            ended.err
        );
        assert!(
            ended.err.trim_end().ends_with("2 problems"),
            "{}",
            ended.err
        );
    }
}

#[tokio::test]
async fn a_missing_configuration_is_named() {
    let (_directory, path) = written("");
    let ended = run(refrain(&["serve", "--config", &format!("{path}.none")])).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains(&format!("cannot read {path}.none")),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn a_missing_model_names_the_command_that_mends_it() {
    let (directory, path) = written("[server]\nlisten = \"127.0.0.1:0\"\n");
    let ended = run(refrain(&["serve", "--config", &path])).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    let model = directory.path().join("models/all-MiniLM-L6-v2");
    assert!(ended.err.contains(model.to_str().unwrap()), "{}", ended.err);
    assert!(ended.err.contains("run `make setup`"), "{}", ended.err);
    assert!(ended.err.contains("`semantic = \"off\"`"), "{}", ended.err);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let (_directory, path) = written(&QUIET.replace("127.0.0.1:0", &address.to_string()));
    let ended = run(refrain(&["serve", "--config", &path])).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains(&format!("cannot listen on {address}")),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn check_says_what_is_good_without_asking_anybody() {
    let gone = Upstream::gone().await;
    let provider = |name: &str, key: &str| {
        format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{gone}\"\napi_key_env = \"{key}\"\n"
        )
    };
    let toml = provider("main", "UPSTREAM_KEY") + &provider("other", "OTHER_KEY");
    let (_directory, path) = written(&toml);
    let ended = run(refrain(&["check", "--config", &path])).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(
        ended.out,
        format!("{path}: good; 1 of 2 providers active\n")
    );
}

#[tokio::test]
async fn the_banner_tells_where_it_is_and_who_answers() {
    let upstream = Upstream::start().await;
    let other = "[[providers]]\nname = \"other\"\nkind = \"openai\"\n";
    let (_directory, path) = written(&before(&upstream, other));
    let serving = Serving::start(Path::new(&path), &[]).await;
    let url = &serving.url;
    assert!(url.starts_with("http://127.0.0.1:"));
    for line in [
        format!("refrain {} is ready", env!("CARGO_PKG_VERSION")),
        format!("  admin page   {url}/admin"),
        "  cache        exact only (semantic is off)".to_owned(),
        "  provider     main: active".to_owned(),
        "  provider     other: inactive (OPENAI_API_KEY is not set)".to_owned(),
    ] {
        assert!(
            serving.banner.lines().any(|found| found == line),
            "{line}\n{}",
            serving.banner
        );
    }
    assert!(
        serving
            .banner
            .contains(&format!("curl -s {url}/v1/chat/completions"))
    );
    assert_eq!(ask(url, &asking(QUESTION)).send().await.said(), "answer 1");
    let page = Ask::new(client::http().build().unwrap().get(format!("{url}/admin")))
        .send()
        .await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
}

#[tokio::test]
async fn metrics_say_why_the_cache_did_not_answer() {
    let upstream = Upstream::start().await;
    let (_directory, path) = written(&before(&upstream, ""));
    let serving = Serving::start(Path::new(&path), &[]).await;
    for _ in 0..2 {
        ask(&serving.url, &asking(QUESTION)).send().await;
    }
    let lines = [
        "refrain_cache_misses_total{reason=\"semantic_off\"} 1",
        "refrain_cache_lookups_total{tier=\"exact\",result=\"hit\"} 1",
    ];
    let client = client::http().build().unwrap();
    let mut shown = String::new();
    // A request is counted when it is over, a moment after its answer.
    for _ in 0..2000 {
        let metrics = Ask::new(client.get(format!("{}/metrics", serving.url)));
        shown = metrics.send().await.text().to_owned();
        if lines.iter().all(|line| shown.contains(line)) {
            return;
        }
    }
    panic!("{shown}");
}

#[tokio::test]
async fn the_shipped_configuration_answers_without_any_key_and_says_that_it_is_a_demo() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers.toml");
    let nobody = Upstream::gone().await;
    let environment = [
        ("REFRAIN_SERVER__LISTEN", "127.0.0.1:0"),
        ("REFRAIN_CACHE__SEMANTIC", "off"),
        ("OLLAMA_HOST", nobody.trim_end_matches("/v1")),
    ];
    let serving = Serving::start(&config, &environment).await;
    assert!(
        serving
            .banner
            .contains("provider     demo: answers every model"),
        "{}",
        serving.banner
    );
    assert!(
        serving
            .banner
            .contains("anthropic: inactive (ANTHROPIC_API_KEY is not set)")
    );
    assert!(
        serving
            .banner
            .contains("ollama: inactive (nothing answers at ")
    );
    for model in ["gpt-4o", "a-model-of-tomorrow"] {
        let body = with(asking(QUESTION), json!({"model": model}));
        let reply = ask(&serving.url, &body).send().await;
        assert_eq!(
            (reply.status, reply.header("x-refrain-provider")),
            (200, "demo")
        );
        assert!(reply.said().starts_with("[demo answer"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_signal_to_stop_lets_a_stream_go_on_to_its_end() {
    let upstream = Upstream::start().await;
    let (_directory, path) = written(&before(&upstream, ""));
    let mut serving = Serving::start(Path::new(&path), &[]).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae ");
    let mut reply = ask(&serving.url, &streaming(QUESTION)).open().await;
    assert!(reply.piece().await.is_some());
    serving.terminate().await;
    serving.says("stopping; requests in flight go on").await;
    steps.say("and worms");
    steps.finish();
    assert!(reply.rest().await.is_done());
    let ended = serving.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.err.contains("every request in flight was answered"),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_it_may() {
    let upstream = Upstream::start().await;
    let toml = before(&upstream, "").replace("[cache]", "drain_timeout = \"10ms\"\n[cache]");
    let (_directory, path) = written(&toml);
    let serving = Serving::start(Path::new(&path), &[]).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae ");
    let mut reply = ask(&serving.url, &streaming(QUESTION)).open().await;
    assert!(reply.piece().await.is_some());
    serving.terminate().await;
    let ended = serving.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.err.contains("some requests were still in flight"),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn health_asks_a_running_gateway() {
    let (_directory, path) = written(QUIET);
    let serving = Serving::start(Path::new(&path), &[]).await;
    let well = run(refrain(&["health", "--url", &serving.url])).await;
    assert_eq!(
        (well.code, well.out.as_str(), well.err.as_str()),
        (Some(0), "", "")
    );
    serving.terminate().await;
    let url = serving.url.clone();
    assert_eq!(serving.ended().await.code, Some(0));
    let gone = run(refrain(&["health", "--url", &url])).await;
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.starts_with("error: "), "{}", gone.err);
}

#[tokio::test]
async fn neither_keys_nor_prompts_are_ever_written() {
    const CLIENT_KEY: &str = "sk-client-27d8b1";
    const PROMPT: &str = "a prompt that nobody else may read";
    let upstream = Upstream::start().await;
    let client =
        "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n[admin]\nkey_env = \"BOSS_KEY\"\n";
    let (_directory, path) = written(&before(&upstream, client));
    let environment = [
        ("ALICE_KEY", CLIENT_KEY),
        ("BOSS_KEY", "sk-boss-77aa01"),
        ("RUST_LOG", "trace"),
    ];
    let serving = Serving::start(Path::new(&path), &environment).await;
    let url = serving.url.clone();
    upstream.script(Answer::error(500, &format!("Bearer {KEY}")));
    upstream.script(Answer::error(400, PROMPT));
    let mut text = String::new();
    for status in [502, 400, 200, 200] {
        let reply = ask(&url, &asking(PROMPT)).key(CLIENT_KEY).send().await;
        assert_eq!(reply.status, status, "{}", reply.text());
        text += &format!("{:?}", reply.headers);
    }
    let incorrect = format!("Incorrect API key provided: {KEY}");
    upstream.script(Answer::error(401, &incorrect));
    for _ in 0..2 {
        let other = asking("Is this key refused?");
        let reply = ask(&url, &other).key(CLIENT_KEY).send().await;
        assert_eq!(reply.status, 502, "{}", reply.text());
        text += &format!("{:?} {}", reply.headers, reply.text());
    }
    let broken = ask(
        &url,
        &json!({"model": "gpt-test", "messages": [{"role": PROMPT, "content": PROMPT}]}),
    );
    assert_eq!(broken.key(CLIENT_KEY).send().await.status, 400);
    assert_eq!(
        ask(&url, &asking(PROMPT))
            .key("sk-wrong-99ff")
            .send()
            .await
            .status,
        401
    );
    let admin = Ask::new(
        client::http()
            .build()
            .unwrap()
            .get(format!("{url}/admin/api/stats")),
    );
    assert_eq!(admin.key("sk-boss-77aa01").send().await.status, 200);
    serving.terminate().await;
    let ended = serving.ended().await;
    text += &ended.out;
    text += &ended.err;
    assert!(ended.err.len() > 1000, "there is a log");
    for secret in [KEY, CLIENT_KEY, "sk-boss-77aa01", "sk-wrong-99ff", PROMPT] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[tokio::test]
async fn a_new_key_is_let_in_by_the_lines_that_come_with_it() {
    let made = run(refrain(&["key", "new", "--name", "shop"])).await;
    assert_eq!(made.code, Some(0), "{}", made.err);
    let key = made.out.strip_suffix('\n').unwrap();
    assert!(key.starts_with("rk-") && key.len() == 46, "{key}");
    assert!(!made.err.contains(key), "{}", made.err);

    let hashed = with_input(&["key", "hash"], &made.out).await;
    assert_eq!((hashed.code, hashed.err.as_str()), (Some(0), ""));
    let hash = hashed.out.trim_end();
    assert!(made.err.contains(&format!("key_sha256 = \"{hash}\"")));

    let lines = made.err.find("[[clients]]").unwrap();
    let upstream = Upstream::start().await;
    let (_directory, path) = written(&before(&upstream, &made.err[lines..]));
    let serving = Serving::start(Path::new(&path), &[]).await;
    let body = asking(QUESTION);
    let refused = ask(&serving.url, &body).send().await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    let answered = ask(&serving.url, &body).key(key).send().await;
    assert_eq!(answered.status, 200, "{}", answered.text());
}

#[tokio::test]
async fn what_is_no_key_has_no_hash() {
    for input in ["", "\n", "planted key\n", "planted\nkey\n"] {
        let ended = with_input(&["key", "hash"], input).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{input}");
        assert!(ended.err.starts_with("error: "), "{}", ended.err);
        assert!(!ended.err.contains("planted"), "{}", ended.err);
    }
    let ended = run(refrain(&["key", "new", "--name", "two words"])).await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(2), ""),
        "{}",
        ended.err
    );
}

/// Runs the program to its end with this on its standard input.
async fn with_input(arguments: &[&str], input: &str) -> Ended {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    let mut command = refrain(arguments);
    command.stdin(file);
    run(command).await
}
