//! Bodies for which there is no room, and those that do not come.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::json;
use tokio::time::Instant;

use super::at_rest;
use crate::support::{
    answer::Answer,
    asking,
    client::Raw,
    gateway::{Gateway, Setup},
    upstream::Upstream,
};

const KILOBYTE: usize = 1 << 10;

fn with_room(upstream: &Upstream) -> Setup {
    Gateway::setup(upstream, "")
        .adjusted(|config| config.server.max_in_flight_bytes = refrain::config::ByteSize::kib(100))
}

fn question(length: usize) -> String {
    let empty = asking("").to_string().len();
    asking(&"x".repeat(length - empty)).to_string()
}

/// A body whose length is not announced.
fn chunked(body: &str) -> reqwest::Body {
    let pieces: Vec<_> = body
        .as_bytes()
        .chunks(KILOBYTE)
        .map(Bytes::copy_from_slice)
        .collect();
    let pieces = pieces
        .into_iter()
        .map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    reqwest::Body::wrap(StreamBody::new(stream::iter(pieces)))
}

#[tokio::test]
async fn a_body_without_room_is_refused_until_there_is_some() {
    for is_chunked in [false, true] {
        let upstream = Upstream::start().await;
        let gateway = with_room(&upstream).start().await;
        let body = |length| {
            let text = question(length);
            if is_chunked {
                chunked(&text)
            } else {
                text.into()
            }
        };
        let (answer, hold) = Answer::said("later").held();
        upstream.script(answer);
        let (held, ()) = tokio::join!(gateway.post(body(60 * KILOBYTE)).send(), async {
            upstream.arrived(1).await;
            let in_flight = json!({"requests": 1, "bytes": 60 * KILOBYTE});
            assert_eq!(gateway.stats().await["in_flight"], in_flight);
            let reply = gateway.post(body(41 * KILOBYTE)).send().await;
            let code = &reply.error()["code"];
            assert_eq!(
                (reply.status, code, reply.header("retry-after")),
                (503, &json!("overloaded"), "1")
            );
            let reply = gateway.post(body(40 * KILOBYTE)).send().await;
            assert_eq!(reply.status, 200);
            hold.release();
        });
        assert_eq!(held.status, 200);
        at_rest(&gateway).await;
        assert_eq!(gateway.post(body(99 * KILOBYTE)).send().await.status, 200);
    }
}

#[tokio::test]
async fn what_is_not_read_takes_no_room() {
    let upstream = Upstream::start().await;
    let client = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"";
    let gateway = Gateway::setup(&upstream, client).start().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut client = Raw::connect(gateway.address).await;
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer no\r\ncontent-length: 10000000\r\n\r\n";
        client.write(head.as_bytes()).await;
        silent.push(client);
    }
    assert_eq!(gateway.stats().await["in_flight"]["bytes"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_within_a_body_is_a_408() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let body = question(KILOBYTE);
    for (framing, sent) in [
        ("content-length: 1024", body[..1000].to_owned()),
        ("content-length: 1024", String::new()),
        (
            "transfer-encoding: chunked",
            format!("{:x}\r\n{body}\r\n", body.len()),
        ),
    ] {
        let mut client = Raw::connect(gateway.address).await;
        let start = Instant::now();
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n");
        assert!(client.write(format!("{head}{sent}").as_bytes()).await);
        let answer = client.read_to_end().await;
        assert!(
            answer.starts_with("HTTP/1.1 408 ")
                && answer.contains("\"code\":\"request_timeout\"")
                && answer.contains("connection: close"),
            "{answer}"
        );
        let waited = start.elapsed();
        assert!((30..32).contains(&waited.as_secs()), "{waited:?}");
    }
    at_rest(&gateway).await;
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn single_bytes_each_just_in_time_are_a_408_all_the_same() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut client = Raw::connect(gateway.address).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    assert!(client.write(head.as_bytes()).await);
    let start = Instant::now();
    // Time goes on only when nothing else is to do, so each byte is read before the next.
    while client.write(b"x").await && start.elapsed() < Duration::from_secs(600) {
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(600));
    let answer = client.read_to_end().await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
    at_rest(&gateway).await;
}

/// Sends a body of so many bytes in pieces, one every 25 seconds.
async fn sent_slowly(gateway: &Gateway, length: usize, piece: usize) -> (String, String) {
    let mut client = Raw::connect(gateway.address).await;
    let body = question(length);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    assert!(client.write(head.as_bytes()).await);
    for piece in body.as_bytes().chunks(piece) {
        tokio::time::sleep(Duration::from_secs(25)).await;
        if !client.write(piece).await {
            break;
        }
    }
    (client.read_to_end().await, body)
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_that_keeps_coming_is_read() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, body) = sent_slowly(&gateway, 4 << 20, 1 << 20).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(upstream.only().body, body);
}

#[tokio::test(start_paused = true)]
async fn a_long_body_has_to_come_faster_than_a_short_one() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let start = Instant::now();
    let (answer, _) = sent_slowly(&gateway, 4 << 20, 100 << 10).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
    // 33 s, and until the second write after that fails.
    assert!((30..80).contains(&start.elapsed().as_secs()));
    at_rest(&gateway).await;
}

#[tokio::test]
async fn what_is_only_announced_takes_no_room() {
    let upstream = Upstream::start().await;
    let gateway = with_room(&upstream).start().await;
    let mut announcing = Vec::new();
    for sent in 1..=20 {
        let mut client = Raw::connect(gateway.address).await;
        let head =
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\nx";
        client.write(head.as_bytes()).await;
        announcing.push(client);
        let in_flight = json!({"requests": sent, "bytes": sent});
        while gateway.stats().await["in_flight"] != in_flight {
            tokio::task::yield_now().await;
        }
    }
    let reply = gateway.post(question(90 * KILOBYTE)).send().await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_body_for_which_the_room_has_gone_meanwhile_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = with_room(&upstream).start().await;
    let mut client = Raw::connect(gateway.address).await;
    let body = question(60 * KILOBYTE);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write(head.as_bytes()).await;
    client.write(&body.as_bytes()[..1]).await;
    while gateway.stats().await["in_flight"]["bytes"] != 1 {
        tokio::task::yield_now().await;
    }
    let (answer, hold) = Answer::said("later").held();
    upstream.script(answer);
    let (held, ()) = tokio::join!(gateway.post(question(60 * KILOBYTE)).send(), async {
        upstream.arrived(1).await;
        client.write(&body.as_bytes()[1..]).await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        hold.release();
    });
    assert_eq!(held.status, 200);
    at_rest(&gateway).await;
}
