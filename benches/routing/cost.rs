//! What a stream of prompts costs, sent to the models of their tasks or to the best for all.
//!
//! It says nothing about how good the answers are: for that, the models would have to be asked.

use std::error::Error;

use refrain::{
    config::{Config, Target, TargetModel},
    units::{Price, Tokens},
};
use serde::Serialize;

use crate::measure::{Decision, Prompt, Share, World};

/// Assumed lengths of answers, in tokens; a translation is as long as what is translated.
const ANSWERS: [(&str, u64); 8] = [
    ("code_generation", 600),
    ("sql", 200),
    ("reasoning", 900),
    ("long_context", 500),
    ("chat", 200),
    ("summarise", 150),
    ("extract", 150),
    ("simple", 20),
];

/// A task's first target and what it costs.
#[derive(Debug)]
struct Route {
    target: String,
    price: Price,
}

/// Dollars for one stream.
#[derive(Debug, Serialize)]
pub struct Costs {
    pub stream: &'static str,
    pub prompts: usize,
    /// The target that would be the dearest for all.
    pub best: String,
    pub everything_to_the_best: f64,
    pub routed_by_truth: f64,
    pub routed: f64,
    pub routed_by_shuffled_examples: f64,
}

/// Prompts whose model is weaker than what they need.
#[derive(Debug, Serialize)]
pub struct Downgraded {
    pub task: String,
    /// Sent to the model of `simple`.
    pub to_simple: Share,
    /// Sent to a model that costs less than half as much.
    pub to_half_the_price: Share,
    /// The same with shuffled examples, in the mean, in per cent.
    pub shuffled_to_half_the_price: f64,
}

/// The models that are asked first for each task.
#[derive(Debug)]
pub struct Prices(Vec<Route>);

impl Prices {
    pub fn of(config: &Config) -> Result<Self, Box<dyn Error>> {
        let routes = config.tasks.iter().filter_map(|task| task.route.as_ref());
        let routes = routes.map(|route| {
            let target = route.targets.first().ok_or("a task without targets")?;
            let name = shown(target);
            let models = config
                .models
                .iter()
                .filter(|model| model.targets == [target.clone()]);
            let price = models.filter_map(|model| model.price).next();
            let price = price.ok_or_else(|| format!("providers.toml has no price for {name}"))?;
            Ok(Route {
                target: name,
                price,
            })
        });
        routes.collect::<Result<_, Box<dyn Error>>>().map(Self)
    }

    /// Dollars for the answer to `prompt` from the target of the task at `place`.
    fn cost(&self, world: &World, prompt: &Prompt, place: usize) -> f64 {
        let input = Tokens(prompt.bytes.div_ceil(4) as u64);
        let name = world
            .names
            .get(prompt.task)
            .map_or("", |name| name.as_str());
        let known = ANSWERS.iter().find(|(task, _)| *task == name);
        let output = known.map_or(input, |(_, tokens)| Tokens(*tokens));
        self.0
            .get(place)
            .map_or(0.0, |route| route.price.of(input, output).get())
    }

    /// Dollars for all of `decisions`, each with the target of the task that `place` gives.
    fn total(
        &self,
        world: &World,
        decisions: &[&Decision<'_>],
        place: impl Fn(&Decision<'_>) -> usize,
    ) -> f64 {
        let costs = decisions.iter();
        costs
            .map(|decision| self.cost(world, decision.prompt, place(decision)))
            .sum()
    }

    /// The costs of the prompts that `belongs` picks, as decided and as decided by shuffled examples.
    pub fn compare(
        &self,
        stream: &'static str,
        world: &World,
        decisions: &[Decision<'_>],
        controls: &[Vec<Decision<'_>>],
        belongs: impl Fn(&Prompt) -> bool,
    ) -> Result<Costs, Box<dyn Error>> {
        let picked: Vec<_> = decisions.iter().filter(|of| belongs(of.prompt)).collect();
        let all = self
            .0
            .iter()
            .enumerate()
            .map(|(place, route)| (self.total(world, &picked, |_| place), &route.target));
        let best = all
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .ok_or("no tasks")?;
        let shuffled = controls.iter().map(|control| {
            let picked: Vec<_> = control.iter().filter(|of| belongs(of.prompt)).collect();
            self.total(world, &picked, |decision| decision.task)
        });
        Ok(Costs {
            stream,
            prompts: picked.len(),
            best: best.1.clone(),
            everything_to_the_best: best.0,
            routed_by_truth: self.total(world, &picked, |decision| decision.prompt.task),
            routed: self.total(world, &picked, |decision| decision.task),
            routed_by_shuffled_examples: shuffled.sum::<f64>() / controls.len() as f64,
        })
    }

    /// What became of the prompts of `task`.
    pub fn downgraded(
        &self,
        world: &World,
        decisions: &[Decision<'_>],
        controls: &[Vec<Decision<'_>>],
        task: &str,
    ) -> Downgraded {
        let is = |place: usize, name: &str| {
            world
                .names
                .get(place)
                .is_some_and(|known| known.as_str() == name)
        };
        let is_cheap = |decision: &Decision<'_>| {
            let cost = |place| self.cost(world, decision.prompt, place);
            2.0 * cost(decision.task) < cost(decision.prompt.task)
        };
        let share = |decisions: &[Decision<'_>], bad: &dyn Fn(&Decision<'_>) -> bool| {
            let of_task = decisions
                .iter()
                .filter(|decision| is(decision.prompt.task, task));
            Share::of(of_task.map(bad))
        };
        let shuffled = controls
            .iter()
            .map(|control| share(control, &is_cheap).percent);
        Downgraded {
            task: task.to_owned(),
            to_simple: share(decisions, &|decision| is(decision.task, "simple")),
            to_half_the_price: share(decisions, &is_cheap),
            shuffled_to_half_the_price: shuffled.sum::<f64>() / controls.len() as f64,
        }
    }
}

fn shown(target: &Target) -> String {
    match &target.model {
        TargetModel::Named(model) => format!("{}/{model}", target.provider),
        TargetModel::AsRequested => format!("{}/*", target.provider),
    }
}
