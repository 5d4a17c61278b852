//! What other pages make a browser send, and names that lead here without being ours.

use super::{KEY, SESSION, act, assert_refused, open, session, sign_in, with_key};
use crate::support::client::{self, Ask};

/// What a page of another origin can't keep a browser from saying.
const FOREIGN: [&[(&str, &str)]; 6] = [
    &[("origin", "http://evil.example")],
    &[("origin", "null")],
    &[("origin", "http://127.0.0.1:1")],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "http://evil.example"),
    ],
];

#[tokio::test]
async fn other_pages_can_not_act() {
    let gateway = with_key().await;
    let (cookie, token) = session(&gateway).await;
    for headers in FOREIGN {
        // Even with all that there is to know.
        let ask = act(&gateway).headers(headers).header("cookie", &cookie);
        let reply = ask.header("x-refrain-csrf", &token).send().await;
        assert_refused(&reply, 403, "cross_site");
        let by_key = act(&gateway).headers(headers).key(KEY).send().await;
        assert_refused(&by_key, 403, "cross_site");
        let signing_in = sign_in(&gateway, KEY).headers(headers).send().await;
        assert_refused(&signing_in, 403, "cross_site");
        assert_eq!(signing_in.header("set-cookie"), "");
        let out = gateway.request("DELETE", SESSION, "").headers(headers);
        let out = out
            .header("cookie", &cookie)
            .header("x-refrain-csrf", &token);
        assert_refused(&out.send().await, 403, "cross_site");
    }
    // What a browser asks before is not answered either.
    let before = gateway.request("OPTIONS", super::PURGE, "");
    let before = before.headers(&[
        ("origin", "http://evil.example"),
        ("access-control-request-method", "POST"),
    ]);
    let before = before.send().await;
    assert_eq!(before.status, 405);
    assert!(before.headers.get("access-control-allow-origin").is_none());
    let own = act(&gateway)
        .header("cookie", &cookie)
        .header("x-refrain-csrf", &token);
    let own = own.header("origin", &gateway.url(""));
    assert_eq!(own.send().await.status, 200);
}

#[tokio::test]
async fn other_pages_can_not_use_up_the_attempts_of_their_visitor() {
    let gateway = with_key().await;
    for _ in 0..20 {
        let guess = sign_in(&gateway, "no").header("origin", "http://evil.example");
        assert_eq!(guess.send().await.status, 403);
    }
    assert_eq!(sign_in(&gateway, KEY).send().await.status, 200);
}

#[tokio::test]
async fn other_pages_can_not_look_either() {
    for gateway in [open().await, with_key().await] {
        for site in ["cross-site", "same-site"] {
            for path in [
                "/admin/api/stats",
                "/admin/api/cache/export",
                SESSION,
                "/metrics",
            ] {
                let ask = gateway.get(path).key(KEY).header("sec-fetch-site", site);
                assert_refused(&ask.send().await, 403, "cross_site");
            }
            // A link to the page is fine.
            let page = gateway.get("/admin").header("sec-fetch-site", site);
            assert_eq!(page.send().await.status, 200);
        }
    }
}

#[tokio::test]
async fn without_a_key_a_name_that_leads_here_is_refused() {
    let gateway = open().await;
    let port = gateway.address.port();
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "gateway",
    ] {
        for path in ["/admin/api/stats", SESSION] {
            let reply = gateway.get(path).header("host", &format!("{host}:{port}"));
            let reply = reply.send().await;
            assert_refused(&reply, 403, "host_not_allowed");
            assert!(
                reply.error()["message"]
                    .as_str()
                    .unwrap()
                    .contains("admin key")
            );
        }
        let reply = act(&gateway).header("host", host).send().await;
        assert_refused(&reply, 403, "host_not_allowed");
        // Nothing that a page could do harm with.
        for path in ["/admin", "/metrics", "/health"] {
            let reply = gateway.get(path).header("host", host).send().await;
            assert_eq!(reply.status, 200, "{path}");
        }
    }
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "10.1.2.3",
    ] {
        let reply = gateway.get("/admin/api/stats").header("host", host);
        assert_eq!(reply.send().await.status, 200, "{host}");
    }
    // What a proxy is said to have seen makes no name better.
    let reply = gateway.get("/admin/api/stats").headers(&[
        ("host", "evil.example"),
        ("x-forwarded-host", "localhost"),
        ("forwarded", "host=localhost"),
    ]);
    assert_eq!(reply.send().await.status, 403);
    // With a key, names are what they like to be.
    let guarded = with_key().await;
    let reply = guarded.get("/admin/api/stats").key(KEY);
    assert_eq!(reply.header("host", "llm.example").send().await.status, 200);
}

#[tokio::test]
async fn over_http_2_the_name_is_found_where_it_is() {
    let gateway = open().await;
    let client = client::http().http2_prior_knowledge();
    let client = client
        .resolve("evil.example", gateway.address)
        .build()
        .unwrap();
    let port = gateway.address.port();
    for (host, status) in [("evil.example", 403), ("127.0.0.1", 200)] {
        let url = format!("http://{host}:{port}/admin/api/stats");
        assert_eq!(
            Ask::new(client.get(url)).send().await.status,
            status,
            "{host}"
        );
    }
    // A page of our own.
    let url = gateway.url(super::PURGE);
    let told = Ask::new(client.get(gateway.url(SESSION)))
        .send()
        .await
        .json();
    let token = told["csrf"].as_str().unwrap();
    for (origin, status) in [
        (gateway.url(""), 200),
        ("http://evil.example".to_owned(), 403),
    ] {
        let body = client
            .post(&url)
            .body("{\"everything\": true, \"dry_run\": true}");
        let ask = Ask::new(body)
            .header("origin", &origin)
            .header("x-refrain-csrf", token);
        assert_eq!(ask.send().await.status, status, "{origin}");
    }
}
