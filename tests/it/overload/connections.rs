//! More connections than there is room for, and those on which nothing comes.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    answer::Answer,
    asking,
    client::{self, Raw},
    gateway::Gateway,
    streaming,
    upstream::Upstream,
};

const CLOSING: &str = "connection: close\r\n";

async fn asked(gateway: &Gateway, line: &str) -> String {
    let mut client = Raw::connect(gateway.address).await;
    let written = client
        .write(format!("{line} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
        .await;
    assert!(written);
    client.read_to_end().await
}

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_is_told_so_and_operators_are_answered() {
    let upstream = Upstream::start().await;
    let setup = Gateway::setup(&upstream, "");
    let gateway = setup
        .adjusted(|config| config.server.max_connections = 2)
        .start()
        .await;
    let idle = [
        Raw::connect(gateway.address).await,
        Raw::connect(gateway.address).await,
    ];
    let refused = asked(&gateway, "GET /v1/models").await;
    assert!(
        refused.starts_with("HTTP/1.1 503 ")
            && refused.contains("retry-after: 1\r\n")
            && refused.contains("\"code\":\"overloaded\"")
            && refused.contains("it has as many connections as it can hold")
            && refused.contains(CLOSING),
        "{refused}"
    );
    for path in [
        "/health/live",
        "/health/ready",
        "/metrics",
        "/admin/api/stats",
    ] {
        let answer = asked(&gateway, &format!("GET {path}")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(CLOSING),
            "{answer}"
        );
    }
    // As soon as one of them is hung up on, there is room.
    let start = Instant::now();
    for client in idle {
        assert_eq!(client.read_to_end().await, "");
    }
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(
        gateway.ask(&asking("What is a crab?")).send().await.status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn spare_connections_are_few_and_wait_for_five_seconds_only() {
    let upstream = Upstream::start().await;
    let setup = Gateway::setup(&upstream, "");
    let gateway = setup
        .adjusted(|config| config.server.max_connections = 0)
        .start()
        .await;
    let start = Instant::now();
    let mut spare = Vec::new();
    for _ in 0..64 {
        spare.push(Raw::connect(gateway.address).await);
    }
    let one_more = Raw::connect(gateway.address).await;
    assert_eq!(one_more.read_to_end().await, "");
    assert_eq!(start.elapsed().as_secs(), 0);
    for client in spare {
        assert_eq!(client.read_to_end().await, "");
    }
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(
        asked(&gateway, "GET /health")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_comes_is_hung_up_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let request = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    // The third is the beginning of what opens a connection over HTTP/2, the fourth all of it.
    let (half, whole) = ("PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for (said, answers) in [("", 0), (request, 1), (half, 0), (whole, 0)] {
        let mut client = Raw::connect(gateway.address).await;
        let start = Instant::now();
        assert!(client.write(said.as_bytes()).await);
        let answer = client.read_lossy().await;
        assert_eq!(answer.matches("HTTP/1.1 200").count(), answers, "{said}");
        let waited = start.elapsed().as_secs();
        assert!((30..=90).contains(&waited), "{said}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_over_http_2_outlives_the_patience_with_idle_connections() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.say("Algae");
    let client = client::http().http2_prior_knowledge().build().unwrap();
    let asked = client.post(gateway.url("/v1/chat/completions"));
    let answer = asked
        .body(streaming("one").to_string())
        .send()
        .await
        .unwrap();
    let version = answer.version();
    assert_eq!(
        (answer.status().as_u16(), version),
        (200, http::Version::HTTP_2)
    );
    let talking = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            steps.say("more");
        }
        steps.finish();
    };
    let (text, ()) = tokio::join!(answer.text(), talking);
    assert!(text.unwrap().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_thousand_silent_connections_keep_nobody_waiting() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut silent = Vec::new();
    for _ in 0..1000 {
        silent.push(Raw::connect(gateway.address).await);
    }
    for number in 0..10 {
        let fresh = client::http().build().unwrap();
        let question = json!({"model": "gpt-test", "messages": [{"role": "user", "content": format!("{number}")}]});
        let asked = fresh
            .post(gateway.url("/v1/chat/completions"))
            .body(question.to_string());
        assert_eq!(asked.send().await.unwrap().status(), 200);
    }
}
