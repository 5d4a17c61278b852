//! Reading the configuration again, while requests are served.

mod file;
mod keys;
mod load;
mod process;
mod providers;
mod refused;

use crate::support::{
    gateway::{Gateway, config, model, provider},
    upstream::Upstream,
};

/// Two providers, and a model that the one of this name serves.
fn served_by(name: &str, upstreams: [(&str, &Upstream); 2]) -> String {
    let providers = upstreams.map(|(name, upstream)| provider(name, upstream));
    let target = format!("{name}/gpt-test");
    format!("{}{}", providers.concat(), model("gpt-test", &[&target]))
}

/// Reloads `toml`; says what needs a restart.
async fn reload(gateway: &Gateway, toml: &str) -> Vec<&'static str> {
    let reloaded = gateway.app.reload(&config(toml)).await;
    reloaded.unwrap().needs_restart
}
