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
        let receipt = (chat_ids(id).iter())
            .find_map(|id| self.store.redeem(id, caller.own))
            .ok_or(Error::UnknownAnswer)?;
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

/// The ids that the answer may have as a chat answer which its client knows as `id`: another interface has the same
/// with its own prefix (`msg_…`, `resp_…`), or behind ours the one that the provider gave it.
fn chat_ids(id: &str) -> Vec<String> {
    const OURS: &str = "chatcmpl-";
    const THEIRS: [&str; 3] = ["msg_", "resp_", "cmpl-"];
    let mut ids = vec![id.to_owned()];
    if !id.starts_with(OURS) {
        ids.push(format!("{OURS}{id}"));
        let bare = THEIRS.iter().find_map(|prefix| id.strip_prefix(prefix));
        ids.extend(bare.map(|bare| format!("{OURS}{bare}")));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_by_the_id_that_its_client_knows() {
        assert_eq!(chat_ids("chatcmpl-a"), ["chatcmpl-a"]);
        assert_eq!(chat_ids("msg_a"), ["msg_a", "chatcmpl-msg_a", "chatcmpl-a"]);
        assert_eq!(chat_ids("x"), ["x", "chatcmpl-x"]);
    }
}
