//! What models and tasks say about their routes, with the targets that their fallbacks lead to.

use super::{
    fallbacks::{Chains, Kind, Places},
    targets::{Asked, Known, targets},
};
use crate::config::{
    file::{ModelEntry, RouteEntry},
    models::Target,
    problem::{At, Findings},
    routes::RouteRules,
};

/// Resolves routes.
#[derive(Debug)]
pub(super) struct Routes<'e, 't> {
    places: Places<'e>,
    fallbacks: Chains<'e, 't>,
    context_window: Chains<'e, 't>,
    content_policy: Chains<'e, 't>,
}

impl<'e, 't> Routes<'e, 't> {
    /// Reads what the entries, which have these targets, say; circles are noted.
    pub(super) fn new(
        entries: &'e [ModelEntry<'t>],
        targets: &'e [Vec<Target>],
        known: &'e Known<'e>,
        findings: &mut Findings<'_>,
    ) -> Self {
        let places = Places::new(entries, known);
        let mut chains = |kind| Chains::new(kind, entries, targets, &places, findings);
        Self {
            fallbacks: chains(Kind::Any),
            context_window: chains(Kind::ContextWindow),
            content_policy: chains(Kind::ContentPolicy),
            places,
        }
    }

    /// Reads the targets of a task.
    pub(super) fn targets(
        &self,
        key: &str,
        written: &[At<'_, &str>],
        findings: &mut Findings<'_>,
    ) -> Vec<Target> {
        targets(written, key, Asked::OneName, self.places.known, findings)
    }

    /// The rules of the model at this position, which has these targets of its own.
    pub(super) fn of_model(
        &self,
        position: usize,
        entry: &RouteEntry<'_>,
        own: &[Target],
        findings: &mut Findings<'_>,
    ) -> RouteRules {
        rules(
            entry,
            self.fallbacks.of_model(position, own, findings),
            self.context_window.of_model(position, &[], findings),
            self.content_policy.of_model(position, &[], findings),
        )
    }

    /// The rules of a task, which has these targets of its own.
    pub(super) fn of_task(
        &self,
        entry: &RouteEntry<'_>,
        own: &[Target],
        findings: &mut Findings<'_>,
    ) -> RouteRules {
        let places = &self.places;
        rules(
            entry,
            self.fallbacks.of_task(entry, own, places, findings),
            self.context_window.of_task(entry, &[], places, findings),
            self.content_policy.of_task(entry, &[], places, findings),
        )
    }
}

fn rules(
    entry: &RouteEntry<'_>,
    fallbacks: Vec<Target>,
    context_window_fallbacks: Vec<Target>,
    content_policy_fallbacks: Vec<Target>,
) -> RouteRules {
    RouteRules {
        hedge: entry.hedge,
        strategy: entry.strategy,
        weights: entry.weights.clone(),
        fallbacks,
        context_window_fallbacks,
        content_policy_fallbacks,
        max_input_tokens: entry.max_input_tokens.map(|at| at.value),
        on_overflow: entry.on_overflow,
    }
}
