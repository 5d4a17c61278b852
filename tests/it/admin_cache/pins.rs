//! Answers that an operator keeps.

use tempfile::TempDir;

use super::*;

async fn pin(gateway: &Gateway, entry: &Value, pinned: bool) -> Reply {
    post(gateway, &at(entry, "/pin"), &json!({"pinned": pinned})).await
}

#[tokio::test]
async fn what_is_pinned_outlives_its_time_a_fresh_answer_and_a_complaint() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "[cache]\nttl = \"60s\"\n")
        .start()
        .await;
    asked(&upstream, &gateway, &[(FIRST, "Ten.")]).await;
    let pinned = pin(&gateway, &only(&gateway).await, true).await;
    assert_eq!(
        (pinned.status, &pinned.json()["pinned"]),
        (200, &json!(true))
    );
    let entry = pinned.json();
    assert_eq!(gateway.stats().await["cache"]["pinned"], 1);

    gateway.clock.advance(Duration::from_secs(3600));
    let hit = gateway.ask(&asking(FIRST)).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "Ten."));
    assert_eq!(only(&gateway).await["is_stale"], false);
    upstream.script(Answer::said("Nine."));
    let fresh = gateway
        .ask(&asking(FIRST))
        .header("cache-control", "no-cache");
    assert_eq!(fresh.send().await.said(), "Nine.");
    gateway.app.settle().await;
    let hit = gateway.ask(&asking(FIRST)).send().await;
    assert_eq!(hit.said(), "Ten.");
    assert_eq!(
        gateway.stats().await["cache"]["not_kept_reasons"]["pinned"],
        1
    );
    let complaint = json!({"id": hit.json()["id"], "verdict": "wrong"});
    let complaint = post(&gateway, "/v1/cache/feedback", &complaint).await;
    assert_eq!(complaint.json()["evicted"], false, "{}", complaint.text());
    assert_eq!(list(&gateway, "?pinned=true").await["total"], 1);

    // Unpinned, its time is over at once.
    assert_eq!(pin(&gateway, &entry, false).await.json()["is_stale"], true);
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "miss");
    assert_eq!(gateway.stats().await["cache"]["pinned"], 0);
}

#[tokio::test]
async fn a_purge_a_generation_and_its_operator_end_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let kept = async || {
        gateway.ask(&asking(FIRST)).send().await;
        let entry = only(&gateway).await;
        assert_eq!(pin(&gateway, &entry, true).await.status, 200);
        entry
    };
    let entry = kept().await;
    let spare = json!({"everything": true, "pinned": false});
    assert_eq!(
        post(&gateway, "/admin/api/cache/purge", &spare)
            .await
            .json()["entries"],
        0
    );
    post(
        &gateway,
        "/admin/api/cache/purge",
        &json!({"everything": true}),
    )
    .await;
    assert_eq!(pin(&gateway, &entry, true).await.status, 404);
    let entry = kept().await;
    assert_eq!(
        gateway
            .request("DELETE", &at(&entry, ""), "")
            .send()
            .await
            .status,
        200
    );
    let entry = kept().await;
    assert_eq!(
        post(&gateway, &at(&entry, "/wrong"), &json!({}))
            .await
            .status,
        200
    );
    kept().await;
    post(&gateway, "/admin/api/cache/generation", &json!({})).await;
    assert_eq!(gateway.ask(&asking(FIRST)).send().await.way(), "miss");
    assert_eq!(gateway.stats().await["cache"]["pinned"], 0);
    for bad in [
        json!({}),
        json!({"pinned": "yes"}),
        json!({"pinned": true, "x": 1}),
    ] {
        let refused = post(&gateway, &at(&only(&gateway).await, "/pin"), &bad).await;
        assert_eq!(refused.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn half_of_the_cache_may_be_pinned() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "").adjusted(|config| {
        config.cache.max_bytes = refrain::config::ByteSize::kib(64);
    });
    let gateway = gateway.start().await;
    let long = "long ".repeat(3_000);
    asked(
        &upstream,
        &gateway,
        &[("a?", &long), ("b?", &long), ("c?", &long)],
    )
    .await;
    let entries = list(&gateway, "").await;
    let mut statuses = Vec::new();
    for entry in entries["entries"].as_array().unwrap() {
        let reply = pin(&gateway, entry, true).await;
        if reply.status == 409 {
            let message = reply.error()["message"].as_str().unwrap().to_owned();
            let bytes = message.split(' ').find_map(|word| word.parse::<u64>().ok());
            // What leads to entries has a share of its own.
            assert!(bytes.is_some_and(|bytes| bytes < 32 << 10), "{message}");
        }
        statuses.push(reply.status);
    }
    assert!(
        statuses.contains(&200) && statuses.contains(&409),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn pins_times_and_vectors_are_there_after_a_restart() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let start = async |later: u64| {
        let cache = format!(
            "[cache]\nttl = \"60s\"\ndata_dir = {:?}\n",
            directory.path()
        );
        let setup = Gateway::setup(&upstream, &cache).encoder(angles());
        setup.clock.advance(Duration::from_secs(later));
        setup.start().await
    };
    let gateway = start(0).await;
    asked(&upstream, &gateway, &[(FIRST, "Ten."), (OTHER, "Eight.")]).await;
    let found = list(&gateway, "?text=ten.").await;
    assert_eq!(pin(&gateway, &found["entries"][0], true).await.status, 200);
    gateway.stop().await;

    let gateway = start(3600).await;
    let entry = only(&gateway).await;
    assert_eq!(
        (&entry["pinned"], &entry["saved_seconds"]),
        (&json!(true), &json!(0.0))
    );
    assert_eq!(gateway.stats().await["cache"]["questions"], 1);
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "semantic");
    gateway.stop().await;
}
