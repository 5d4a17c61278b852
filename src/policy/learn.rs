//! Learning where the admission point belongs, from labels: was a neighbour's answer the right one?
//!
//! # Labels
//! A *miss* with a near neighbour is a free one: the fresh answer against the neighbour's kept one, at
//! a score below the point. A *shadow* check asks the provider for a small random share of the hits
//! anyway: at a score above the point. *Feedback* is a client's word on a hit that it got.
//! `policy::judge` compares the answers; where it is unsure there is no label.
//!
//! # Decision
//! [`Calibrator`] starts at the policy's point, which was measured on labelled data. Below it nothing is
//! known, so the zone between a lower candidate and the start must earn its place: the upper limit
//! (Clopper and Pearson 1934, see [`Sample`]) of its error must lie within the configured share. The
//! hits are watched by shadow checks: once the *lower* limit of their error passes that share, the
//! point rises at once. Between the two limits lies the dead band that keeps the point from flapping.
//! One global point with such a limit needs 1,000 to 3,000 requests; vCache (Schroeder et al. 2025,
//! arXiv 2502.03771), which learns one per entry, needs several repeats of each entry before its first
//! hit, so a posterior per entry is only a [`Brake`] here.
//!
//! # Biases, all to the safe side
//! - Labels of several sources are added as they are. Misses are all labelled and hits by a small share,
//!   so low scores weigh more than they do among hits, and errors are more frequent there.
//! - Looking again after each label finds luck sooner or later, so the limit that lowers a point is
//!   stricter than the one that is shown.
//! - Praise counts for nothing: it is free, and could be given to loosen the cache. A complaint counts
//!   against all hits served, of which those complained of are at least as many wrong ones.
//! - What was learned before the point had to rise counts for a quarter after.
//!
//! Nothing here asks for the time: labels are forgotten as new ones come.

mod bins;
mod bound;
mod brake;
mod class;
mod curve;

use serde::{Deserialize, Serialize};

use self::{
    bins::{BINS, Bins, bin, lower_edge, upper_bin},
    curve::Traffic,
};
pub use self::{
    bound::Sample,
    brake::{Brake, Fate},
    class::{Admitted, Class},
    curve::Expected,
};
use super::admit::Score;
use crate::units::Share;

/// Where a label comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A request that found no hit: its answer against that of its nearest neighbour.
    Miss,
    /// A hit that was asked again to check it, chosen by chance.
    Shadow,
    /// What a client says of a hit that it was served.
    Feedback,
}

impl Source {
    /// The word for metrics and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Shadow => "shadow",
            Self::Feedback => "feedback",
        }
    }
}

/// Whether a neighbour's answer was the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The score of the pair of questions.
    pub score: Score,
    /// Whether the two answers are the same.
    pub same: bool,
    /// Who says so.
    pub source: Source,
}

/// What the point may do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Where it starts: `Admission::point`.
    pub start: Score,
    /// The lowest it may go.
    pub floor: Score,
    /// How many of the hits by meaning may be wrong.
    pub max_false: Share,
}

/// Why the point is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing has been learned that moves it.
    Start,
    /// Below its start the answers are the same, as far as can be told.
    Relaxed,
    /// Hits were wrong more often than they may be.
    Raised,
}

impl Why {
    /// The word for metrics and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Relaxed => "relaxed",
            Self::Raised => "raised",
        }
    }
}

/// An admission point and what is known of the hits it admits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Where it is; [`Score::UNREACHABLE`] where nothing may hit by meaning.
    pub at: Score,
    /// Why it is there.
    pub why: Why,
    /// The share of wrong hits that is not exceeded with 90 % confidence, by all labels at or above the
    /// point. All, while there are none.
    pub bound: Share,
    /// The 80 % interval of that share.
    pub interval: (Share, Share),
    /// So many labels say so, older ones counted for less.
    pub sample: u64,
    /// The shadow checks among them: an unbiased sample of what was served.
    pub checked: Sample,
}

/// The confidence of the limits that are shown, and of the one that raises the point.
const SHOWN: Share = Share::percent(90);
/// The confidence of the limit that lowers it. Looked at after every label at every height, a limit of
/// 90 % would be passed by luck in many streams.
const LOWERS: Share = Share::percent(97);
/// The confidence at which the latest checks alone raise it.
const ALARMS: Share = Share::percent(99);
/// Fewer labels never lower the point, whatever share of errors is allowed.
const LEAST_SAMPLE: f64 = 100.0;
/// A single wrong one among the first never raises it: judges err too.
const LEAST_WRONG: f64 = 2.0;
/// The point is lowered by no less than so many bins at once.
const LEAST_STEP: usize = 2;
/// So many bins are a zone's lower edge, and so many labels they need at least.
const EDGE: usize = 4;
const LEAST_EDGE: f64 = 20.0;
/// Labels per source above which all of that source are halved.
const MOST_MISSES: f64 = 16_384.0;
const MOST_CHECKS: f64 = 1_024.0;
const MOST_SERVED: f32 = 65_536.0;
/// What is left of the labels from before the point had to rise.
const DISCREDITED: f32 = 0.25;

/// Labels of one source by score.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Labels {
    same: Bins,
    different: Bins,
}

impl Labels {
    fn count(&mut self, bin: usize, same: bool, most: f64) {
        let bins = if same {
            &mut self.same
        } else {
            &mut self.different
        };
        bins.add(bin);
        if self.between(0, BINS).size > most {
            self.same.scale(0.5);
            self.different.scale(0.5);
        }
    }

    fn between(&self, low: usize, high: usize) -> Sample {
        let wrong = self.different.sum(low, high);
        Sample {
            wrong,
            size: wrong + self.same.sum(low, high),
        }
    }
}

/// Where the point was moved to, and from which start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    start: usize,
    at: usize,
}

/// The labels of one class of questions, by score, and where they have moved its point.
///
/// About 1.5 KiB. One per class whose errors may differ: model, kind of question; and per tenant where
/// tenants must not move each other's points by what they complain of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Calibrator {
    misses: Labels,
    checks: Labels,
    complaints: Bins,
    served: Bins,
    #[serde(default)]
    traffic: Traffic,
    /// The latest shadow checks since the point moved, a 1 for a wrong one, the latest lowest.
    latest: u64,
    latest_size: u8,
    standing: Option<Standing>,
}

impl Calibrator {
    /// Counts a hit that was served; what complaints are measured against.
    pub fn serve(&mut self, score: Score) {
        if let Some(bin) = bin(score) {
            self.served.add(bin);
            if self.served.sum(0, BINS) > MOST_SERVED.into() {
                self.served.scale(0.5);
                self.complaints.scale(0.5);
            }
        }
    }

    /// Counts a label. The point moves in [`Calibrator::settle`].
    pub fn observe(&mut self, label: Label) {
        let Some(bin) = bin(label.score) else {
            return;
        };
        match label.source {
            Source::Miss => self.misses.count(bin, label.same, MOST_MISSES),
            Source::Shadow => {
                self.checks.count(bin, label.same, MOST_CHECKS);
                self.latest = self.latest << 1 | u64::from(!label.same);
                self.latest_size = self.latest_size.saturating_add(1).min(64);
            }
            Source::Feedback if label.same => {}
            Source::Feedback => self.complaints.add(bin),
        }
    }

    /// Moves the point to where the labels want it, and says where that is.
    pub fn settle(&mut self, rule: &Rule) -> Point {
        let start = upper_bin(rule.start);
        let at = self.at(start);
        if self.is_broken(at, rule.max_false) {
            self.discredit();
            self.move_to(start, self.raised(at, rule.max_false));
        } else {
            let next = self.lowered(start, at, rule);
            if next != at {
                self.move_to(start, next);
            }
        }
        self.point(rule)
    }

    /// Where the point is, and no more: [`Calibrator::point`] works out limits besides.
    #[must_use]
    pub fn place(&self, rule: &Rule) -> Score {
        self.stand(rule).1
    }

    fn stand(&self, rule: &Rule) -> (usize, Score, Why) {
        let start = upper_bin(rule.start);
        let at = self.at(start).max(upper_bin(rule.floor).min(start));
        match at.cmp(&start) {
            std::cmp::Ordering::Less => (at, lower_edge(at), Why::Relaxed),
            std::cmp::Ordering::Equal => (at, rule.start, Why::Start),
            std::cmp::Ordering::Greater => (at, lower_edge(at), Why::Raised),
        }
    }

    /// Where the point is, and what is known of the hits at or above it.
    #[must_use]
    pub fn point(&self, rule: &Rule) -> Point {
        let (at, score, why) = self.stand(rule);
        let all = self.all(at, BINS);
        Point {
            at: score,
            why,
            bound: all.upper(SHOWN),
            interval: (all.lower(SHOWN), all.upper(SHOWN)),
            sample: all.count(),
            checked: self.checks.between(at, BINS),
        }
    }

    /// Takes over the labels of another calibrator of the same class; the higher point stands.
    pub fn merge(&mut self, other: &Self) {
        self.misses.same.add_all(&other.misses.same);
        self.misses.different.add_all(&other.misses.different);
        self.checks.same.add_all(&other.checks.same);
        self.checks.different.add_all(&other.checks.different);
        self.complaints.add_all(&other.complaints);
        self.served.add_all(&other.served);
        self.traffic.merge(&other.traffic);
        let alarm = |of: &Self| (of.latest.count_ones(), of.latest_size, of.latest);
        if alarm(other) > alarm(self) {
            (self.latest, self.latest_size) = (other.latest, other.latest_size);
        }
        self.standing = match (self.standing, other.standing) {
            (Some(a), Some(b)) if a.start == b.start => Some(if a.at >= b.at { a } else { b }),
            (Some(a), Some(b)) => Some(a).filter(|a| a.start > b.start).or(Some(b)),
            // No standing is one at the start.
            (Some(one), None) | (None, Some(one)) => Some(one).filter(|one| one.at > one.start),
            (None, None) => None,
        };
    }

    fn at(&self, start: usize) -> usize {
        // A point that was learned from another start says nothing about this one.
        let standing = self.standing.filter(|standing| standing.start == start);
        standing.map_or(start, |standing| standing.at)
    }

    fn move_to(&mut self, start: usize, at: usize) {
        self.standing = Some(Standing { start, at });
        (self.latest, self.latest_size) = (0, 0);
    }

    /// All labels of these bins; a complaint is a wrong one.
    fn all(&self, low: usize, high: usize) -> Sample {
        let complaints = self.complaints.sum(low, high);
        let complaints = Sample {
            wrong: complaints,
            size: complaints,
        };
        self.misses.between(low, high) + self.checks.between(low, high) + complaints
    }

    /// Whether what is served at or above the point is surely wrong too often.
    fn is_broken(&self, at: usize, max_false: Share) -> bool {
        let is_above = |sample: Sample, confidence| {
            sample.wrong >= LEAST_WRONG && sample.is_above(max_false, confidence)
        };
        let latest = Sample {
            wrong: self.latest.count_ones().into(),
            size: self.latest_size.into(),
        };
        let wrong = self.complaints.sum(at, BINS);
        let complaints = Sample {
            wrong,
            size: self.served.sum(at, BINS).max(wrong),
        };
        at < BINS
            && (is_above(self.checks.between(at, BINS), SHOWN)
                || is_above(complaints, SHOWN)
                || is_above(latest, ALARMS))
    }

    fn discredit(&mut self) {
        self.misses.same.scale(DISCREDITED);
        self.checks.same.scale(DISCREDITED);
    }

    /// The lowest bin above `at` from which on the labels are good enough; `BINS` if they nowhere are.
    fn raised(&self, at: usize, max_false: Share) -> usize {
        let good =
            |zone: &Zone| zone.all.size >= LEAST_SAMPLE && zone.all.is_below(max_false, SHOWN);
        self.zones(at + 1, BINS)
            .into_iter()
            .filter(good)
            .map(|zone| zone.low)
            .min()
            .unwrap_or(BINS)
    }

    /// The lowest bin that the labels allow the point to be lowered to, or the one where it is.
    fn lowered(&self, start: usize, at: usize, rule: &Rule) -> usize {
        let earned = |low: usize, high: usize| {
            let zones = self.zones(low, high);
            let earned = zones
                .into_iter()
                .filter(|zone| zone.is_earned(rule.max_false));
            earned.map(|zone| zone.low).min()
        };
        if at > start {
            return earned(start, BINS).map_or(at, |low| low.min(at));
        }
        // What was earned is kept until the zone's own share, not its limit, is too high.
        let holds = self.all(at, start).share() <= rule.max_false;
        let kept = if holds { at } else { start };
        let hits = self.all(start, BINS);
        if hits.wrong > 0.0 && !hits.is_below(rule.max_false, SHOWN) {
            return kept;
        }
        match earned(upper_bin(rule.floor), start) {
            Some(low) if holds && low + LEAST_STEP <= at => low,
            Some(low) if !holds && low > at => low,
            Some(_) | None => kept,
        }
    }

    /// The zones that begin at each bin from `low` and end below `high`, highest first.
    fn zones(&self, low: usize, high: usize) -> Vec<Zone> {
        let mut all = Sample::default();
        let mut bins = Vec::with_capacity(BINS);
        let mut zones = Vec::with_capacity(BINS);
        for low in (low..high).rev() {
            let lowest = self.all(low, low + 1);
            all = all + lowest;
            bins.push(lowest);
            let edge = bins.iter().rev().take(EDGE);
            zones.push(Zone {
                low,
                all,
                lowest,
                edge: edge.fold(Sample::default(), |edge, bin| edge + *bin),
            });
        }
        zones
    }
}

/// Bins that the point may be lowered over.
struct Zone {
    low: usize,
    all: Sample,
    /// Its lowest bin alone.
    lowest: Sample,
    /// Its lowest few bins.
    edge: Sample,
}

impl Zone {
    /// Whether so few of its labels are wrong that it may be served: with confidence over all of it,
    /// and at its lower edge by the labels themselves, so that bad bins don't hide behind good ones.
    fn is_earned(&self, max_false: Share) -> bool {
        self.lowest.size > 0.0
            && self.edge.size >= LEAST_EDGE
            && self.edge.share() <= max_false
            && self.all.size >= LEAST_SAMPLE
            && self.all.is_below(max_false, LOWERS)
    }
}

#[cfg(test)]
mod tests;
