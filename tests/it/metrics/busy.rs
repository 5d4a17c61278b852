//! A gateway in a process of its own, to which everything happens, with words planted wherever something is secret.

use std::{fs::File, path::PathBuf, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::{
    answer::{Answer, completion},
    asking,
    client::{self, Ask, Reply},
    program::{refrain, written},
    streaming,
    upstream::Upstream,
    with,
};

pub(super) const ADMIN: &str = "planted-secret-admin";
const ALICE: &str = "sk-planted-secret-alice";
const BOB: &str = "sk-planted-secret-bob";
const UPSTREAM: &str = "sk-planted-secret-upstream";
/// In every word that is planted.
pub(super) const MARKER: &str = "planted-";
/// A model that a client has made up.
pub(super) const INVENTED: &str = "t-invented";

/// The gateway; killed when it is dropped.
pub(super) struct Busy {
    child: Child,
    url: String,
    log: PathBuf,
    /// Of its configuration, which it looks at again and again, and of its data.
    directories: [tempfile::TempDir; 2],
    main: Upstream,
    spare: Upstream,
    limited: Upstream,
}

fn provider(name: &str, base_url: &str, more: &str) -> String {
    format!(
        "[[providers]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{base_url}\"\napi_key_env = \"UPSTREAM_KEY\"\n{more}\n"
    )
}

const MODELS: &str = r#"
[[models]]
name = "gpt-test"
targets = ["main/gpt-test"]
price = { input = 1.0, output = 2.0 }

[[models]]
name = "unlucky"
targets = ["gone/a"]
fallbacks = ["limited/b", "spare/c"]

[[models]]
name = "short"
targets = ["spare/short"]
context_window = 300
max_output_tokens = 50
on_overflow = "trim"

[[models]]
name = "t-*"
targets = ["main/*"]

[[tasks]]
name = "chat"
targets = ["spare/chatty"]
examples = ["Good morning, how are you?"]

[[clients]]
name = "alice"
key_env = "ALICE_KEY"
budget = { daily_usd = 1.0, monthly_usd = 2.0 }

[[clients]]
name = "bob"
key_env = "BOB_KEY"
limits = { requests_per_minute = 3 }
"#;

impl Busy {
    pub(super) async fn start() -> Self {
        let (main, spare, limited) = (
            Upstream::start().await,
            Upstream::start().await,
            Upstream::start().await,
        );
        for upstream in [&main, &spare, &limited] {
            upstream.accept(&[UPSTREAM]);
            upstream.mood(|_| Answer::said("planted-answer of a model"));
        }
        limited.mood(|_| Answer::error(429, "planted-words: slow down"));
        let breaker = "breaker = { window = \"60s\", min_requests = 2, failure_ratio = 0.5, open_for = \"60s\" }";
        let data = tempfile::tempdir().unwrap();
        let toml = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[cache]\nsemantic = \"off\"\ndata_dir = {:?}\n{}{}{}{}{MODELS}",
            data.path(),
            provider(
                "main",
                &main.base_url(),
                "retry = { attempts = 1, base = \"1ms\", cap = \"2ms\", budget = 1.0 }"
            ),
            provider("spare", &spare.base_url(), ""),
            provider("limited", &limited.base_url(), "retry = { attempts = 0 }"),
            provider(
                "gone",
                &Upstream::gone().await,
                &format!("retry = {{ attempts = 0 }}\n{breaker}")
            ),
        );
        let (configured, path) = written(&toml);
        let log = data.path().join("log");
        let mut command: Command = refrain(&["serve", "--config", &path]);
        // A file, since a pipe that nobody reads would be full soon.
        command.stderr(Stdio::from(File::create(&log).unwrap()));
        command.env("RUST_LOG", "trace");
        for (name, value) in [
            ("UPSTREAM_KEY", UPSTREAM),
            ("ALICE_KEY", ALICE),
            ("BOB_KEY", BOB),
            ("REFRAIN_ADMIN_KEY", ADMIN),
        ] {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let Some(line) = lines.next_line().await.unwrap() else {
                panic!("{}", std::fs::read_to_string(&log).unwrap());
            };
            if let Some(endpoint) = line.trim().strip_prefix("endpoint") {
                break endpoint.trim().strip_suffix("/v1").unwrap().to_owned();
            }
        };
        Self {
            child,
            url,
            log,
            directories: [configured, data],
            main,
            spare,
            limited,
        }
    }

    fn request(&self, method: &str, path: &str, key: &str, body: &Value) -> Ask {
        let client = client::http().build().unwrap();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = client.request(method, format!("{}{path}", self.url));
        let request = request
            .header("x-planted", "planted-header")
            .body(body.to_string());
        Ask::new(request)
            .header("content-type", "application/json")
            .key(key)
    }

    async fn chat(&self, key: &str, body: &Value) -> Reply {
        let ask = self.request("POST", "/v1/chat/completions", key, body);
        ask.send().await
    }

    /// What operators are shown there.
    pub(super) async fn shown(&self, path: &str) -> String {
        let reply = self.request("GET", path, ADMIN, &Value::Null).send().await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.text().to_owned()
    }

    /// What who watches is shown at first.
    pub(super) async fn watched(&self) -> String {
        let live = self.request("GET", "/admin/api/live", ADMIN, &Value::Null);
        let mut open = live.open().await;
        assert_eq!(open.head.status, 200);
        String::from_utf8(open.piece().await.unwrap().to_vec()).unwrap()
    }

    /// `/metrics`, once it has all of these.
    pub(super) async fn metrics(&self, lines: &[&str]) -> String {
        let mut page = String::new();
        // What a request was like is told when all who worked on it have let go, a moment after its answer.
        for _ in 0..2000 {
            page = self.shown("/metrics").await;
            if lines.iter().all(|line| page.contains(line)) {
                return page;
            }
        }
        let missing = lines.iter().find(|line| !page.contains(**line));
        panic!("{missing:?} is not in\n{page}");
    }

    /// Has one of everything happen. Returns what clients were told who had no part in what is planted.
    pub(super) async fn work(&self) -> Vec<String> {
        let secret = |text: &str| asking(&format!("planted-prompt: {text}"));
        for _ in 0..2 {
            assert_eq!(self.chat(ALICE, &secret("twice")).await.status, 200);
            let streamed = streaming("planted-prompt: a stream");
            assert_eq!(self.chat(ALICE, &streamed).await.status, 200);
        }
        let spelled = self.chat(ALICE, &secret("TWICE!")).await;
        assert_eq!(spelled.status, 200);
        let left_alone = self.request("POST", "/v1/chat/completions", ALICE, &secret("twice"));
        let left_alone = left_alone
            .header("cache-control", "no-cache, no-store")
            .send()
            .await;
        assert_eq!(left_alone.status, 200, "{}", left_alone.text());
        // A target that is gone, until it is left alone; and one that has had enough.
        for number in 0..4 {
            let body = with(
                secret(&format!("unlucky {number}")),
                json!({"model": "unlucky"}),
            );
            assert_eq!(self.chat(ALICE, &body).await.status, 200);
        }
        // An answer that is cut off is kept for nobody.
        let mut cut_off = completion("planted-answer that", 1);
        cut_off["choices"][0]["finish_reason"] = json!("length");
        self.main.script(Answer::json(&cut_off));
        assert_eq!(self.chat(ALICE, &secret("at length?")).await.status, 200);
        let mut long: Vec<Value> = (0..20)
            .map(|turn| json!({"role": if turn % 2 == 0 { "user" } else { "assistant" }, "content": "planted-words ".repeat(20)}))
            .collect();
        long.push(json!({"role": "user", "content": "planted-prompt: and now?"}));
        let cut = self
            .chat(ALICE, &json!({"model": "short", "messages": long}))
            .await;
        assert_eq!(cut.status, 200, "{}", cut.text());
        assert!(!cut.header("x-refrain-trimmed-tokens").is_empty());
        let chosen = self
            .chat(ALICE, &with(secret("anything"), json!({"model": "auto"})))
            .await;
        assert_eq!(chosen.status, 200, "{}", chosen.text());
        // What the provider knows nothing of, and says so with words of the prompt.
        self.main
            .script(Answer::error(404, "planted-prompt: no such model"));
        let invented = with(secret("anybody?"), json!({"model": INVENTED}));
        assert_eq!(self.chat(ALICE, &invented).await.status, 404);
        for _ in 0..2 {
            let failure = Answer::error(500, "planted-words of a provider");
            self.main.script(failure);
        }
        assert_eq!(self.chat(ALICE, &secret("that fails")).await.status, 502);

        // Others, who have no part in any of this.
        let plain = asking("What is the capital of Peru?");
        let mut told = Vec::new();
        for (key, body) in [
            ("sk-wrong", &plain),
            (BOB, &json!({"model": "gpt-test"})),
            (BOB, &with(plain.clone(), json!({"model": "no-such-model"}))),
            (BOB, &with(plain.clone(), json!({"temperature": "hot"}))),
            (BOB, &plain),
        ] {
            let reply = self.chat(key, body).await;
            assert!(
                (400..500).contains(&reply.status),
                "{} {body}",
                reply.status
            );
            told.push(format!("{:?}\n{}", reply.headers, reply.text()));
        }
        let stranger = self
            .request("GET", "/health", "", &Value::Null)
            .send()
            .await;
        told.push(format!("{:?}\n{}", stranger.headers, stranger.text()));
        told
    }

    /// Stops it, and returns its log.
    pub(super) async fn stopped(mut self) -> String {
        let process = self.child.id().unwrap().to_string();
        let status = Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .await;
        assert!(status.unwrap().success());
        assert!(self.child.wait().await.unwrap().success());
        let log = std::fs::read_to_string(&self.log).unwrap();
        assert!(self.main.refused().is_empty() && self.spare.refused().is_empty());
        assert!(self.limited.calls() > 0);
        drop(self.directories);
        log
    }
}
