//! Heads that are too large, and clients that ask before they send a body.

use crate::support::{asking, client::Raw, gateway::Gateway, upstream::Upstream};

async fn status(gateway: &Gateway, head: &str) -> String {
    let mut client = Raw::connect(gateway.address).await;
    client.write(head.as_bytes()).await;
    let answer = client.read_to_end().await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_head_may_have_128_headers() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let with = |headers: usize| {
        let more = "x-one: 1\r\n".repeat(headers - 2);
        format!("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n")
    };
    assert_eq!(status(&gateway, &with(128)).await, "200");
    assert_eq!(status(&gateway, &with(129)).await, "431");
}

#[tokio::test]
async fn a_head_may_be_as_long_as_a_quarter_of_a_mebibyte() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let of = |length: usize| {
        let head = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: ";
        format!("{head}{}\r\n\r\n", "a".repeat(length - head.len() - 4))
    };
    assert_eq!(status(&gateway, &of(200 << 10)).await, "200");
    assert!(["431", ""].contains(&status(&gateway, &of((256 << 10) + 1)).await.as_str()));
}

#[tokio::test]
async fn who_asks_first_and_is_refused_is_not_asked_for_its_body() {
    let upstream = Upstream::start().await;
    let client = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"";
    let gateway = Gateway::setup(&upstream, client).start().await;
    for (path, refusal) in [
        ("/v1/chat/completions", "401"),
        ("/v1/embeddings", "401"),
        ("/v1/cache/feedback", "401"),
        ("/nowhere", "404"),
        ("/v1/models", "405"),
    ] {
        let mut client = Raw::connect(gateway.address).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer no\r\nexpect: 100-continue\r\n\
             content-length: 100000\r\n\r\n"
        );
        assert!(client.write(head.as_bytes()).await);
        let answer = client.read_to_end().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {refusal} ")),
            "{answer}"
        );
        assert!(!answer.contains("100 Continue"), "{answer}");
    }
}

#[tokio::test]
async fn who_asks_first_and_may_is_told_to_go_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let body = asking("What is a crab?").to_string();
    let mut client = Raw::connect(gateway.address).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    assert!(client.write(head.as_bytes()).await);
    assert!(client.read_line().await.starts_with("HTTP/1.1 100 "));
    assert!(client.write(body.as_bytes()).await);
    assert!(client.read_to_end().await.contains("HTTP/1.1 200 "));
}
