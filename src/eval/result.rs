//! What an evaluation has measured, as `--json` writes it.

use std::collections::HashSet;

use serde::Serialize;

use super::{
    pack::{Pack, Records},
    sweep::Point,
    tally::Tally,
};

/// All that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// The encoder.
    pub encoder: String,
    /// By pack, in the order given.
    pub packs: Vec<PackResult>,
    /// The mean over the streams whose groups come again, by policy.
    pub means: Vec<Mean>,
    /// The grid, if asked for.
    pub sweep: Option<Sweep>,
}

/// One pack under all policies.
#[derive(Debug, Clone, Serialize)]
pub struct PackResult {
    /// Its name.
    pub name: String,
    /// Whether it is a stream; else pairs.
    pub is_stream: bool,
    /// Requests that count: all of a stream, the second of each pair.
    pub requests: u32,
    /// Those that a perfect cache would answer.
    pub answerable: u32,
    /// By policy.
    pub policies: Vec<PolicyResult>,
}

/// One pack under one policy.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyResult {
    /// Its name, or the threshold.
    pub policy: String,
    /// The counts.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A mean over packs, each counting the same.
#[derive(Debug, Clone, Serialize)]
pub struct Mean {
    /// The policy.
    pub policy: String,
    /// Hits, in percent of all requests.
    pub hit_percent: f64,
    /// False hits, in percent of all requests.
    pub false_percent: f64,
}

/// The grid of thresholds, through the gateway and for plain cosine.
#[derive(Debug, Clone, Serialize)]
pub struct Sweep {
    /// Through the gateway.
    pub gateway: Curves,
    /// Vectors alone.
    pub plain_cosine: Curves,
}

/// What each threshold gives.
#[derive(Debug, Clone, Serialize)]
pub struct Curves {
    /// By pack.
    pub packs: Vec<Curve>,
    /// The mean over the streams whose groups come again.
    pub mean: Vec<Point>,
    /// The mean over all streams, those of nothing but different prompts among them.
    pub mean_of_all: Vec<Point>,
    /// The thresholds of the error budgets, by the first mean.
    pub budgets: Vec<Budget>,
}

/// One pack at all thresholds.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// The pack.
    pub pack: String,
    /// Rising.
    pub points: Vec<Point>,
}

/// What an error budget allows.
#[derive(Debug, Clone, Serialize)]
pub struct Budget {
    /// The policy that stands for it.
    pub policy: &'static str,
    /// False hits, in percent of all requests.
    pub percent: f64,
    /// The lowest threshold inside it; `None` if none of the grid is.
    pub point: Option<Point>,
}

impl PackResult {
    pub(super) fn new(pack: &Pack, policies: Vec<PolicyResult>) -> Self {
        let (is_stream, requests, answerable) = match &pack.records {
            Records::Stream(stream) => {
                let groups: HashSet<u32> = stream.iter().map(|labelled| labelled.group).collect();
                (true, stream.len(), stream.len() - groups.len())
            }
            Records::Pairs(pairs) => {
                let duplicates = pairs.iter().filter(|pair| pair.duplicate);
                (false, pairs.len(), duplicates.count())
            }
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            name: pack.name.clone(),
            is_stream,
            requests: count(requests),
            answerable: count(answerable),
            policies,
        }
    }

    /// Whether it is a stream in which something is asked again.
    pub(super) fn repeats(&self) -> bool {
        self.is_stream && self.answerable > 0
    }
}
