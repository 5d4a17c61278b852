//! A request that makes the gateway panic is answered, and the next one is served.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use refrain::embed::{Embed, EmbedError, Embedding, EncoderId};

use crate::support::{asking, gateway::Gateway, upstream::Upstream};

/// Panics over one word, as no encoder should.
#[derive(Debug)]
struct Brittle;

impl Embed for Brittle {
    fn encoder(&self) -> EncoderId {
        EncoderId::new("brittle")
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        assert!(!text.contains("panic"), "a planted panic");
        Box::pin(async { Embedding::new(self.encoder(), vec![1.0, 0.0]) })
    }
}

#[tokio::test]
async fn one_request_fails_and_the_next_is_served() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "")
        .encoder(Arc::new(Brittle))
        .start()
        .await;
    gateway.ask(&asking("What do crabs eat?")).send().await;
    gateway.app.settle().await;

    let failed = gateway.ask(&asking("Do crabs panic?")).send().await;
    assert_eq!(failed.status, 500);
    assert_eq!(failed.error()["type"], "server_error");
    assert!(!failed.text().contains("planted"), "{}", failed.text());
    assert!(!failed.header("x-request-id").is_empty());

    let next = gateway.ask(&asking("What do crabs eat?")).send().await;
    assert_eq!((next.status, next.way()), (200, "exact"));
}
