//! `POST /admin/api/why` and `/admin/api/compare`: what the cache would do, and that nothing happens meanwhile.

mod requests;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    angles::Angles,
    asking,
    client::Reply,
    gateway::{Gateway, Setup, model, provider},
    upstream::Upstream,
    with,
};

const FIRST: &str = "How many planets are there?";
const NEAR: &str = "What is the number of planets?";
const FAR: &str = "How many planets are known?";
const THREE: &str = "Name 3 rivers of Peru";
const FIVE: &str = "Name 5 rivers of Peru";
const OTHER: &str = "Who invented the bicycle?";

const AT_90: &str = "[cache]\nthreshold = 0.90\nshadow_checks = 0.0\nttl = \"60s\"\n";

fn texts() -> Arc<Angles> {
    Angles::of(&[
        (FIRST, 1.0),
        (NEAR, 0.901),
        (FAR, 0.899),
        (THREE, 0.2),
        (FIVE, 0.201),
        (OTHER, -0.9),
    ])
}

async fn gateway(upstream: &Upstream, config: &str) -> Gateway {
    let gateway = Gateway::setup(upstream, config)
        .encoder(texts())
        .start()
        .await;
    for question in [FIRST, THREE] {
        gateway.ask(&asking(question)).send().await;
        gateway.app.settle().await;
    }
    gateway
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    gateway.request("POST", path, body.to_string()).send().await
}

async fn why(gateway: &Gateway, request: &Value, headers: &Value) -> Value {
    let body = json!({"request": request, "headers": headers});
    let reply = post(gateway, "/admin/api/why", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()
}

async fn compare(gateway: &Gateway, a: &str, b: &str) -> Value {
    let reply = post(gateway, "/admin/api/compare", &json!({"a": a, "b": b})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// What the page shows of the cache, its entries included.
async fn state(gateway: &Gateway) -> (Value, Value) {
    let entries = gateway.get("/admin/api/cache/entries").send().await.json();
    (gateway.stats().await, entries)
}

fn words<'a>(of: &'a Value, keys: [&str; 2]) -> [&'a str; 2] {
    keys.map(|key| of[key].as_str().unwrap_or("null"))
}

#[tokio::test]
async fn it_says_what_then_happens() {
    let upstream = Upstream::start().await;
    let tools = json!({"messages": [{"role": "user", "content": "Go on"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function",
        "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "c", "content": "1"}]});
    let requests = [
        (asking(FIRST), json!({})),
        (asking("how many planets are there"), json!({})),
        (asking(NEAR), json!({})),
        (asking(FAR), json!({})),
        (asking(FIVE), json!({})),
        (asking(OTHER), json!({})),
        (asking("What's the weather in Rome today?"), json!({})),
        (
            with(asking(OTHER), json!({"web_search_options": {}})),
            json!({}),
        ),
        (with(asking(NEAR), json!({"n": 2})), json!({})),
        (with(asking(FIRST), tools), json!({})),
        (asking(FIRST), json!({"Cache-Control": "no-cache"})),
        (
            asking(FIRST),
            json!({"cache-control": "no-cache, no-store"}),
        ),
        (asking(NEAR), json!({"x-refrain-cache-threshold": "0.95"})),
        (
            asking(FAR),
            json!({"x-refrain-cache-threshold": "0.80", "accept": "text/html"}),
        ),
        (
            asking(NEAR),
            json!({"x-refrain-cache-namespace": "elsewhere"}),
        ),
        (with(asking(NEAR), json!({"temperature": 0.2})), json!({})),
    ];
    for mode in ["serve", "shadow"] {
        for (request, headers) in &requests {
            // Anew each time: what is asked is kept.
            let gateway = gateway(&upstream, &format!("{AT_90}mode = \"{mode}\"\n")).await;
            let said = why(&gateway, request, headers).await;
            let mut ask = gateway.ask(request);
            for (name, value) in headers.as_object().unwrap() {
                ask = ask.header(name, value.as_str().unwrap());
            }
            let reply = ask.send().await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let (outcome, tier) = match reply.way() {
                "exact" if reply.header("cache-status").ends_with("canonical") => {
                    ("hit", "canonical")
                }
                way @ ("exact" | "semantic") => ("hit", way),
                way => (way, "null"),
            };
            let cache = &said["cache"];
            assert_eq!(cache["outcome"], outcome, "{request} {headers} {cache}");
            if outcome == "hit" {
                assert_eq!(cache["tier"], tier, "{request} {headers} {cache}");
                let first = &said["candidates"][0];
                assert_eq!(first["verdict"], "hit");
                assert_eq!(first["sentence"], cache["sentence"]);
            }
            let reason = reply.header("x-refrain-cache-reason");
            assert_eq!(
                cache["reason"].as_str().unwrap_or_default(),
                reason,
                "{request} {headers} {cache}"
            );
            let sentence = cache["sentence"].as_str().unwrap();
            assert!(sentence.ends_with('.'), "{sentence}");
            let target = &said["route"]["targets"][0];
            assert_eq!(words(target, ["provider", "model"]), ["main", "gpt-test"]);
            if outcome != "hit" {
                gateway.app.settle().await;
                let kept = gateway.get("/admin/api/cache/entries").send().await.json();
                let kept = kept["entries"].as_array().unwrap();
                let is_kept = kept
                    .iter()
                    .any(|one| one["id"] == said["identity"]["fingerprint"]);
                let keeps = !cache["keep_seconds"].is_null();
                // What was kept before stays.
                assert!(is_kept || !keeps, "{request} {headers} {cache}");
                assert!(
                    !is_kept || keeps || *request == asking(FIRST),
                    "{request} {headers} {cache}"
                );
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_counted_kept_or_forgotten() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, AT_90).await;
    gateway.clock.advance(Duration::from_secs(70));
    gateway.ask(&asking(THREE)).send().await;
    gateway.app.settle().await;
    // A generation that is over: a lookup would forget what is of it.
    let body = json!({"dry_run": false}).to_string();
    let ask = gateway.request("POST", "/admin/api/cache/generation", body);
    ask.send().await;
    let (before, calls) = (state(&gateway).await, upstream.calls());
    for question in [FIRST, NEAR, FAR, THREE, FIVE, OTHER] {
        for headers in [json!({}), json!({"cache-control": "no-cache"})] {
            why(&gateway, &asking(question), &headers).await;
        }
        compare(&gateway, THREE, question).await;
    }
    gateway.app.settle().await;
    assert_eq!(upstream.calls(), calls);
    assert_eq!(state(&gateway).await, before);
}

#[tokio::test]
async fn no_metric_of_requests_moves() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, AT_90).await;
    let counted = || {
        let text = handle.render();
        // Of the requests of operators there is a count, too.
        let lines = text.lines().filter(|line| !line.contains("/admin"));
        // In no order: they come out of a table.
        lines.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let before = counted();
    assert!(
        before.iter().any(|line| line.contains("cache")),
        "{before:?}"
    );
    for question in [FIRST, NEAR, FAR, FIVE, OTHER] {
        why(&gateway, &asking(question), &json!({})).await;
        compare(&gateway, FIRST, question).await;
    }
    why(
        &gateway,
        &asking(FIRST),
        &json!({"cache-control": "no-cache, no-store"}),
    )
    .await;
    assert_eq!(counted(), before);
}

#[tokio::test]
async fn each_neighbour_has_its_verdict() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, AT_90).await;
    let said = why(&gateway, &asking(FIVE), &json!({})).await;
    let (vetoed, distant) = (&said["candidates"][0], &said["candidates"][1]);
    assert_eq!(
        words(vetoed, ["verdict", "reason"]),
        ["veto", "veto_numbers"]
    );
    assert_eq!(vetoed["sentence"], "The numbers differ: 3 and 5.");
    assert_eq!(vetoed["prompt"], THREE);
    assert_eq!(said["cache"]["sentence"], vetoed["sentence"]);
    assert!(vetoed["similarity"].as_f64().unwrap() > 0.99);
    assert_eq!(
        words(distant, ["verdict", "reason"]),
        ["below_point", "distant"]
    );
    assert_eq!(said["candidates"].as_array().unwrap().len(), 2);

    let said = why(&gateway, &asking(FAR), &json!({})).await;
    let below = &said["candidates"][0];
    assert_eq!(
        words(below, ["verdict", "reason"]),
        ["below_point", "below_point"]
    );
    let sentence =
        "It is near, but its score of 0.899 does not reach the admission point of 0.900.";
    assert_eq!(below["sentence"], sentence);
    let admission =
        json!({"point": 0.9, "start": 0.9, "why": "start", "policy": null, "threshold": 0.9});
    assert_eq!(said["admission"], admission);
    assert_eq!(said["identity"]["scope"], "open");
    assert_eq!(said["identity"]["question"], FAR);

    // The next ones are shown beside an equal one.
    gateway
        .ask(&asking(NEAR))
        .header("cache-control", "no-cache")
        .send()
        .await;
    gateway.app.settle().await;
    let said = why(&gateway, &asking(NEAR), &json!({})).await;
    assert_eq!(said["cache"]["tier"], "exact");
    let verdicts: Vec<_> = said["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|candidate| candidate["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["hit", "not_nearest", "below_point"]);

    gateway.clock.advance(Duration::from_secs(61));
    let said = why(&gateway, &asking(NEAR), &json!({})).await;
    let old = &said["candidates"][0];
    assert_eq!(words(old, ["verdict", "reason"]), ["expired", "expired"]);
    assert_eq!(
        (&old["is_fresh"], &old["age_seconds"]),
        (&false.into(), &61.into())
    );
    assert_eq!(said["cache"]["reason"], "expired");
}

#[tokio::test]
async fn a_client_is_named_and_sees_its_own() {
    let upstream = Upstream::start().await;
    let client = |name: &str, more: &str| {
        format!(
            "[[clients]]\nname = \"{name}\"\nkey_env = \"{}_KEY\"\n{more}",
            name.to_uppercase()
        )
    };
    let config = format!(
        "{AT_90}{}{}{}{}",
        client("alice", ""),
        client("bob", "namespace = \"team\"\n"),
        provider("main", &upstream),
        model("gpt-test", &["main/gpt-test"]),
    );
    let gateway = Setup::new(&config).encoder(texts()).start().await;
    gateway.ask(&asking(FIRST)).key("sk-alice_key").send().await;
    gateway.app.settle().await;
    let ask = async |client: Value| {
        let body = json!({"request": asking(FIRST), "client": client});
        post(&gateway, "/admin/api/why", &body).await
    };
    let alice = ask(json!("alice")).await.json();
    assert_eq!(alice["cache"]["outcome"], "hit");
    assert_eq!(alice["identity"]["scope"], "alice");
    let bob = ask(json!("bob")).await.json();
    assert_eq!(bob["cache"]["outcome"], "miss");
    assert_eq!(bob["identity"]["scope"], "shared: team");
    for client in [json!(null), json!("nobody"), json!("x\u{0}y")] {
        let refused = ask(client).await;
        assert_eq!(
            (refused.status, &refused.error()["param"]),
            (400, &json!("client"))
        );
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_as_a_chat_would_be() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, AT_90).await;
    let nan = json!({"x-refrain-cache-threshold": "NaN"});
    for (body, status, param) in [
        (json!({}), 400, Value::Null),
        (json!({"request": 5}), 400, Value::Null),
        (
            json!({"request": {"model": "gpt-test"}}),
            400,
            json!("messages"),
        ),
        (
            json!({"request": with(asking(FIRST), json!({"model": "no-such"}))}),
            404,
            Value::Null,
        ),
        (
            json!({"request": asking(FIRST), "more": 1}),
            400,
            Value::Null,
        ),
        (
            json!({"request": asking(FIRST), "headers": nan}),
            400,
            json!("headers.x-refrain-cache-threshold"),
        ),
    ] {
        let refused = post(&gateway, "/admin/api/why", &body).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text());
        if !param.is_null() {
            assert_eq!(refused.error()["param"], param, "{}", refused.text());
        }
    }
    let twice = "{\"request\": {\"model\": \"a\", \"model\": \"b\", \"messages\": []}}";
    let ask = gateway.request("POST", "/admin/api/why", twice);
    let refused = ask.send().await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let body = json!({"a": FIRST, "b": NEAR, "model": "no-such"});
    let refused = post(&gateway, "/admin/api/compare", &body).await;
    assert_eq!(refused.status, 404);
}

#[tokio::test]
async fn two_prompts_are_compared() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, AT_90).await;
    let near = compare(&gateway, FIRST, NEAR).await;
    assert_eq!(words(&near, ["verdict", "tier"]), ["hit", "semantic"]);
    assert_eq!(
        (&near["eligible"], &near["same_surface"]),
        (&true.into(), &false.into())
    );
    let far = compare(&gateway, FIRST, FAR).await;
    assert_eq!(words(&far, ["verdict", "reason"]), ["miss", "below_point"]);

    let vetoed = compare(&gateway, THREE, FIVE).await;
    assert_eq!(
        words(&vetoed, ["verdict", "reason"]),
        ["miss", "veto_numbers"]
    );
    let veto = json!([{"kind": "veto_numbers", "a": "3", "b": "5", "sentence": "The numbers differ: 3 and 5."}]);
    assert_eq!(vetoed["vetoes"], veto);
    assert_eq!(vetoed["sentence"], "The numbers differ: 3 and 5.");

    let same = compare(&gateway, FIRST, "how many planets are there").await;
    assert_eq!(words(&same, ["verdict", "tier"]), ["hit", "canonical"]);
    assert_eq!(same["same_surface"], true);
    let equal = compare(&gateway, OTHER, OTHER).await;
    assert_eq!(words(&equal, ["verdict", "tier"]), ["hit", "exact"]);

    let volatile = compare(&gateway, FIRST, "What's the weather in Rome today?").await;
    assert_eq!(
        words(&volatile, ["verdict", "reason"]),
        ["miss", "volatile"]
    );
    assert_eq!(
        words(&volatile, ["ineligible_reason", "tier"]),
        ["volatile", "null"]
    );
    let matter = |text: &str| format!("{FIRST}\n\n```\n{text}\n```");
    let other = compare(&gateway, &matter("One text."), &matter("Another one.")).await;
    assert_eq!(
        words(&other, ["verdict", "reason"]),
        ["miss", "other_matter"]
    );
    for odd in ["", " ", "\u{0}", "<script>alert(1)</script>", "🦀"] {
        let reply = post(
            &gateway,
            "/admin/api/compare",
            &json!({"a": odd, "b": FIRST}),
        )
        .await;
        assert!(
            reply.status == 400 || reply.json()["verdict"] == "miss",
            "{odd:?}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn without_an_encoder_equal_requests_are_told() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    gateway.ask(&asking(FIRST)).send().await;
    let said = why(&gateway, &asking(FIRST), &json!({})).await;
    assert_eq!(words(&said["cache"], ["outcome", "tier"]), ["hit", "exact"]);
    assert_eq!(
        said["cache"]["semantic"],
        json!({"eligible": false, "reason": "semantic_off"})
    );
    let said = compare(&gateway, FIRST, NEAR).await;
    assert_eq!(
        words(&said, ["verdict", "reason"]),
        ["miss", "semantic_off"]
    );
    assert_eq!(said["similarity"], Value::Null);
}
