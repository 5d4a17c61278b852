//! What the log says of those who are refused: once in a minute, and no key.

use std::path::Path;

use crate::support::{
    client::{self, Ask},
    program::{QUIET, Serving, written},
};

#[tokio::test]
async fn wrong_keys_are_told_once_and_never_shown() {
    const RIGHT: &str = "planted-right-key";
    const WRONG: &str = "planted-wrong-key";
    let (_directory, path) = written(QUIET);
    let environment = [("REFRAIN_ADMIN_KEY", RIGHT)];
    let mut serving = Serving::start(Path::new(&path), &environment).await;
    let client = client::http().build().unwrap();
    let url = format!("{}/admin/api/stats", serving.url);
    for _ in 0..5 {
        let reply = Ask::new(client.get(&url)).key(WRONG).send().await;
        assert_eq!(reply.status, 401);
    }
    let session = format!("{}/admin/api/session", serving.url);
    let ask = client
        .post(session)
        .body(format!("{{\"key\": \"{RIGHT}\"}}"));
    let reply = Ask::new(ask).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let cookie = super::cookie(&reply);
    serving.says("somebody signed in at the admin's side").await;
    serving.terminate().await;
    let ended = serving.ended().await;
    let lines = ended.err.matches("refused at the admin's side").count();
    assert_eq!(lines, 1, "{}", ended.err);
    assert_eq!(ended.err.matches("refused").count(), 1, "{}", ended.err);
    assert!(ended.err.contains("127.0.0.1") && ended.err.contains("a wrong admin key"));
    let (_, name) = cookie.split_once('=').unwrap();
    for secret in [RIGHT, WRONG, name, reply.json()["csrf"].as_str().unwrap()] {
        assert!(!ended.err.contains(secret) && !ended.out.contains(secret));
    }
}

#[tokio::test]
async fn one_watcher_too_many_is_no_failure() {
    let (_directory, path) = written(QUIET);
    let serving = Serving::start(Path::new(&path), &[]).await;
    let client = client::http().build().unwrap();
    let watch = async || {
        let ask = Ask::new(client.get(format!("{}/admin/api/live", serving.url)));
        ask.open().await
    };
    let mut watching = Vec::new();
    for _ in 0..32 {
        watching.push(watch().await);
    }
    assert_eq!(watch().await.head.status, 503);
    drop(watching);
    serving.terminate().await;
    let ended = serving.ended().await;
    assert!(!ended.err.contains("failed"), "{}", ended.err);
}
