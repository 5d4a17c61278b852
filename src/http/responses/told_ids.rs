//! Whom the ids were told to that a provider finds things by.

use moka::sync::Cache;

use crate::policy::identity::Scope;

/// The most that are known; of more, those that were least asked for go.
const MOST: u64 = 1 << 17;

/// Ids of items and containers, each of the scope that it was told to. In memory; clones share it.
#[derive(Debug, Clone)]
pub struct ToldIds(Cache<[u8; 32], ()>);

impl Default for ToldIds {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl ToldIds {
    pub(super) fn put(&self, scope: Scope, id: &str) {
        self.0.insert(scope.digest(id.as_bytes()), ());
    }

    pub(super) fn has(&self, scope: Scope, id: &str) -> bool {
        self.0.get(&scope.digest(id.as_bytes())).is_some()
    }
}
