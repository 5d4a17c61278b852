//! Keys across a reload: what is taken back is taken back at once.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::reload;
use crate::support::{
    asking,
    gateway::{Gateway, Setup, config, model, provider},
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";
const ALICE: &str = "sk-alice_key";
const BOB: &str = "sk-bob_key";

fn client(name: &str, more: &str) -> String {
    format!(
        "[[clients]]\nname = \"{name}\"\nkey_env = \"{}_KEY\"\n{more}\n",
        name.to_uppercase()
    )
}

fn models(upstream: &Upstream) -> String {
    let models = ["gpt-test", "gpt-other"].map(|name| model(name, &["main/gpt-test"]));
    provider("main", upstream) + &models.concat()
}

#[tokio::test]
async fn a_removed_client_is_not_let_in_though_it_was_answered_before() {
    let upstream = Upstream::start().await;
    let models = models(&upstream);
    let both = client("alice", "") + &client("bob", "") + &models;
    let gateway = Setup::new(&both).start().await;
    let ask = |key| gateway.ask(&asking(QUESTION)).key(key).send();
    for way in ["miss", "exact"] {
        assert_eq!(ask(ALICE).await.way(), way);
        assert_eq!(ask(BOB).await.way(), way);
    }
    reload(&gateway, &(client("bob", "") + &models)).await;
    let refused = ask(ALICE).await;
    assert_eq!(
        (refused.status, refused.error()["code"].as_str()),
        (401, Some("invalid_api_key"))
    );
    assert_eq!(
        gateway.get("/v1/models").key(ALICE).send().await.status,
        401
    );
    assert_eq!(ask(BOB).await.way(), "exact", "its entries are its own");
    // Who comes back finds what was its own.
    reload(&gateway, &both).await;
    assert_eq!(ask(ALICE).await.way(), "exact");
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn what_a_client_may_ask_for_changes_also_for_bytes_that_are_known() {
    let upstream = Upstream::start().await;
    let models = models(&upstream);
    let with_rights = |more: &str| client("alice", more) + &models;
    let gateway = Setup::new(&with_rights("")).start().await;
    let other = with(asking(QUESTION), serde_json::json!({"model": "gpt-other"}));
    let ask = || gateway.ask(&other).key(ALICE).send();
    assert_eq!((ask().await.way(), ask().await.way()), ("miss", "exact"));
    reload(&gateway, &with_rights("allowed_models = [\"gpt-test\"]")).await;
    assert_eq!(ask().await.status, 403);
    reload(&gateway, &with_rights("namespace = \"team\"")).await;
    assert_eq!(ask().await.way(), "miss", "another namespace");
}

/// A request whose head the gateway has read and whose body it waits for.
async fn half_sent(gateway: &Gateway, key: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn a_request_that_was_let_in_before_leaves_no_way_in_for_later_ones() {
    let upstream = Upstream::start().await;
    let models = models(&upstream);
    let with_rights = |more: &str| client("alice", more) + &models;
    let gateway = Setup::new(&with_rights("namespace = \"old\""))
        .start()
        .await;
    let body = asking(QUESTION).to_string();
    let mut slow = half_sent(&gateway, ALICE, &body).await;
    reload(&gateway, &with_rights("namespace = \"new\"")).await;
    slow.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    gateway.app.settle().await;
    // It was of the old namespace, and so is what it has left.
    let reply = gateway.post(body.clone()).key(ALICE).send().await;
    assert_eq!((reply.way(), reply.said().as_str()), ("miss", "answer 2"));

    let mut slow = half_sent(&gateway, ALICE, &body).await;
    reload(&gateway, &with_rights("allowed_models = [\"gpt-other\"]")).await;
    slow.write_all(body.as_bytes()).await.unwrap();
    slow.read_to_string(&mut answer).await.unwrap();
    gateway.app.settle().await;
    let reply = gateway.post(body).key(ALICE).send().await;
    assert_eq!(reply.status, 403, "{}", reply.text());
}

#[tokio::test]
async fn the_admin_key_changes() {
    let upstream = Upstream::start().await;
    let models = models(&upstream);
    let gateway = Setup::new(&models).start().await;
    assert_eq!(gateway.get("/metrics").send().await.status, 200);
    let with_key = format!("[admin]\nkey_env = \"ADMIN_KEY\"\n{models}");
    reload(&gateway, &with_key).await;
    assert_eq!(gateway.get("/metrics").send().await.status, 401);
    let stats = gateway.get("/admin/api/stats").key("sk-admin_key");
    assert_eq!(stats.send().await.status, 200);
}

#[tokio::test]
async fn keys_are_asked_for_as_long_as_others_reach_the_address_that_is_listened_on() {
    let upstream = Upstream::start().await;
    let models = models(&upstream);
    let alice = client("alice", "");
    let admin = "[admin]\nkey_env = \"ADMIN_KEY\"\n";
    let public = "[server]\nlisten = \"0.0.0.0:8080\"\n";
    let gateway = Setup::new(&format!("{public}{admin}{alice}{models}"))
        .start()
        .await;
    // Each would be in order for a gateway that listens on loopback, as it is after a restart.
    for (opened, names) in [
        (models.clone(), ["`server.listen`", "0.0.0.0:8080"]),
        (
            format!("{admin}{models}"),
            ["`server.listen`", "0.0.0.0:8080"],
        ),
        (
            format!("{alice}{models}"),
            ["`admin.key_env`", "REFRAIN_ADMIN_KEY is not set"],
        ),
    ] {
        let refused = gateway.app.reload(&config(&opened)).await.unwrap_err();
        let message = refused.to_string();
        assert!(
            message.starts_with(names[0]) && message.contains(names[1]),
            "{message}"
        );
        let stranger = gateway.ask(&asking(QUESTION)).send().await;
        assert_eq!(stranger.status, 401);
        let stats = gateway.get("/admin/api/stats").key("sk-admin_key");
        let stats = stats.send().await.json();
        assert_eq!(stats["config"]["state"], "last_good");
    }
    let closed = format!("{admin}{alice}{models}");
    assert_eq!(reload(&gateway, &closed).await, ["server.listen"]);
}

#[tokio::test]
async fn the_admin_key_is_not_given_up_on_loopback_either() {
    let upstream = Upstream::start().await;
    let models = models(&upstream);
    let with_key = format!("[admin]\nkey_env = \"ADMIN_KEY\"\n{models}");
    let gateway = Setup::new(&with_key).start().await;
    let refused = gateway.app.reload(&config(&models)).await.unwrap_err();
    assert!(
        refused.to_string().starts_with("`admin.key_env`"),
        "{refused}"
    );
    assert_eq!(gateway.get("/admin/api/stats").send().await.status, 401);
    // Another one is.
    let other = with_key.replace("ADMIN_KEY", "BOB_KEY");
    reload(&gateway, &other).await;
    let stats = gateway.get("/admin/api/stats");
    assert_eq!(stats.key(BOB).send().await.status, 200);
}
