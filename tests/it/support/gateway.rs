//! A gateway on a socket of its own.

use std::{net::SocketAddr, path::Path, sync::Arc};

use refrain::{
    app::{App, Parts},
    clock::Clock,
    config::{Config, Notice, Problems, Sources},
    embed::Embed,
    http::server::{Limits, serve},
    provider::demo::Pace,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::TaskTracker;

use super::{
    client::{self, Ask},
    upstream::{KEY, SECOND_KEY, Upstream},
};

/// A running gateway; stops when it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) app: App,
    pub(crate) clock: Clock,
    client: reqwest::Client,
    serving: JoinSet<()>,
}

/// A gateway to be started.
pub(crate) struct Setup {
    toml: String,
    encoder: Option<Arc<dyn Embed>>,
    pub(crate) clock: Clock,
    is_impatient: bool,
    adjust: fn(&mut Config),
}

/// The section of one more provider.
pub(crate) fn provider(name: &str, upstream: &Upstream) -> String {
    provider_at(name, &upstream.base_url())
}

/// The section of a provider at `base_url`, of which each failure is to be seen.
pub(crate) fn provider_at(name: &str, base_url: &str) -> String {
    format!(
        "[[providers]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"{base_url}\"\n\
         api_key_env = \"UPSTREAM_KEY\"\nretry = {{ attempts = 0 }}\n"
    )
}

/// The section of a model.
pub(crate) fn model(name: &str, targets: &[&str]) -> String {
    format!("[[models]]\nname = \"{name}\"\ntargets = {targets:?}\n")
}

/// What `toml` says in the environment of a test.
#[track_caller]
pub(crate) fn config(toml: &str) -> Config {
    parsed(toml)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .0
}

/// The same, or what is wrong with it.
pub(crate) fn parsed(toml: &str) -> Result<(Config, Vec<Notice>), Problems> {
    let env = |name: &str| match name {
        "UPSTREAM_KEY" => Some(KEY.to_owned()),
        "SECOND_UPSTREAM_KEY" => Some(SECOND_KEY.to_owned()),
        "ALICE_KEY" | "BOB_KEY" | "CAROL_KEY" | "ADMIN_KEY" => {
            Some(format!("sk-{}", name.to_lowercase()))
        }
        "CACHE_SECRET" => Some("sc-the-same-in-several-gateways".to_owned()),
        "OTHER_SECRET" => Some("sc-of-one-gateway-and-no-other".to_owned()),
        _ => None,
    };
    // A hit that is checked by chance would be a call that no test expects.
    let mut unchecked = Vec::new();
    if !toml.contains("shadow_checks") {
        unchecked.push(("REFRAIN_CACHE__SHADOW_CHECKS".to_owned(), "0.0".to_owned()));
    }
    Config::parse(&Sources {
        path: Path::new("test.toml"),
        text: toml,
        env: &env,
        env_overrides: &unchecked,
        now: Clock::manual().unix(),
    })
}

impl Setup {
    /// A gateway with exactly this configuration.
    pub(crate) fn new(toml: &str) -> Self {
        Self {
            toml: toml.to_owned(),
            encoder: None,
            clock: Clock::manual(),
            is_impatient: false,
            adjust: |_| {},
        }
    }

    /// That is started before it has learned the examples of its tasks.
    pub(crate) fn impatient(mut self) -> Self {
        self.is_impatient = true;
        self
    }

    /// With its configuration changed so.
    pub(crate) fn adjusted(mut self, adjust: fn(&mut Config)) -> Self {
        self.adjust = adjust;
        self
    }

    /// With this encoder.
    pub(crate) fn encoder(mut self, encoder: Arc<dyn Embed>) -> Self {
        self.encoder = Some(encoder);
        self
    }

    pub(crate) async fn start(self) -> Gateway {
        let mut config = config(&self.toml);
        (self.adjust)(&mut config);
        let parts = Parts {
            clock: self.clock.clone(),
            encoder: self.encoder,
            metrics: None,
            demo_pace: Pace {
                first_token: Default::default(),
                between: Default::default(),
            },
        };
        let app = App::build(&config, parts).await.unwrap();
        if !self.is_impatient {
            app.learned().await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            connections: config.server.max_connections,
            header_timeout: config.server.header_timeout,
            write_timeout: config.server.write_timeout,
            drain_timeout: config.server.drain_timeout,
        };
        let router = app.router();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let (tasks, never) = (TaskTracker::new(), std::future::pending());
            serve(listener, router, limits, &tasks, never)
                .await
                .unwrap();
        });
        let client = client::http().build().unwrap();
        Gateway {
            address,
            app,
            clock: self.clock,
            client,
            serving,
        }
    }
}

impl Gateway {
    /// A gateway with one provider, `main`, and one model, `gpt-test`; without semantic tier.
    pub(crate) async fn before(upstream: &Upstream) -> Self {
        Self::setup(upstream, "").start().await
    }

    /// The same with more configuration.
    pub(crate) fn setup(upstream: &Upstream, more: &str) -> Setup {
        let (provider, model) = (
            provider("main", upstream),
            model("gpt-test", &["main/gpt-test"]),
        );
        let price = "price = { input = 1.0, output = 2.0 }";
        Setup::new(&format!("{more}\n{provider}{model}{price}\n"))
    }

    /// Stops it as a signal would.
    pub(crate) async fn stop(mut self) {
        self.serving.shutdown().await;
        self.app.close().await;
    }

    /// A chat request.
    pub(crate) fn ask(&self, body: &Value) -> Ask {
        self.post(body.to_string())
    }

    /// A chat request of these very bytes.
    pub(crate) fn post(&self, body: impl Into<reqwest::Body>) -> Ask {
        self.request("POST", "/v1/chat/completions", body)
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        Ask::new(self.client.get(self.url(path)))
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: impl Into<reqwest::Body>) -> Ask {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, self.url(path)).body(body);
        Ask::new(request.header("content-type", "application/json"))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What the admin page is told.
    pub(crate) async fn stats(&self) -> Value {
        self.get("/admin/api/stats").send().await.json()
    }
}
