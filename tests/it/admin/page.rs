//! The admin page itself: open to everybody, so that it can ask for the key, and strict about what it may load.

use crate::support::{
    client::{self, Ask},
    gateway::Setup,
};

const KEYED: &str = "[admin]\nkey_env = \"ADMIN_KEY\"\n";

#[tokio::test]
async fn it_is_open_and_what_it_shows_is_not() {
    let gateway = Setup::new(KEYED).start().await;
    let page = gateway.get("/admin").send().await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    let text = page.text();
    let assets: Vec<&str> = text
        .split("\"/admin/assets/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(assets.contains(&"main.js"), "{assets:?}");
    for asset in assets {
        let path = format!("/admin/assets/{asset}");
        assert_eq!(gateway.get(&path).send().await.status, 200, "{path}");
    }
    assert!(!text.contains("sk-admin_key"));
    assert_eq!(gateway.get("/admin/api/stats").send().await.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn nothing_from_elsewhere_may_run_in_it_or_around_it() {
    let gateway = Setup::new(KEYED).start().await;
    for path in ["/admin", "/admin/assets/main.js", "/admin/assets/style.css"] {
        let answer = gateway.get(path).send().await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for rule in [
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|one| one == rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-cache");
        let tag = answer.header("etag");
        let again = gateway.get(path).header("if-none-match", tag).send().await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn there_are_no_other_files() {
    let gateway = Setup::new(KEYED).start().await;
    for path in [
        "/admin/assets/../admin.rs",
        "/admin/assets/..%2f..%2fadmin.rs",
        "/admin/assets/%00",
        "/admin/assets/style.css/",
        "/admin/script.js",
        "/admin/assets/<script>alert(1)</script>",
    ] {
        let answer = gateway.get(path).send().await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.error()["code"], "unknown_url");
        assert!(
            !answer.text().contains("alert(1)") || !answer.header("content-type").contains("html"),
            "{path}"
        );
    }
    gateway.stop().await;
}

#[tokio::test]
async fn with_a_slash_it_is_where_it_is_without() {
    for toml in [KEYED, ""] {
        let gateway = Setup::new(toml).start().await;
        let client = client::http().redirect(reqwest::redirect::Policy::none());
        let ask = client.build().unwrap().get(gateway.url("/admin/"));
        let answer = Ask::new(ask).send().await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, "/admin"),
            "{}",
            answer.text()
        );
    }
}
