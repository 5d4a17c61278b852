//! By what a request is known to the cache, and what it demands of a kept answer.

use super::Terms;
use crate::{
    config::CacheOverrides,
    gateway::{
        Caller, Gateway,
        catalogue::Destination,
        setup::{Setup, Wish},
    },
    policy::{
        cacheable::Plan,
        identity::{Identity, Scope},
        learn::Class,
        question::Asked,
    },
    wire::{chat::ChatRequest, controls::Controls},
};

/// A request that has been understood, for which a kept answer is sought.
#[derive(Debug, Clone, Copy)]
pub(in crate::gateway) struct Sought<'a> {
    pub(in crate::gateway) setup: &'a Setup,
    pub(in crate::gateway) request: &'a ChatRequest,
    /// What it asks.
    pub(in crate::gateway) question: Option<&'a Asked<'a>>,
    pub(in crate::gateway) controls: &'a Controls,
    pub(in crate::gateway) caller: &'a Caller,
    pub(in crate::gateway) overrides: CacheOverrides,
    pub(in crate::gateway) destination: &'a Destination,
    pub(in crate::gateway) wish: &'a Wish,
}

/// By what a request is known to the cache.
#[derive(Debug)]
pub(in crate::gateway) struct Known {
    /// Whose entries it may see.
    pub(in crate::gateway) scope: Scope,
    pub(in crate::gateway) identity: Identity,
    pub(in crate::gateway) terms: Terms,
}

impl Gateway {
    /// By what a request is known, for which the cache may do what `plan` says.
    pub(in crate::gateway) fn known_by(&self, sought: &Sought<'_>, plan: &Plan) -> Known {
        let Sought {
            setup,
            request,
            question,
            controls,
            caller,
            overrides,
            destination,
            wish,
        } = *sought;
        let scope =
            (controls.namespace.as_ref()).map_or(caller.scope, |name| caller.scope.within(name));
        let target = setup.target(destination, wish);
        let identity = self.identity(setup, request, question, scope, &target, plan);
        let terms = Terms {
            max_age: controls.max_age,
            admission: (controls.admission)
                .or(overrides.admission)
                .unwrap_or(setup.settings.admission),
            class: Class {
                scope,
                model: target.into(),
                has_matter: question.is_some_and(Asked::has_matter),
            },
        };
        Known {
            scope,
            identity,
            terms,
        }
    }
}
