//! The configuration's file, and the environment.

use std::path::{Path, PathBuf};

use refrain::{
    app::reload::Source,
    clock::Clock,
    config::{Config, Notice, Sources},
};

/// The file that a configuration is read from.
#[derive(Debug)]
pub(crate) struct ConfigFile(PathBuf);

impl ConfigFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// What this text says, for a program that can't go on without.
    pub(crate) fn first(&self, text: &str) -> Result<Loaded, String> {
        self.parse(text)
            .map_err(|problems| format!("the configuration has problems\n{problems}"))
    }
}

impl Source for ConfigFile {
    fn text(&self) -> Result<String, String> {
        std::fs::read_to_string(&self.0)
            .map_err(|error| format!("cannot read {}: {error}", self.0.display()))
    }

    fn parse(&self, text: &str) -> Result<(Config, Vec<Notice>), String> {
        let env_overrides = overrides();
        let sources = Sources {
            path: &self.0,
            text,
            env: &environment,
            env_overrides: &env_overrides,
            now: Clock::system().unix(),
        };
        Config::parse(&sources).map_err(|problems| problems.to_string())
    }
}

/// A configuration, and what its user should know of it.
pub(crate) type Loaded = (Config, Vec<Notice>);

/// What the file at `path` says.
pub(crate) fn load(path: &Path) -> Result<Loaded, String> {
    let file = ConfigFile::new(path);
    file.first(&file.text()?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn overrides() -> Vec<(String, String)> {
    let all = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(|(name, _)| name.starts_with("REFRAIN_"))
        .collect()
}
