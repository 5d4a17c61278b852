//! What a provider's errors become, and who is asked instead.

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    asking,
    client::Reply,
    gateway::{Gateway, Setup, model, provider, provider_at},
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";

fn body(stream: bool) -> Value {
    with(asking(QUESTION), json!({"model": "both", "stream": stream}))
}

/// A gateway whose model `both` has two targets.
async fn two(first: &Upstream, second: &Upstream) -> Gateway {
    let more = provider("backup", second) + &model("both", &["main/one", "backup/one"]);
    Gateway::setup(first, &more).start().await
}

/// The reply of a gateway whose only provider answers this.
async fn alone(answer: Answer) -> Reply {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(answer);
    gateway.ask(&asking(QUESTION)).send().await
}

#[tokio::test]
async fn what_a_provider_says_of_the_request_is_passed_on_and_nobody_else_is_asked() {
    let error = json!({"message": "too many tokens", "type": "their_type", "param": "messages", "code": "context_length_exceeded"});
    for status in [400, 404, 409, 413, 415, 422] {
        for stream in [false, true] {
            let (first, second) = (Upstream::start().await, Upstream::start().await);
            let gateway = two(&first, &second).await;
            first.script(Answer::json(&json!({"error": error})).status(status));
            let reply = gateway.ask(&body(stream)).send().await;
            assert_eq!((reply.status, reply.error()), (status, error.clone()));
            assert_eq!(reply.header("x-refrain-error-origin"), "upstream");
            assert_eq!(second.calls(), 0);
        }
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_in_shape_is_put_in_shape() {
    let reply = alone(Answer::raw("text/plain", "Prompt too long\n").status(400)).await;
    let error = reply.error();
    assert_eq!(
        (reply.status, &error["type"]),
        (400, &json!("invalid_request_error"))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("Prompt too long")
    );
    assert!(error.as_object().unwrap().contains_key("code"));
}

#[tokio::test]
async fn a_refused_key_is_the_gateways_trouble_and_not_the_clients() {
    for status in [401, 403] {
        let reply = alone(Answer::error(status, "who are you?")).await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"]),
            (502, &json!("upstream_auth"))
        );
        assert_eq!(
            (&error["type"], reply.header("www-authenticate")),
            (&json!("server_error"), "")
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("provider `main`")
        );
    }
}

#[tokio::test]
async fn a_rate_limit_is_passed_on_with_its_wait() {
    for (header, value, wait) in [
        ("retry-after", "7", "7"),
        ("retry-after-ms", "1200", "2"),
        ("x-none", "", "1"),
    ] {
        let reply = alone(Answer::error(429, "slow down").header(header, value)).await;
        let error = reply.error();
        assert_eq!((reply.status, reply.header("retry-after")), (429, wait));
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("rate_limit_error"), &json!("rate_limit_exceeded"))
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_given_as_a_date_is_passed_on_in_seconds() {
    for (date, wait) in [("Fri, 06 Nov 2026 08:00:00 GMT", "40"), ("", "1")] {
        let answer = Answer::error(429, "slow down")
            .header("retry-after", "Fri, 06 Nov 2026 08:00:40 GMT")
            .header("date", date);
        let reply = alone(answer).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, wait));
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_502_503_or_504() {
    for (status, seen, code) in [
        (500, 502, "upstream_error"),
        (502, 502, "upstream_error"),
        (503, 503, "upstream_unavailable"),
        (529, 503, "upstream_unavailable"),
        (504, 504, "upstream_timeout"),
        (408, 504, "upstream_timeout"),
        (302, 502, "upstream_error"),
        (204, 502, "upstream_error"),
    ] {
        let reply =
            alone(Answer::error(status, "no capacity").header("location", "http://127.0.0.1:1/"))
                .await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"]),
            (seen, &json!(code)),
            "{status}"
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("provider `main`")
        );
        assert_eq!(
            reply.header("retry-after"),
            if seen == 503 { "1" } else { "" }
        );
    }
}

#[tokio::test]
async fn the_next_target_is_asked_when_the_first_can_not_answer() {
    for status in [401, 403, 408, 429, 500, 502, 503, 504, 529] {
        for stream in [false, true] {
            let (first, second) = (Upstream::start().await, Upstream::start().await);
            let gateway = two(&first, &second).await;
            first.script(Answer::error(status, "no capacity"));
            let reply = gateway.ask(&body(stream)).send().await;
            assert_eq!(
                (reply.status, reply.said().as_str()),
                (200, "answer 1"),
                "{status}"
            );
            assert_eq!(
                (
                    reply.header("x-refrain-provider"),
                    reply.header("x-refrain-attempts")
                ),
                ("backup", "2")
            );
            assert_eq!((first.calls(), second.calls()), (1, 1));
        }
    }
}

#[tokio::test]
async fn the_next_target_is_asked_when_the_first_is_not_there() {
    let second = Upstream::start().await;
    let more =
        provider_at("gone", &Upstream::gone().await) + &model("both", &["gone/one", "main/one"]);
    let gateway = Gateway::setup(&second, &more).start().await;
    let reply = gateway.ask(&body(false)).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-provider")),
        (200, "main")
    );
}

#[tokio::test]
async fn when_all_are_down_the_last_error_is_told() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let gateway = two(&first, &second).await;
    first.script(Answer::error(500, "no capacity"));
    second.script(Answer::error(429, "slow down").header("retry-after", "9"));
    let reply = gateway.ask(&body(false)).send().await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "9"));
    assert!(
        reply.error()["message"]
            .as_str()
            .unwrap()
            .contains("provider `backup`")
    );

    let toml = provider_at("main", &Upstream::gone().await) + &model("both", &["main/one"]);
    let gateway = Setup::new(&toml).start().await;
    let reply = gateway.ask(&body(false)).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (502, &json!("upstream_error"))
    );
    assert!(
        reply.error()["message"]
            .as_str()
            .unwrap()
            .starts_with("provider `main` could not be reached")
    );
}
