//! When the file is read again: by itself when it has settled, and at once when that is asked for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{Stream, stream};
use refrain::{
    app::reload::Source,
    config::{Config, Notice},
};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::support::gateway::{Gateway, Setup, parsed};

/// A file whose contents are found at one look after the other; the last stays.
#[derive(Debug, Clone)]
pub(super) struct Script {
    looks: Arc<Mutex<VecDeque<Option<String>>>>,
    parsed: Arc<Mutex<Vec<String>>>,
    hangup: mpsc::UnboundedSender<()>,
    hangups: Arc<Mutex<Option<mpsc::UnboundedReceiver<()>>>>,
}

impl Script {
    pub(super) fn of(looks: &[&str]) -> Self {
        let (hangup, hangups) = mpsc::unbounded_channel();
        let looks = looks.iter().map(|text| Some((*text).to_owned()));
        Self {
            looks: Arc::new(Mutex::new(looks.collect())),
            parsed: Arc::default(),
            hangup,
            hangups: Arc::new(Mutex::new(Some(hangups))),
        }
    }

    pub(super) fn source(&self) -> Self {
        self.clone()
    }

    pub(super) fn hangups(&self) -> impl Stream<Item = ()> + Send + use<> {
        let hangups = self.hangups.lock().unwrap().take().unwrap();
        stream::unfold(hangups, |mut hangups| async {
            hangups.recv().await?;
            Some(((), hangups))
        })
    }

    /// Sends SIGHUP.
    fn hang_up(&self) {
        self.hangup.send(()).unwrap();
    }

    /// From now on this is found.
    pub(super) fn write(&self, text: &str) {
        *self.looks.lock().unwrap() = VecDeque::from([Some(text.to_owned())]);
    }

    pub(super) fn remove(&self) {
        *self.looks.lock().unwrap() = VecDeque::from([None]);
    }

    /// What was tried.
    fn tried(&self) -> Vec<String> {
        self.parsed.lock().unwrap().clone()
    }
}

impl Source for Script {
    fn text(&self) -> Result<String, String> {
        let mut looks = self.looks.lock().unwrap();
        let look = looks.front().cloned().unwrap();
        if looks.len() > 1 {
            looks.pop_front();
        }
        look.ok_or_else(|| "there is no file".to_owned())
    }

    fn parse(&self, text: &str) -> Result<(Config, Vec<Notice>), String> {
        self.parsed.lock().unwrap().push(text.to_owned());
        parsed(text).map_err(|problems| problems.to_string())
    }
}

/// Lets time pass until the admin page says this of the configuration.
pub(super) async fn until(gateway: &Gateway, is_so: impl Fn(&Value) -> bool) {
    for _ in 0..1000 {
        if is_so(&gateway.stats().await["config"]) {
            return;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    panic!("{}", gateway.stats().await["config"]);
}

fn ttl(hours: u32) -> String {
    format!("[cache]\nttl = \"{hours}h\"\n")
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_alone() {
    let (before, after) = (ttl(1), ttl(2));
    let half = &after[..9];
    let mut gateway = Setup::new(&before).start().await;
    let script = Script::of(&[&before, half, &after[..12], "", half, &after]);
    gateway
        .app
        .watch(script.source(), &before, script.hangups());
    until(&gateway, |config| config["generation"] == 1).await;
    assert_eq!(script.tried(), [&*after]);
    // A broken one that stays is tried, once; it is tried again when it has changed.
    script.write(half);
    until(&gateway, |config| config["state"] == "last_good").await;
    script.write(&after);
    until(&gateway, |config| config["state"] == "current").await;
    assert_eq!(script.tried(), [&*after, half, &after]);
    assert_eq!(gateway.app.gateway().setup().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn sighup_acts_at_once_and_also_on_the_same_text() {
    let (before, after) = (ttl(1), ttl(2));
    let mut gateway = Setup::new(&before).start().await;
    let script = Script::of(&[&before]);
    gateway
        .app
        .watch(script.source(), &before, script.hangups());
    script.hang_up();
    until(&gateway, |config| config["generation"] == 1).await;
    script.hang_up();
    script.hang_up();
    until(&gateway, |config| config["generation"] == 3).await;
    script.write(&after);
    script.hang_up();
    until(&gateway, |config| config["generation"] == 4).await;
    // Whoever asks for an empty file means it.
    script.write("");
    script.hang_up();
    until(&gateway, |config| config["generation"] == 5).await;
    let expected = [&*before, &before, &before, &after, ""];
    assert_eq!(script.tried(), expected);
}

#[tokio::test(start_paused = true)]
async fn without_reload_only_sighup_counts() {
    let before = format!("[server]\nreload = false\n{}", ttl(1));
    let after = ttl(2);
    let mut gateway = Setup::new(&before).start().await;
    let script = Script::of(&[&after]);
    gateway
        .app
        .watch(script.source(), &before, script.hangups());
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(gateway.stats().await["config"]["generation"], 0);
    }
    assert!(script.tried().is_empty());
    script.hang_up();
    until(&gateway, |config| config["generation"] == 1).await;
    // The new file wants to be followed.
    script.write(&before);
    until(&gateway, |config| config["generation"] == 2).await;
    assert_eq!(script.tried(), [after, before]);
}
