//! Forgetting entries: by each property, as a dry run first, and by generation.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    answer::Answer, asking, client::Reply, gateway::Gateway, upstream::Upstream, with,
};

const CRABS: &str = "What do crabs eat?";
const GULLS: &str = "What do gulls eat?";

async fn two_entries() -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let crabs = gateway
        .ask(&asking(CRABS))
        .header("x-refrain-cache-tags", "faq, sea");
    crabs.send().await;
    gateway.clock.advance(Duration::from_secs(100));
    let gulls = gateway
        .ask(&asking(GULLS))
        .header("x-refrain-cache-namespace", "birds");
    gulls.send().await;
    (upstream, gateway)
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    gateway.request("POST", path, body.to_string()).send().await
}

async fn are_kept(gateway: &Gateway) -> (bool, bool) {
    let only = ("cache-control", "only-if-cached");
    let crabs = gateway.ask(&asking(CRABS)).headers(&[only]).send().await;
    let gulls = gateway
        .ask(&asking(GULLS))
        .headers(&[only, ("x-refrain-cache-namespace", "birds")]);
    (crabs.status == 200, gulls.send().await.status == 200)
}

#[tokio::test]
async fn each_property_selects() {
    for (selector, crabs, gulls) in [
        (json!({"tag": "sea"}), false, true),
        (json!({"namespace": "birds"}), true, false),
        (json!({"model": "gpt-test"}), false, false),
        (json!({"older_than": "60s"}), false, true),
        (json!({"prompt_prefix": "what do GULLS"}), true, false),
        (json!({"generation_below": 1}), false, false),
        (json!({"tag": "sea", "namespace": "birds"}), true, true),
        (json!({"everything": true}), false, false),
    ] {
        let (_upstream, gateway) = two_entries().await;
        let gone = u64::from(!crabs) + u64::from(!gulls);
        let dry = post(
            &gateway,
            "/admin/api/cache/purge",
            &with(selector.clone(), json!({"dry_run": true})),
        )
        .await;
        assert_eq!(dry.json()["entries"], gone, "{selector}: {}", dry.text());
        assert_eq!(
            are_kept(&gateway).await,
            (true, true),
            "a dry run of {selector}"
        );
        let done = post(&gateway, "/admin/api/cache/purge", &selector).await;
        assert_eq!(done.json()["entries"], gone, "{selector}");
        assert_eq!(are_kept(&gateway).await, (crabs, gulls), "{selector}");
    }
}

#[tokio::test]
async fn one_entry_by_its_id() {
    let (_upstream, gateway) = two_entries().await;
    let list = gateway
        .get("/admin/api/cache/entries?tag=sea")
        .send()
        .await
        .json();
    assert_eq!(list["total"], 1);
    let entry = &list["entries"][0];
    assert_eq!(entry["prompt"], CRABS);
    assert_eq!(entry["tags"], json!(["faq", "sea"]));
    let path = format!("/admin/api/cache/entries/{}", entry["id"].as_str().unwrap());
    assert_eq!(
        gateway.request("DELETE", &path, "").send().await.status,
        200
    );
    assert_eq!(are_kept(&gateway).await, (false, true));
    assert_eq!(
        gateway.request("DELETE", &path, "").send().await.status,
        404
    );
}

#[tokio::test]
async fn a_new_generation_starts_with_nothing() {
    let (_upstream, gateway) = two_entries().await;
    let dry = post(
        &gateway,
        "/admin/api/cache/generation",
        &json!({"dry_run": true}),
    )
    .await;
    assert_eq!(
        dry.json(),
        json!({"dry_run": true, "generation": 0, "entries": 2})
    );
    assert_eq!(are_kept(&gateway).await, (true, true));
    // It is of all there is: who selects something would lose more than was meant.
    for narrower in [json!({"client": "web"}), json!({"dryrun": true}), json!([])] {
        let refused = post(&gateway, "/admin/api/cache/generation", &narrower).await;
        assert_eq!(refused.status, 400, "{narrower}");
    }
    assert_eq!(are_kept(&gateway).await, (true, true));
    let next = post(&gateway, "/admin/api/cache/generation", &json!({})).await;
    assert_eq!(next.json()["generation"], 1);
    assert_eq!(are_kept(&gateway).await, (false, false));
    assert_eq!(gateway.ask(&asking(CRABS)).send().await.way(), "miss");
    assert_eq!(gateway.ask(&asking(CRABS)).send().await.way(), "exact");
}

#[tokio::test]
async fn what_was_asked_before_a_purge_is_not_kept_after_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, hold) = Answer::said("crumbs").held();
    upstream.script(answer);
    let asked = gateway.ask(&asking(CRABS)).send();
    let purge = async {
        upstream.arrived(1).await;
        post(
            &gateway,
            "/admin/api/cache/purge",
            &json!({"everything": true}),
        )
        .await;
        hold.release();
    };
    let (reply, ()) = tokio::join!(asked, purge);
    assert_eq!(reply.status, 200);
    assert_eq!(gateway.ask(&asking(CRABS)).send().await.way(), "miss");
}

#[tokio::test]
async fn what_selects_nothing_or_can_not_be_read_is_refused() {
    let (_upstream, gateway) = two_entries().await;
    for body in [
        "",
        "{}",
        "{\"dry_run\": true}",
        "{\"tags\": \"sea\"}",
        "{\"tag\": \"a b\"}",
        "{\"older_than\": \"soon\"}",
        "{\"id\": \"12\"}",
    ] {
        let refused = gateway
            .request("POST", "/admin/api/cache/purge", body)
            .send()
            .await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text());
    }
    let foreign = gateway
        .request("POST", "/admin/api/cache/purge", "{\"everything\": true}")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(foreign.send().await.status, 403);
    assert_eq!(are_kept(&gateway).await, (true, true));
}
