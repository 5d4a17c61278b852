//! The servers that models are asked of, ready for use.
//!
//! Plain data; `provider` (the module of that name) does the talking. Invariant: an active provider
//! has everything a call needs; an inactive one says what it lacks.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::{compat::Compat, pattern::ModelPattern, secret::Secret};
use crate::{
    ident::ProviderName,
    policy::{breaker, limit::Limits, retry},
    units::words,
};

/// One `[[providers]]` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its name, the part of a target before the slash; unique.
    pub name: ProviderName,
    /// The dialect it speaks.
    pub kind: ProviderKind,
    /// Where it is, without a slash at the end: below it are [`Compat::chat_path`] (OpenAI),
    /// `/models/…` (Gemini), `/messages` (Anthropic) or `/api/chat` (Ollama). `None` for
    /// [`ProviderKind::Demo`] and for no other.
    pub base_url: Option<String>,
    /// The keys, in the order in which they are used; empty if the provider takes none, or is inactive.
    pub api_keys: Vec<Secret>,
    /// The variables that keys are looked for in, set or not.
    pub api_key_envs: Vec<String>,
    /// Headers added to each request; marked sensitive, so they are not printed.
    pub headers: HeaderMap,
    /// How long its answers may take.
    pub timeout: Timeouts,
    /// How failed calls are made again.
    pub retry: retry::Rules,
    /// When one of its models is left alone.
    pub breaker: breaker::Rules,
    /// How much is asked of it.
    pub limits: ProviderLimits,
    /// In what it differs from OpenAI; for [`ProviderKind::OpenAi`].
    pub compat: Compat,
    /// Whether what it can't do is left out of every request, instead of refused.
    pub drop_unsupported: bool,
    /// Whether long system prompts and tools are marked for Anthropic's prompt cache where the client
    /// marks nothing.
    pub prompt_caching: bool,
    /// How long Ollama keeps a model loaded, as a duration of Go with its unit (`10m`, `-1s` for ever).
    pub keep_alive: Option<String>,
    /// Ollama's context window for every request, in tokens, instead of what each one needs.
    pub num_ctx: Option<u32>,
    /// Whether its models are listed at start and offered by their own names. An
    /// [`ProviderKind::Ollama`] that does not answer then counts as inactive.
    pub discover: bool,
    /// Whether it is used.
    pub activation: Activation,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// `OpenAI`, or any server with the same interface.
    OpenAi,
    /// Google Gemini.
    Gemini,
    /// Anthropic.
    Anthropic,
    /// Ollama.
    Ollama,
    /// Canned answers from inside the gateway.
    Demo,
}

words! {
    /// All kinds, by the name they have in the file.
    pub(crate) ProviderKind {
        OpenAi = "openai",
        Gemini = "gemini",
        Anthropic = "anthropic",
        Ollama = "ollama",
        Demo = "demo",
    }
}

/// How long one attempt at a provider may take. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// From the request to the first byte of the answer's content.
    pub first_token: Duration,
    /// Between two chunks of a stream.
    pub idle: Duration,
    /// For all of it.
    pub total: Duration,
}

/// How much is asked of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderLimits {
    /// Of all its models together.
    pub all: Limits,
    /// Of each model that an entry fits, on its own; the first that fits counts.
    pub models: Vec<ModelLimits>,
    /// How long a request waits for its turn where nobody else can answer it.
    pub max_wait: Duration,
}

/// How much is asked of each of these models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// What the provider calls them; not empty.
    pub models: Vec<ModelPattern>,
    /// How much.
    pub limits: Limits,
}

impl ProviderLimits {
    /// What is set for one model on its own.
    #[must_use]
    pub fn of_model(&self, model: &str) -> Limits {
        let fits = |entry: &&ModelLimits| entry.models.iter().any(|pattern| pattern.matches(model));
        let entry = self.models.iter().find(fits);
        entry.map(|entry| entry.limits).unwrap_or_default()
    }
}

/// Whether a provider is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activation {
    /// It is.
    Active,
    /// It is not, for this reason (for people; names variables, never values).
    Inactive(String),
}

impl Activation {
    /// Whether the provider is used.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }
}
