//! What a dry run tells, as JSON.

use serde::Serialize;

use crate::gateway::explain::Explained;

/// What would become of a request, with reasons.
#[derive(Debug, Serialize)]
pub struct Why {
    pub(super) cache: Outcome,
    pub(super) identity: Named,
    /// The kept answer that would be given, and then the nearest kept questions, nearest first.
    pub(super) candidates: Vec<Candidate>,
    /// What a question of the same meaning must reach; `None` if none may answer.
    pub(super) admission: Option<Bar>,
    /// Where it would go if the cache did not answer.
    pub(super) route: Explained,
}

/// What the cache would do.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// `hit`, `miss` or `bypass`.
    pub(super) outcome: &'static str,
    /// How the answer would be found; in shadow mode, how it would have been.
    pub(super) tier: Option<&'static str>,
    /// Why it does not answer.
    pub(super) reason: Option<&'static str>,
    pub(super) sentence: String,
    /// Whether it is asked at all.
    pub(super) lookup: bool,
    /// How long a fresh answer would be kept.
    pub(super) keep_seconds: Option<u64>,
    /// Since when the answer's time is over.
    pub(super) stale_seconds: Option<u64>,
    pub(super) semantic: Eligible,
}

/// Whether a question of the same meaning may answer.
#[derive(Debug, Serialize)]
pub(super) struct Eligible {
    pub(super) eligible: bool,
    pub(super) reason: Option<&'static str>,
}

/// By what a request is known to the cache.
#[derive(Debug, Serialize)]
pub(super) struct Named {
    pub(super) fingerprint: String,
    pub(super) partition: String,
    pub(super) surface: Option<String>,
    /// Whose entries it may see.
    pub(super) scope: String,
    /// The part of the prompt that may be worded differently.
    pub(super) question: Option<String>,
}

/// What a neighbour must reach.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    /// Where the admission point is.
    pub(super) point: f32,
    /// Where it was before anything was learned.
    pub(super) start: f32,
    pub(super) why: &'static str,
    pub(super) policy: Option<&'static str>,
    /// The plain number that was configured or asked for, where there is no policy.
    pub(super) threshold: Option<f32>,
}

/// A kept answer that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Candidate {
    pub(super) id: String,
    pub(super) prompt: String,
    pub(super) similarity: Option<f32>,
    pub(super) score: Option<f32>,
    pub(super) age_seconds: u64,
    pub(super) is_fresh: bool,
    /// `hit`, `veto`, `below_point`, `expired`, `brake` or `not_nearest`.
    pub(super) verdict: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) sentence: String,
}
