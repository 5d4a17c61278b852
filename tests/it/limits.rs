//! What clients may ask, and what they are told about it.

mod books;
mod budgets;
mod expiry;
mod places;
mod requests;

use refrain::config::Client;
use serde_json::Value;

use crate::support::{
    gateway::{Gateway, Setup, config, model, provider},
    upstream::Upstream,
};

const ALICE: &str = "sk-alice_key";
const BOB: &str = "sk-bob_key";

/// A gateway with the clients Alice, who goes by other terms, and Bob.
fn terms(upstream: &Upstream, more: &str) -> String {
    let clients = ["alice", "bob"].map(|name| {
        let variable = format!("{}_KEY", name.to_uppercase());
        format!("[[clients]]\nname = \"{name}\"\nkey_env = \"{variable}\"\n")
    });
    let provider = provider("main", upstream);
    let model = model("gpt-test", &["main/gpt-test"]);
    format!("{more}\n{}{provider}{model}", clients.concat())
}

/// Starts it, with Alice's terms changed so.
async fn start(upstream: &Upstream, change: impl FnOnce(&mut Client)) -> Gateway {
    let toml = terms(upstream, "");
    let gateway = Setup::new(&toml).start().await;
    let mut config = config(&toml);
    change(&mut config.clients[0]);
    gateway.app.reload(&config).await.unwrap();
    gateway
}

/// What operators see of Alice.
async fn seen(gateway: &Gateway) -> Value {
    let clients = gateway.get("/admin/api/clients").send().await.json();
    let mut client = clients["clients"][0].clone();
    // What it has asked is no limit.
    for sum in ["requests", "billed_usd", "saved_usd", "tokens", "last_seen"] {
        client.as_object_mut().unwrap().remove(sum).unwrap();
    }
    client
}
