//! Whose answers a caller may be given.

use serde_json::json;

use crate::support::{
    angles::Angles,
    asking,
    gateway::{Gateway, model},
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";
const ALICE: &str = "sk-alice_key";
const BOB: &str = "sk-bob_key";
const CAROL: &str = "sk-carol_key";

fn client(name: &str, more: &str) -> String {
    format!(
        "[[clients]]\nname = \"{name}\"\nkey_env = \"{}_KEY\"\n{more}\n",
        name.to_uppercase()
    )
}

#[tokio::test]
async fn two_keys_never_share_though_no_client_is_configured() {
    let upstream = Upstream::start().await;
    let near = "What is it that crabs eat?";
    let encoder = Angles::of(&[(QUESTION, 1.0), (near, 0.99)]);
    let gateway = Gateway::setup(&upstream, "").encoder(encoder).start().await;
    for (number, key) in [(1, "one"), (2, "two")] {
        let reply = gateway.ask(&asking(QUESTION)).key(key).send().await;
        assert_eq!(
            (reply.way(), reply.said()),
            ("miss", format!("answer {number}"))
        );
        gateway.app.settle().await;
    }
    let nobody = gateway.ask(&asking(QUESTION)).send().await;
    assert_eq!((nobody.way(), nobody.said().as_str()), ("miss", "answer 3"));
    gateway.app.settle().await;
    for (number, key) in [(1, "one"), (2, "two")] {
        for (way, text) in [("exact", QUESTION), ("semantic", near)] {
            let reply = gateway.ask(&asking(text)).key(key).send().await;
            assert_eq!(
                (reply.way(), reply.said()),
                (way, format!("answer {number}"))
            );
        }
    }
}

#[tokio::test]
async fn one_key_is_one_caller_in_whichever_header_it_comes() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    gateway.ask(&asking(QUESTION)).key("one").send().await;
    for (name, value) in [
        ("authorization", "bearer one"),
        ("x-api-key", "one"),
        ("api-key", "one"),
    ] {
        assert_eq!(
            gateway
                .ask(&asking(QUESTION))
                .header(name, value)
                .send()
                .await
                .way(),
            "exact"
        );
    }
}

#[tokio::test]
async fn configured_clients_have_caches_of_their_own() {
    let upstream = Upstream::start().await;
    let clients = client("alice", "") + &client("bob", "");
    let gateway = Gateway::setup(&upstream, &clients).start().await;
    for (number, key) in [(1, ALICE), (2, BOB), (1, ALICE), (2, BOB)] {
        let reply = gateway.ask(&asking(QUESTION)).key(key).send().await;
        assert_eq!(reply.said(), format!("answer {number}"));
    }
    // Nobody reaches another's by naming a namespace either.
    for (number, key) in [(3, ALICE), (4, BOB)] {
        let asked = gateway.ask(&asking(QUESTION)).key(key);
        let reply = asked
            .header("x-refrain-cache-namespace", "alice")
            .send()
            .await;
        assert_eq!(reply.said(), format!("answer {number}"));
    }
}

#[tokio::test]
async fn strangers_are_refused_where_clients_are_configured() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, &client("alice", ""))
        .start()
        .await;
    gateway.ask(&asking(QUESTION)).key(ALICE).send().await;
    for key in ["sk-alice_kez", "", "sk-planted-5f1c9a7e"] {
        let reply = gateway.ask(&asking(QUESTION)).key(key).send().await;
        assert_eq!(
            (reply.status, reply.header("www-authenticate")),
            (401, "Bearer")
        );
        assert_eq!(reply.error()["code"], "invalid_api_key");
        assert!(!reply.text().contains("sk-"));
    }
    assert_eq!(gateway.ask(&asking(QUESTION)).send().await.status, 401);
    for path in ["/v1/models", "/v1/models/gpt-test"] {
        assert_eq!(gateway.get(path).send().await.status, 401, "{path}");
    }
    assert_eq!(gateway.get("/health").send().await.status, 200);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn clients_of_one_namespace_share() {
    let upstream = Upstream::start().await;
    let clients = client("alice", "namespace = \"team\"")
        + &client("bob", "namespace = \"team\"")
        + &client("carol", "");
    let gateway = Gateway::setup(&upstream, &clients).start().await;
    for (key, way, said) in [
        (ALICE, "miss", "answer 1"),
        (BOB, "exact", "answer 1"),
        (CAROL, "miss", "answer 2"),
    ] {
        let reply = gateway.ask(&asking(QUESTION)).key(key).send().await;
        assert_eq!((reply.way(), reply.said().as_str()), (way, said));
    }
    // A namespace that a request names lies within the shared one.
    for (key, way) in [(ALICE, "miss"), (BOB, "exact")] {
        let asked = gateway
            .ask(&asking(QUESTION))
            .key(key)
            .header("x-refrain-cache-namespace", "sub");
        assert_eq!(asked.send().await.way(), way);
    }
}

#[tokio::test]
async fn a_model_that_is_not_allowed_is_not_answered_from_a_shared_cache_either() {
    let upstream = Upstream::start().await;
    let clients = client("alice", "namespace = \"team\"")
        + &client("bob", "namespace = \"team\"\nallowed_models = [\"cheap*\"]")
        + &model("cheap", &["main/cheap"]);
    let gateway = Gateway::setup(&upstream, &clients).start().await;
    for _ in 0..2 {
        assert_eq!(
            gateway
                .ask(&asking(QUESTION))
                .key(ALICE)
                .send()
                .await
                .said(),
            "answer 1"
        );
        let refused = gateway.ask(&asking(QUESTION)).key(BOB).send().await;
        let error = refused.error();
        assert_eq!(
            (refused.status, &error["code"], &error["param"]),
            (403, &json!("model_not_allowed"), &json!("model"))
        );
    }
    let cheap = with(asking(QUESTION), json!({"model": "cheap"}));
    assert_eq!(gateway.ask(&cheap).key(BOB).send().await.said(), "answer 2");
    // Nor under another name of the same model.
    let pinned = with(asking(QUESTION), json!({"model": "main/gpt-test"}));
    assert_eq!(gateway.ask(&pinned).key(BOB).send().await.status, 403);
    let models = gateway.get("/v1/models").key(BOB).send().await.json();
    assert_eq!(models["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        gateway
            .get("/v1/models/gpt-test")
            .key(BOB)
            .send()
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_question_about_oneself_is_answered_to_its_user_only() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let ask = async |text: &str, user: &str| {
        gateway
            .ask(&with(asking(text), json!({"user": user})))
            .send()
            .await
            .said()
    };
    assert_eq!(ask("Where is my order?", "ann").await, "answer 1");
    assert_eq!(ask("Where is my order?", "ben").await, "answer 2");
    assert_eq!(ask("Where is my order?", "ann").await, "answer 1");
    assert_eq!(ask("Where is Rome?", "ann").await, "answer 3");
    assert_eq!(ask("Where is Rome?", "ben").await, "answer 3");
}

#[tokio::test]
async fn an_empty_bearer_does_not_hide_another_key() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (number, key) in [(1, "one"), (2, "two")] {
        let reply = gateway
            .ask(&asking(QUESTION))
            .header("authorization", "Bearer ")
            .header("x-api-key", key)
            .send()
            .await;
        assert_eq!(reply.said(), format!("answer {number}"), "{key}");
    }
}

#[tokio::test]
async fn keys_that_are_not_ascii_never_share() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (number, key) in [(1, "schl\u{fc}ssel-1"), (2, "schl\u{fc}ssel-2")] {
        let reply = gateway.ask(&asking(QUESTION)).key(key).send().await;
        assert_eq!(reply.said(), format!("answer {number}"));
    }
}

#[tokio::test]
async fn other_credentials_never_share() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (number, key) in [
        (1, "Basic YTpi"),
        (2, "Basic YTpj"),
        (3, "sk-bare-one"),
        (4, "sk-bare-two"),
    ] {
        let reply = gateway
            .ask(&asking(QUESTION))
            .header("authorization", key)
            .send()
            .await;
        assert_eq!(reply.said(), format!("answer {number}"), "{key}");
    }
}
