//! Large JSON is compressed for clients that accept it; streams never are.

use crate::support::{answer::Answer, asking, gateway::Gateway, streaming, upstream::Upstream};

const GZIP: &[u8] = &[0x1f, 0x8b];

#[tokio::test]
async fn large_json_is_compressed_for_those_who_accept_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let text = "word ".repeat(8000);
    upstream.script(Answer::said(&text));
    for way in ["miss", "exact"] {
        let asked = gateway
            .ask(&asking("Write a lot"))
            .header("accept-encoding", "gzip");
        let reply = asked.send().await;
        assert_eq!(
            (reply.way(), reply.header("content-encoding")),
            (way, "gzip")
        );
        assert!(reply.body.starts_with(GZIP) && reply.body.len() < 4000);
    }
    let plain = gateway.ask(&asking("Write a lot")).send().await;
    assert_eq!((plain.header("content-encoding"), plain.said()), ("", text));
}

#[tokio::test]
async fn small_json_is_not_compressed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let asked = gateway
        .ask(&asking("Write a little"))
        .header("accept-encoding", "gzip");
    let reply = asked.send().await;
    assert_eq!(
        (reply.header("content-encoding"), reply.said().as_str()),
        ("", "answer 1")
    );
}

#[tokio::test]
async fn a_stream_is_never_compressed() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::said(&"word ".repeat(8000)));
    for way in ["miss", "exact"] {
        let asked = gateway
            .ask(&streaming("Write a lot"))
            .header("accept-encoding", "gzip");
        let reply = asked.send().await;
        assert_eq!((reply.way(), reply.header("content-encoding")), (way, ""));
        assert!(reply.is_done() && reply.body.len() > 40_000);
    }
}
