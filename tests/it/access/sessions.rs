//! Signing in and out, and what ends a session.

use std::time::Duration;

use serde_json::json;

use super::{
    ADMIN, KEY, SESSION, act, assert_refused, cookie, open, session, sign_in, told, with_key,
};
use crate::support::gateway::config;

#[tokio::test]
async fn signing_in_gives_a_cookie_and_a_token() {
    let gateway = with_key().await;
    let before = gateway.get(SESSION).send().await;
    assert_eq!(before.header("cache-control"), "no-store");
    assert_eq!(
        before.json(),
        json!({"needs_key": true, "signed_in": false, "csrf": null, "version": env!("CARGO_PKG_VERSION")})
    );
    let reply = sign_in(&gateway, KEY).send().await;
    assert_eq!(reply.status, 200);
    let (pair, attributes) = reply.header("set-cookie").split_once("; ").unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!((name, value.len()), ("refrain_session", 43));
    assert_eq!(
        attributes,
        "HttpOnly; SameSite=Strict; Path=/admin; Max-Age=43200"
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(!reply.text().contains(value));
    let after = told(&gateway, pair).await;
    assert_eq!(after["signed_in"], true);
    assert_eq!(after["csrf"], reply.json()["csrf"]);

    for path in ["/admin/api/stats", "/metrics"] {
        let reply = gateway.get(path).header("cookie", pair).send().await;
        assert_eq!(reply.status, 200, "{path}");
    }
    // Each has its own.
    let (other, token) = session(&gateway).await;
    assert_ne!(other, pair);
    assert_ne!(token, reply.json()["csrf"]);
}

#[tokio::test]
async fn behind_an_encrypting_proxy_the_cookie_is_for_encrypted_connections() {
    let gateway = with_key().await;
    for (proto, secure) in [
        ("https", true),
        ("HTTPS, http", true),
        ("http", false),
        ("http, https", false),
        ("", false),
    ] {
        let reply = sign_in(&gateway, KEY).header("x-forwarded-proto", proto);
        let reply = reply.send().await;
        assert_eq!(
            reply.header("set-cookie").ends_with("; Secure"),
            secure,
            "{proto}"
        );
    }
}

#[tokio::test]
async fn only_the_key_signs_in() {
    let gateway = with_key().await;
    for wrong in ["", "no", "sk-admin_key ", "SK-ADMIN_KEY"] {
        let reply = sign_in(&gateway, wrong).send().await;
        assert_refused(&reply, 401, "invalid_api_key");
        assert_eq!(reply.header("set-cookie"), "");
    }
    for body in [
        "",
        "{}",
        "[]",
        "{\"key\": 1}",
        "{\"key\": \"sk-admin_key\", \"x\": 1}",
        "key=sk-admin_key",
    ] {
        let reply = gateway.request("POST", SESSION, body).send().await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(!reply.text().contains("sk-admin"), "{}", reply.text());
        assert_eq!(reply.header("set-cookie"), "");
    }
    let long = format!("{{\"key\": \"{}\"}}", "k".repeat(5000));
    let long = gateway.request("POST", SESSION, long).send().await;
    assert_eq!(long.status, 413);
    // No oracle for keys: this looks at the cookie only.
    let shown = gateway.get(SESSION).key(KEY).send().await.json();
    assert_eq!(
        (&shown["signed_in"], &shown["csrf"]),
        (&false.into(), &json!(null))
    );
}

#[tokio::test]
async fn acting_takes_the_token_of_the_session() {
    let gateway = with_key().await;
    let (cookie, token) = session(&gateway).await;
    let (_, of_another) = session(&gateway).await;
    let ask = || act(&gateway).header("cookie", &cookie);
    assert_refused(&ask().send().await, 403, "csrf_token");
    for wrong in ["", "x", &of_another, &token.to_uppercase(), &token[1..]] {
        let reply = ask().header("x-refrain-csrf", wrong).send().await;
        assert_refused(&reply, 403, "csrf_token");
    }
    let right = ask().header("X-Refrain-CSRF", &token).send().await;
    assert_eq!(right.status, 200, "{}", right.text());
    // The token is nothing without its session.
    let alone = act(&gateway).header("x-refrain-csrf", &token).send().await;
    assert_refused(&alone, 401, "invalid_api_key");
    // A key says more than a cookie.
    assert_eq!(ask().key(KEY).send().await.status, 200);
    // A proxy's own login does not count as a key.
    let proxied = gateway.get("/admin/api/stats").header("cookie", &cookie);
    let proxied = proxied.header("authorization", "Basic cHJveHk6bG9naW4=");
    assert_eq!(proxied.send().await.status, 200);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let gateway = with_key().await;
    let (cookie, token) = session(&gateway).await;
    let out = || {
        gateway
            .request("DELETE", SESSION, "")
            .header("cookie", &cookie)
    };
    assert_refused(&out().send().await, 403, "csrf_token");
    assert_eq!(told(&gateway, &cookie).await["signed_in"], true);
    for _ in 0..2 {
        let reply = out().header("x-refrain-csrf", &token).send().await;
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({"signed_in": false}))
        );
        assert_eq!(
            reply.header("set-cookie"),
            "refrain_session=; HttpOnly; SameSite=Strict; Path=/admin; Max-Age=0"
        );
        assert_eq!(told(&gateway, &cookie).await["signed_in"], false);
    }
    let stats = gateway.get("/admin/api/stats").header("cookie", &cookie);
    assert_refused(&stats.send().await, 401, "invalid_api_key");
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours() {
    let gateway = with_key().await;
    let (cookie, _) = session(&gateway).await;
    for _ in 0..11 {
        gateway.clock.advance(Duration::from_secs(3600));
        assert_eq!(told(&gateway, &cookie).await["signed_in"], true);
    }
    gateway.clock.advance(Duration::from_secs(3600));
    assert_eq!(told(&gateway, &cookie).await["signed_in"], false);
    let stats = gateway.get("/admin/api/stats").header("cookie", &cookie);
    assert_refused(&stats.send().await, 401, "invalid_api_key");
}

#[tokio::test]
async fn another_key_ends_all_sessions_for_good() {
    let gateway = with_key().await;
    let (cookie, token) = session(&gateway).await;
    let same = format!("{ADMIN}[server]\nmax_body = \"1MiB\"\n");
    gateway.app.reload(&config(&same)).await.unwrap();
    assert_eq!(told(&gateway, &cookie).await["signed_in"], true);
    let other = ADMIN.replace("ADMIN_KEY", "BOB_KEY");
    gateway.app.reload(&config(&other)).await.unwrap();
    let ask = act(&gateway)
        .header("cookie", &cookie)
        .header("x-refrain-csrf", &token);
    assert_refused(&ask.send().await, 401, "invalid_api_key");
    assert_refused(&sign_in(&gateway, KEY).send().await, 401, "invalid_api_key");
    assert_eq!(sign_in(&gateway, "sk-bob_key").send().await.status, 200);
    gateway.app.reload(&config(ADMIN)).await.unwrap();
    assert_eq!(told(&gateway, &cookie).await["signed_in"], false);
}

#[tokio::test]
async fn without_a_key_there_is_a_token_for_everybody() {
    let gateway = open().await;
    let told = gateway.get(SESSION).send().await.json();
    assert_eq!(
        (&told["needs_key"], &told["signed_in"]),
        (&false.into(), &false.into())
    );
    let token = told["csrf"].as_str().unwrap();
    assert_eq!(token.len(), 64);
    let signed = sign_in(&gateway, "any").send().await;
    assert_eq!(signed.json(), json!({"csrf": token}));
    assert_eq!(signed.header("set-cookie"), "");
    let elsewhere = open().await.get(SESSION).send().await.json();
    assert_ne!(elsewhere["csrf"], token);

    let url = gateway.url("");
    let browsers = [
        ("origin", url.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("cookie", "any=thing"),
    ];
    for (name, value) in browsers {
        let ask = || act(&gateway).header(name, value);
        assert_refused(&ask().send().await, 403, "csrf_token");
        let wrong = ask().header("x-refrain-csrf", elsewhere["csrf"].as_str().unwrap());
        assert_refused(&wrong.send().await, 403, "csrf_token");
        let right = ask().header("x-refrain-csrf", token).send().await;
        assert_eq!(right.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_cookie_that_another_page_has_set_is_no_hindrance() {
    let gateway = with_key().await;
    let reply = sign_in(&gateway, KEY).send().await;
    let own = cookie(&reply);
    let tossed = format!(
        "refrain_session={}; refrain_session=; {own}",
        "A".repeat(43)
    );
    assert_eq!(told(&gateway, &tossed).await["signed_in"], true);
}
