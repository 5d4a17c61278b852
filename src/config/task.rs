//! The kinds of work that requests may be.
//!
//! Invariant: a task with a route has targets and examples.

use super::{cache::CacheOverrides, models::Target, routes::RouteRules};
use crate::ident::TaskName;

/// One `[[tasks]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its name, as requests say it; unique.
    pub name: TaskName,
    /// Where its requests go if they ask for `auto`; `None` if it is there for the cache alone.
    pub route: Option<TaskRoute>,
    /// What is different about the cache for it.
    pub cache: CacheOverrides,
}

/// Where requests of a task go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRoute {
    /// Who answers; not empty.
    pub targets: Vec<Target>,
    /// Who answers where a quick answer is preferred; may be empty. They go before `targets` then.
    pub fast: Vec<Target>,
    /// Prompts that are such work; not empty.
    pub examples: Vec<String>,
    /// In which order the targets are asked, and who is asked after them.
    pub rules: RouteRules,
}
