//! The order in which the targets of a route are asked.
//!
//! Chance comes in as a function. Invariant: whatever it gives, each target is in the order once.

use std::time::Duration;

use crate::units::{Price, Tokens, words};

/// How the first of several targets is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// In the order of the file.
    #[default]
    Priority,
    /// By chance, in proportion to their weights.
    Weighted,
    /// The cheapest for this request.
    LowestCost,
    /// The quicker of two that are drawn.
    LowestLatency,
    /// The one with the fewest requests under way.
    LeastBusy,
}

words! {
    /// All, by their names in the file.
    pub Strategy {
        Priority = "priority",
        Weighted = "weighted",
        LowestCost = "lowest_cost",
        LowestLatency = "lowest_latency",
        LeastBusy = "least_busy",
    }
}

/// What is known of a target when it may be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its part of the requests, against the weights of the others.
    pub weight: u32,
    /// What it costs; `None` if that is not known.
    pub price: Option<Price>,
    /// How long its answers take to begin, as of now ([`PeakEwma`](super::peak_ewma::PeakEwma));
    /// `None` if that is not known.
    pub latency: Option<Duration>,
    /// Its requests under way, streams that are being read included.
    pub in_flight: u32,
}

/// What a request is expected to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// Tokens of prompt.
    pub input: Tokens,
    /// Tokens of answer.
    pub output: Tokens,
}

/// The order in which `candidates` are asked, as their positions. `draw` gives numbers from 0 to 1,
/// 1 excluded; what is outside counts as the nearest of them.
///
/// - *priority*: as given.
/// - *weighted*: drawn one after another in proportion to the weights (Efraimidis and Spirakis,
///   "Weighted random sampling with a reservoir", 2006); those without weight last.
/// - *lowest cost*: by the price of what is needed, unknown prices last.
/// - *lowest latency*: two are drawn and the one of the lower load goes first (Mitzenmacher, "The Power
///   of Two Choices in Randomized Load Balancing", 2001), so that not all requests run to one target
///   at once. The rest follow by their load, which is latency × (requests under way + 1), as in
///   Finagle's and tower's `PeakEwma`.
/// - *least busy*: by requests under way; chance decides between equals.
#[must_use]
pub fn order(
    strategy: Strategy,
    candidates: &[Candidate],
    need: Need,
    draw: &mut dyn FnMut() -> f64,
) -> Vec<usize> {
    match strategy {
        Strategy::Priority => (0..candidates.len()).collect(),
        Strategy::Weighted => {
            // Whose exponential clock of this rate rings first is drawn in proportion to the rates.
            let rings = |candidate: &Candidate| match candidate.weight {
                0 => f64::INFINITY,
                weight => -(-chance(draw)).ln_1p() / f64::from(weight),
            };
            ascending(candidates.iter().map(rings))
        }
        Strategy::LowestCost => ascending(candidates.iter().map(|candidate| {
            let price = candidate.price;
            price.map_or(f64::INFINITY, |price| {
                price.of(need.input, need.output).get()
            })
        })),
        Strategy::LowestLatency => lowest_latency(candidates, draw),
        Strategy::LeastBusy => {
            let mut drawn: Vec<(u32, f64, usize)> = (candidates.iter().zip(0..))
                .map(|(candidate, position)| (candidate.in_flight, chance(draw), position))
                .collect();
            drawn.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            drawn.into_iter().map(|(.., position)| position).collect()
        }
    }
}

fn lowest_latency(candidates: &[Candidate], draw: &mut dyn FnMut() -> f64) -> Vec<usize> {
    /// Stands in where nothing is measured; only its being the same for all matters.
    const USUAL: Duration = Duration::from_secs(1);
    let known = candidates.iter().filter_map(|candidate| candidate.latency);
    let fastest = known.min().unwrap_or(USUAL);
    let mut loads: Vec<(f64, usize)> = (candidates.iter())
        .map(|candidate| load(candidate, fastest))
        .zip(0..)
        .collect();
    loads.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = loads.len();
    if count > 1 {
        let one = place(draw, count);
        let other = place(draw, count - 1);
        let other = other + usize::from(other >= one);
        let load = |place: usize| loads.get(place).map_or(f64::INFINITY, |(load, _)| *load);
        // Of equals the one drawn first: by place it would always be the same.
        let winner = if load(other) < load(one) { other } else { one };
        let winner = loads.remove(winner);
        loads.insert(0, winner);
    }
    loads.into_iter().map(|(_, position)| position).collect()
}

/// What a further request would have to wait for. A target that was never measured has none, so that it
/// is tried; but while it is being tried, it counts like the `fastest`, so that not all run to it.
fn load(candidate: &Candidate, fastest: Duration) -> f64 {
    /// Below it, requests under way would count for nothing.
    const LEAST: Duration = Duration::from_micros(1);
    let latency = match (candidate.latency, candidate.in_flight) {
        (Some(latency), _) => latency,
        (None, 0) => return 0.0,
        (None, _) => fastest,
    };
    latency.max(LEAST).as_secs_f64() * (f64::from(candidate.in_flight) + 1.0)
}

/// Positions by their keys, equal ones as they stand.
fn ascending(keys: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut keyed: Vec<(f64, usize)> = keys.zip(0..).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, position)| position).collect()
}

/// One of so many places, each as likely.
fn place(draw: &mut dyn FnMut() -> f64, count: usize) -> usize {
    let place = chance(draw) * count as f64;
    (place as usize).min(count.saturating_sub(1))
}

/// A number from 0 to 1, 1 excluded.
fn chance(draw: &mut dyn FnMut() -> f64) -> f64 {
    const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;
    let drawn = draw();
    if drawn.is_nan() {
        0.0
    } else {
        drawn.clamp(0.0, BELOW_ONE)
    }
}

#[cfg(test)]
mod tests;
