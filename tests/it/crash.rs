//! A process that is killed at any moment loses the last second of its cache, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    asking,
    client::{self, Ask},
    gateway::{model, provider},
    program::Serving,
    streaming,
    upstream::Upstream,
};

const KILLS: usize = 50;
const CLIENTS: usize = 6;

struct Crashing {
    serving: Serving,
    client: reqwest::Client,
}

impl Crashing {
    async fn start(config: &std::path::Path) -> Self {
        let serving =
            Serving::start(config, &[("UPSTREAM_KEY", crate::support::upstream::KEY)]).await;
        let client = client::http().build().unwrap();
        Self { serving, client }
    }

    fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        body: String,
    ) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.serving.url);
        self.client
            .request(method, url)
            .header("content-type", "application/json")
            .body(body)
    }

    /// What it answers from its cache.
    async fn kept(&self, question: &str) -> Option<String> {
        let request = self.request(
            reqwest::Method::POST,
            "/v1/chat/completions",
            asking(question).to_string(),
        );
        let reply = Ask::new(request.header("cache-control", "only-if-cached"))
            .send()
            .await;
        (reply.status == 200).then(|| reply.said())
    }

    /// What is kept of the questions of all cycles before this one.
    async fn questions(&self, before: usize) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for cycle in 0..before {
            let path = format!("/admin/api/cache/entries?tag=cycle-{cycle}&limit=1000");
            let request = self.request(reqwest::Method::GET, &path, String::new());
            let list = Ask::new(request).send().await.json();
            let prompts = list["entries"].as_array().unwrap().iter();
            assert_eq!(list["total"].as_u64(), Some(prompts.len() as u64));
            all.extend(prompts.map(|entry| entry["prompt"].as_str().unwrap().to_owned()));
        }
        all
    }

    /// Asks new questions from several clients until so many have been answered, then kills the
    /// process in the middle of whatever it does. Gives what was answered.
    async fn load_and_kill(self, cycle: usize, answers: usize) -> BTreeMap<String, String> {
        let (answered, heard) = (AtomicUsize::new(0), std::sync::Mutex::new(BTreeMap::new()));
        let ask = async |client: usize| {
            for number in 0.. {
                let question =
                    format!("What is fact {number} of client {client} in cycle {cycle}?");
                let body = if number % 2 == 0 {
                    asking(&question)
                } else {
                    streaming(&question)
                };
                let request = self.request(
                    reqwest::Method::POST,
                    "/v1/chat/completions",
                    body.to_string(),
                );
                let request = request.header("x-refrain-cache-tags", format!("cycle-{cycle}"));
                let Ok(response) = request.send().await else {
                    return;
                };
                let Ok(text) = response.text().await else {
                    return;
                };
                // Of streams, only that they are kept whole is looked at.
                if let Ok(reply) = serde_json::from_str::<Value>(&text) {
                    let said = &reply["choices"][0]["message"]["content"];
                    let said = said.as_str().unwrap().to_owned();
                    heard.lock().unwrap().insert(question, said);
                }
                answered.fetch_add(1, Ordering::SeqCst);
                if answered.load(Ordering::SeqCst) >= answers {
                    return;
                }
            }
        };
        let clients =
            futures_util::future::select_all((0..CLIENTS).map(|client| Box::pin(ask(client))));
        let (_, _, rest) = clients.await;
        // The others are in the middle of theirs.
        self.serving.kill().await;
        drop(rest);
        self.serving.gone().await;
        heard.into_inner().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_leave_every_surviving_entry_intact() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let config = directory.path().join("gateway.toml");
    let cache = format!(
        "[cache]\nsemantic = \"off\"\ndata_dir = {:?}\n",
        directory.path().join("data")
    );
    let main = provider("main", &upstream) + &model("gpt-test", &["main/gpt-test"]);
    std::fs::write(
        &config,
        format!("[server]\nlisten = \"127.0.0.1:0\"\n{cache}{main}"),
    )
    .unwrap();

    let mut random = fastrand::Rng::with_seed(3);
    let mut asked: BTreeMap<String, String> = BTreeMap::new();
    // What was there after the last restart, and had to stay.
    let mut durable: BTreeSet<String> = BTreeSet::new();
    let mut before: BTreeSet<String> = BTreeSet::new();
    for cycle in 0..KILLS {
        let running = Crashing::start(&config).await;
        let there = running.questions(cycle).await;
        assert!(
            durable.is_subset(&there),
            "cycle {cycle}: what had survived a kill is gone"
        );
        let late = |question: &&String| {
            !question.ends_with(&format!("cycle {}?", cycle.saturating_sub(1)))
        };
        let revived: Vec<_> = there.difference(&before).filter(late).collect();
        assert!(
            revived.is_empty(),
            "cycle {cycle}: what was forgotten is back: {revived:?}"
        );
        let sample: Vec<&String> = there.iter().filter(|_| random.u8(..) < 64).collect();
        for question in sample {
            // Of an answer that was kept in the moment of the kill nobody has heard.
            let kept = running.kept(question).await;
            assert!(
                kept.as_ref()
                    .is_some_and(|said| said.starts_with("answer ")),
                "{kept:?}"
            );
            if let Some(said) = asked.get(question) {
                assert_eq!(kept.as_ref(), Some(said), "{question}");
            }
        }
        durable.clone_from(&there);
        before = there;
        if cycle % 5 == 4 {
            // Purged, and durably so once another restart has not brought it back.
            let tag = format!("cycle-{}", cycle - 4);
            let purge = json!({"tag": tag}).to_string();
            let purge = running.request(reqwest::Method::POST, "/admin/api/cache/purge", purge);
            assert_eq!(Ask::new(purge).send().await.status, 200);
            let is_left = |question: &String| !question.ends_with(&format!("cycle {}?", cycle - 4));
            durable.retain(is_left);
        }
        let answers = random.usize(1..250);
        asked.extend(running.load_and_kill(cycle, answers).await);
    }
    assert!(
        durable.len() > 100,
        "only {} entries survived",
        durable.len()
    );
}
