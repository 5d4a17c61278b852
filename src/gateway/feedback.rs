//! What clients say of the answers that they got.

use super::{Caller, Gateway};
use crate::error::Error;

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
        Ok(match verdict {
            Verdict::Right => false,
            Verdict::Wrong => self.store.condemn(receipt.entry),
        })
    }
}
