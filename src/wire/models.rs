//! `GET /v1/models`. Source: <https://platform.openai.com/docs/api-reference/models> (seen 2026-11).

use serde::{Deserialize, Serialize};

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelObject {
    /// What a request calls it.
    pub id: String,
    /// Always `model`.
    #[serde(default = "model")]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub created: u64,
    /// The provider that serves it.
    #[serde(default)]
    pub owned_by: String,
}

fn model() -> String {
    "model".to_owned()
}

impl ModelObject {
    /// A model that this gateway offers.
    #[must_use]
    pub fn new(id: &str, owned_by: &str, created: u64) -> Self {
        Self {
            id: id.to_owned(),
            object: model(),
            created,
            owned_by: owned_by.to_owned(),
        }
    }
}

/// A list of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    #[serde(default = "list")]
    pub object: String,
    /// The models.
    pub data: Vec<ModelObject>,
}

fn list() -> String {
    "list".to_owned()
}

impl ModelList {
    /// A list of `data`.
    #[must_use]
    pub fn new(data: Vec<ModelObject>) -> Self {
        Self {
            object: list(),
            data,
        }
    }
}
