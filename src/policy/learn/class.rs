//! What is counted together, and what is remembered of a neighbour that was admitted.

use serde::{Deserialize, Serialize};

use super::Rule;
use crate::policy::{admit::Score, identity::Scope};

/// Questions whose errors are counted together. One tenant's, so that nobody moves another's point.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Class {
    /// Whose questions.
    pub scope: Scope,
    /// The provider and model that answer them.
    pub model: Box<str>,
    /// Whether they are about a matter that has to be equal.
    pub has_matter: bool,
}

/// What speaks for a neighbour.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// What its errors are counted under.
    pub class: Class,
    /// What the point of its class may do.
    pub rule: Rule,
    /// Its score.
    pub score: Score,
}
