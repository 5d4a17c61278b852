//! `[[tasks]]` as written.
//!
//! Invariant: an entry with a part of a route, but without targets or without examples, was noted.

use super::{
    cache::{OverridesEntry, overrides},
    routes::{self, RouteEntry, Texts, required_targets, route, targets},
};
use crate::{
    config::{
        problem::{At, Origin, quoted},
        reader::Section,
    },
    ident::TaskName,
};

/// One `[[tasks]]` entry.
#[derive(Debug)]
pub(crate) struct TaskEntry<'t> {
    pub(crate) name: Option<At<'t, TaskName>>,
    /// `None` if nothing is said about one.
    pub(crate) route: Option<TaskRouteEntry<'t>>,
    pub(crate) cache: OverridesEntry<'t>,
    origin: Origin<'t>,
}

/// Where the requests of a task go.
#[derive(Debug)]
pub(crate) struct TaskRouteEntry<'t> {
    pub(crate) targets: Texts<'t>,
    pub(crate) fast: Texts<'t>,
    pub(crate) examples: Vec<String>,
    pub(crate) rules: RouteEntry<'t>,
}

pub(super) fn tasks<'t>(root: &mut Section<'_, 't>) -> Vec<TaskEntry<'t>> {
    // Every prompt for `auto` is compared with the examples of all of them.
    const MOST: usize = 100;
    let tasks = root.entries("tasks", task);
    if let Some(task) = tasks.get(MOST) {
        let message = format!("must be at most {MOST} tasks, found {}", tasks.len());
        root.problem(task.origin, "tasks", message);
    }
    tasks
}

fn task<'t>(section: &mut Section<'_, 't>) -> TaskEntry<'t> {
    let name = section.parsed("name", "a name in quotes", |text| {
        if text == "auto" {
            return Err("`auto` asks for the task to be recognised; take another name".to_owned());
        }
        TaskName::new(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    section.require("name", "\"code_generation\"");
    let cache = overrides(section);
    let is_written = |key: &&str| section.written(key).is_some();
    let is_routed = ["targets", "fast", "examples"].iter().any(is_written)
        || routes::KEYS.iter().any(is_written);
    // A task may be there for the cache alone; then its requests go where their model says.
    let is_of_the_cache = ["ttl", "policy", "threshold", "cache"]
        .iter()
        .any(is_written);
    let is_for_the_cache_alone = is_of_the_cache && !is_routed;
    let targets_written = if is_for_the_cache_alone {
        targets(section, "targets")
    } else {
        required_targets(section)
    };
    let fast = targets(section, "fast");
    let examples = examples(section);
    if !is_for_the_cache_alone {
        section.require("examples", "[\"Write a function that …\"]");
    }
    let rules = route(section);
    let route = TaskRouteEntry {
        targets: targets_written,
        fast,
        examples,
        rules,
    };
    TaskEntry {
        name,
        route: is_routed.then_some(route),
        cache,
        origin: section.origin,
    }
}

fn examples(section: &mut Section<'_, '_>) -> Vec<String> {
    const MOST: usize = 1000;
    const LONGEST: usize = 2000;
    let list = section.list("examples", "prompts in quotes", |text| {
        if text.trim().is_empty() {
            return Err("must not be empty".to_owned());
        }
        let length = text.chars().count();
        if length > LONGEST {
            return Err(format!(
                "must be at most {LONGEST} characters, found {length}"
            ));
        }
        Ok(text.to_owned())
    });
    let Some(list) = list else {
        return Vec::new();
    };
    let written = section.length("examples");
    let message = match written {
        Some(0) => "no prompt would be recognised as such work; write some that are".to_owned(),
        Some(written) if written > MOST => {
            format!("must be at most {MOST} examples, found {written}")
        }
        Some(_) | None => return list.value.into_iter().map(|at| at.value).collect(),
    };
    section.problem(list.origin, "examples", message);
    Vec::new()
}
