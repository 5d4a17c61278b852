//! Headers, in both directions.

use serde_json::json;

use crate::support::{
    answer::{Answer, completion},
    asking,
    gateway::{Gateway, Setup, provider},
    streaming,
    upstream::{KEY, Upstream},
    with,
};

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut ids = Vec::new();
    for reply in [
        gateway.ask(&asking("What is a crab?")).send().await,
        gateway.ask(&asking("What is a crab?")).send().await,
        gateway.ask(&streaming("What is a crab?")).send().await,
        gateway.post("{").send().await,
        gateway.get("/health/live").send().await,
        gateway.get("/nowhere").send().await,
    ] {
        let id = reply.header("x-request-id").to_owned();
        assert!(id.starts_with("req_") && id.len() == 36, "{id}");
        assert!(!ids.contains(&id));
        ids.push(id);
    }
}

#[tokio::test]
async fn a_clients_own_id_stays_unless_it_is_none() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let id = async |sent: &str| {
        let reply = gateway
            .get("/health/live")
            .header("x-request-id", sent)
            .send()
            .await;
        reply.header("x-request-id").to_owned()
    };
    assert_eq!(id("my-trace-7").await, "my-trace-7");
    for invalid in ["", "two words", "caf\u{e9}", &"x".repeat(129)] {
        assert!(id(invalid).await.starts_with("req_"), "{invalid}");
    }
}

#[tokio::test]
async fn the_provider_gets_its_own_key_and_nothing_of_the_clients() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let asked = gateway
        .ask(&asking("What is a crab?"))
        .key("sk-client-secret");
    let asked = asked
        .header("x-api-key", "sk-client-secret")
        .header("api-key", "sk-client-secret");
    let asked = asked
        .header("cookie", "sk-client-secret")
        .header("x-refrain-cache-ttl", "60");
    let reply = asked
        .header("openai-organization", "sk-client-secret")
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let received = upstream.only();
    assert_eq!(received.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(received.headers["content-type"], "application/json");
    assert!(!format!("{:?}", received.headers).contains("sk-client-secret"));
    let names: Vec<_> = received.headers.keys().map(|name| name.as_str()).collect();
    assert!(
        !names.iter().any(|name| name.starts_with("x-")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_configured_header_goes_to_the_provider() {
    let upstream = Upstream::start().await;
    let toml = provider("main", &upstream) + "headers = { x-team = \"search\" }\n";
    let gateway = Setup::new(&toml).start().await;
    let body = with(asking("What is a crab?"), json!({"model": "main/gpt-test"}));
    assert_eq!(gateway.ask(&body).send().await.status, 200);
    assert_eq!(upstream.only().headers["x-team"], "search");
}

#[tokio::test]
async fn a_providers_own_headers_reach_the_client() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (stream, steps) = Answer::stepwise();
    steps.say("hello");
    steps.finish();
    for (answer, body) in [
        (
            Answer::json(&completion("hello", 1)),
            asking("What is a crab?"),
        ),
        (stream, streaming("What is a lobster?")),
    ] {
        let answer = answer
            .header("openai-processing-ms", "42")
            .header("x-request-id", "req_theirs");
        let answer = answer.header("x-ratelimit-remaining-requests", "99");
        upstream.script(answer.header("set-cookie", "a=b").header("server", "nginx"));
        let reply = gateway.ask(&body).send().await;
        assert_eq!(reply.header("openai-processing-ms"), "42");
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), "99");
        assert_eq!(reply.header("x-refrain-upstream-request-id"), "req_theirs");
        assert_ne!(reply.header("x-request-id"), "req_theirs");
        assert_eq!(reply.header("set-cookie"), "");
        assert_eq!(reply.header("server"), "");
    }
}

#[tokio::test]
async fn an_answer_says_how_it_came_to_be() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let miss = gateway.ask(&asking("What is a crab?")).send().await;
    assert_eq!(miss.header("cache-status"), "refrain; fwd=miss; stored");
    assert_eq!(miss.header("x-refrain-cost-usd"), "0.00002000");
    let hit = gateway.ask(&asking("What is a crab?")).send().await;
    assert_eq!(hit.header("cache-status"), "refrain; hit; detail=exact");
    assert_eq!(hit.header("x-refrain-saved-usd"), "0.00002000");
    assert_eq!(
        (
            hit.header("x-refrain-cost-usd"),
            hit.header("x-refrain-attempts")
        ),
        ("", "")
    );
    for reply in [&miss, &hit] {
        assert_eq!(reply.header("x-refrain-provider"), "main");
        assert_eq!(reply.header("x-refrain-model"), "gpt-test");
        assert_eq!(reply.header("x-refrain-overhead-ms"), "0.000");
    }
}

#[tokio::test]
async fn a_stream_is_not_held_back_by_proxies() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for _miss_then_hit in 0..2 {
        let reply = gateway.ask(&streaming("What is a crab?")).send().await;
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.header("x-accel-buffering"), "no");
    }
}
