//! Providers that fail, in every way that they do, with time paused: what clients notice of it.

mod bodies;
mod hedging;
mod limits;
mod nobody;
mod outage;
mod retries;
mod streams;

use refrain::clock::Clock;
use serde_json::{Value, json};

use crate::support::{
    gateway::{Gateway, Setup},
    upstream::Upstream,
    with,
};

/// A provider that is about to fail, and one that is there instead.
struct Pair {
    main: Upstream,
    backup: Upstream,
}

/// Opens after four calls of which two have failed; tries again after 15 to 18 seconds.
const BREAKER: &str = r#"breaker = { window = "60s", min_requests = 4, failure_ratio = 0.5, slow_after = "5s", open_for = "15s", probes = 1 }"#;

/// One model, with a fallback.
const HOUSE: &str = r#"
[[models]]
name = "house"
targets = ["main/a"]
fallbacks = ["backup/b"]
"#;

/// The same without.
const ALONE: &str = r#"
[[models]]
name = "house"
targets = ["main/a"]
"#;

const NO_CACHE: &str = "[cache]\nenabled = false\n";

impl Pair {
    async fn start() -> Self {
        Self {
            main: Upstream::start().await,
            backup: Upstream::start().await,
        }
    }

    /// A gateway before both, where `main` has these further lines.
    fn setup(&self, main: &str, models: &str) -> Setup {
        self.setup_with(NO_CACHE, main, models)
    }

    fn setup_with(&self, first: &str, main: &str, models: &str) -> Setup {
        let mut setup = Setup::new(&self.toml(first, main, models));
        setup.clock = Clock::system();
        setup
    }

    fn toml(&self, first: &str, main: &str, models: &str) -> String {
        let (one, two) = (self.main.base_url(), self.backup.base_url());
        let provider = |name: &str, url: &str, more: &str| {
            format!(
                "[[providers]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{url}\"\n\
                 api_key_env = \"UPSTREAM_KEY\"\n{more}\n"
            )
        };
        format!(
            "{first}{}{}{models}",
            provider("main", &one, main),
            provider("backup", &two, "retry = { attempts = 0 }")
        )
    }

    fn calls(&self) -> [usize; 2] {
        [self.main.calls(), self.backup.calls()]
    }
}

fn question() -> Value {
    json!({"model": "house", "messages": [{"role": "user", "content": "What do crabs eat?"}]})
}

fn stream() -> Value {
    with(question(), json!({"stream": true}))
}

/// Who answers, and with which status.
async fn asked(gateway: &Gateway, body: &Value) -> (u16, String) {
    let reply = gateway.ask(body).send().await;
    (reply.status, reply.header("x-refrain-provider").to_owned())
}

fn by(provider: &str) -> (u16, String) {
    (200, provider.to_owned())
}

/// Has `gateway` find out that `main` is down: four answers of the other one.
async fn tripped(pair: &Pair, gateway: &Gateway) {
    for _ in 0..4 {
        assert_eq!(asked(gateway, &question()).await, by("backup"));
    }
    assert_eq!(pair.calls(), [4, 4]);
}
