//! Which targets a request is sent to, in which order, and how much of its prompt to each.
//!
//! [`plan`] decides, from counts that were made before; nobody is asked. Invariant: no target that surely
//! can't take a request is on its journey.

use std::{collections::VecDeque, sync::Arc};

use super::{
    attempt::{Load, Tariff},
    catalogue::{Route, Target},
    prompt::Counts,
    tab,
    turns::Stop,
};
use crate::{
    clock::Moment,
    ident::{ModelId, ProviderName},
    policy::{
        routing::{
            ability::{self, Abilities},
            eligible::{self, Fit, Room, Skip},
            strategy::{self, Need},
        },
        truncate::Overflow,
    },
    tokenizer::{Count, Prompt},
    units::Tokens,
    wire::{answer::Usage, ask::Unable, chat::ChatRequest},
};

/// The answer that is reckoned with where a request does not say how long it may be.
pub(super) const USUAL_ANSWER: Tokens = Tokens(500);

/// What a request may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// The longest prompt of the client.
    pub(super) max_input: Option<Tokens>,
    /// What is done with one that is too long.
    pub(super) on_overflow: Overflow,
}

/// Everything that [`plan`] decides from.
pub(super) struct Inquiry<'r> {
    pub(super) route: &'r Route,
    pub(super) request: &'r ChatRequest,
    pub(super) counts: &'r Counts,
    pub(super) budget: Budget,
    /// Who has answered this conversation so far.
    pub(super) pinned: Option<(&'r ProviderName, &'r ModelId)>,
    pub(super) now: Moment,
}

/// One target of a journey.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub(super) target: Target,
    /// Whether its answer may be kept under the route's name.
    pub(super) is_choice: bool,
    /// Whether it is one of the route's targets, not a fallback of any kind.
    pub(super) is_target: bool,
    /// What it is to take.
    pub(super) load: Load,
    /// How many tokens the prompt has by its count, and by the bound where it is not counted.
    pub(super) prompt: Count,
    /// What of it was counted.
    pub(super) counted: Option<Arc<Prompt>>,
    /// How many it may have, if that is known.
    pub(super) room: Option<Room>,
    /// Whether it is there for prompts that are too long for others.
    pub(super) for_long: bool,
    /// What the prompt has to be cut to, if it is too long.
    pub(super) cut_to: Option<Tokens>,
    /// How often it was cut after the provider found it too long.
    pub(super) cuts: u32,
}

/// A request that nobody can take.
#[derive(Debug)]
pub(super) struct Stuck {
    /// What they lack, or how much room there is.
    pub(super) unable: Unable,
    /// Who can't be asked.
    pub(super) passed_over: Vec<(Target, Skip)>,
}

/// The targets of a request, in order.
#[derive(Debug)]
pub(super) struct Journey {
    pub(super) legs: VecDeque<Leg>,
    /// Who is asked instead if a provider finds the prompt too long.
    pub(super) window_legs: Vec<Leg>,
    /// Who is asked instead if a filter refuses the content.
    pub(super) filter_legs: Vec<Leg>,
    /// Who can't be asked.
    pub(super) passed_over: Vec<(Target, Skip)>,
    pub(super) on_overflow: Overflow,
}

/// The journey of a request.
///
/// # Errors
/// [`Stuck`] if nobody on its route can take it.
pub(super) fn plan(inquiry: &Inquiry<'_>) -> Result<Journey, Stuck> {
    let route = inquiry.route;
    let overflow = inquiry.budget.on_overflow;
    let needed = ability::needed(inquiry.request);
    let mut passed_over = Vec::new();
    let targets = able(&route.targets, needed, &mut passed_over);
    let legs_of = |targets: Vec<Target>| -> Vec<Leg> {
        let legs = targets.into_iter().map(|target| inquiry.leg(target));
        legs.collect()
    };
    let ordered = inquiry.ordered(legs_of(targets));
    let fallbacks = legs_of(able(&route.fallbacks, needed, &mut passed_over));
    let mut window_legs = legs_of(able(&route.window_fallbacks, needed, &mut passed_over));
    for leg in &mut window_legs {
        leg.for_long = true;
    }
    let filter_legs = legs_of(able(&route.filter_fallbacks, needed, &mut passed_over));

    let starts_too_long = (ordered.first()).is_some_and(|leg| leg.fit() == Fit::TooLong);
    let mut fits = |legs: Vec<Leg>| -> Vec<Leg> {
        let (fit, too_long): (Vec<_>, Vec<_>) = (legs.into_iter())
            .partition(|leg| overflow == Overflow::Trim || leg.fit() != Fit::TooLong);
        passed_over.extend(too_long.into_iter().map(Leg::too_long));
        fit
    };
    let (ordered, fallbacks) = (fits(ordered), fits(fallbacks));
    let (mut window_legs, filter_legs) = (fits(window_legs), fits(filter_legs));
    let mut legs: VecDeque<Leg> = match overflow {
        Overflow::Reject if starts_too_long => VecDeque::new(),
        Overflow::LargerModel if starts_too_long && ordered.is_empty() => {
            window_legs.drain(..).chain(fallbacks).collect()
        }
        Overflow::LargerModel | Overflow::Reject | Overflow::Trim => {
            ordered.into_iter().chain(fallbacks).collect()
        }
    };
    if let Some((provider, model)) = inquiry.pinned {
        let at = legs.iter().position(|leg| leg.target.is(provider, model));
        let larger = window_legs
            .iter()
            .position(|leg| leg.target.is(provider, model));
        if let Some(leg) = at
            .and_then(|at| legs.remove(at))
            .or_else(|| larger.map(|at| window_legs.remove(at)))
        {
            legs.push_front(leg);
        }
    }
    if legs.is_empty() {
        return Err(Stuck {
            unable: nobody(route, inquiry, &passed_over),
            passed_over,
        });
    }
    Ok(Journey {
        legs,
        window_legs,
        filter_legs,
        passed_over,
        on_overflow: overflow,
    })
}

/// Those of `targets` that have what is needed.
fn able(
    targets: &[Target],
    needed: Abilities,
    passed_over: &mut Vec<(Target, Skip)>,
) -> Vec<Target> {
    let mut able = Vec::with_capacity(targets.len());
    for target in targets {
        match eligible::lacks(needed, &target.limits) {
            None => able.push(target.clone()),
            Some(ability) => passed_over.push((target.clone(), Skip::Lacks(ability))),
        }
    }
    able
}

impl Inquiry<'_> {
    fn leg(&self, target: Target) -> Leg {
        let room = room(&target, self.request, self.route, self.budget);
        let prompt = self.counts.total(target.family);
        let mut leg = Leg {
            is_choice: self.route.chooses(&target),
            is_target: self
                .route
                .targets
                .iter()
                .any(|own| own.is(target.provider(), &target.model)),
            load: self.load(prompt),
            for_long: false,
            prompt,
            counted: self.counts.prompt(target.family).cloned(),
            room,
            cut_to: None,
            cuts: 0,
            target,
        };
        // Where it is not sure, the provider knows.
        if self.budget.on_overflow == Overflow::Trim && leg.fit() == Fit::TooLong {
            leg.cut_to = room.map(|room| room.soft);
        }
        leg
    }

    /// What a call is about to take, with a prompt of this length.
    fn load(&self, prompt: Count) -> Load {
        let used = tab::estimate(self.request, self.counts.bound);
        Load {
            delivery: self.request.delivery(),
            tokens: Usage {
                input: used.input.clamp(prompt.least, prompt.most),
                ..used
            },
            tariff: Tariff::Tokens,
        }
    }

    /// By the strategy of the route.
    fn ordered(&self, legs: Vec<Leg>) -> Vec<Leg> {
        if legs.len() < 2 {
            return legs;
        }
        let candidates: Vec<_> = (legs.iter().map(|leg| &leg.target))
            .map(|target| {
                let delivery = self.request.delivery();
                (target.vitals).candidate(target.weight, target.price, delivery, self.now)
            })
            .collect();
        let prompt = legs.first().map_or(Tokens(0), |leg| leg.prompt.most);
        let need = Need {
            input: prompt,
            output: asked(self.request).unwrap_or(USUAL_ANSWER),
        };
        let order = strategy::order(self.route.strategy, &candidates, need, &mut fastrand::f64);
        order
            .into_iter()
            .filter_map(|place| legs.get(place).cloned())
            .collect()
    }
}

impl Stop for Leg {
    fn target(&self) -> &Target {
        &self.target
    }

    fn is_choice(&self) -> bool {
        self.is_choice
    }

    fn load(&self) -> Load {
        self.load
    }
}

impl Leg {
    /// How the prompt stands to the room that there is.
    pub(super) fn fit(&self) -> Fit {
        self.room.map_or(Fit::Fits, |room| {
            eligible::fit(self.prompt.least, self.prompt.most, room)
        })
    }

    fn too_long(self) -> (Target, Skip) {
        let skip = Skip::TooLong {
            prompt: self.prompt.least,
            limit: self.room.map_or(Tokens(0), |room| room.hard),
        };
        (self.target, skip)
    }
}

/// The tokens that a prompt may have for `target`; `None` if nothing is known.
pub(super) fn room(
    target: &Target,
    request: &ChatRequest,
    route: &Route,
    budget: Budget,
) -> Option<Room> {
    let max_input = max_input(target, route, budget);
    eligible::room(&target.limits, asked(request), max_input)
}

/// The longest prompt that is allowed for `target`, however large its window.
fn max_input(target: &Target, route: &Route, budget: Budget) -> Option<Tokens> {
    let limits = [target.max_input, route.max_input, budget.max_input];
    limits.into_iter().flatten().min()
}

/// How long the answer may be, as the request says.
pub(super) fn asked(request: &ChatRequest) -> Option<Tokens> {
    let count = |name: &str| request.fields().get(name)?.as_u64();
    count("max_completion_tokens")
        .or_else(|| count("max_tokens"))
        .map(Tokens)
}

/// Why nobody can take a request: a lack of room before a lack of abilities, since it can be helped.
fn nobody(route: &Route, inquiry: &Inquiry<'_>, passed_over: &[(Target, Skip)]) -> Unable {
    let largest = passed_over.iter().filter_map(|(target, skip)| match skip {
        Skip::TooLong { prompt, limit } => Some((*limit, *prompt, target)),
        Skip::Lacks(_) => None,
    });
    if let Some((limit, prompt, target)) = largest.max_by_key(|(limit, ..)| *limit) {
        return too_long(
            limit,
            prompt,
            target,
            asked(inquiry.request),
            route,
            inquiry.budget,
        );
    }
    let lacking: Vec<String> = (passed_over.iter())
        .filter_map(|(target, skip)| match skip {
            Skip::Lacks(ability) => Some(format!(
                "{}/{} ({ability})",
                target.provider(),
                target.model
            )),
            Skip::TooLong { .. } => None,
        })
        .collect();
    Unable::Unsupported {
        param: "model".to_owned(),
        message: format!(
            "no model that could answer this can take what it asks for: {}; ask for another model",
            lacking.join(", ")
        ),
    }
}

/// In OpenAI's words, which clients look for.
fn too_long(
    limit: Tokens,
    prompt: Tokens,
    target: &Target,
    answer: Option<Tokens>,
    route: &Route,
    budget: Budget,
) -> Unable {
    let max_input = max_input(target, route, budget);
    let message = match (target.limits.window, answer) {
        _ if max_input.is_some_and(|most| most == limit) => format!(
            "This model's maximum context length is {} tokens for prompts here. However, your messages \
             resulted in {} tokens. Please reduce the length of the messages.",
            limit.0, prompt.0
        ),
        (Some(window), Some(answer)) => format!(
            "This model's maximum context length is {} tokens. However, you requested {} tokens ({} in the \
             messages, {} in the completion). Please reduce the length of the messages or completion.",
            window.0,
            prompt.0.saturating_add(answer.0),
            prompt.0,
            answer.0
        ),
        (window, _) => format!(
            "This model's maximum context length is {} tokens. However, your messages resulted in {} \
             tokens. Please reduce the length of the messages.",
            window.unwrap_or(limit).0,
            prompt.0
        ),
    };
    Unable::TooLong { message }
}
