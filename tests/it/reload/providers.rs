//! Providers across a reload: what stays the same keeps its connections, the rest comes and goes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::reload;
use crate::support::{
    asking,
    gateway::{Setup, config, model, provider, provider_at},
    upstream::Upstream,
    with,
};

/// Stands before an upstream and counts who connects.
struct Door {
    base_url: String,
    connections: Arc<AtomicUsize>,
    _passing: JoinSet<()>,
}

impl Door {
    async fn before(upstream: &Upstream) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let address = upstream.root().strip_prefix("http://").unwrap().to_owned();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut through = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut server = TcpStream::connect(&address).await.unwrap();
                through.spawn(async move {
                    // Ends when either side has enough.
                    let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self {
            base_url,
            connections,
            _passing: passing,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn names(names: &[refrain::ident::ProviderName]) -> Vec<&str> {
    names.iter().map(|name| name.as_str()).collect()
}

#[tokio::test]
async fn an_unchanged_provider_keeps_its_connections() {
    let upstream = Upstream::start().await;
    let door = Door::before(&upstream).await;
    let main = provider_at("main", &door.base_url);
    let gpt = model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&format!("{main}{gpt}")).start().await;
    let mut number = 0;
    let mut ask = async || {
        number += 1;
        let reply = gateway.ask(&asking(&format!("Question {number}"))).send();
        assert_eq!(reply.await.status, 200);
        door.connections()
    };
    assert_eq!(ask().await, 1);
    // Everything else changes, and its place in the file.
    let other = provider("other", &upstream);
    let more = format!("[cache]\nttl = \"1h\"\n{other}{main}{gpt}");
    let reloaded = gateway.app.reload(&config(&more)).await.unwrap();
    assert_eq!(names(&reloaded.kept), ["main"]);
    assert_eq!(names(&reloaded.renewed), ["other"]);
    assert_eq!(ask().await, 1);
    let slower = format!("{main}timeout = {{ total = \"5m\" }}\n{gpt}");
    let reloaded = gateway.app.reload(&config(&slower)).await.unwrap();
    assert_eq!(names(&reloaded.renewed), ["main"]);
    assert_eq!(names(&reloaded.dropped), ["other"]);
    assert_eq!(ask().await, 2);
}

#[tokio::test]
async fn the_demo_provider_answers_only_while_nobody_else_is_there() {
    let upstream = Upstream::start().await;
    let real = provider("main", &upstream) + &model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&real).start().await;
    for (toml, provider) in [("", "demo"), (&*real, "main"), ("", "demo"), ("\n", "demo")] {
        reload(&gateway, toml).await;
        let reply = gateway.ask(&asking("What is a crab?")).send().await;
        assert_eq!(
            (reply.status, reply.header("x-refrain-provider")),
            (200, provider)
        );
    }
}

#[tokio::test]
async fn models_that_were_found_are_kept_and_new_ones_are_asked_for() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let listing = |name, upstream: &Upstream| provider(name, upstream) + "discover = true\n";
    let one = listing("one", &first);
    let gateway = Setup::new(&one).start().await;
    let found = with(
        asking("What is a crab?"),
        serde_json::json!({"model": "found-model"}),
    );
    let asked = async || {
        let reply = gateway.ask(&found).send().await;
        (reply.status, reply.header("x-refrain-provider").to_owned())
    };
    assert_eq!(asked().await, (200, "one".to_owned()));
    // A file without its provider forgets what it serves; one with it again asks it again.
    let silent = provider("one", &first);
    reload(&gateway, &silent).await;
    assert_eq!(asked().await.0, 404);
    reload(&gateway, &(silent + &listing("two", &second))).await;
    assert_eq!(asked().await, (200, "two".to_owned()));
    drop(second);
    // Nobody is asked about a provider that stays as it is.
    let nobody = Upstream::gone().await;
    let gone = nobody.trim_end_matches("/v1");
    let ollama =
        format!("[[providers]]\nname = \"ollama\"\nkind = \"ollama\"\nbase_url = \"{gone}\"\n");
    let toml = one.replace("\"one\"", "\"three\"") + &ollama;
    reload(&gateway, &toml).await;
    assert_eq!(asked().await, (200, "three".to_owned()));
    drop(first);
    reload(&gateway, &toml).await;
    let models = gateway.get("/v1/models").send().await.json();
    assert_eq!(models["data"][0]["id"], "found-model");
    let stats = gateway.stats().await;
    assert_eq!(stats["providers"]["active"], serde_json::json!(["three"]));
    assert_eq!(stats["providers"]["inactive"][0]["name"], "ollama");
}

#[tokio::test]
async fn what_the_demo_said_is_no_answer_of_a_task_that_has_somebody_by_now() {
    let upstream = Upstream::start().await;
    let tasks = "[[tasks]]\nname = \"chat\"\ntargets = [\"away/m\"]\nexamples = [\"hello\"]\n\
                 [[providers]]\nname = \"away\"\nkind = \"gemini\"\napi_key_env = \"NO_SUCH_KEY\"\n";
    let gateway = Setup::new(tasks).start().await;
    let ask = |model: &str| {
        let body = with(
            asking("How many planets are there?"),
            json!({"model": model}),
        );
        gateway.ask(&body).send()
    };
    for model in ["auto", "auto:chat"] {
        assert_eq!(ask(model).await.header("x-refrain-provider"), "demo");
        assert_eq!(ask(model).await.way(), "exact");
    }
    let more = tasks.replace("examples", "fallbacks = [\"main/m\"]\nexamples");
    let more = more + &provider("main", &upstream);
    reload(&gateway, &more).await;
    for model in ["auto", "auto:chat"] {
        assert_eq!(
            ask(model).await.header("x-refrain-provider"),
            "main",
            "{model}"
        );
    }
}
