//! Tasks with their routes, and the one that stands for what is not recognised.
//!
//! Invariant: each name is there once, and the default has a route.

use super::{names::Names, routes::Routes};
use crate::{
    config::{
        defaults,
        file::{RoutingEntry, TaskEntry},
        problem::{Findings, quoted},
        routes::Routing,
        suggest,
        task::{Task, TaskRoute},
    },
    ident::TaskName,
};

/// `None` only if a problem was noted.
pub(super) fn resolve(
    entries: &[TaskEntry<'_>],
    routes: &Routes<'_, '_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Task>> {
    let mut names = Names::default();
    let tasks: Vec<Option<Task>> = entries
        .iter()
        .map(|task| {
            if let Some(name) = &task.name {
                names.add("tasks.name", name.value.as_str(), name.origin, findings);
            }
            let route = task.route.as_ref().map(|route| {
                let targets = routes.targets("tasks.targets", &route.targets, findings);
                TaskRoute {
                    fast: routes.targets("tasks.fast", &route.fast, findings),
                    examples: route.examples.clone(),
                    rules: routes.of_task(&route.rules, &targets, findings),
                    targets,
                }
            });
            Some(Task {
                name: task.name.as_ref()?.value.clone(),
                route,
                cache: task.cache.overrides,
            })
        })
        .collect();
    tasks.into_iter().collect()
}

/// `[routing]` with its default task.
pub(super) fn routing(
    entry: RoutingEntry<'_>,
    tasks: &[TaskEntry<'_>],
    findings: &mut Findings<'_>,
) -> Routing {
    let routed = || tasks.iter().filter(|task| task.route.is_some());
    let names = |task: &TaskEntry<'_>| task.name.as_ref().map(|name| name.value.clone());
    let routed: Vec<TaskName> = routed().filter_map(names).collect();
    let Some(written) = entry.default_task else {
        let usual = routed.iter().find(|name| name.as_str() == defaults::TASK);
        return Routing {
            default_task: usual.or(routed.first()).cloned(),
            ..entry.settings
        };
    };
    if !routed.contains(&written.value) {
        let name = quoted(written.value.as_str());
        let is_task = tasks
            .iter()
            .filter_map(names)
            .any(|task| task == written.value);
        let message = if is_task {
            format!("the task {name} has no `targets`, so nobody would answer")
        } else {
            let routed: Vec<&str> = routed.iter().map(TaskName::as_str).collect();
            let hint = suggest::hint(written.value.as_str(), &routed);
            format!("no `[[tasks]]` has the name {name}{hint}")
        };
        findings.problem(written.origin, "routing.default_task", message);
    }
    Routing {
        default_task: Some(written.value),
        ..entry.settings
    }
}
