//! `refrain stats` and `refrain cache list | search | purge`.

use std::{process::Stdio, sync::Arc};

use refrain::embed::Embed;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::{
    angles::Angles,
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

const ADMIN: &str = "[admin]\nkey_env = \"ADMIN_KEY\"\n";

async fn start(upstream: &Upstream) -> Gateway {
    Gateway::setup(upstream, ADMIN).start().await
}

/// What a program writes on standard output.
fn output(child: &mut Child) -> BufReader<tokio::process::ChildStdout> {
    BufReader::new(child.stdout.take().unwrap())
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
async fn what_the_gateway_does_is_shown_again_and_again() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    let watch = ["stats", "--watch", "1"];
    let mut lines = command(&gateway, &[&watch[..], &["--json"]].concat())
        .spawn()
        .unwrap();
    let mut tables = command(&gateway, &watch).spawn().unwrap();
    let mut out = output(&mut lines).lines();
    for _ in 0..2 {
        let line = out.next_line().await.unwrap().unwrap();
        let stats: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(stats["requests"]["exact"], 0);
    }
    // That is no terminal: nothing is cleared, and a blank line is between.
    let mut out = output(&mut tables).lines();
    let mut shown: Vec<String> = Vec::new();
    while shown.iter().filter(|line| is_first(line)).count() < 2 {
        shown.push(out.next_line().await.unwrap().unwrap());
    }
    assert!(is_first(&shown[0]) && shown[shown.len() - 2].is_empty());
    assert!(!shown.concat().contains('\u{1b}'));
    for wrong in ["0", "soon"] {
        let ended = run(command(&gateway, &["stats", "--watch", wrong])).await;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
    }
}

fn is_first(line: &str) -> bool {
    line.starts_with("refrain ")
}

#[tokio::test]
async fn what_clients_wrote_is_inert() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    let prompt = "\u{1b}[2Jred\nnew\u{202e}enil \u{9b}2J";
    gateway.ask(&asking(prompt)).send().await;
    let shown = good(run(command(&gateway, &["cache", "list"])).await);
    assert!(
        shown.contains("\\u{1b}[2Jred") && shown.contains("new\\u{202e}enil"),
        "{shown}"
    );
    let hostile = ['\u{1b}', '\u{202e}', '\u{9b}'];
    assert!(!shown.contains(hostile));
    assert_eq!(shown.lines().count(), 3, "{shown}");

    let shown = good(run(command(&gateway, &["cache", "list", "--json"])).await);
    assert!(!shown.contains(hostile), "{shown}");
    let found: Value = serde_json::from_str(&shown).unwrap();
    let told = found["entries"][0]["prompt"].as_str().unwrap();
    assert!(told.contains("\u{202e}enil \u{9b}2J"), "{told}");
}

#[tokio::test]
async fn what_is_found_by_meaning_can_be_selected() {
    let upstream = Upstream::start().await;
    let crabs = "What do crabs eat?";
    let angles = Angles::of(&[(crabs, 1.0), ("food of crabs", 0.9)]);
    let setup = Gateway::setup(&upstream, ADMIN).encoder(angles as Arc<dyn Embed>);
    let gateway = setup.start().await;
    gateway.ask(&asking(crabs)).send().await;
    gateway.app.settle().await;
    let found = async |selected: &[&str]| {
        let search = ["cache", "search", "food", "of", "crabs", "--json"];
        let shown = good(run(command(&gateway, &[&search, selected].concat())).await);
        let mut found: Value = serde_json::from_str(&shown).unwrap();
        found["entries"].take()
    };
    let all = found(&[]).await;
    let id = all[0]["id"].as_str().unwrap();
    for (selected, entries) in [
        (["--id", id], 1),
        (["--model", "no-such"], 0),
        (["--older-than", "1h"], 0),
        (["--younger-than", "1h"], 1),
        (["--prefix", "what do crabs"], 1),
        (["--prefix", "what do newts"], 0),
        (["--generation-below", "0"], 0),
    ] {
        let found = found(&selected).await;
        assert_eq!(found.as_array().unwrap().len(), entries, "{selected:?}");
    }
}

#[tokio::test]
async fn no_more_is_promised_than_is_found() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    let search = ["cache", "search", "crabs", "--limit", "101"];
    let ended = run(command(&gateway, &search)).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(
        ended.err.contains("at most 100") && ended.err.contains("--limit"),
        "{}",
        ended.err
    );
    good(run(command(&gateway, &[&search[..], &["--text"]].concat())).await);
    good(run(command(&gateway, &["cache", "list", "--limit", "1000"])).await);
}

#[tokio::test]
async fn whoever_closes_the_output_has_seen_enough() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream).await;
    gateway.ask(&asking("What do crabs eat?")).send().await;
    gateway.app.settle().await;
    for arguments in [
        &["stats"][..],
        &["stats", "--json"],
        &["stats", "--watch"],
        &["cache", "list"],
        &["cache", "list", "--json"],
        &["cache", "export"],
        &["cache", "export", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(&gateway, arguments);
        let child = command.stdout(Stdio::from(writer)).spawn().unwrap();
        let ended = child.wait_with_output().await.unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(
            (ended.status.code(), err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
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
    for way in ["--generation-below", "--everything"] {
        assert!(nothing.err.contains(way), "{way}: {}", nothing.err);
    }
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
