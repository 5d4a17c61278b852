//! `refrain stats` and `refrain cache list | search | purge`.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{
    asking,
    gateway::Gateway,
    program::{Ended, refrain, run},
    upstream::Upstream,
};

fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let url = gateway.url("/");
    let mut command = refrain(&[arguments, &["--url", &url]].concat());
    command.env("REFRAIN_ADMIN_KEY", "sk-admin_key");
    command
}

async fn start(upstream: &Upstream) -> Gateway {
    let admin = "[admin]\nkey_env = \"ADMIN_KEY\"\n";
    Gateway::setup(upstream, admin).start().await
}

/// What it wrote, if it ended well.
#[track_caller]
fn good(ended: Ended) -> String {
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    ended.out
}

async fn entries(gateway: &Gateway) -> Value {
    let json = good(run(command(gateway, &["stats", "--json"])).await);
    let stats: Value = serde_json::from_str(&json).unwrap();
    stats["cache"]["entries"].clone()
}

#[tokio::test]
async fn an_operator_sees_what_the_gateway_does() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    for _ in 0..2 {
        gateway.ask(&asking("What do crabs eat?")).send().await;
    }
    let shown = good(run(command(&gateway, &["stats"])).await);
    for says in [
        "1 hits, 1 misses",
        "50.0 %",
        "billed    $",
        "1 entries",
        "main",
        "well",
    ] {
        assert!(shown.contains(says), "{says}: {shown}");
    }
    let json = good(run(command(&gateway, &["stats", "--json"])).await);
    let stats: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(stats["requests"]["exact"], 1);
}

#[tokio::test]
async fn what_clients_wrote_is_inert() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    gateway
        .ask(&asking("\u{1b}[2Jred\nnew\u{202e}enil"))
        .send()
        .await;
    let shown = good(run(command(&gateway, &["cache", "list"])).await);
    assert!(
        shown.contains("\\u{1b}[2Jred") && shown.contains("new\\u{202e}enil"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
    assert_eq!(shown.lines().count(), 3, "{shown}");
}

#[tokio::test]
async fn what_is_purged_is_said_and_agreed_to_first() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    for question in ["What do crabs eat?", "What do newts eat?"] {
        gateway.ask(&asking(question)).send().await;
    }
    let nothing = run(command(&gateway, &["cache", "purge", "--yes"])).await;
    assert_eq!(nothing.code, Some(2), "{}", nothing.err);
    assert!(nothing.err.contains("--everything"), "{}", nothing.err);
    let both = run(command(
        &gateway,
        &["cache", "purge", "--everything", "--tag", "t"],
    ))
    .await;
    assert_eq!(both.code, Some(2), "{}", both.err);

    let prefix = ["cache", "purge", "--prefix", "what do crabs"];
    let would = good(run(command(&gateway, &[&prefix[..], &["--dry-run"]].concat())).await);
    assert!(
        would.contains("1 entries") && would.contains("would be purged"),
        "{would}"
    );
    let unasked = run(command(&gateway, &prefix)).await;
    assert_eq!(unasked.code, Some(2), "nobody can agree");
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    assert_eq!(entries(&gateway).await, 2);

    let done = good(
        run(command(
            &gateway,
            &[&prefix[..], &["--yes", "--json"]].concat(),
        ))
        .await,
    );
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!(
        (&done["entries"], &done["dry_run"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(entries(&gateway).await, 1);
    let again = good(run(command(&gateway, &[&prefix[..], &["--yes"]].concat())).await);
    assert!(again.starts_with("0 entries"), "{again}");
}

#[tokio::test]
async fn what_went_wrong_says_what_to_do() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    let mut wrong = command(&gateway, &["stats"]);
    wrong.env("REFRAIN_ADMIN_KEY", "sk-wrong");
    let ended = run(wrong).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(
        ended.err.contains("REFRAIN_ADMIN_KEY") && !ended.err.contains("sk-wrong"),
        "{}",
        ended.err
    );
    let gone = Upstream::gone().await;
    let ended = run(refrain(&["cache", "list", "--url", &gone])).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("--url"), "{}", ended.err);
}
