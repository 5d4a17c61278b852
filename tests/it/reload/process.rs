//! The program itself: its signal, its file, its log and its metrics.

use std::{fs, path::Path};

use crate::support::{
    asking,
    client::{self, Ask},
    gateway::{model, provider},
    program::{QUIET, Serving, written},
    upstream::{KEY, Upstream},
};

const QUESTION: &str = "What do crabs eat?";

async fn get(url: &str, path: &str) -> client::Reply {
    let client = client::http().build().unwrap();
    Ask::new(client.get(format!("{url}{path}"))).send().await
}

async fn answered_by(url: &str) -> String {
    let client = client::http().build().unwrap();
    let request = client.post(format!("{url}/v1/chat/completions"));
    let reply = Ask::new(request.body(asking(QUESTION).to_string()));
    let reply = reply.send().await;
    reply.header("x-refrain-provider").to_owned()
}

/// Writes a file as careful programs do: beside it, and then in its place.
fn replace(path: &str, text: &str) {
    let beside = format!("{path}.new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

#[tokio::test]
async fn the_file_is_read_again_at_sighup_and_when_it_has_changed() {
    let (left, right) = (Upstream::start().await, Upstream::start().await);
    let served_by = |name: &str, upstream| {
        let target = format!("{name}/gpt-test");
        let provider = provider(name, upstream);
        format!("{QUIET}{provider}{}", model("gpt-test", &[&target]))
    };
    // What is only asked for, first.
    let by_signal = |toml: String| toml.replace("[cache]", "reload = false\n[cache]");
    let (_directory, path) = written(&by_signal(served_by("left", &left)));
    let mut serving = Serving::start(Path::new(&path), &[]).await;
    let url = serving.url.clone();
    assert_eq!(answered_by(&url).await, "left");

    replace(&path, &served_by("right", &right));
    serving.hang_up().await;
    serving.says("the configuration was reloaded").await;
    assert_eq!(answered_by(&url).await, "right");
    let metrics = get(&url, "/metrics").await;
    for line in [
        "refrain_config_reloads_total{outcome=\"ok\"} 1",
        "refrain_config_reloads_total{outcome=\"refused\"} 0",
        "refrain_config_current 1",
    ] {
        assert!(metrics.text().contains(line), "{line}\n{}", metrics.text());
    }

    // From here on by itself.
    let secret = "sk-written-where-it-does-not-belong";
    let broken = served_by("left", &left).replace("UPSTREAM_KEY", secret);
    replace(&path, &broken.replace("[cache]", "max_boby = 5\n[cache]"));
    serving.says("the configuration was not reloaded").await;
    serving.says("did you mean `max_body`?").await;
    assert_eq!(answered_by(&url).await, "right");
    assert_eq!(
        get(&url, "/health/ready").await.json()["config"],
        "last_good"
    );
    let metrics = get(&url, "/metrics").await;
    for line in [
        "refrain_config_reloads_total{outcome=\"refused\"} 1",
        "refrain_config_current 0",
    ] {
        assert!(metrics.text().contains(line), "{line}\n{}", metrics.text());
    }

    let restart = served_by("left", &left).replace("[cache]", "max_connections = 77\n[cache]");
    replace(&path, &restart);
    serving
        .says("\"settings\":\"server.max_connections\"")
        .await;
    assert_eq!(answered_by(&url).await, "left");
    assert_eq!(get(&url, "/health/ready").await.json()["config"], "current");
    serving.terminate().await;
    let ended = serving.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        !ended.err.contains(secret) && !ended.err.contains(KEY),
        "{}",
        ended.err
    );
}
