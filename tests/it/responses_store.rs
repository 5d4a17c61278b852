//! Kept responses, as clients ask for them again. What makes them is tested elsewhere: here they are
//! put where they are kept.

use std::time::Duration;

use bytes::Bytes;
use refrain::{
    cache::responses::KeptResponse,
    config::{Client, KeyDigest},
    policy::identity::{Scope, ScopeKind},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    gateway::{Gateway, Setup, config, model, provider},
    upstream::Upstream,
};

mod items;
mod refusals;

const ALICE: &str = "sk-alice_key";
const BOB: &str = "sk-bob_key";
/// So that the scopes of a test's gateway can be worked out.
const SECRET: &str = "[cache]\nsecret_env = \"CACHE_SECRET\"\n";

/// A gateway with the clients Alice and Bob.
fn terms(upstream: &Upstream, more: &str) -> String {
    let clients = ["alice", "bob"].map(|name| {
        let variable = format!("{}_KEY", name.to_uppercase());
        format!("[[clients]]\nname = \"{name}\"\nkey_env = \"{variable}\"\n")
    });
    let provider = provider("main", upstream);
    let model = model("gpt-test", &["main/gpt-test"]);
    format!("{SECRET}{more}\n{}{provider}{model}", clients.concat())
}

async fn start(more: &str) -> Gateway {
    let upstream = Upstream::start().await;
    Setup::new(&terms(&upstream, more)).start().await
}

/// The scope of a client's own in a gateway with [`SECRET`].
fn own(key: &str) -> Scope {
    let secret = blake3::derive_key(
        "refrain 2026-11 tenant scopes",
        b"sc-the-same-in-several-gateways",
    );
    Scope::new(&secret, ScopeKind::Key, KeyDigest::of(key).as_bytes())
}

fn response(id: &str) -> Value {
    json!({"id": id, "object": "response", "status": "completed", "output": []})
}

/// Keeps a response of Alice's.
fn keep(gateway: &Gateway, id: &str, input: &Value) {
    let kept = KeptResponse {
        response: Bytes::from(response(id).to_string()),
        input: Bytes::from(input.to_string()),
        provider: None,
    };
    gateway.app.responses().unwrap().put(own(ALICE), id, kept);
}

#[tokio::test]
async fn a_kept_response_is_given_until_it_is_deleted() {
    let gateway = start("").await;
    keep(&gateway, "resp_1", &json!([]));
    for path in ["/v1/responses/resp_1", "/responses/resp_1"] {
        let given = gateway.get(path).key(ALICE).send().await;
        assert_eq!((given.status, given.json()), (200, response("resp_1")));
        assert_eq!(given.header("content-type"), "application/json");
    }
    let delete = || {
        let request = gateway.request("DELETE", "/v1/responses/resp_1", "");
        request.key(ALICE).send()
    };
    let deleted = delete().await;
    let expected = json!({"id": "resp_1", "object": "response", "deleted": true});
    assert_eq!((deleted.status, deleted.json()), (200, expected));
    assert_eq!(delete().await.status, 404);
    let given = gateway.get("/v1/responses/resp_1").key(ALICE).send().await;
    assert_eq!(given.status, 404);
}

#[tokio::test]
async fn to_others_it_is_as_unknown_as_one_that_never_was() {
    let gateway = start("").await;
    keep(&gateway, "resp_1", &json!([]));
    for (method, path) in [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/input_items"),
        ("POST", "/cancel"),
    ] {
        let ask = async |id: &str| {
            let path = format!("/v1/responses/{id}{path}");
            let reply = gateway.request(method, &path, "").key(BOB).send().await;
            (reply.status, reply.text().replace(id, "ID"))
        };
        let theirs = ask("resp_1").await;
        assert_eq!(theirs.0, 404, "{method} {path}");
        assert_eq!(theirs, ask("resp_2").await);
    }
    let given = gateway.get("/v1/responses/resp_1").key(ALICE).send().await;
    assert_eq!(given.status, 200);
}

#[tokio::test]
async fn it_outlives_the_gateway_where_the_cache_does() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let toml = terms(&upstream, &format!("data_dir = {:?}\n", directory.path()));
    let setup = || Setup::new(&toml);
    let gateway = setup().start().await;
    keep(
        &gateway,
        "resp_1",
        &json!([{"role": "user", "content": "Hello"}]),
    );
    keep(&gateway, "resp_2", &json!([]));
    let deleted = gateway.request("DELETE", "/v1/responses/resp_2", "");
    assert_eq!(deleted.key(ALICE).send().await.status, 200);
    gateway.stop().await;

    let gateway = setup().start().await;
    let get = |path: &str| {
        gateway
            .get(&format!("/v1/responses/{path}"))
            .key(ALICE)
            .send()
    };
    assert_eq!(get("resp_1").await.json(), response("resp_1"));
    let items = get("resp_1/input_items").await.json();
    assert_eq!(items["data"][0]["content"][0]["text"], "Hello");
    assert_eq!(get("resp_2").await.status, 404);
    gateway.stop().await;

    let later = setup();
    later.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    let gateway = later.start().await;
    let given = gateway.get("/v1/responses/resp_1").key(ALICE).send().await;
    assert_eq!(given.status, 404, "30 days later");
    gateway.stop().await;
}

#[tokio::test]
async fn a_damaged_file_does_not_stop_the_gateway() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    std::fs::write(directory.path().join("responses.redb"), "not a database").unwrap();
    let more = format!("data_dir = {:?}\n", directory.path());
    let gateway = Setup::new(&terms(&upstream, &more)).start().await;
    keep(&gateway, "resp_1", &json!([]));
    let given = gateway.get("/v1/responses/resp_1").key(ALICE).send().await;
    assert_eq!(given.status, 200);
    assert!(directory.path().join("responses.redb.corrupt-1").exists());
    gateway.stop().await;
}

#[tokio::test]
async fn where_everybody_may_ask_keys_are_kept_apart() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, SECRET).start().await;
    let secret = blake3::derive_key(
        "refrain 2026-11 tenant scopes",
        b"sc-the-same-in-several-gateways",
    );
    let kept = KeptResponse {
        response: Bytes::from(response("resp_1").to_string()),
        input: Bytes::from_static(b"[]"),
        provider: None,
    };
    let scope = Scope::new(&secret, ScopeKind::Key, b"sk-one");
    gateway.app.responses().unwrap().put(scope, "resp_1", kept);
    let get = || gateway.get("/v1/responses/resp_1");
    assert_eq!(get().key("sk-one").send().await.status, 200);
    assert_eq!(get().key("sk-two").send().await.status, 404);
    assert_eq!(get().send().await.status, 404);
}
