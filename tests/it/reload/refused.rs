//! What can't be taken into force, and how that is told.

use serde_json::json;

use super::{
    file::{Script, until},
    reload,
};
use crate::support::{
    asking,
    gateway::{Setup, config, model, provider},
    upstream::Upstream,
};

#[tokio::test(start_paused = true)]
async fn a_broken_file_keeps_the_last_good_one_and_says_so_until_it_is_mended() {
    let (left, right) = (Upstream::start().await, Upstream::start().await);
    let before = provider("left", &left) + &model("gpt-test", &["left/gpt-test"]);
    let after = provider("right", &right) + &model("gpt-test", &["right/gpt-test"]);
    let broken = format!("[server]\nmax_boby = \"1MiB\"\n[cache]\nttl = 5\n{after}");
    let mut gateway = Setup::new(&before).start().await;
    let script = Script::of(&[&before]);
    gateway
        .app
        .watch(script.source(), &before, script.hangups());
    let answers = async |provider: &str, question: &str| {
        let reply = gateway.ask(&asking(question)).send().await;
        assert_eq!(
            (reply.status, reply.header("x-refrain-provider")),
            (200, provider)
        );
    };
    let loaded_at = gateway.clock.unix_seconds();
    let seen = async || {
        let ready = gateway.get("/health/ready").send().await;
        assert_eq!(
            (ready.status, ready.json()["status"].as_str()),
            (200, Some("ready"))
        );
        let mut headers = Vec::new();
        for path in ["stats", "cache/entries", "nothing/of/that/name"] {
            let reply = gateway.get(&format!("/admin/api/{path}")).send().await;
            headers.push(reply.header("x-refrain-config").to_owned());
        }
        headers.dedup();
        assert_eq!(
            gateway
                .get("/v1/models")
                .send()
                .await
                .header("x-refrain-config"),
            ""
        );
        let stats = gateway.stats().await;
        (
            ready.json()["config"].clone(),
            headers,
            stats["config"].clone(),
        )
    };
    let current = json!({
        "state": "current", "generation": 0, "loaded_at": loaded_at, "problems": [], "needs_restart": [],
    });
    assert_eq!(
        seen().await,
        (json!("current"), vec!["current".to_owned()], current)
    );

    gateway.clock.advance(std::time::Duration::from_secs(5));
    script.write(&broken);
    until(&gateway, |config| config["state"] == "last_good").await;
    answers("left", "What do crabs eat?").await;
    let (ready, headers, config) = seen().await;
    assert_eq!(
        (ready, headers),
        (json!("last_good"), vec!["last-good".to_owned()])
    );
    assert_eq!(
        (&config["generation"], &config["loaded_at"]),
        (&json!(0), &json!(loaded_at))
    );
    let problems: Vec<&str> = (config["problems"].as_array().unwrap().iter())
        .map(|line| line.as_str().unwrap())
        .collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("test.toml:2:1: `server.max_boby`: "));
    assert!(problems[1].starts_with("test.toml:4:7: `cache.ttl`: "));
    assert_eq!(problems[2], "2 problems");

    script.remove();
    until(&gateway, |config| {
        config["problems"] == json!(["there is no file"])
    })
    .await;
    script.write("");
    until(&gateway, |config| {
        let line = config["problems"][0].as_str();
        line.is_some_and(|line| line.starts_with("the file is empty"))
    })
    .await;
    answers("left", "What do shrimps eat?").await;

    script.write(&after);
    until(&gateway, |config| config["state"] == "current").await;
    answers("right", "What do crabs eat?").await;
    let (ready, headers, config) = seen().await;
    assert_eq!(
        (ready, headers),
        (json!("current"), vec!["current".to_owned()])
    );
    let expected = json!({
        "state": "current", "generation": 1, "loaded_at": loaded_at + 5, "problems": [],
        "needs_restart": [],
    });
    assert_eq!(config, expected);
}

#[tokio::test]
async fn what_takes_a_restart_is_named_and_the_rest_is_in_force() {
    let upstream = Upstream::start().await;
    let plain = provider("main", &upstream) + &model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&plain).start().await;
    let toml = format!(
        "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 5\nmax_body = \"1KiB\"\n\
         [embedding]\nthreads = 1\n[cache]\ndata_dir = \"elsewhere\"\nmax_bytes = \"64MiB\"\n{plain}"
    );
    let keys = [
        "server.listen",
        "server.max_connections",
        "embedding.threads",
        "cache.data_dir",
        "cache.max_bytes",
    ];
    assert_eq!(reload(&gateway, &toml).await, keys);
    let stats = gateway.stats().await;
    assert_eq!(stats["config"]["needs_restart"], json!(keys));
    assert_eq!(stats["config"]["state"], "current");
    assert_eq!(stats["cache"]["max_bytes"], 512 << 20);
    let long = gateway.ask(&asking(&"long ".repeat(500))).send().await;
    assert_eq!(long.status, 413);
    assert!(reload(&gateway, &plain).await.is_empty());
    let stats = gateway.stats().await;
    assert_eq!(stats["config"]["needs_restart"], json!([]));
}

#[tokio::test]
async fn a_file_that_leaves_nobody_but_the_demo_is_refused() {
    let upstream = Upstream::start().await;
    let good = provider("main", &upstream) + &model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&good).start().await;
    let without_key = good.replace("UPSTREAM_KEY", "NO_SUCH_KEY");
    let refused = gateway.app.reload(&config(&without_key)).await.unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("NO_SUCH_KEY is not set"), "{refused}");
    let reply = gateway.ask(&asking("Still there?")).send().await;
    assert_eq!(reply.header("x-refrain-provider"), "main");
}
