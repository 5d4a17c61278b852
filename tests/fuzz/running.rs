//! A gateway within this process, before a provider of every kind.

use std::{path::Path, sync::Arc};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use refrain::{
    app::{App, Parts},
    clock::Clock,
    config::{Config, Sources},
    provider::demo::Pace,
};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::upstream::Upstream;

const PROVIDERS: [(&str, &str, &str); 5] = [
    ("o", "openai", "/v1"),
    // One that has OpenAI's other interfaces too.
    ("r", "openai", "/v1"),
    ("a", "anthropic", "/v1"),
    ("g", "gemini", "/v1beta"),
    ("l", "ollama", ""),
];

/// The gateway, and what it runs on.
pub(crate) struct Running {
    pub(crate) upstream: Arc<Upstream>,
    runtime: Runtime,
    router: Router,
    // Kept: it ends with it.
    _app: App,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Running {
    /// Starts it on the thread that calls it.
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (upstream, router, app) = runtime.block_on(async {
            let (upstream, address) = Upstream::start().await;
            let mut toml = "[cache]\nsemantic = \"off\"\nshadow_checks = 0.0\nmax_bytes = \"16MiB\"\n".to_owned();
            for (name, kind, path) in PROVIDERS {
                let key = if kind == "ollama" { "" } else { "api_key_env = \"KEY\"\n" };
                let more = if name == "r" { "interfaces = [\"responses\", \"completions\"]\n" } else { "" };
                toml += &format!(
                    "[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"http://{address}/{name}{path}\"\n{key}{more}\
                     retry = {{ attempts = 0 }}\nbreaker = {{ min_requests = 1000, failure_ratio = 1.0 }}\n\
                     [[models]]\nname = \"{name}-*\"\ntargets = [\"{name}/*\"]\n"
                );
            }
            let env = |name: &str| (name == "KEY").then(|| "sk-fuzz".to_owned());
            let parsed = Config::parse(&Sources {
                path: Path::new("fuzz.toml"),
                text: &toml,
                env: &env,
                env_overrides: &[],
                now: Clock::manual().unix(),
            });
            let (config, _) = parsed.unwrap_or_else(|problems| panic!("{problems}"));
            let parts = Parts {
                clock: Clock::manual(),
                encoder: None,
                metrics: None,
                demo_pace: Pace {
                    first_token: Default::default(),
                    between: Default::default(),
                },
            };
            let app = App::build(&config, parts).await.unwrap();
            (upstream, app.router(), app)
        });
        Self {
            upstream,
            runtime,
            router,
            _app: app,
        }
    }

    /// Asks, and reads the answer to its end.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let router = self.router.clone();
        self.runtime.block_on(async {
            let response = router.oneshot(request).await.unwrap();
            let (head, body) = response.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes());
            Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.expect("bodies of the gateway do not break within the process"),
            }
        })
    }
}

impl Answer {
    /// A header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type").starts_with("text/event-stream")
    }

    /// What is told of it when something is wrong.
    pub(crate) fn shown(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(600)
            .collect();
        format!("{} {}: {text}", self.status, self.header("content-type"))
    }
}
