//! Requests that are too large, or that never end.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::support::{
    asking,
    client::{Raw, Reply},
    gateway::Gateway,
    upstream::Upstream,
};

const LIMIT: usize = 10 << 20;

#[track_caller]
fn assert_too_large(reply: &Reply) {
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (413, "application/json")
    );
    let error = reply.error();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("invalid_request_error"), &json!("request_too_large"))
    );
    assert_eq!(
        error["message"],
        format!("the request body is larger than {LIMIT} bytes, this gateway's limit")
    );
    assert!(reply.header("x-request-id").starts_with("req_"));
}

/// A body of unannounced length, in pieces of 64 KiB.
fn chunked(length: usize) -> reqwest::Body {
    let piece = Bytes::from(vec![b' '; 64 << 10]);
    let pieces = (0..length.div_ceil(64 << 10))
        .map(move |_| Ok::<_, Infallible>(Frame::data(piece.clone())));
    reqwest::Body::wrap(StreamBody::new(stream::iter(pieces)))
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    assert_too_large(&gateway.post(vec![b' '; LIMIT + 1]).send().await);
    assert_too_large(&gateway.post(chunked(LIMIT + 1)).send().await);
    assert_eq!(upstream.calls(), 0);
    assert_eq!(
        gateway.ask(&asking("What is a crab?")).send().await.status,
        200
    );
}

#[tokio::test]
async fn a_body_just_within_the_limit_is_read() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let empty = asking("").to_string().len();
    let body = asking(&"x".repeat(LIMIT - empty)).to_string();
    assert_eq!(body.len(), LIMIT);
    let reply = gateway.post(body.clone()).send().await;
    assert_eq!((reply.status, reply.said().as_str()), (200, "answer 1"));
    assert_eq!(upstream.only().body, body);
}

#[tokio::test]
async fn a_large_body_that_nobody_reads_does_not_hide_the_refusal() {
    let upstream = Upstream::start().await;
    let client = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"";
    let gateway = Gateway::setup(&upstream, client).start().await;
    let large = || vec![b' '; LIMIT - 1];
    assert_eq!(gateway.post(large()).send().await.status, 401);
    let (nowhere, models) = ("/nowhere", "/v1/models");
    assert_eq!(
        gateway
            .request("POST", nowhere, large())
            .send()
            .await
            .status,
        404
    );
    assert_eq!(
        gateway.request("POST", models, large()).send().await.status,
        405
    );
    let wrong = gateway.post(large()).key("sk-alice_key");
    assert_eq!(
        wrong
            .header("x-refrain-cache-ttl", "soon")
            .send()
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn an_announced_length_is_enough_to_be_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for length in [LIMIT as u64 + 1, u64::MAX] {
        let mut client = Raw::connect(gateway.address).await;
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
        );
        assert!(client.write(head.as_bytes()).await);
        let answer = client.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut client = Raw::connect(gateway.address).await;
    let expecting = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n";
    assert!(client.write(expecting.as_bytes()).await);
    let answer = client.read_to_end().await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("request_too_large"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_head_without_end_is_refused_or_hung_up_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (long, many) = (
        format!("x-long: {}\r\n", "a".repeat(1 << 20)),
        "x-many: 1\r\n".repeat(10_000),
    );
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(1 << 20));
    let with = |headers: &str| format!("GET /health HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    for head in [with(&long), with(&many), path, "\0".repeat(1 << 20)] {
        let mut client = Raw::connect(gateway.address).await;
        client.write(head.as_bytes()).await;
        let answer = client.read_to_end().await;
        let status = answer.split(' ').nth(1).unwrap_or("");
        assert!(["", "400", "414", "431"].contains(&status), "{answer}");
        assert_eq!(gateway.get("/health").send().await.status, 200);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_within_its_body_leaves_nothing_behind() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let body = asking("What is a crab?").to_string();
    let announced = format!("content-length: {}\r\n\r\n{}", body.len() + 1, body);
    let chunked = format!(
        "transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
        body.len()
    );
    let garbled = format!("transfer-encoding: chunked\r\n\r\nZZ\r\n{body}\r\n");
    for rest in [announced, chunked, garbled] {
        let mut client = Raw::connect(gateway.address).await;
        client
            .write(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{rest}").as_bytes())
            .await;
        client.end().await;
        let answer = client.read_to_end().await;
        let status = answer.split(' ').nth(1).unwrap_or("");
        assert!(["", "400"].contains(&status), "{answer}");
    }
    assert_eq!(upstream.calls(), 0);
    let reply = gateway.post(body).send().await;
    assert_eq!((reply.way(), reply.said().as_str()), ("miss", "answer 1"));
}

#[tokio::test]
async fn what_is_not_http_is_hung_up_on() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut client = Raw::connect(gateway.address).await;
        client.write(bytes).await;
        client.end().await;
        let answer = client.read_to_end().await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{answer}"
        );
    }
    let requests = gateway.stats().await["requests"].clone();
    assert_eq!(requests["failed"], Value::from(0));
}

#[tokio::test]
async fn a_refused_client_keeps_its_connection() {
    let upstream = Upstream::start().await;
    let clients = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\n";
    let gateway = Gateway::setup(&upstream, clients).start().await;
    let body = asking("What is a crab?").to_string();
    for (method, path, refusal) in [
        ("POST", "/v1/chat/completions", "401"),
        ("POST", "/v1/embeddings", "401"),
        ("POST", "/v1/cache/feedback", "401"),
        ("POST", "/v1/nothing", "404"),
        ("PUT", "/v1/chat/completions", "405"),
    ] {
        let mut client = Raw::connect(gateway.address).await;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        assert!(client.write(head.as_bytes()).await);
        // Time enough to be refused before the body is there.
        assert_eq!(gateway.get("/health").send().await.status, 200);
        let next = "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert!(client.write(format!("{body}{next}").as_bytes()).await);
        let answers = client.read_to_end().await;
        let statuses: Vec<_> = answers
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|answer| &answer[..3])
            .collect();
        assert_eq!(statuses, [refusal, "200"], "{path}");
    }
}
