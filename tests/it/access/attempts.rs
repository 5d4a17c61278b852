//! How often one may be wrong.

use std::time::Duration;

use super::{KEY, act, assert_refused, session, sign_in, told, with_key};
use crate::support::gateway::Gateway;

/// Presents a key to look.
async fn look(gateway: &Gateway, key: &str) -> u16 {
    let stats = gateway.get("/admin/api/stats").key(key);
    stats.send().await.status
}

#[tokio::test]
async fn after_ten_wrong_keys_none_is_let_in_until_later() {
    let gateway = with_key().await;
    let (cookie, token) = session(&gateway).await;
    for _ in 0..4 {
        assert_eq!(look(&gateway, "no").await, 401);
        // The right one in between changes nothing.
        assert_eq!(look(&gateway, KEY).await, 200);
        assert_eq!(sign_in(&gateway, "no").send().await.status, 401);
    }
    // "ops:no"
    for path in ["/metrics", "/admin/api/stats"] {
        let basic = gateway.get(path).header("authorization", "Basic b3BzOm5v");
        assert_eq!(basic.send().await.status, 401);
    }
    for key in ["no", KEY] {
        let reply = gateway.get("/admin/api/stats").key(key).send().await;
        assert_refused(&reply, 429, "rate_limit_exceeded");
        assert_eq!(reply.header("retry-after"), "6");
        let reply = sign_in(&gateway, key).send().await;
        assert_refused(&reply, 429, "rate_limit_exceeded");
        assert_eq!(reply.header("set-cookie"), "");
        assert_eq!(act(&gateway).key(key).send().await.status, 429);
        assert_eq!(gateway.get("/metrics").key(key).send().await.status, 429);
    }
    // Who says to be somebody else is not believed.
    let elsewhere = gateway.get("/admin/api/stats").key(KEY).headers(&[
        ("x-forwarded-for", "10.9.8.7"),
        ("x-real-ip", "10.9.8.7"),
        ("forwarded", "for=10.9.8.7"),
    ]);
    assert_eq!(elsewhere.send().await.status, 429);
    // Who has signed in goes on, also beside a wrong key; who sends no key is told so.
    assert_eq!(told(&gateway, &cookie).await["signed_in"], true);
    let acting = act(&gateway)
        .header("cookie", &cookie)
        .header("x-refrain-csrf", &token);
    assert_eq!(acting.key("no").send().await.status, 200);
    assert_eq!(gateway.get("/admin/api/stats").send().await.status, 401);
    // Clients' keys have nothing to do with it.
    assert_eq!(gateway.get("/v1/models").key("no").send().await.status, 200);

    gateway.clock.advance(Duration::from_millis(5999));
    assert_eq!(look(&gateway, KEY).await, 429);
    gateway.clock.advance(Duration::from_millis(1));
    assert_eq!(look(&gateway, KEY).await, 200);
    assert_eq!(look(&gateway, "no").await, 401);
    assert_eq!(look(&gateway, KEY).await, 429);
    // In a minute there are ten again, not more.
    gateway.clock.advance(Duration::from_secs(600));
    for _ in 0..10 {
        assert_eq!(look(&gateway, "no").await, 401);
    }
    assert_eq!(look(&gateway, "no").await, 429);
}

#[tokio::test]
async fn guesses_at_the_same_time_are_counted_one_by_one() {
    let gateway = with_key().await;
    let guesses = (0..40).map(|_| look(&gateway, "no"));
    let statuses = futures_util::future::join_all(guesses).await;
    let compared = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(compared, 10, "{statuses:?}");
}

#[tokio::test]
async fn requests_without_a_key_are_limited_by_themselves() {
    let gateway = with_key().await;
    for _ in 0..60 {
        assert_eq!(gateway.get("/admin/api/stats").send().await.status, 401);
    }
    let reply = gateway.get("/admin/api/stats").send().await;
    assert_refused(&reply, 429, "rate_limit_exceeded");
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(look(&gateway, KEY).await, 200);
    let (cookie, _) = session(&gateway).await;
    assert_eq!(told(&gateway, &cookie).await["signed_in"], true);
    assert_eq!(gateway.get("/admin").send().await.status, 200);
}
