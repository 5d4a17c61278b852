//! What a user of `providers.toml` sees: every kind of problem word by word, and what a good file
//! resolves to.

mod cache;
mod clients;
mod endpoints;
mod fallbacks;
mod limits;
mod patience;
mod problems;
mod references;
mod resolution;
mod responses;
mod robustness;
mod routes;
mod secrets;
mod shipped;
mod shown;
mod tasks;
mod telemetry;
mod variants;

use std::path::Path;

use super::{Config, Notice, Problems, Sources};
use crate::{
    clock::UnixMillis,
    units::{Admission, Similarity},
};

/// The present of these tests: 2023-11-14T22:13:20Z.
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// Parses `text` in an environment of these variables only.
fn parse(text: &str, env: &[(&str, &str)]) -> Result<(Config, Vec<Notice>), Problems> {
    let lookup = |name: &str| {
        let found = env.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let overrides: Vec<(String, String)> = env
        .iter()
        .filter(|(variable, _)| variable.starts_with("REFRAIN_"))
        .map(|(variable, value)| ((*variable).to_owned(), (*value).to_owned()))
        .collect();
    Config::parse(&Sources {
        path: Path::new("providers.toml"),
        text,
        env: &lookup,
        env_overrides: &overrides,
        now: NOW,
    })
}

/// The configuration that `text` resolves to.
pub(super) fn config(text: &str, env: &[(&str, &str)]) -> Config {
    match parse(text, env) {
        Ok((config, _)) => config,
        Err(problems) => panic!("{problems}"),
    }
}

/// The problems of `text`, as printed.
fn problems(text: &str, env: &[(&str, &str)]) -> String {
    match parse(text, env) {
        Ok(_) => "no problem".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

/// What a written threshold is read as.
fn threshold(cosine: f32) -> Admission {
    Admission::Threshold(Similarity::new(cosine).unwrap())
}

/// The notices about `text`, one a line.
fn notices(text: &str) -> String {
    match parse(text, &[]) {
        Ok((_, notices)) => notices
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
        Err(problems) => panic!("{problems}"),
    }
}
