//! The admin's key: right, wrong, missing, and in which header.

use super::{KEY, PURGE, SESSION, act, assert_refused, open, with_key};

const GUARDED: [&str; 5] = [
    "/admin/api/stats",
    "/admin/api/breakers",
    "/admin/api/clients",
    "/admin/api/cache/entries",
    "/metrics",
];
const OPEN: [&str; 8] = [
    "/admin",
    "/admin/assets/main.js",
    "/admin/assets/style.css",
    "/openapi.json",
    "/health",
    "/health/live",
    "/health/ready",
    SESSION,
];
/// "ops:sk-admin_key" and "ops:no".
const BASIC: &str = "Basic b3BzOnNrLWFkbWluX2tleQ==";
const WRONG_BASIC: &str = "Basic b3BzOm5v";

#[tokio::test]
async fn with_a_key_it_is_asked_for_to_look() {
    let gateway = with_key().await;
    for path in GUARDED {
        let missing = gateway.get(path).send().await;
        assert_refused(&missing, 401, "invalid_api_key");
        // Nothing that would make a browser ask for a password and keep it.
        assert_eq!(missing.header("www-authenticate"), "Bearer");
        for (name, value, status) in [
            ("authorization", format!("Bearer {KEY}"), 200),
            ("authorization", format!("bearer   {KEY}"), 200),
            ("x-api-key", KEY.to_owned(), 200),
            ("authorization", BASIC.to_owned(), 200),
        ] {
            let reply = gateway.get(path).header(name, &value).send().await;
            assert_eq!(reply.status, status, "{path} {name}: {value}");
        }
    }
    for path in OPEN {
        assert_eq!(gateway.get(path).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn wrong_keys_open_nothing() {
    for wrong in [
        ("authorization", "Bearer sk-admin_kez".to_owned()),
        ("authorization", format!("Bearer {KEY} ,")),
        ("authorization", format!("Bearer {}", KEY.to_uppercase())),
        ("authorization", format!("Token {KEY}")),
        ("authorization", KEY[..5].to_owned()),
        ("authorization", WRONG_BASIC.to_owned()),
        ("x-api-key", format!("{KEY}x")),
    ] {
        let gateway = with_key().await;
        for path in ["/admin/api/stats", "/metrics"] {
            let reply = gateway.get(path).header(wrong.0, &wrong.1).send().await;
            assert_refused(&reply, 401, "invalid_api_key");
        }
    }
    // In the address, where logs would have it.
    let gateway = with_key().await;
    for query in ["key", "api_key", "token", "refrain_session"] {
        let path = format!("/admin/api/stats?{query}={KEY}");
        assert_eq!(gateway.get(&path).send().await.status, 401);
    }
}

#[tokio::test]
async fn a_password_is_for_looking_only() {
    let gateway = with_key().await;
    let basic = act(&gateway).header("authorization", BASIC).send().await;
    assert_refused(&basic, 401, "invalid_api_key");
    assert_eq!(act(&gateway).key(KEY).send().await.status, 200);
    // What a browser adds does not matter where the key is sent by a script of somebody who has it.
    let browser = act(&gateway).key(KEY).header("origin", &gateway.url(""));
    assert_eq!(browser.send().await.status, 200);
}

#[tokio::test]
async fn without_a_key_all_is_open_at_an_address() {
    let gateway = open().await;
    for path in GUARDED.into_iter().chain(OPEN) {
        assert_eq!(gateway.get(path).send().await.status, 200, "{path}");
    }
    assert_eq!(act(&gateway).send().await.status, 200);
    // Whatever key is sent: there is none to compare it with.
    assert_eq!(act(&gateway).key("any").send().await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_not_there_for_anybody() {
    let gateway = with_key().await;
    for path in [
        "/admin/api/nothing",
        "/admin/api",
        "/admin//api/stats",
        "/admin/api/%73tats",
    ] {
        assert_eq!(gateway.get(path).send().await.status, 404, "{path}");
    }
    let other = gateway.request("PUT", "/admin/api/stats", "{}");
    assert_eq!(other.send().await.status, 405);
}

#[tokio::test]
async fn answers_stay_where_they_are() {
    let gateway = with_key().await;
    let page = gateway.get("/admin").send().await;
    let refused = gateway.get("/admin/api/stats").send().await;
    let answered = gateway.get("/admin/api/stats").key(KEY).send().await;
    let failed = gateway.request("POST", PURGE, "{").key(KEY).send().await;
    assert_eq!(failed.status, 400);
    for reply in [&page, &refused, &answered, &failed] {
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), value, "{}", reply.text());
        }
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'")
                && policy.contains("frame-ancestors 'none'")
                && policy.contains("base-uri 'none'")
                && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(reply.headers.get("access-control-allow-origin").is_none());
    }
    for reply in [&refused, &answered, &failed] {
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    // Tools that show the document are pages of other origins.
    let document = gateway.get("/openapi.json").send().await;
    assert_eq!(document.header("cross-origin-resource-policy"), "");
}

#[tokio::test]
async fn what_cannot_be_read_of_an_address_is_refused_in_the_usual_shape() {
    let gateway = open().await;
    for (method, path, status) in [
        ("GET", "/admin/api/cache/entries/%ff", 404),
        ("DELETE", "/admin/api/cache/entries/%ff", 404),
        ("POST", "/admin/api/cache/entries/%ff/pin", 404),
        ("POST", "/admin/api/cache/entries/%ff/wrong", 404),
        ("GET", "/admin/api/requests/%ff", 404),
        ("GET", "/admin/assets/%ff", 404),
        ("POST", "/admin/api/route?client=a&client=b", 400),
    ] {
        let body = if path.ends_with("pin") {
            r#"{"pinned": true}"#
        } else {
            "{}"
        };
        let reply = gateway.request(method, path, body).send().await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(reply.error()["message"].is_string(), "{method} {path}");
    }
}
