//! What an operator does with kept answers, beside forgetting them.

use super::{Gateway, learn::Near};
use crate::{
    cache::memory::Pinned,
    embed::{EmbedError, Embedding},
    policy::identity::Fingerprint,
    telemetry::names,
};

impl Gateway {
    /// Has an answer stay whatever its time and worth, until it is unpinned or purged; or no longer.
    #[must_use]
    pub fn pin(&self, fingerprint: &Fingerprint, pinned: bool) -> Pinned {
        let encoder = self.encoder.as_ref().map(|encoder| encoder.encoder());
        self.store.pin(fingerprint, pinned, encoder.as_ref())
    }

    /// Forgets an answer that an operator found to be wrong; says whether there was one.
    ///
    /// If it has answered questions of its meaning, and that is still remembered, this counts as a complaint about
    /// the most doubtful of these hits, as that of the client who got it would. Otherwise nothing is learned: that an
    /// answer is wrong for its own question says nothing of where to admit others. Looks at everything that was
    /// answered lately: not for async workers.
    #[must_use]
    pub fn condemn(&self, fingerprint: Fingerprint) -> bool {
        let Some(entry) = self.store.get(&fingerprint) else {
            return false;
        };
        let doubtful = self.store.doubtful(fingerprint);
        if let Some(admitted) = doubtful.and_then(|receipt| receipt.admitted) {
            self.learner.told(&Near { entry, admitted }, false);
        }
        metrics::counter!(names::CACHE_COMPLAINTS).increment(1);
        // The learner may have been faster.
        self.store.forget(fingerprint) || !self.store.contains(&fingerprint)
    }

    /// The vector of a text; `None` if there is no encoder.
    ///
    /// # Errors
    /// [`EmbedError`] of the encoder.
    pub async fn encode(&self, text: &str) -> Option<Result<Embedding, EmbedError>> {
        let encoder = self.encoder.as_ref()?;
        Some(encoder.embed(text).await)
    }
}
