//! Who may use the gateway, and for which models.
//!
//! It decides whether a name is allowed; it does not look keys up (`http::auth` does). Invariant: a
//! client has exactly one key, kept as its digest.

use super::{cache::CacheOverrides, pattern::ModelPattern, secret::KeyDigest};
use crate::{
    clock::UnixMillis,
    ident::{ClientName, Namespace},
    policy::{limit::Limits, spend::Budget, truncate::Overflow},
    units::Tokens,
};

/// One `[[clients]]` entry.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name, for logs and metrics; unique.
    pub name: ClientName,
    /// The digest of its key; unique.
    pub key: KeyDigest,
    /// The variable that the key is taken from; `None` if the digest itself is written.
    pub key_env: Option<String>,
    /// The cache namespace that it shares with the others of that namespace; `None` for a cache of
    /// its own.
    pub namespace: Option<Namespace>,
    /// What it may ask for.
    pub allowed_models: AllowedModels,
    /// What is different about the cache for its requests.
    pub cache: CacheOverrides,
    /// The longest prompt that it may send.
    pub max_input_tokens: Option<Tokens>,
    /// What is done with a longer one.
    pub on_overflow: Option<Overflow>,
    /// How much it may ask.
    pub limits: Limits,
    /// What it may spend.
    pub budget: Option<Budget>,
    /// When its key ends.
    pub expires: Option<UnixMillis>,
}

/// The models that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedModels {
    /// Every model.
    All,
    /// Those that match one of the patterns; not empty.
    Only(Vec<ModelPattern>),
}

impl AllowedModels {
    /// Whether a client may ask for the model of this name.
    #[must_use]
    pub fn allows(&self, requested: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| pattern.matches(requested)),
        }
    }
}
