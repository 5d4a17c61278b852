//! Controls at and beyond every bound.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AT_90, QUESTION};
use crate::support::{angles::Angles, asking, gateway::Gateway, upstream::Upstream, with};

/// A 200 or a 400 that names the control.
#[tokio::test]
async fn no_control_makes_the_gateway_fail() {
    const VALUES: [&str; 22] = [
        "",
        " ",
        "0",
        "-0",
        "-1",
        "1",
        "0.5",
        "1.0",
        "1.0000001",
        "NaN",
        "inf",
        "-inf",
        "1e400",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "0x10",
        "\u{661}",
        "true",
        "a, b",
        "\"quoted\"",
        "=;,",
    ];
    const NAMES: [&str; 12] = [
        "x-refrain-cache-ttl",
        "x-refrain-cache-namespace",
        "x-refrain-cache-threshold",
        "x-refrain-cache-policy",
        "x-refrain-cache-tags",
        "x-refrain-task",
        "x-refrain-prefer-fast",
        "x-portkey-cache-namespace",
        "x-portkey-cache-force-refresh",
        "cf-aig-skip-cache",
        "cf-aig-cache-ttl",
        "helicone-cache-enabled",
    ];
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, AT_90)
        .encoder(Angles::of(&[(QUESTION, 1.0)]))
        .start()
        .await;
    for name in NAMES {
        for value in VALUES {
            let reply = gateway
                .ask(&asking(QUESTION))
                .header(name, value)
                .send()
                .await;
            match reply.status {
                200 => {}
                400 => assert_eq!(reply.error()["param"], name, "{value}"),
                status => panic!("{name}: {value} -> {status} {}", reply.text()),
            }
        }
    }
    for directive in [
        "max-age",
        "s-maxage",
        "max-stale",
        "min-fresh",
        "stale-if-error",
        "stale-while-revalidate",
        "only-if-cached",
    ] {
        for value in VALUES {
            let written = format!("{directive}={value}");
            let reply = gateway
                .ask(&asking(QUESTION))
                .header("cache-control", &written)
                .send()
                .await;
            let missing = directive == "only-if-cached" && reply.status == 504;
            assert!(
                reply.status == 200 || missing,
                "{written} -> {}",
                reply.status
            );
        }
    }
    for (name, values) in [
        (
            "ttl",
            vec![
                json!(0),
                json!(-1),
                json!(0.5),
                json!(1e300),
                json!(u64::MAX),
                json!("1"),
                json!(null),
                json!([]),
            ],
        ),
        (
            "threshold",
            vec![
                json!(-1),
                json!(0),
                json!(1),
                json!(1.5),
                json!("x"),
                json!(null),
            ],
        ),
        (
            "max_age",
            vec![json!(0), json!(-1), json!(u64::MAX), json!(1e300)],
        ),
        (
            "max_stale",
            vec![
                json!(0),
                json!(-1),
                json!(u64::MAX),
                json!(true),
                json!(1e300),
            ],
        ),
        ("stale_if_error", vec![json!(0), json!(-1), json!(u64::MAX)]),
        (
            "namespace",
            vec![
                json!(""),
                json!("a".repeat(10_000)),
                json!("\u{202e}"),
                json!(5),
            ],
        ),
        (
            "tags",
            vec![
                json!(vec!["a"; 17]),
                json!([""]),
                json!([["a"]]),
                json!({}),
                json!(vec!["a".repeat(10_000)]),
            ],
        ),
    ] {
        for value in values {
            let body = with(asking(QUESTION), json!({"refrain": {name: value}}));
            let reply = gateway.ask(&body).send().await;
            let param = format!("refrain.{name}");
            match reply.status {
                200 => {}
                400 => assert_eq!(reply.error()["param"], param.as_str(), "{body}"),
                status => panic!("{body} -> {status} {}", reply.text()),
            }
        }
    }
}

#[tokio::test]
async fn an_endless_allowance_of_staleness_overflows_nothing() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let ttl = [("x-refrain-cache-ttl", "1")];
    gateway.ask(&asking(QUESTION)).headers(&ttl).send().await;
    gateway
        .clock
        .advance(Duration::from_secs(60 * 60 * 24 * 365 * 200));
    for allowance in [
        "max-stale",
        "max-stale=18446744073709551615",
        "max-stale=99999999999999999999999",
        "stale-if-error=99999999999999999999",
    ] {
        let reply = gateway
            .ask(&asking(QUESTION))
            .header("cache-control", allowance)
            .send()
            .await;
        assert_eq!(reply.status, 200, "{allowance}: {}", reply.text());
    }
    let body: Value = gateway.ask(&asking(QUESTION)).send().await.json();
    assert!(body["choices"].is_array());
}
