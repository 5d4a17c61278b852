//! What clients say of the answers that they got.

use super::{Caller, Gateway, learn::Near};
use crate::{error::Error, telemetry::names};

/// What a client says of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answers the question.
    Right,
    /// It does not.
    Wrong,
}

impl Gateway {
    /// Takes a verdict in; says whether an entry was forgotten for it. Each answer counts once, and
    /// only for whoever got it.
    ///
    /// # Errors
    /// [`Error::UnknownAnswer`].
    pub fn feedback(&self, caller: &Caller, id: &str, verdict: Verdict) -> Result<bool, Error> {
        let receipt = (self.store.redeem(id, caller.own)).ok_or(Error::UnknownAnswer)?;
        if let (Some(admitted), Some(entry)) = (receipt.admitted, self.store.get(&receipt.entry)) {
            let near = Near { entry, admitted };
            self.learner.told(&near, verdict == Verdict::Right);
        }
        if verdict == Verdict::Right {
            return Ok(false);
        }
        metrics::counter!(names::CACHE_COMPLAINTS).increment(1);
        Ok(self.store.condemn(receipt.entry) || !self.store.contains(&receipt.entry))
    }
}
