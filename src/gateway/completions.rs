//! Texts that are to be gone on with: by whom.

use super::{Gateway, catalogue::Destination};
use crate::wire::controls::Controls;

impl Gateway {
    /// Whether requests to go on with a text are for the model `requested` what they say: one of the targets that are
    /// asked first has completions. They are chat requests otherwise.
    ///
    /// Who only stands in for those targets has no say in it, and is not asked unless it has completions too: an answer
    /// to the text is no continuation of it.
    #[must_use]
    pub fn completes(&self, requested: &str, controls: &Controls) -> bool {
        match self.setup().catalogue.destination(requested, controls) {
            Ok(Destination::Route(route)) => {
                let mut targets = route.targets.iter();
                targets.any(|target| target.member.provider.completes(&target.model))
            }
            Ok(Destination::Auto { .. }) | Err(_) => false,
        }
    }
}
