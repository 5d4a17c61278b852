//! What is kept of Responses: `[responses]`.
//!
//! Plain data. Invariant: every number is within the range its documentation names.

use std::time::Duration;

use super::quantity::ByteSize;

/// `[responses]`: the store behind `store` and `previous_response_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responses {
    /// Whether responses are kept at all.
    pub store: bool,
    /// How long each is kept; a year at most.
    pub ttl: Duration,
    /// Memory for all of them together, 1 MiB or more.
    pub max_bytes: ByteSize,
}
