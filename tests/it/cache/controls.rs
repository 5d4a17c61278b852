//! What a request may say about the cache, in all the ways in which users of gateways say it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{asking, gateway::Gateway, upstream::Upstream, with};

const QUESTION: &str = "What do crabs eat?";

/// Headers and body fields of one request.
type Said<'a> = (&'a [(&'a str, &'a str)], Value);

/// How a request that says something goes after a plain one was answered, and a plain one after it.
async fn before_and_after(said: &Said<'_>) -> [String; 2] {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    gateway.ask(&asking(QUESTION)).send().await;
    let ask = gateway
        .ask(&with(asking(QUESTION), said.1.clone()))
        .headers(said.0);
    let reply = ask.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let plain = gateway.ask(&asking(QUESTION)).send().await;
    [reply, plain].map(|reply| format!("{}: {}", reply.way(), reply.said()))
}

#[tokio::test]
async fn a_fresh_answer_can_be_had_and_replaces_the_kept_one() {
    for said in [
        (&[("cache-control", "no-cache")][..], json!({})),
        (&[("cache-control", "max-age=0")], json!({})),
        (&[("x-portkey-cache-force-refresh", "true")], json!({})),
        (&[], json!({"refrain": {"no_cache": true}})),
        (&[], json!({"cache": {"no-cache": true}})),
    ] {
        let found = before_and_after(&said).await;
        assert_eq!(found, ["miss: answer 2", "exact: answer 2"], "{said:?}");
    }
}

#[tokio::test]
async fn the_cache_can_be_left_alone() {
    for said in [
        (&[("cache-control", "no-cache, no-store")][..], json!({})),
        (&[("cf-aig-skip-cache", "true")], json!({})),
        (&[("helicone-cache-enabled", "false")], json!({})),
        (
            &[],
            json!({"refrain": {"no_cache": true, "no_store": true}}),
        ),
        (&[], json!({"cache": {"no-cache": true, "no-store": true}})),
    ] {
        let found = before_and_after(&said).await;
        assert_eq!(found, ["bypass: answer 2", "exact: answer 1"], "{said:?}");
    }
}

#[tokio::test]
async fn a_namespace_is_a_cache_of_its_own() {
    for said in [
        (&[("x-refrain-cache-namespace", "blue")][..], json!({})),
        (&[("x-portkey-cache-namespace", "blue")], json!({})),
        (&[], json!({"refrain": {"namespace": "blue"}})),
        (&[], json!({"cache": {"namespace": "blue"}})),
    ] {
        let found = before_and_after(&said).await;
        assert_eq!(found, ["miss: answer 2", "exact: answer 1"], "{said:?}");
    }
}

#[tokio::test]
async fn a_namespace_has_one_meaning_wherever_it_is_said() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let asked = gateway
        .ask(&asking(QUESTION))
        .header("x-refrain-cache-namespace", "blue");
    assert_eq!(asked.send().await.way(), "miss");
    let body = with(asking(QUESTION), json!({"refrain": {"namespace": "blue"}}));
    assert_eq!(gateway.ask(&body).send().await.way(), "exact");
    let other = gateway
        .ask(&asking(QUESTION))
        .header("x-refrain-cache-namespace", "green");
    assert_eq!(other.send().await.way(), "miss");
}

#[tokio::test]
async fn an_answer_that_must_not_be_kept_is_not() {
    for said in [
        (&[("cache-control", "no-store")][..], json!({})),
        (&[("x-refrain-cache-ttl", "0")], json!({})),
        (&[], json!({"refrain": {"no_store": true}})),
        (&[], json!({"cache": {"no-store": true}})),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        for number in 1..3 {
            let ask = gateway
                .ask(&with(asking(QUESTION), said.1.clone()))
                .headers(said.0);
            let reply = ask.send().await;
            assert_eq!(reply.said(), format!("answer {number}"), "{said:?}");
            assert_eq!(reply.header("cache-status"), "refrain; fwd=miss");
        }
        // What is kept already may still be served.
        gateway.ask(&asking(QUESTION)).send().await;
        let reply = gateway
            .ask(&asking(QUESTION))
            .header("cache-control", "no-store")
            .send()
            .await;
        assert_eq!((reply.way(), reply.said().as_str()), ("exact", "answer 3"));
    }
}

#[tokio::test]
async fn a_request_may_shorten_the_life_of_its_answer() {
    for said in [
        (&[("x-refrain-cache-ttl", "60")][..], json!({})),
        (&[("cf-aig-cache-ttl", "60")], json!({})),
        (&[], json!({"refrain": {"ttl": 60}})),
        (&[], json!({"cache": {"ttl": 60}})),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let ask = gateway
            .ask(&with(asking(QUESTION), said.1.clone()))
            .headers(said.0);
        ask.send().await;
        gateway.clock.advance(Duration::from_secs(59));
        assert_eq!(
            gateway.ask(&asking(QUESTION)).send().await.way(),
            "exact",
            "{said:?}"
        );
        gateway.clock.advance(Duration::from_secs(1));
        assert_eq!(
            gateway.ask(&asking(QUESTION)).send().await.way(),
            "miss",
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn a_request_may_refuse_older_answers() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    gateway.ask(&asking(QUESTION)).send().await;
    gateway.clock.advance(Duration::from_secs(60));
    let within = async |seconds: &str| {
        let age = format!("max-age={seconds}");
        gateway
            .ask(&asking(QUESTION))
            .header("cache-control", &age)
            .send()
            .await
    };
    assert_eq!(within("60").await.said(), "answer 1");
    let fresh = within("59").await;
    assert_eq!((fresh.way(), fresh.said().as_str()), ("miss", "answer 2"));
    assert_eq!(
        gateway.ask(&asking(QUESTION)).send().await.said(),
        "answer 2"
    );
}

#[tokio::test]
async fn only_if_cached_asks_no_provider() {
    for said in [
        (&[("cache-control", "only-if-cached")][..], json!({})),
        (&[], json!({"refrain": {"only_if_cached": true}})),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let ask = async || {
            let ask = gateway
                .ask(&with(asking(QUESTION), said.1.clone()))
                .headers(said.0);
            ask.send().await
        };
        let refused = ask().await;
        assert_eq!((refused.status, refused.way()), (504, "miss"));
        assert_eq!(refused.error()["code"], "not_cached");
        // The official clients would try a 504 again.
        assert_eq!(refused.header("x-should-retry"), "false");
        assert_eq!(upstream.calls(), 0);
        gateway.ask(&asking(QUESTION)).send().await;
        assert_eq!(ask().await.way(), "exact");
    }
}

#[tokio::test]
async fn a_control_out_of_range_is_refused_by_name() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (name, value) in [
        ("x-refrain-cache-ttl", "soon"),
        ("x-refrain-cache-threshold", "2"),
        ("x-refrain-cache-ttl", "-60"),
        ("x-refrain-cache-ttl", "315360001"),
        ("x-refrain-cache-policy", "lax"),
        ("x-refrain-cache-tags", "one, two words"),
        ("x-refrain-cache-namespace", "two words"),
        ("x-refrain-task", "two words"),
        ("x-refrain-prefer-fast", "very"),
    ] {
        let reply = gateway
            .ask(&asking(QUESTION))
            .header(name, value)
            .send()
            .await;
        assert_eq!((reply.status, &reply.error()["param"]), (400, &json!(name)));
    }
    for (fields, param) in [
        (json!({"refrain": {"no_cash": true}}), "refrain.no_cash"),
        (json!({"refrain": {"ttl": -1}}), "refrain.ttl"),
        (json!({"refrain": "off"}), "refrain"),
        (json!({"refrain": {"tags": ["a,b"]}}), "refrain.tags"),
        (json!({"refrain": {"policy": "lax"}}), "refrain.policy"),
        (json!({"task_type": 5}), "task_type"),
        (json!({"prefer_fast": "very"}), "prefer_fast"),
        (json!({"cache": {"ttl": "long"}}), "cache.ttl"),
    ] {
        let reply = gateway.ask(&with(asking(QUESTION), fields)).send().await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!(param))
        );
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn controls_that_contradict_each_other_are_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let threshold = ("x-refrain-cache-threshold", "0.95");
    for (headers, fields) in [
        (
            &[threshold, ("x-refrain-cache-policy", "strict")][..],
            json!({}),
        ),
        (&[threshold], json!({"refrain": {"policy": "strict"}})),
        (
            &[("x-refrain-cache-ttl", "5"), ("cf-aig-cache-ttl", "6")],
            json!({}),
        ),
        (
            &[],
            json!({"refrain": {"task": "sql"}, "task_type": "code"}),
        ),
    ] {
        let ask = gateway.ask(&with(asking(QUESTION), fields.clone()));
        let reply = ask.headers(headers).send().await;
        assert_eq!(reply.status, 400, "{headers:?} {fields}");
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn what_is_said_to_the_gateway_stays_with_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let said = json!({
        "task_type": "support", "prefer_fast": true,
        "refrain": {"task": "support", "tags": ["crabs"], "policy": "strict", "max_stale": 5},
    });
    let reply = gateway
        .ask(&with(asking(QUESTION), said))
        .headers(&[
            ("x-refrain-task", "chat"),
            ("x-refrain-cache-tags", "sea, crabs"),
            ("x-refrain-prefer-fast", "false"),
            ("cache-control", "max-stale, stale-if-error=60"),
        ])
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let call = upstream.only();
    for name in call.headers.keys() {
        assert!(!name.as_str().starts_with("x-refrain"), "{name}");
    }
    assert_eq!(call.json(), asking(QUESTION));
}
