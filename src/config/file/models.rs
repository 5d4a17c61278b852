//! `[[models]]` as written.
//!
//! Targets stay text here: whether their provider exists is known in `resolve`. Invariant: an entry
//! without targets, or whose limits contradict each other, was noted.

use super::{
    cache::{OverridesEntry, overrides},
    routes::{RouteEntry, Texts, required_targets, route},
    values::tokens,
};
use crate::{
    config::{
        pattern::ModelPattern,
        problem::{At, quoted},
        reader::Section,
        suggest,
    },
    ident::ModelId,
    policy::routing::ability::{Abilities, Ability},
    units::{Price, Tokens, Usd},
};

/// One `[[models]]` entry.
#[derive(Debug)]
pub(crate) struct ModelEntry<'t> {
    pub(crate) name: Option<At<'t, ModelPattern>>,
    pub(crate) targets: Texts<'t>,
    pub(crate) aliases: Vec<At<'t, ModelId>>,
    pub(crate) rules: RouteEntry<'t>,
    pub(crate) supports: Option<Abilities>,
    pub(crate) context_window: Option<Tokens>,
    pub(crate) max_output_tokens: Option<Tokens>,
    pub(crate) price: Option<Price>,
    pub(crate) cache: OverridesEntry<'t>,
}

pub(super) fn model<'t>(section: &mut Section<'_, 't>) -> ModelEntry<'t> {
    let name = section.parsed("name", "a name in quotes", |text| {
        not_reserved(text)?;
        ModelPattern::parse(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    section.require("name", "\"gpt-4o\"");
    let targets = required_targets(section);
    let aliases = section.list("aliases", "names in quotes", |text| {
        not_reserved(text)?;
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
        section.problem(aliases.origin, "aliases", message);
    }
    let rules = route(section);
    let supports = supports(section);
    let context_window = tokens(section, "context_window");
    let max_output_tokens = tokens(section, "max_output_tokens");
    if let Some(window) = context_window {
        within_window(section, window, max_output_tokens, rules.max_input_tokens);
    }
    ModelEntry {
        name,
        targets,
        aliases: aliases.map(|at| at.value).unwrap_or_default(),
        rules,
        supports,
        context_window: context_window.map(|at| at.value),
        max_output_tokens: max_output_tokens.map(|at| at.value),
        price: price(section),
        cache: overrides(section),
    }
}

/// Refuses the names with which a client leaves the model to the gateway: `auto`, `auto:TASK`.
fn not_reserved(text: &str) -> Result<(), String> {
    if text == "auto" || text.starts_with("auto:") {
        return Err(format!(
            "`auto` leaves the model to `[[tasks]]`; take another name, not {}",
            quoted(text)
        ));
    }
    Ok(())
}

fn supports(section: &mut Section<'_, '_>) -> Option<Abilities> {
    let names: Vec<&str> = Ability::NAMES.iter().map(|(name, _)| *name).collect();
    let mut abilities = Abilities::default();
    section.list("supports", "abilities in quotes", |text| {
        let found = Ability::NAMES.iter().find(|(name, _)| *name == text);
        let Some((_, ability)) = found else {
            let hint = suggest::hint(text, &names);
            return Err(format!("unknown value {}{hint}", quoted(text)));
        };
        if abilities.has(*ability) {
            return Err(format!("{} is there twice", quoted(text)));
        }
        abilities = abilities.with(*ability);
        Ok(())
    })?;
    Some(abilities)
}

/// Notes limits that leave no room: the window holds prompt and answer together.
fn within_window<'t>(
    section: &mut Section<'_, 't>,
    window: At<'t, Tokens>,
    max_output_tokens: Option<At<'t, Tokens>>,
    max_input_tokens: Option<At<'t, Tokens>>,
) {
    if let Some(output) = max_output_tokens.filter(|output| output.value >= window.value) {
        let message = format!(
            "must be more than `max_output_tokens`, which is {}: it is for prompt and answer \
             together, found {}",
            output.value.0, window.value.0
        );
        section.problem(window.origin, "context_window", message);
    }
    if let Some(input) = max_input_tokens.filter(|input| input.value > window.value) {
        let message = format!(
            "must be at most `context_window`, which is {}, found {}",
            window.value.0, input.value.0
        );
        section.problem(input.origin, "max_input_tokens", message);
    }
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
