//! Several keys of one provider: which is used, and what clients see of it.

mod dialects;
mod hidden;
mod limited;
mod refused;
mod reported;

use std::time::Duration;

use crate::support::{
    asking,
    client::Reply,
    gateway::{Gateway, Setup, model},
    streaming,
    upstream::{Received, Upstream},
};

/// A gateway whose provider `main` has these variables with keys, with the models `gpt-test` and `gpt-other`.
async fn with_keys(upstream: &Upstream, variables: &[&str]) -> Gateway {
    let provider = format!(
        "[[providers]]\nname = \"main\"\nkind = \"openai\"\nbase_url = \"{}\"\n\
         api_key_envs = {variables:?}\nretry = {{ attempts = 0 }}\n",
        upstream.base_url()
    );
    let models = ["gpt-test", "gpt-other"].map(|name| model(name, &[&format!("main/{name}")]));
    Setup::new(&(provider + &models.concat())).start().await
}

/// The same with two keys.
async fn with_two(upstream: &Upstream) -> Gateway {
    with_keys(upstream, &["UPSTREAM_KEY", "SECOND_UPSTREAM_KEY"]).await
}

/// Asks something that was not asked before.
async fn ask(gateway: &Gateway, number: usize) -> Reply {
    let question = format!("What do {number} crabs eat?");
    let body = if number.is_multiple_of(2) {
        streaming(&question)
    } else {
        asking(&question)
    };
    gateway.ask(&body).send().await
}

/// The key of a request.
fn key_of(received: &Received) -> &str {
    let value = received.headers["authorization"].to_str().unwrap();
    value.strip_prefix("Bearer ").unwrap()
}

/// The keys of all requests that were taken.
fn keys(upstream: &Upstream) -> Vec<String> {
    let received = upstream.received();
    received.iter().map(|one| key_of(one).to_owned()).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
