//! Keys that end.

use std::time::Duration;

use refrain::clock::UnixMillis;
use serde_json::json;

use super::{ALICE, BOB, seen, start};
use crate::support::{asking, upstream::Upstream};

#[tokio::test]
async fn a_key_ends_at_its_time_for_everything() {
    let upstream = Upstream::start().await;
    // A minute after the manual clock's beginning.
    let end = UnixMillis(1_700_000_060_000);
    let gateway = start(&upstream, |alice| alice.expires = Some(end)).await;
    let ask = |key| gateway.ask(&asking("What do crabs eat?")).key(key).send();
    assert_eq!(
        (ask(ALICE).await.way(), ask(BOB).await.way()),
        ("miss", "miss")
    );
    assert_eq!(seen(&gateway).await["expires"], "2023-11-14T22:14:20Z");
    gateway.clock.advance(Duration::from_millis(59_999));
    assert_eq!(ask(ALICE).await.way(), "exact");
    gateway.clock.advance(Duration::from_millis(1));
    let expired = ask(ALICE).await;
    assert_eq!(expired.status, 403, "its hits are no longer its own either");
    assert_eq!(
        expired.error(),
        json!({
            "message": "this key has expired; ask for a new one",
            "type": "invalid_request_error",
            "param": null,
            "code": "expired_api_key",
        })
    );
    for path in ["/v1/embeddings", "/v1/cache/feedback"] {
        let asked = gateway.request("POST", path, "{}").key(ALICE);
        assert_eq!(asked.send().await.status, 403, "{path}");
    }
    for path in ["/v1/models", "/v1/models/gpt-test", "/models"] {
        assert_eq!(
            gateway.get(path).key(ALICE).send().await.status,
            403,
            "{path}"
        );
    }
    assert_eq!(ask(BOB).await.way(), "exact");
    assert_eq!(upstream.calls(), 2);
}
