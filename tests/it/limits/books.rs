//! What clients have spent, across restarts.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{seen, terms};
use crate::support::{
    gateway::{Gateway, Setup, config},
    program::{QUIET, refrain, run, written},
    upstream::Upstream,
};

fn kept_in(directory: &TempDir) -> String {
    format!(
        "[cache]\nsemantic = \"off\"\ndata_dir = {:?}\n",
        directory.path()
    )
}

async fn start(upstream: &Upstream, directory: &TempDir) -> Gateway {
    Setup::new(&terms(upstream, &kept_in(directory)))
        .start()
        .await
}

fn keep(directory: &TempDir, day: &str) {
    let book = json!({"version": 1, "clients": {"alice": {
        "day": day, "day_spent_nano_usd": 1_500_000_000_u64,
        "month": &day[..7], "month_spent_nano_usd": 4_000_000_000_u64,
    }}});
    fs::write(directory.path().join("spend.json"), book.to_string()).unwrap();
}

async fn spent(gateway: &Gateway) -> (Value, Value) {
    let spent = seen(gateway).await["spent"].clone();
    (spent["day_usd"].clone(), spent["month_usd"].clone())
}

#[tokio::test]
async fn what_was_spent_is_still_spent_after_a_restart_and_a_reload() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    keep(&directory, "2023-11-14");
    let gateway = start(&upstream, &directory).await;
    assert_eq!(spent(&gateway).await, (json!(1.5), json!(4.0)));
    let again = config(&terms(&upstream, &kept_in(&directory)));
    gateway.app.reload(&again).await.unwrap();
    assert_eq!(spent(&gateway).await, (json!(1.5), json!(4.0)));
    gateway.stop().await;
    let gateway = start(&upstream, &directory).await;
    assert_eq!(spent(&gateway).await, (json!(1.5), json!(4.0)));
    gateway.stop().await;
}

#[tokio::test]
async fn another_day_and_another_month_begin_anew_while_it_is_down() {
    let upstream = Upstream::start().await;
    for (day, left) in [
        ("2023-11-13", (json!(0.0), json!(4.0))),
        ("2023-10-31", (json!(0.0), json!(0.0))),
    ] {
        let directory = TempDir::new().unwrap();
        keep(&directory, day);
        let gateway = start(&upstream, &directory).await;
        assert_eq!(spent(&gateway).await, left, "{day}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_damaged_file_stops_the_start_and_says_what_to_do() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("spend.json");
    fs::write(&file, "{\"version\":1,").unwrap();
    let data = format!("data_dir = {:?}\n", directory.path());
    let (_config, path) = written(&format!("{QUIET}{data}"));
    let ended = run(refrain(&["serve", "--config", &path])).await;
    assert_ne!(ended.code, Some(0));
    for told in ["spend.json", "EOF", "delete it to begin all budgets anew"] {
        assert!(ended.err.contains(told), "{}", ended.err);
    }
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "{\"version\":1,",
        "it is left as it was"
    );
}

#[tokio::test]
async fn two_gateways_do_not_keep_the_same_books() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let off = kept_in(&directory).replace("semantic = \"off\"", "enabled = false");
    let gateway = Setup::new(&terms(&upstream, &off)).start().await;
    let (_config, path) = written(&off);
    let ended = run(refrain(&["serve", "--config", &path])).await;
    assert_ne!(ended.code, Some(0));
    let told = "another gateway uses this directory";
    assert!(ended.err.contains(told), "{}", ended.err);
    gateway.stop().await;
}
