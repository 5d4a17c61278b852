//! `[[models]]` and `[[tasks]]` as written.
//!
//! Targets stay text here: whether their provider exists is known in `resolve`. Invariant: an entry
//! without targets was noted.

use super::{
    NOT_IN_FORCE,
    cache::{OverridesEntry, overrides},
};
use crate::{
    config::{
        pattern::ModelPattern,
        problem::{At, quoted},
        reader::Section,
    },
    ident::{ModelId, TaskName},
    units::{Price, Tokens, Usd},
};

/// One `[[models]]` entry.
#[derive(Debug)]
pub(crate) struct ModelEntry<'t> {
    pub(crate) name: Option<At<'t, ModelPattern>>,
    pub(crate) targets: Vec<At<'t, &'t str>>,
    pub(crate) aliases: Vec<At<'t, ModelId>>,
    pub(crate) context_window: Option<Tokens>,
    pub(crate) max_output_tokens: Option<Tokens>,
    pub(crate) price: Option<Price>,
    pub(crate) cache: OverridesEntry<'t>,
}

/// One `[[tasks]]` entry.
#[derive(Debug)]
pub(crate) struct TaskEntry<'t> {
    pub(crate) name: Option<At<'t, TaskName>>,
    pub(crate) targets: Vec<At<'t, &'t str>>,
    pub(crate) fast: Vec<At<'t, &'t str>>,
    pub(crate) cache: OverridesEntry<'t>,
}

pub(super) fn model<'t>(section: &mut Section<'_, 't>) -> ModelEntry<'t> {
    let name = section.parsed("name", "a name in quotes", |text| {
        ModelPattern::parse(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    section.require("name", "\"gpt-4o\"");
    let targets = required_targets(section);
    let aliases = section.list("aliases", "names in quotes", |text| {
        if text.contains('*') {
            return Err(format!(
                "an alias is a whole name, without `*`: {}",
                quoted(text)
            ));
        }
        ModelId::new(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    let is_pattern = matches!(&name, Some(at) if matches!(at.value, ModelPattern::Prefix(_)));
    if let (Some(aliases), true) = (&aliases, is_pattern) {
        let message = "a pattern has no aliases; write an entry of its own for the name";
        let path = section.path_of("aliases");
        section
            .reader
            .findings
            .problem(aliases.origin, path, message);
    }
    ModelEntry {
        name,
        targets,
        aliases: aliases.map(|at| at.value).unwrap_or_default(),
        context_window: tokens(section, "context_window"),
        max_output_tokens: tokens(section, "max_output_tokens"),
        price: price(section),
        cache: overrides(section),
    }
}

pub(super) fn task<'t>(section: &mut Section<'_, 't>) -> TaskEntry<'t> {
    const ROUTING: [&str; 3] = ["targets", "fast", "examples"];
    let name = section.parsed("name", "a name in quotes", |text| {
        TaskName::new(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    section.require("name", "\"code_generation\"");
    let cache = overrides(section);
    // A task may be there for the cache alone; then its requests go where their model says.
    let is_of_the_cache = ["ttl", "policy", "threshold", "cache"]
        .iter()
        .any(|key| section.written(key).is_some());
    let is_routed = ROUTING.iter().any(|key| section.written(key).is_some());
    let targets = if is_routed || !is_of_the_cache {
        required_targets(section)
    } else {
        targets_of(section, "targets").map_or_else(Vec::new, |at| at.value)
    };
    let fast = targets_of(section, "fast");
    section.list("examples", "prompts in quotes", non_empty);
    for key in ROUTING {
        if let Some(origin) = section.written(key) {
            let path = section.path_of(key);
            section.reader.findings.notice(origin, path, NOT_IN_FORCE);
        }
    }
    TaskEntry {
        name,
        targets,
        fast: fast.map(|at| at.value).unwrap_or_default(),
        cache,
    }
}

fn required_targets<'t>(section: &mut Section<'_, 't>) -> Vec<At<'t, &'t str>> {
    section.require("targets", "[\"openai/gpt-4o\"]");
    let Some(targets) = targets_of(section, "targets") else {
        return Vec::new();
    };
    if section.is_empty_list("targets") {
        let message = "nobody would answer; write for example `targets = [\"openai/gpt-4o\"]`";
        let path = section.path_of("targets");
        section
            .reader
            .findings
            .problem(targets.origin, path, message);
    }
    targets.value
}

fn targets_of<'t>(
    section: &mut Section<'_, 't>,
    key: &'static str,
) -> Option<At<'t, Vec<At<'t, &'t str>>>> {
    section.list(key, "\"provider/model\"", Ok)
}

fn tokens(section: &mut Section<'_, '_>, key: &'static str) -> Option<Tokens> {
    section
        .integer(key, 1..=1_000_000_000)
        .map(|at| Tokens(at.value))
}

fn price(section: &mut Section<'_, '_>) -> Option<Price> {
    let price = section.table("price", "{ input = 2.5, output = 10.0 }", |table| {
        let input = table
            .number("input", &(0.0..))
            .and_then(|at| Usd::new(at.value));
        let output = table
            .number("output", &(0.0..))
            .and_then(|at| Usd::new(at.value));
        table.require("input", "2.5");
        table.require("output", "10.0");
        Some(Price {
            input: input?,
            output: output?,
        })
    });
    price?.value
}

fn non_empty(text: &str) -> Result<&str, String> {
    if text.trim().is_empty() {
        Err("must not be empty".to_owned())
    } else {
        Ok(text)
    }
}
