//! What the classifier makes of the labelled prompts, and of examples whose labels are shuffled.

use std::{collections::HashMap, error::Error};

use refrain::{
    config::Config,
    embed::Embed,
    eval::tally::wilson,
    ident::TaskName,
    policy::task::{Examples, Rule, Signals, Why, classify, text_of},
    units::Similarity,
};
use serde::Serialize;

use crate::labelled::{Labelled, Split};

/// How often labels are shuffled.
const SHUFFLES: u64 = 20;

/// A prompt, ready to be classified.
#[derive(Debug)]
pub struct Prompt {
    /// The place of its task.
    pub task: usize,
    pub split: Split,
    pub signals: Signals,
    pub vector: Vec<f32>,
    /// Of the whole request.
    pub bytes: usize,
}

/// Everything that is measured.
#[derive(Debug)]
pub struct World {
    pub names: Vec<TaskName>,
    /// The vectors of the examples, by task.
    pub examples: Vec<Vec<Vec<f32>>>,
    pub prompts: Vec<Prompt>,
    pub rule: Rule,
    /// The cosine of the prompt and the example that are most alike.
    pub most_alike: f32,
}

impl World {
    pub async fn embed(
        config: &Config,
        labelled: &[Labelled],
        encoder: &dyn Embed,
    ) -> Result<Self, Box<dyn Error>> {
        let (mut names, mut examples) = (Vec::new(), Vec::new());
        for task in &config.tasks {
            let Some(route) = &task.route else { continue };
            let mut vectors = Vec::new();
            for example in &route.examples {
                vectors.push(encoder.embed(example).await?.as_slice().to_vec());
            }
            names.push(task.name.clone());
            examples.push(vectors);
        }
        let mut prompts = Vec::new();
        for (number, labelled) in labelled.iter().enumerate() {
            let request = labelled.request(number)?;
            let text = text_of(&request).ok_or("a prompt without a text")?;
            let task = names.iter().position(|name| name.as_str() == labelled.task);
            prompts.push(Prompt {
                task: task.ok_or_else(|| format!("no task `{}` has a route", labelled.task))?,
                split: labelled.split,
                signals: Signals::of(&request),
                vector: encoder.embed(&text).await?.as_slice().to_vec(),
                bytes: labelled.text(number).len()
                    + labelled.system.as_ref().map_or(0, String::len),
            });
        }
        let alike = prompts.iter().flat_map(|prompt| {
            examples
                .iter()
                .flatten()
                .map(|example| dot(example, &prompt.vector))
        });
        Ok(Self {
            most_alike: alike.fold(-1.0, f32::max),
            rule: Rule {
                default: config
                    .routing
                    .default_task
                    .clone()
                    .ok_or("no task has a route")?,
                margin: config.routing.margin,
            },
            names,
            examples,
            prompts,
        })
    }

    pub fn of(&self, split: Split) -> impl Iterator<Item = &Prompt> {
        self.prompts
            .iter()
            .filter(move |prompt| prompt.split == split)
    }

    /// The examples as the gateway has them.
    pub fn known(&self) -> Result<Examples, Box<dyn Error>> {
        let tasks = self
            .names
            .iter()
            .cloned()
            .zip(self.examples.iter().cloned());
        Ok(Examples::new(tasks)?)
    }

    /// The examples with shuffled labels: each task has as many as before.
    fn shuffled(&self, seed: u64) -> Vec<Vec<Vec<f32>>> {
        let mut all: Vec<Vec<f32>> = self.examples.iter().flatten().cloned().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut all);
        let mut all = all.into_iter();
        self.examples
            .iter()
            .map(|of| all.by_ref().take(of.len()).collect())
            .collect()
    }

    /// Worlds that know nothing, to be compared with.
    pub fn controls(&self) -> impl Iterator<Item = Result<Examples, Box<dyn Error>>> {
        (0..SHUFFLES).map(|seed| {
            let tasks = self.names.iter().cloned().zip(self.shuffled(seed));
            Ok(Examples::new(tasks)?)
        })
    }

    pub fn place(&self, name: &TaskName) -> usize {
        self.names
            .iter()
            .position(|known| known == name)
            .unwrap_or(usize::MAX)
    }

    /// The gateway's decision on each prompt of `split`.
    pub fn decide(&self, split: Split, examples: &Examples) -> Vec<Decision<'_>> {
        let of_split = self.of(split).map(|prompt| {
            let found = classify(&prompt.signals, Some(&prompt.vector), examples, &self.rule);
            let best = found.scores.first().map(|(best, _)| best);
            let is_default = matches!(found.why, Why::BelowMargin | Why::NoVector);
            Decision {
                prompt,
                task: self.place(&found.task),
                first: self.place(best.filter(|_| is_default).unwrap_or(&found.task)),
                margin: found.margin,
            }
        });
        of_split.collect()
    }

    /// The share of `split` for which `guess` gives the right place.
    pub fn accuracy(&self, split: Split, guess: impl Fn(&Prompt) -> usize) -> Share {
        Share::of(self.of(split).map(|prompt| guess(prompt) == prompt.task))
    }
}

/// What became of a prompt.
#[derive(Debug)]
pub struct Decision<'a> {
    pub prompt: &'a Prompt,
    /// The place of its task as classified.
    pub task: usize,
    /// As it would have been with a margin of nothing.
    pub first: usize,
    pub margin: Option<f32>,
}

impl Decision<'_> {
    /// Whether `first` is right.
    pub fn is_right(&self) -> bool {
        self.first == self.prompt.task
    }
}

/// A part of the prompts, in per cent, with the bounds of Wilson's interval (95 %).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Share {
    pub of: u32,
    pub percent: f64,
    pub low: f64,
    pub high: f64,
}

impl Share {
    pub fn of(found: impl Iterator<Item = bool>) -> Self {
        let (mut part, mut of) = (0, 0);
        for found in found {
            part += u32::from(found);
            of += 1;
        }
        let (low, high) = wilson(part, of).unwrap_or((0.0, 1.0));
        Self {
            of,
            percent: 100.0 * f64::from(part) / f64::from(of.max(1)),
            low: 100.0 * low,
            high: 100.0 * high,
        }
    }
}

/// What the margin does.
#[derive(Debug, Serialize)]
pub struct AtMargin {
    pub margin: f32,
    /// Prompts that are not left to the default task.
    pub covered: Share,
    /// Those of them that are right.
    pub right_if_covered: Share,
    /// All that are right, the default task's among them.
    pub right: Share,
}

pub fn at_margin(decisions: &[Decision<'_>], default: usize, margin: f32) -> AtMargin {
    let is_covered = |decision: &Decision<'_>| decision.margin.is_none_or(|found| found >= margin);
    let is_right = |decision: &Decision<'_>| {
        if is_covered(decision) {
            decision.is_right()
        } else {
            decision.prompt.task == default
        }
    };
    let covered = decisions.iter().filter(|decision| is_covered(decision));
    AtMargin {
        margin,
        covered: Share::of(decisions.iter().map(is_covered)),
        right_if_covered: Share::of(covered.map(is_right)),
        right: Share::of(decisions.iter().map(is_right)),
    }
}

/// How often the first task is right, with nothing left to the default.
#[derive(Debug, Serialize)]
pub struct Row {
    pub name: &'static str,
    pub dev: f64,
    pub test: Share,
    /// Without the prompts whose length alone says what they are.
    pub test_but_long: Share,
}

/// What each part of the method is worth.
pub fn ablations(world: &World) -> Result<Vec<Row>, Box<dyn Error>> {
    let known = world.known()?;
    let row = |name, guess: &dyn Fn(&Prompt) -> usize| {
        let is_long = |prompt: &&Prompt| {
            world
                .names
                .get(prompt.task)
                .is_some_and(|name| name.as_str() == "long_context")
        };
        let test = world.of(Split::Test).filter(|prompt| !is_long(prompt));
        Row {
            name,
            dev: world.accuracy(Split::Dev, guess).percent,
            test: world.accuracy(Split::Test, guess),
            test_but_long: Share::of(test.map(|prompt| guess(prompt) == prompt.task)),
        }
    };
    let by = |score: fn(&[Vec<f32>], &[f32]) -> f32| {
        move |prompt: &Prompt| best(world.examples.iter().map(|of| score(of, &prompt.vector)))
    };
    Ok(vec![
        row(
            "vector: the nearest example",
            &by(|of, vector| nearest(of, vector, 1)),
        ),
        row(
            "vector: the nearest three",
            &by(|of, vector| nearest(of, vector, 3)),
        ),
        row("vector: the centre", &by(centre)),
        row(
            "vector: both, as the gateway",
            &by(|of, vector| f32::midpoint(centre(of, vector), nearest(of, vector, 3))),
        ),
        row("signs, without a vector", &|prompt| {
            let rule = Rule {
                margin: Similarity::new(0.0).unwrap_or(Similarity::ONE),
                ..world.rule.clone()
            };
            world.place(&classify(&prompt.signals, None, &known, &rule).task)
        }),
        row("vector and signs", &|prompt| first(world, prompt, &known)),
    ])
}

/// The place of the task that comes first, whatever the margin.
fn first(world: &World, prompt: &Prompt, examples: &Examples) -> usize {
    let rule = Rule {
        margin: Similarity::new(0.0).unwrap_or(Similarity::ONE),
        ..world.rule.clone()
    };
    world.place(&classify(&prompt.signals, Some(&prompt.vector), examples, &rule).task)
}

/// How often shuffled examples are right on the test prompts, in per cent: by the vector alone, and with
/// the signs.
#[derive(Debug, Serialize)]
pub struct Control {
    pub shuffles: u64,
    pub vector: f64,
    pub vector_and_signs: f64,
}

pub fn control(world: &World, controls: &[Vec<Decision<'_>>]) -> Control {
    let mut vector = 0.0;
    for seed in 0..SHUFFLES {
        let examples = world.shuffled(seed);
        let guess = |prompt: &Prompt| {
            best(examples.iter().map(|of| {
                f32::midpoint(centre(of, &prompt.vector), nearest(of, &prompt.vector, 3))
            }))
        };
        vector += world.accuracy(Split::Test, guess).percent;
    }
    let both = controls
        .iter()
        .map(|of| Share::of(of.iter().map(Decision::is_right)).percent);
    Control {
        shuffles: SHUFFLES,
        vector: vector / SHUFFLES as f64,
        vector_and_signs: both.sum::<f64>() / controls.len() as f64,
    }
}

/// How many test prompts of each task went to each, both in the order of the configuration.
pub fn confusion(world: &World, decisions: &[Decision<'_>]) -> Vec<Vec<u32>> {
    let mut counts: HashMap<(usize, usize), u32> = HashMap::new();
    for decision in decisions {
        let key = (decision.prompt.task, decision.first);
        *counts.entry(key).or_default() += 1;
    }
    let places = 0..world.names.len();
    places
        .clone()
        .map(|row| {
            places
                .clone()
                .map(|column| counts.get(&(row, column)).copied().unwrap_or(0))
                .collect()
        })
        .collect()
}

fn best(scores: impl Iterator<Item = f32>) -> usize {
    let best = scores.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or(usize::MAX, |(place, _)| place)
}

fn nearest(examples: &[Vec<f32>], vector: &[f32], count: usize) -> f32 {
    let mut cosines: Vec<f32> = examples
        .iter()
        .map(|example| dot(example, vector))
        .collect();
    cosines.sort_by(|a, b| b.total_cmp(a));
    cosines.truncate(count);
    cosines.iter().sum::<f32>() / cosines.len() as f32
}

fn centre(examples: &[Vec<f32>], vector: &[f32]) -> f32 {
    let mut sum = vec![0.0; vector.len()];
    for example in examples {
        for (sum, number) in sum.iter_mut().zip(example) {
            *sum += number;
        }
    }
    dot(&sum, vector) / dot(&sum, &sum).sqrt()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
