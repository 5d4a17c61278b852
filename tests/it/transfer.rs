//! The cache moves: export, import, warming, and the program's commands for them.

mod program;
mod warming;

use std::sync::Arc;

use refrain::embed::Embed;
use serde_json::{Value, json};

use crate::support::{
    angles::Angles,
    asking,
    client::Reply,
    gateway::{Gateway, Setup},
    upstream::Upstream,
    with,
};

const FIRST: &str = "How many planets are there?";
const NEAR: &str = "what number of planets is there";
const SECRET: &str = "[cache]\nsecret_env = \"CACHE_SECRET\"\n";
const CLIENTS: &str = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n\
                       [[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\n";
const ALICE: &str = "sk-alice_key";
const BOB: &str = "sk-bob_key";

fn planets() -> Arc<Angles> {
    Angles::of(&[(FIRST, 1.0), (NEAR, 0.99)])
}

/// A gateway of alice and bob.
async fn gateway(upstream: &Upstream, cache: &str) -> Gateway {
    let setup: Setup = Gateway::setup(upstream, &format!("{cache}{CLIENTS}"));
    setup.encoder(planets() as Arc<dyn Embed>).start().await
}

async fn export(gateway: &Gateway, query: &str) -> String {
    let path = format!("/admin/api/cache/export{query}");
    let reply = gateway.get(&path).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    reply.text().to_owned()
}

/// Takes in what is good of these lines.
async fn import(gateway: &Gateway, lines: &str) -> Value {
    let path = "/admin/api/cache/import?partial=true";
    let reply = gateway.request("POST", path, lines.to_owned()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn post(gateway: &Gateway, lines: &str) -> Reply {
    let path = "/admin/api/cache/import";
    gateway.request("POST", path, lines.to_owned()).send().await
}

fn counts(answer: &Value) -> [u64; 4] {
    ["lines", "imported", "skipped", "refused"].map(|name| answer[name].as_u64().unwrap())
}

/// What the gateway says of one line.
fn error(answer: &Value, line: u64) -> &str {
    let errors = answer["errors"].as_array().unwrap();
    let error = errors.iter().find(|error| error["line"] == line);
    error.unwrap_or_else(|| panic!("{answer}"))["error"]
        .as_str()
        .unwrap()
}

#[tokio::test]
async fn what_is_exported_answers_elsewhere_the_same_client_and_no_other() {
    let (here, there) = (Upstream::start().await, Upstream::start().await);
    let first = gateway(&here, SECRET).await;
    let question = with(asking(FIRST), json!({"refrain": {"tags": ["faq"]}}));
    let fresh = first.ask(&question).key(ALICE).send().await;
    assert_eq!(fresh.way(), "miss");
    first
        .ask(&asking("Where do crabs live?"))
        .key(BOB)
        .send()
        .await;
    first.app.settle().await;
    let lines = export(&first, "").await;
    assert_eq!(lines.lines().count(), 3, "a header and two entries");
    assert!(!lines.contains(ALICE) && !lines.contains("sc-the-same"));

    let second = gateway(&there, SECRET).await;
    // The encoder knows one of the two texts.
    let answer = import(&second, &lines).await;
    assert_eq!(counts(&answer), [2, 1, 0, 1]);
    let unknown = answer["errors"][0]["error"].as_str().unwrap();
    assert!(unknown.contains("a text without an angle"), "{unknown}");

    let exact = second.ask(&asking(FIRST)).key(ALICE).send().await;
    assert_eq!((exact.way(), exact.said()), ("exact", fresh.said()));
    let near = second.ask(&asking(NEAR)).key(ALICE).send().await;
    assert_eq!((near.way(), near.said()), ("semantic", fresh.said()));
    assert_eq!(there.calls(), 0, "nothing was asked for an import");
    let stats = second.stats().await;
    assert_eq!(stats["requests"]["miss"], 0);
    assert_eq!(stats["requests"]["billed_tokens"], 0);

    for question in [FIRST, NEAR] {
        let foreign = second.ask(&asking(question)).key(BOB);
        let foreign = foreign.header("cache-control", "no-store").send().await;
        assert_eq!(foreign.way(), "miss", "{question}");
    }
    let tagged = second.get("/admin/api/cache/entries?tag=faq").send().await;
    assert_eq!(tagged.json()["total"], 1);
}

#[tokio::test]
async fn what_is_there_already_is_skipped_and_what_is_newer_stays() {
    let upstream = Upstream::start().await;
    let first = gateway(&upstream, SECRET).await;
    first.ask(&asking(FIRST)).key(ALICE).send().await;
    first.app.settle().await;
    let lines = export(&first, "").await;
    assert_eq!(counts(&import(&first, &lines).await), [1, 0, 1, 0]);

    let second = gateway(&upstream, SECRET).await;
    second.clock.advance(std::time::Duration::from_secs(5));
    let newer = second.ask(&asking(FIRST)).key(ALICE).send().await;
    second.app.settle().await;
    assert_eq!(counts(&import(&second, &lines).await), [1, 0, 1, 0]);
    let kept = second.ask(&asking(FIRST)).key(ALICE).send().await;
    assert_eq!((kept.way(), kept.said()), ("exact", newer.said()));

    // What is newer replaces what is older, and what is over is left.
    let newer_lines = export(&second, "").await;
    first.clock.advance(std::time::Duration::from_secs(9));
    assert_eq!(counts(&import(&first, &newer_lines).await), [1, 1, 0, 0]);
    let replaced = first.ask(&asking(FIRST)).key(ALICE).send().await;
    assert_eq!((replaced.way(), replaced.said()), ("exact", newer.said()));
    let third = gateway(&upstream, SECRET).await;
    third
        .clock
        .advance(std::time::Duration::from_secs(25 * 3600));
    assert_eq!(counts(&import(&third, &lines).await), [1, 0, 1, 0]);
}

#[tokio::test]
async fn an_export_of_another_secret_is_refused_once_with_what_to_do() {
    let upstream = Upstream::start().await;
    let first = gateway(&upstream, SECRET).await;
    for question in [FIRST, NEAR] {
        let separate = with(asking(question), json!({"seed": 1}));
        first
            .ask(&separate)
            .key(BOB)
            .header("cache-control", "no-cache")
            .send()
            .await;
        first
            .ask(&asking(question))
            .key(ALICE)
            .header("cache-control", "no-cache")
            .send()
            .await;
    }
    first.app.settle().await;
    let lines = export(&first, "").await;
    assert_eq!(lines.lines().count(), 5);
    for cache in ["", "[cache]\nsecret_env = \"OTHER_SECRET\"\n"] {
        let second = gateway(&upstream, cache).await;
        let answer = import(&second, &lines).await;
        assert_eq!(counts(&answer), [5, 0, 0, 5]);
        assert!(error(&answer, 1).contains("`cache.secret_env`"));
        assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
        assert_eq!(second.stats().await["cache"]["entries"], 0);
    }
    let headless = lines.split_once('\n').unwrap().1;
    let answer = import(&first, headless).await;
    assert_eq!(counts(&answer), [4, 0, 0, 4]);
    assert!(error(&answer, 4).contains("first line of its export"));
}

#[tokio::test]
async fn what_a_new_generation_has_ended_does_not_come_back() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, SECRET).await;
    gateway.ask(&asking(FIRST)).key(ALICE).send().await;
    gateway.app.settle().await;
    let lines = export(&gateway, "").await;
    let path = "/admin/api/cache/generation";
    gateway.request("POST", path, "{}").send().await;
    assert_eq!(
        export(&gateway, "").await.lines().count(),
        1,
        "nothing alive"
    );
    let answer = import(&gateway, &lines).await;
    assert_eq!(counts(&answer), [1, 0, 0, 1]);
    assert!(error(&answer, 2).contains("not brought back"));
    let fresh = gateway.ask(&asking(FIRST)).key(ALICE).send().await;
    assert_eq!(fresh.way(), "miss");
}

#[tokio::test]
async fn an_export_holds_what_its_query_selects() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, SECRET).await;
    for tag in ["a", "b", "b"] {
        let body = with(
            asking(FIRST),
            json!({"refrain": {"tags": [tag]}, "seed": gateway.stats().await["cache"]["entries"]}),
        );
        gateway.ask(&body).key(ALICE).send().await;
    }
    for (query, lines) in [("", 4), ("?tag=b", 3), ("?tag=c", 1), ("?limit=1", 2)] {
        assert_eq!(
            export(&gateway, query).await.lines().count(),
            lines,
            "{query}"
        );
    }
    let unknown = gateway.get("/admin/api/cache/export?tga=b").send().await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn only_the_operator_may_and_no_foreign_page() {
    let upstream = Upstream::start().await;
    let admin = "[admin]\nkey_env = \"ADMIN_KEY\"\n";
    let gateway = Gateway::setup(&upstream, admin).start().await;
    let (export, import) = ("/admin/api/cache/export", "/admin/api/cache/import");
    for key in ["sk-wrong", ALICE] {
        assert_eq!(gateway.get(export).key(key).send().await.status, 401);
        let refused = gateway.request("POST", import, "").key(key).send().await;
        assert_eq!(refused.status, 401);
    }
    let key = "sk-admin_key";
    assert_eq!(gateway.get(export).key(key).send().await.status, 200);
    let empty = gateway.request("POST", import, "").key(key).send().await;
    assert_eq!((empty.status, counts(&empty.json())), (200, [0; 4]));
    let foreign = gateway.request("POST", import, "").key(key);
    let foreign = foreign.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(foreign.status, 403);
    let read = gateway.request("GET", import, "").key(key).send().await;
    assert_eq!(read.status, 405);
}
