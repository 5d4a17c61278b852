//! The settings of the cache: `[cache]`, and what a model, a client or a task says instead.
//!
//! Plain data; which of several settings goes before which is the gateway's to say. Invariant: every
//! number is within the range its documentation names.

use std::{path::PathBuf, time::Duration};

use super::{quantity::ByteSize, secret::Secret};
use crate::{
    ident::ModelId,
    units::{Admission, Share, words},
};

/// `[cache]`: what is kept, and when it is served.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Whether anything is cached at all.
    pub enabled: bool,
    /// Whether paraphrases are served, beside identical requests.
    pub semantic: bool,
    /// Whether hits are served, or only recorded.
    pub mode: CacheMode,
    /// What it takes for a paraphrase's answer; a threshold is 0.5 to 1.
    pub admission: Admission,
    /// Whether the point of admission moves with what is observed.
    pub learning: bool,
    /// The share of semantic hits that may be wrong, 0.0001 to 0.2. Learning never goes past it.
    pub max_false_hits: Share,
    /// The share of would-be semantic hits that are answered fresh, to compare the two answers.
    pub shadow_checks: Share,
    /// The model that says whether two answers say the same; one of the configured names. `None`
    /// leaves it to a comparison on this machine.
    pub judge_model: Option<ModelId>,
    /// Who shares entries.
    pub scope: CacheScope,
    /// How long an answer is served.
    pub ttl: Duration,
    /// The same for prompts whose answer ages fast; at most `ttl`, zero for not at all.
    pub volatile_ttl: Duration,
    /// Words and phrases that make a prompt one whose answer ages fast, beside the built-in ones:
    /// lower case, words one space apart, 1 to 100 characters; at most 200, none twice.
    pub volatile_patterns: Vec<String>,
    /// How long past its time an answer is still served while a fresh one is fetched; at most 30
    /// days.
    pub stale_while_revalidate: Duration,
    /// How long past its time an answer is served if no provider answers; at most 30 days.
    pub stale_if_error: Duration,
    /// The number of the present generation; entries of another one are not served.
    pub generation: u64,
    /// Memory for all entries together.
    pub max_bytes: ByteSize,
    /// The largest entry that is kept; at most `max_bytes`.
    pub max_entry_bytes: ByteSize,
    /// Memory for the vectors of `/v1/embeddings`, beside `max_bytes`; zero to keep none.
    pub max_embedding_bytes: ByteSize,
    /// The directory where entries outlive the process; a relative path in the file counts from the
    /// file's directory. `None` for in memory only.
    pub data_dir: Option<PathBuf>,
    /// The variable that `secret` is taken from.
    pub secret_env: Option<String>,
    /// What the scopes of callers are keyed with, 16 characters or more; no client's and not the
    /// admin's key. `None` if the gateway is to make one.
    pub secret: Option<Secret>,
    /// Entries of one partition above which an index replaces the flat scan, 64 or more.
    pub index_above: usize,
    /// Whether callers are told the similarity of a hit (an oracle about other prompts).
    pub show_similarity: bool,
}

/// What is done with a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// It is served.
    #[default]
    Serve,
    /// The provider answers, and what would have been served is recorded.
    Shadow,
}

words! {
    /// The modes with their names in the file.
    pub(crate) CacheMode {
        Serve = "serve",
        Shadow = "shadow",
    }
}

/// Who shares entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CacheScope {
    /// All requests with one key, or of one namespace.
    #[default]
    Key,
    /// Of those, the requests for one end user (`user` or `safety_identifier`).
    User,
}

words! {
    /// The scopes with their names in the file.
    pub(crate) CacheScope {
        Key = "key",
        User = "user",
    }
}

/// What a model, a client or a task says about the cache; `None` leaves it as it is elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheOverrides {
    /// How long its answers are served: more than zero, and possibly longer than [`Cache::ttl`].
    pub ttl: Option<Duration>,
    /// What it takes for a paraphrase's answer; a threshold is 0.5 to 1.
    pub admission: Option<Admission>,
    /// Whether the cache is used for it.
    pub enabled: Option<bool>,
}

impl CacheOverrides {
    /// These overrides, and where they say nothing, those of something more `general`.
    #[must_use]
    pub fn or(self, general: Self) -> Self {
        Self {
            ttl: self.ttl.or(general.ttl),
            admission: self.admission.or(general.admission),
            enabled: self.enabled.or(general.enabled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Policy;

    #[test]
    fn what_is_not_said_is_as_it_is_elsewhere() {
        let task = CacheOverrides {
            ttl: Some(Duration::from_secs(5)),
            ..CacheOverrides::default()
        };
        let model = CacheOverrides {
            ttl: Some(Duration::from_secs(9)),
            admission: Some(Admission::Policy(Policy::Strict)),
            enabled: Some(false),
        };
        let expected = CacheOverrides {
            ttl: task.ttl,
            ..model
        };
        assert_eq!(task.or(model), expected);
        assert_eq!(CacheOverrides::default().or(model), model);
    }
}
