//! What `[[models]]` and `[[tasks]]` say about their routes, and `[routing]`, as written.
//!
//! Targets and names of models stay text here: where they lead is known in `resolve`. Invariant:
//! weights that can't be used were noted.

use std::ops::Bound;

use super::values::{Zero, duration, tokens};
use crate::{
    config::{
        defaults,
        problem::{At, Origin, quoted},
        reader::Section,
        routes::Routing,
    },
    ident::TaskName,
    policy::{hedge, routing::strategy::Strategy, truncate::Overflow},
    units::{Share, Similarity, Tokens},
};

/// Texts of a list, each with its place.
pub(crate) type Texts<'t> = Vec<At<'t, &'t str>>;

/// The keys of [`RouteEntry`].
pub(super) const KEYS: [&str; 8] = [
    "strategy",
    "weights",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "max_input_tokens",
    "on_overflow",
    "hedge",
];

/// What an entry says about its route.
#[derive(Debug)]
pub(crate) struct RouteEntry<'t> {
    pub(crate) strategy: Strategy,
    pub(crate) weights: Vec<u32>,
    pub(crate) fallbacks: Texts<'t>,
    pub(crate) context_window_fallbacks: Texts<'t>,
    pub(crate) content_policy_fallbacks: Texts<'t>,
    pub(crate) max_input_tokens: Option<At<'t, Tokens>>,
    pub(crate) on_overflow: Option<Overflow>,
    pub(crate) hedge: Option<hedge::Rules>,
}

/// `[routing]`, with the task not looked up.
#[derive(Debug)]
pub(crate) struct RoutingEntry<'t> {
    pub(crate) settings: Routing,
    pub(crate) default_task: Option<At<'t, TaskName>>,
}

pub(super) fn routing<'t>(section: &mut Section<'_, 't>) -> RoutingEntry<'t> {
    let default_task = section.parsed("default_task", "a task's name in quotes", |text| {
        TaskName::new(text).map_err(|rule| format!("{rule}, not {}", quoted(text)))
    });
    let default = Routing::default();
    let margin = section.number("margin", &(0.0..=1.0));
    #[expect(clippy::cast_possible_truncation, reason = "a similarity is a f32")]
    let margin = margin.and_then(|at| Similarity::new(at.value as f32));
    let pin = section.switch("pin_conversations");
    let on_overflow = section.choice("on_overflow", &Overflow::NAMES);
    RoutingEntry {
        settings: Routing {
            default_task: None,
            margin: margin.unwrap_or(default.margin),
            pin_conversations: pin.map_or(default.pin_conversations, |at| at.value),
            on_overflow: on_overflow.map_or(default.on_overflow, |at| at.value),
        },
        default_task,
    }
}

/// The keys about the route that models and tasks have.
pub(super) fn route<'t>(section: &mut Section<'_, 't>) -> RouteEntry<'t> {
    let strategy = section.choice("strategy", &Strategy::NAMES);
    let weights = weights(section);
    if let Some(origin) = section.written("weights") {
        misplaced_weights(section, strategy.map(|at| at.value), origin);
    }
    RouteEntry {
        strategy: strategy.map(|at| at.value).unwrap_or_default(),
        weights,
        fallbacks: fallbacks(section, "fallbacks"),
        context_window_fallbacks: fallbacks(section, "context_window_fallbacks"),
        content_policy_fallbacks: fallbacks(section, "content_policy_fallbacks"),
        max_input_tokens: tokens(section, "max_input_tokens"),
        on_overflow: section
            .choice("on_overflow", &Overflow::NAMES)
            .map(|at| at.value),
        hedge: hedge(section),
    }
}

/// Reads `hedge`: true or false, or a table of what is not as usual.
fn hedge(section: &mut Section<'_, '_>) -> Option<hedge::Rules> {
    const KEY: &str = "hedge";
    let mut rules = defaults::HEDGE;
    let origin = if section.is_table(KEY) {
        let example = "{ quantile = 0.95, min_wait = \"100ms\", budget = 0.05 }";
        let table = section.filled_table(KEY, example, |table| {
            let share = |at: Option<At<'_, f64>>| Share::new(at?.value);
            if let Some(quantile) = share(table.number("quantile", &(0.5..=0.999))) {
                rules.quantile = quantile;
            }
            rules.min_wait = duration(table, "min_wait", Zero::Refused, rules.min_wait);
            let range = (Bound::Excluded(0.0), Bound::Included(0.5));
            if let Some(budget) = share(table.number("budget", &range)) {
                rules.budget = budget;
            }
        });
        table?.origin
    } else {
        section.switch(KEY).filter(|at| at.value)?.origin
    };
    let targets = section.length("targets")?;
    if targets + section.length("fast").unwrap_or(0) == 1 {
        let message = "a second target is needed, to be asked where the first is slow";
        section.problem(origin, KEY, message);
    }
    Some(rules)
}

/// The targets of an entry that has to have some.
pub(super) fn required_targets<'t>(section: &mut Section<'_, 't>) -> Texts<'t> {
    section.require("targets", "[\"openai/gpt-4o\"]");
    let Some(targets) = section.list("targets", TARGET, Ok) else {
        return Vec::new();
    };
    if section.length("targets") == Some(0) {
        let message = "nobody would answer; write for example `targets = [\"openai/gpt-4o\"]`";
        section.problem(targets.origin, "targets", message);
    }
    targets.value
}

/// The targets of a list that may be missing or empty.
pub(super) fn targets<'t>(section: &mut Section<'_, 't>, key: &'static str) -> Texts<'t> {
    let list = section.list(key, TARGET, Ok);
    list.map_or_else(Vec::new, |list| list.value)
}

const TARGET: &str = "\"provider/model\"";

fn fallbacks<'t>(section: &mut Section<'_, 't>, key: &'static str) -> Texts<'t> {
    let list = section.list(key, "\"provider/model\" or names of `[[models]]`", Ok);
    list.map_or_else(Vec::new, |list| list.value)
}

fn weights(section: &mut Section<'_, '_>) -> Vec<u32> {
    const LARGEST: u64 = 1_000_000;
    let Some(list) = section.integers("weights", &(0..=LARGEST)) else {
        return Vec::new();
    };
    let weights: Vec<u32> = list
        .value
        .iter()
        .filter_map(|at| u32::try_from(at.value).ok())
        .collect();
    let (Some(written), Some(targets)) = (section.length("weights"), section.length("targets"))
    else {
        return weights;
    };
    if written != targets {
        let message = format!("must be one for each target, {targets} in all, found {written}");
        section.problem(list.origin, "weights", message);
    } else if written == weights.len() && weights.iter().all(|weight| *weight == 0) {
        let message = "nobody would answer: one of them has to be more than 0";
        section.problem(list.origin, "weights", message);
    }
    weights
}

/// Notes weights that nobody would look at. A strategy that is wrong was noted; whether weights belong
/// to it is not known.
fn misplaced_weights<'t>(
    section: &mut Section<'_, 't>,
    strategy: Option<Strategy>,
    origin: Origin<'t>,
) {
    let is_wrong = strategy.is_none() && section.written("strategy").is_some();
    if is_wrong || strategy == Some(Strategy::Weighted) {
        return;
    }
    let message = "have no effect without `strategy = \"weighted\"`";
    section.problem(origin, "weights", message);
}
