//! The operator's side: what it says.

mod breakers;
mod page;

use crate::support::{asking, gateway::Gateway, upstream::Upstream};

const PATHS: [&str; 3] = ["/admin/api/stats", "/admin/api/breakers", "/metrics"];

#[tokio::test]
async fn it_needs_nothing_from_outside() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for path in PATHS {
        assert_eq!(gateway.get(path).send().await.status, 200, "{path}");
    }
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
