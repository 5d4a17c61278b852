//! Decisions, and nothing else: what may be cached, what makes two requests the same, when a
//! neighbour answers a question, which targets serve a model.
//!
//! Everything here is a function of its arguments: no IO, no async, no clock, no chance. Invariant:
//! every "no" has a name (`as_str`) that header, metric and log share.

pub mod admit;
pub mod breaker;
pub mod cacheable;
pub mod hedge;
pub mod identity;
pub mod judge;
pub mod key_ring;
pub mod language;
pub mod learn;
pub mod limit;
pub mod question;
mod recent;
pub mod retry;
pub mod routing;
pub mod selector;
pub mod spend;
pub mod storable;
pub mod surface;
pub mod task;
pub mod truncate;
pub mod veto;
pub mod wording;
pub mod worth;
