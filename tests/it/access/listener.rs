//! A listener of operators' own.

use std::path::Path;

use tokio::net::TcpListener;

use super::KEY;
use crate::support::{
    asking,
    client::{self, Ask, Reply},
    gateway::{Setup, config, model, provider},
    program::{QUIET, Serving, refrain, run, written},
    upstream::Upstream,
};

const OPERATORS: [&str; 5] = [
    "/admin",
    "/admin/assets/main.js",
    "/admin/api/session",
    "/admin/api/stats",
    "/metrics",
];
const BOTH: [&str; 4] = ["/health", "/health/live", "/health/ready", "/openapi.json"];

async fn get(url: &str, path: &str) -> Reply {
    let client = client::http().build().unwrap();
    Ask::new(client.get(format!("{url}{path}"))).send().await
}

/// Where the banner says that the page is.
fn admin_url(banner: &str) -> String {
    let line = banner
        .lines()
        .find_map(|line| line.trim().strip_prefix("admin page"));
    line.unwrap()
        .trim()
        .strip_suffix("/admin")
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn operators_are_answered_there_and_clients_are_not() {
    let upstream = Upstream::start().await;
    let toml = format!(
        "{QUIET}[admin]\nlisten = \"127.0.0.1:0\"\n{}{}",
        provider("main", &upstream),
        model("gpt-test", &["main/gpt-test"])
    );
    let (_directory, path) = written(&toml);
    let serving = Serving::start(Path::new(&path), &[]).await;
    let admin = admin_url(&serving.banner);
    assert!(admin.starts_with("http://127.0.0.1:") && admin != serving.url);
    for path in OPERATORS {
        assert_eq!(get(&admin, path).await.status, 200, "{path}");
        let elsewhere = get(&serving.url, path).await;
        assert_eq!(
            (elsewhere.status, &elsewhere.error()["code"]),
            (404, &"unknown_url".into()),
            "{path}"
        );
    }
    for path in BOTH {
        assert_eq!(get(&admin, path).await.status, 200, "{path}");
        assert_eq!(get(&serving.url, path).await.status, 200, "{path}");
    }
    for path in [
        "/v1/models",
        "/models",
        "/v1beta/models",
        "/v1/openapi.json",
    ] {
        assert_eq!(get(&admin, path).await.status, 404, "{path}");
        assert_eq!(get(&serving.url, path).await.status, 200, "{path}");
    }
    let client = client::http().build().unwrap();
    for (url, status) in [(&serving.url, 200), (&admin, 404)] {
        let ask = client.post(format!("{url}/v1/chat/completions"));
        let ask = Ask::new(ask.body(asking("What do crabs eat?").to_string()));
        assert_eq!(ask.send().await.status, status);
    }
    assert_eq!(
        get(&admin, "/admin/api/stats").await.json()["requests"]["miss"],
        1
    );
    // Both end together.
    serving.terminate().await;
    let ended = serving.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_by_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let (_directory, path) = written(&format!("{QUIET}[admin]\nlisten = \"{address}\"\n"));
    let ended = run(refrain(&["serve", "--config", &path])).await;
    assert_eq!(ended.code, Some(1));
    let message = format!("cannot listen on {address} (`admin.listen`)");
    assert!(ended.err.contains(&message), "{}", ended.err);
}

#[tokio::test]
async fn another_address_takes_a_restart() {
    let gateway = Setup::new("").start().await;
    let wanted = config("[admin]\nlisten = \"127.0.0.1:9090\"\n");
    let reloaded = gateway.app.reload(&wanted).await.unwrap();
    assert_eq!(reloaded.needs_restart, ["admin.listen"]);
    // Until then they are answered where they were.
    assert_eq!(gateway.get("/admin/api/stats").send().await.status, 200);
}

#[tokio::test]
async fn the_key_is_not_given_up_whatever_address_is_named() {
    let admin = "[admin]\nkey_env = \"ADMIN_KEY\"\n";
    let public = "listen = \"0.0.0.0:9090\"\n";
    let gateway = Setup::new(&format!("{admin}{public}")).start().await;
    // Each would be in order for a gateway that is started with it.
    for opened in ["", "[admin]\nlisten = \"127.0.0.1:9090\"\n"] {
        let refused = gateway.app.reload(&config(opened)).await.unwrap_err();
        let message = refused.to_string();
        assert!(message.starts_with("`admin.key_env`"), "{message}");
    }
    let router = gateway.app.admin_router();
    assert!(router.is_some());
    assert_eq!(
        gateway.get("/admin/api/stats").key(KEY).send().await.status,
        404
    );
    let closed = format!("{admin}listen = \"127.0.0.1:9090\"\n");
    let reloaded = gateway.app.reload(&config(&closed)).await.unwrap();
    assert_eq!(reloaded.needs_restart, ["admin.listen"]);
}
