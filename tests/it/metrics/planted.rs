//! No secret, and nothing that anybody said, is where it does not belong.

use std::fs;

use super::busy::{ADMIN, Busy, MARKER};

#[tokio::test]
async fn nothing_planted_is_in_logs_metrics_statistics_or_what_others_are_told() {
    let busy = Busy::start().await;
    let told = busy.work().await;
    let page = busy
        .metrics(&["refrain_upstream_attempts_total{provider=\"spare\""])
        .await;
    let mut shown = vec![("/metrics", page)];
    for path in [
        "/admin/api/stats",
        "/admin/api/breakers",
        "/admin/api/clients",
        "/admin/api/requests",
        "/admin/api/providers",
        "/admin/api/config",
        "/admin/api/threshold",
        "/admin/api/history",
        "/health",
    ] {
        shown.push((path, busy.shown(path).await));
    }
    shown.push(("/admin/api/live", busy.watched().await));
    shown.extend(told.into_iter().map(|told| ("another client", told)));
    let log = busy.stopped().await;
    // What is not there can't be found; that something is there, and is as much as is wanted, has to be seen first.
    assert!(log.contains("TRACE") && log.lines().count() > 100, "{log}");
    if let Some(directory) = std::env::var_os("SUITE_OUTPUT") {
        fs::write(
            std::path::Path::new(&directory).join("busy-gateway.log"),
            &log,
        )
        .unwrap();
    }
    shown.push(("the log", log));
    assert!(ADMIN.contains(MARKER));
    for (place, text) in &shown {
        let line = text.lines().find(|line| line.contains(MARKER));
        assert_eq!(line, None, "{place}");
    }
}
