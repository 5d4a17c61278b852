//! The cache from its operator's side: lists, details, pins, complaints, searches, numbers.

mod imports;
mod pins;

use std::{sync::Arc, time::Duration};

use refrain::embed::Embed;
use serde_json::{Value, json};

use crate::support::{
    angles::Angles, answer::Answer, asking, client::Reply, gateway::Gateway, upstream::Upstream,
    with,
};

const ENTRIES: &str = "/admin/api/cache/entries";
const FIRST: &str = "How many legs has a crab?";
const NEAR: &str = "What number of legs do crabs have?";
const OTHER: &str = "How many arms has a squid?";
const CLIENTS: &str = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n\
                       [[clients]]\nname = \"bob\"\nkey_env = \"BOB_KEY\"\nnamespace = \"team\"\n\
                       [[clients]]\nname = \"carol\"\nkey_env = \"CAROL_KEY\"\nnamespace = \"team\"\n";
const ALICE: &str = "sk-alice_key";
const BOB: &str = "sk-bob_key";

fn angles() -> Arc<dyn Embed> {
    Angles::of(&[(FIRST, 1.0), (NEAR, 0.99), (OTHER, 0.8)])
}

async fn told(gateway: &Gateway, path: &str) -> Value {
    let reply = gateway.get(path).send().await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("content-type"), "application/json");
    reply.json()
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    gateway.request("POST", path, body.to_string()).send().await
}

async fn list(gateway: &Gateway, query: &str) -> Value {
    told(gateway, &format!("{ENTRIES}{query}")).await
}

/// The prompts of a list, in its order.
fn prompts(list: &Value) -> Vec<&str> {
    let entries = list["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["prompt"].as_str().unwrap())
        .collect()
}

async fn only(gateway: &Gateway) -> Value {
    let list = list(gateway, "").await;
    assert_eq!(list["total"], 1, "{list}");
    list["entries"][0].clone()
}

fn at(entry: &Value, more: &str) -> String {
    format!("{ENTRIES}/{}{more}", entry["id"].as_str().unwrap())
}

/// Asks each of these a second after the one before, and has it answered so.
async fn asked(upstream: &Upstream, gateway: &Gateway, pairs: &[(&str, &str)]) {
    for (question, answer) in pairs {
        gateway.clock.advance(Duration::from_secs(1));
        upstream.script(Answer::said(answer));
        let reply = gateway.ask(&asking(question)).send().await;
        assert_eq!(reply.way(), "miss", "{question}");
    }
    gateway.app.settle().await;
}

#[tokio::test]
async fn a_list_is_put_in_order_and_leafed_through() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let long = "long ".repeat(500);
    let pairs = [("a?", "x"), ("b?", "y"), ("c?", &long), ("d?", "z")];
    asked(&upstream, &gateway, &pairs).await;
    for question in ["b?", "b?", "a?"] {
        gateway.ask(&asking(question)).send().await;
    }
    let order = async |query: &str| {
        let list = list(&gateway, query).await;
        assert_eq!(list["total"], 4);
        prompts(&list).concat()
    };
    assert_eq!(order("").await, "d?c?b?a?");
    assert_eq!(order("?sort=uses").await, "b?a?d?c?");
    assert!(order("?sort=size").await.starts_with("c?"));
    assert!(order("?sort=saved").await.starts_with("b?a?"));
    assert_eq!(order("?limit=2").await, "d?c?");
    assert_eq!(order("?limit=2&offset=1").await, "c?b?");
    assert_eq!(order("?limit=9&offset=3").await, "a?");
    assert_eq!(order("?limit=0").await, "");
    assert_eq!(order("?offset=4").await, "");
    for bad in [
        "?sort=best",
        "?offset=-1",
        "?offset=1000001",
        "?txet=a",
        "?client=nobody",
        "?dry_run=true",
        "?dry_run=false",
    ] {
        let refused = gateway.get(&format!("{ENTRIES}{bad}")).send().await;
        assert_eq!(refused.status, 400, "{bad}");
    }
    for bad in ["dry_run=true", "text=a", "sort=uses", "offset=1"] {
        let path = format!("/admin/api/cache/export?{bad}");
        assert_eq!(gateway.get(&path).send().await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_text_is_found_wherever_it_is_said_and_comes_out_as_it_went_in() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let wild = "<script>alert(\"Ünï\")</script>\r\n\u{1}\u{2028}";
    asked(
        &upstream,
        &gateway,
        &[
            (wild, "plain"),
            ("quotes?", wild),
            ("model gpt-test?", "no"),
        ],
    )
    .await;
    let total = async |text: &str| {
        let query = serde_urlencoded(text);
        list(&gateway, &format!("?text={query}")).await["total"].clone()
    };
    assert_eq!(total("ALERT(\"ünï\")").await, 2);
    assert_eq!(total("\r\n\u{1}").await, 2);
    assert_eq!(total("PLAIN").await, 1);
    // What stands in the JSON of an answer, but not in its words.
    assert_eq!(total("finish_reason").await, 0);
    assert_eq!(total("gpt-test").await, 1);
    assert_eq!(total("nowhere").await, 0);
    let found = list(&gateway, "?text=quotes").await;
    let detail = told(&gateway, &at(&found["entries"][0], "")).await;
    assert_eq!(detail["answer"], wild);
    assert_eq!(detail["response"]["choices"][0]["message"]["content"], wild);
}

/// A text as it is written in a query.
fn serde_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
async fn an_entry_says_whose_it_is_what_it_saved_and_what_lies_around_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, CLIENTS)
        .encoder(angles())
        .start()
        .await;
    let (answer, hold) = Answer::said("Ten.").held();
    upstream.script(answer);
    let first = asking(FIRST);
    let asked = gateway.ask(&first).key(ALICE).send();
    let slowly = async {
        upstream.arrived(1).await;
        gateway.clock.advance(Duration::from_secs(2));
        hold.release();
    };
    let (miss, ()) = tokio::join!(asked, slowly);
    assert_eq!(miss.way(), "miss");
    gateway.ask(&asking(OTHER)).key(ALICE).send().await;
    gateway.app.settle().await;
    let hit = gateway.ask(&asking(NEAR)).key(ALICE).send().await;
    assert_eq!(hit.way(), "semantic");
    let named = with(asking(FIRST), json!({"refrain": {"namespace": "docs"}}));
    gateway.ask(&named).key(ALICE).send().await;
    gateway.ask(&first).key(BOB).send().await;

    let found = list(&gateway, "?text=ten.&client=alice").await;
    assert_eq!(found["total"], 1, "{found}");
    let entry = &found["entries"][0];
    assert_eq!(
        (&entry["client"], &entry["uses"]),
        (&json!("alice"), &json!(1))
    );
    assert_eq!(entry["saved_seconds"], 2.0);
    assert!(entry["saved_usd"].as_f64().unwrap() > 0.0);
    assert!(entry["saved_tokens"].as_u64().unwrap() > 0);
    assert_eq!(
        (&entry["pinned"], &entry["is_stale"]),
        (&json!(false), &json!(false))
    );
    let detail = told(&gateway, &at(entry, "")).await;
    assert_eq!(
        (&detail["question"], &detail["answer"]),
        (&json!(FIRST), &json!("Ten."))
    );
    let around = detail["neighbours"].as_array().unwrap();
    assert_eq!(around.len(), 1, "{detail}");
    assert_eq!(around[0]["prompt"], OTHER);
    assert!((around[0]["similarity"].as_f64().unwrap() - 0.8).abs() < 0.001);
    assert_eq!(detail["stored_at"], 1_700_000_002);

    // A part of her scope is hers, what several share is nobody's alone.
    assert_eq!(list(&gateway, "?client=alice").await["total"], 3);
    let docs = list(&gateway, "?namespace=docs").await;
    assert_eq!(docs["entries"][0]["client"], "alice");
    for client in ["bob", "carol"] {
        let shared = list(&gateway, &format!("?client={client}")).await;
        assert_eq!(
            (&shared["total"], &shared["entries"][0]["client"]),
            (&json!(1), &json!(null))
        );
    }
    for missing in ["0", &"0".repeat(64)] {
        let reply = gateway.get(&format!("{ENTRIES}/{missing}")).send().await;
        assert_eq!(reply.status, 404);
    }
    let purge = json!({"client": "alice", "dry_run": true});
    let purged = post(&gateway, "/admin/api/cache/purge", &purge)
        .await
        .json();
    assert_eq!(purged["entries"], 3);
    gateway.clock.advance(Duration::from_secs(60));
    for (selector, entries) in [
        (json!({"younger_than": "60s", "dry_run": true}), 0),
        (json!({"younger_than": "61s", "client": "bob"}), 1),
    ] {
        let purged = post(&gateway, "/admin/api/cache/purge", &selector)
            .await
            .json();
        assert_eq!(purged["entries"], entries, "{selector}");
    }
    let refused = json!({"text": "a", "tag": "b"});
    let refused = post(&gateway, "/admin/api/cache/purge", &refused).await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn a_search_by_meaning_looks_everywhere() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, CLIENTS)
        .encoder(angles())
        .start()
        .await;
    gateway.ask(&asking(FIRST)).key(ALICE).send().await;
    gateway.ask(&asking(OTHER)).key(BOB).send().await;
    gateway.app.settle().await;
    let search = async |body: Value| post(&gateway, "/admin/api/cache/search", &body).await;
    let found = search(json!({"text": NEAR})).await.json();
    assert_eq!(found["unavailable"], Value::Null);
    let near: Vec<_> = found["entries"].as_array().unwrap().iter().collect();
    assert_eq!(
        (near.len(), &near[0]["prompt"], &near[1]["prompt"]),
        (2, &json!(FIRST), &json!(OTHER))
    );
    assert!(near[0]["similarity"].as_f64() > near[1]["similarity"].as_f64());
    for (body, prompt) in [
        (json!({"text": NEAR, "limit": 1}), FIRST),
        (json!({"text": NEAR, "client": "bob"}), OTHER),
        (
            json!({"text": NEAR, "client": "alice", "model": "gpt-test", "tag": null}),
            FIRST,
        ),
    ] {
        let found = search(body.clone()).await.json();
        assert_eq!(prompts(&found), [prompt], "{body}");
    }
    assert_eq!(
        prompts(&search(json!({"text": NEAR, "tag": "faq"})).await.json()),
        [""; 0]
    );
    for bad in [
        json!({}),
        json!({"text": " "}),
        json!({"text": "a", "client": "nobody"}),
        json!({"txt": "a"}),
    ] {
        assert_eq!(search(bad.clone()).await.status, 400, "{bad}");
    }
    // The encoder knows no such text.
    let unknown = search(json!({"text": "?"})).await.json();
    assert!(unknown["unavailable"].is_string(), "{unknown}");

    let gateway = Gateway::before(&upstream).await;
    let off = post(&gateway, "/admin/api/cache/search", &json!({"text": "a"}))
        .await
        .json();
    assert_eq!(prompts(&off), [""; 0]);
    assert!(
        off["unavailable"].as_str().unwrap().contains("off"),
        "{off}"
    );
}

#[tokio::test]
async fn what_happens_is_counted_by_its_reason() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "")
        .encoder(angles())
        .start()
        .await;
    assert_eq!(gateway.stats().await["cache"]["index"], "none");
    asked(&upstream, &gateway, &[(FIRST, "Ten."), (OTHER, "Eight.")]).await;
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "semantic");
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "exact");
    let bypass = gateway
        .ask(&asking("x?"))
        .header("cache-control", "no-store");
    bypass.send().await;
    post(
        &gateway,
        "/admin/api/cache/purge",
        &json!({"model": "gpt-test"}),
    )
    .await;

    let stats = gateway.stats().await;
    let cache = &stats["cache"];
    assert_eq!(cache["evictions"], json!({"purged": 2}));
    let sum = |of: &Value| -> u64 {
        of.as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum()
    };
    assert_eq!(
        sum(&cache["miss_reasons"]) + sum(&cache["bypass_reasons"]),
        3,
        "{cache}"
    );
    assert_eq!(
        (&cache["pinned"], &cache["vectors"]["entries"]),
        (&json!(0), &json!(0))
    );
    let similarity = &stats["similarity"];
    let bins = similarity["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 50);
    // The 16 bits of a vector's numbers may move it over the edge of a bin.
    let about = |name: &str, bin: usize| -> u64 {
        let bins = bins[bin - 1..=bin].iter();
        bins.filter_map(|bin| bin[name].as_u64()).sum()
    };
    assert_eq!((about("hits", 49), about("rejected", 30)), (1, 1));
    assert_eq!(sum(&similarity["rejected_by"]), 1, "{similarity}");
    assert_eq!(
        similarity["thresholds"][0],
        json!({"what": "balanced", "at": 0.875})
    );
}

#[tokio::test]
async fn what_is_wrong_is_forgotten_however_it_was_kept() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "")
        .encoder(angles())
        .start()
        .await;
    asked(&upstream, &gateway, &[(FIRST, "Nine.")]).await;
    let near = gateway.ask(&asking(NEAR)).send().await;
    assert_eq!(near.way(), "semantic");
    let entry = only(&gateway).await;
    for body in ["", "7", "{\"why\": 1}"] {
        let refused = gateway
            .request("POST", &at(&entry, "/wrong"), body)
            .send()
            .await;
        assert_eq!(refused.status, 400, "{body}");
    }
    let told_wrong = post(&gateway, &at(&entry, "/wrong"), &json!({})).await;
    assert_eq!(
        told_wrong.json(),
        json!({"id": entry["id"], "forgotten": true})
    );
    // The learner was told of the hit that it gave.
    let classes = &gateway.stats().await["learning"]["classes"];
    assert_eq!(classes.as_array().unwrap().len(), 1, "{classes}");
    assert_eq!(
        post(&gateway, &at(&entry, "/wrong"), &json!({}))
            .await
            .status,
        404
    );
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "miss");

    let exact_only = Gateway::before(&upstream).await;
    exact_only.ask(&asking(FIRST)).send().await;
    let entry = only(&exact_only).await;
    assert_eq!(
        post(&exact_only, &at(&entry, "/wrong"), &json!({}))
            .await
            .status,
        200
    );
    assert_eq!(exact_only.ask(&asking(FIRST)).send().await.way(), "miss");
}

#[tokio::test]
async fn a_search_selects_as_a_list_does() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "")
        .encoder(angles())
        .start()
        .await;
    asked(&upstream, &gateway, &[(FIRST, "Ten."), (OTHER, "Eight.")]).await;
    gateway.clock.advance(Duration::from_secs(9));
    let found = async |more: Value| {
        let body = with(json!({"text": NEAR}), more);
        let reply = post(&gateway, "/admin/api/cache/search", &body).await;
        let told = reply.json();
        (reply.status, told["entries"].as_array().map_or(0, Vec::len))
    };
    for (more, expected) in [
        (json!({}), (200, 2)),
        (json!({"limit": 1}), (200, 1)),
        (json!({"older_than": "10s"}), (200, 1)),
        (json!({"younger_than": "10s"}), (200, 1)),
        (json!({"prompt_prefix": "How many arms"}), (200, 1)),
        (json!({"pinned": true}), (200, 0)),
        (json!({"generation_below": 0}), (200, 0)),
        (json!({"id": only_id(&gateway).await}), (200, 1)),
        (json!({"client": "nobody"}), (400, 0)),
        (json!({"sort": "uses"}), (400, 0)),
        (json!({"offset": 1}), (400, 0)),
        (json!({"dry_run": true}), (400, 0)),
        (json!({"text": " "}), (400, 0)),
    ] {
        assert_eq!(found(more.clone()).await, expected, "{more}");
    }
}

/// The id of the entry of the first question.
async fn only_id(gateway: &Gateway) -> Value {
    list(gateway, "?text=crab").await["entries"][0]["id"].clone()
}
