//! The operator's side: who may see it, and what it says.

mod breakers;

use crate::support::{
    asking,
    gateway::{Gateway, Setup},
    upstream::Upstream,
};

const PATHS: [&str; 5] = [
    "/admin",
    "/admin/script.js",
    "/admin/api/stats",
    "/admin/api/breakers",
    "/metrics",
];

#[tokio::test]
async fn without_an_admin_key_it_is_open_on_loopback() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for path in PATHS {
        assert_eq!(gateway.get(path).send().await.status, 200, "{path}");
    }
    let page = gateway.get("/admin").send().await;
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));
}

#[tokio::test]
async fn with_an_admin_key_it_asks_for_it() {
    let setup = Setup::new("[admin]\nkey_env = \"ADMIN_KEY\"\n");
    let gateway = setup.start().await;
    for path in PATHS {
        let refused = gateway.get(path).send().await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.header("www-authenticate").starts_with("Basic"));
        assert_eq!(refused.error()["code"], "invalid_api_key");
        let wrong = gateway.get(path).key("sk-admin_kez").send().await;
        assert_eq!(wrong.status, 401, "{path}");
        assert_eq!(
            gateway.get(path).key("sk-admin_key").send().await.status,
            200,
            "{path}"
        );
        // What a browser sends: any name, and the key as password ("ops:sk-admin_key").
        let basic = gateway
            .get(path)
            .header("authorization", "Basic b3BzOnNrLWFkbWluX2tleQ==");
        assert_eq!(basic.send().await.status, 200, "{path}");
    }
    assert_eq!(gateway.get("/health").send().await.status, 200);
}

#[tokio::test]
async fn what_is_billed_and_what_is_saved_are_two_ledgers() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for _ in 0..3 {
        gateway.ask(&asking("What do crabs eat?")).send().await;
    }
    let stats = gateway.stats().await;
    let requests = &stats["requests"];
    assert_eq!(
        (&requests["miss"], &requests["exact"]),
        (&1.into(), &2.into())
    );
    let billed = requests["billed_tokens"].as_u64().unwrap();
    assert!(billed > 0);
    assert_eq!(requests["saved_tokens"], 2 * billed);
    assert_eq!(stats["cache"]["entries"], 1);
}
