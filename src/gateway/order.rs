//! A request that has been understood, and with whom it may share a call.

use std::sync::Arc;

use super::{
    catalogue::Destination,
    lookup::Recipient,
    record::Ticket,
    reply::Facts,
    setup::{Setup, Wish},
};
use crate::{
    policy::identity::{Fingerprint, Scope},
    wire::chat::ChatRequest,
};

/// A request that has been understood, on its way to an answer.
pub(super) struct Order {
    /// What the configuration said when it came in.
    pub(super) setup: Arc<Setup>,
    pub(super) request: Arc<ChatRequest>,
    /// Whose request it is, or whose namespace.
    pub(super) scope: Scope,
    pub(super) recipient: Recipient,
    pub(super) destination: Destination,
    pub(super) wish: Wish,
    pub(super) facts: Facts,
    /// How to keep the answer, if it may be.
    pub(super) ticket: Option<Ticket>,
}

/// Whoever has the same may share a call. Equal requests are not enough: another name may have other
/// fallbacks, another client another budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallKey {
    fingerprint: Fingerprint,
    generation: u64,
    model: String,
    wish: Wish,
}

impl Order {
    /// What this order's call may be shared by, if its answer may be kept.
    pub(super) fn call_key(&self) -> Option<CallKey> {
        let ticket = self.ticket.as_ref()?;
        Some(CallKey {
            fingerprint: ticket.identity.fingerprint,
            generation: self.setup.generation,
            model: self.request.model().to_owned(),
            wish: self.wish,
        })
    }
}
