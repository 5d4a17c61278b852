//! `providers.toml` and the environment, read once into a [`Config`].
//!
//! It parses and checks; it opens no file, reads no environment and contacts nobody: text and
//! lookup come in as [`Sources`]. Two types keep what was written (`file`) apart from what is used
//! ([`Config`]). Invariant: a [`Config`] is consistent. Names lead to what they name, keys are
//! usable, numbers are in range; nothing downstream checks again.

mod applied;
mod base_url;
mod cache;
mod client;
mod compat;
mod defaults;
mod endpoints;
mod file;
mod models;
mod moment;
mod overrides;
mod pattern;
mod problem;
mod provider;
mod quantity;
mod reader;
mod resolve;
mod responses;
mod routes;
mod secret;
mod settings;
mod shown;
mod suggest;
mod task;
mod telemetry;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use self::{
    applied::Applied,
    cache::{Cache, CacheMode, CacheOverrides, CacheScope},
    client::{AllowedModels, Client},
    compat::{Compat, ModelEdits, PathTemplate},
    endpoints::{Endpoint, Endpoints},
    models::{Model, ModelTable, Target, TargetModel},
    pattern::ModelPattern,
    problem::{Notice, Place, Problem, Problems},
    provider::{Activation, ModelLimits, Provider, ProviderKind, ProviderLimits, Timeouts},
    quantity::ByteSize,
    responses::Responses,
    routes::{RouteRules, Routing},
    secret::{KeyDigest, Secret},
    settings::{Admin, Embedding, Server},
    suggest::nearest,
    task::{Task, TaskRoute},
    telemetry::{LogForm, Telemetry, Traces},
};
use self::{
    overrides::Overrides,
    problem::{Findings, Origin},
    reader::Reader,
};
use crate::clock::UnixMillis;

/// What a configuration is made of.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The file's path, for messages and for relative paths in the file.
    pub path: &'a Path,
    /// The file's text.
    pub text: &'a str,
    /// Looks up an environment variable that the file names for a key, or `OLLAMA_HOST`, or one of OpenTelemetry's.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The environment's variables that begin with `REFRAIN_`, with their values. Those with a
    /// double underscore (`REFRAIN_CACHE__TTL`) go before the file.
    pub env_overrides: &'a [(String, String)],
    /// The present, for what ends at some time.
    pub now: UnixMillis,
}

impl std::fmt::Debug for Sources<'_> {
    /// Only the path: the text may hold a secret that somebody wrote into it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Everything that can be configured, checked and resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its file is.
    pub path: PathBuf,
    /// The names of the variables that set something instead of the file.
    pub environment: Vec<String>,
    /// The listening side.
    pub server: Server,
    /// The admin page.
    pub admin: Admin,
    /// The encoder of the semantic tier.
    pub embedding: Embedding,
    /// What is kept, and when it is served.
    pub cache: Cache,
    /// What is kept of Responses.
    pub responses: Responses,
    /// What is told of requests.
    pub telemetry: Telemetry,
    /// Who may use the gateway; empty means everybody who reaches it.
    pub clients: Vec<Client>,
    /// Who answers, active or not, in the order of the file.
    pub providers: Vec<Provider>,
    /// What may be asked for. Targets name any of `providers`, also an inactive one.
    pub models: ModelTable,
    /// How requests find their targets, where nothing more special says it.
    pub routing: Routing,
    /// The kinds of work, in the order of the file.
    pub tasks: Vec<Task>,
    /// Who takes what is handed on as it is.
    pub endpoints: Endpoints,
}

impl Config {
    /// Reads a configuration, with notices about what is accepted but has no effect.
    ///
    /// # Errors
    /// All problems at once. If the text is not TOML, only those of its syntax: settings of a text
    /// that was guessed at would be reported wrongly.
    pub fn parse(sources: &Sources<'_>) -> Result<(Self, Vec<Notice>), Problems> {
        let (root, errors) = DeTable::parse_recoverable(sources.text);
        let mut reader = Reader {
            findings: Findings::new(sources.path, sources.text),
            overrides: Overrides::new(sources.env_overrides),
        };
        if !errors.is_empty() {
            for error in errors {
                let offset = error.span().map_or(0, |span| span.start);
                reader
                    .findings
                    .problem(Origin::Offset(offset), "syntax", error.message());
            }
            return Err(reader.findings.into_syntax_problems());
        }
        let file = file::read(&mut reader, root.get_ref());
        let config = resolve::resolve(file, sources, &mut reader.findings);
        reader.findings.into_result(config)
    }
}
