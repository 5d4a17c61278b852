//! Configurations for tests.

use std::path::Path;

use crate::{
    clock::Clock,
    config::{Config, Sources},
};

/// What `toml` says, with a key in every variable.
pub(super) fn config(toml: &str) -> Config {
    let sources = Sources {
        path: Path::new("test.toml"),
        text: toml,
        env: &|name| Some(format!("sk-of-a-test-{}", name.to_lowercase())),
        env_overrides: &[],
        now: Clock::manual().unix(),
    };
    let (config, _) = Config::parse(&sources).unwrap_or_else(|problems| panic!("{problems}"));
    config
}
