//! When a target is left alone, since it fails too often.
//!
//! | | closed | open | half open |
//! |---|---|---|---|
//! | a call wants to be made | let through | refused; when the time is over: a probe, half open | a probe, if one is needed and not under way, else refused |
//! | a last resort | let through | a probe, if one is needed and not under way, or another for each second that those take | the same |
//! | success | counts | of a probe: the last that is needed closes | the same |
//! | failure | counts; opens where too many failed | of a probe: the successes so far are void, the time stays | opens for longer |
//! | refused for the request's sake | – | as success | as success |
//! | unknown | – | gives the place back | gives the place back |
//! | a success broke off | counts as failed | if there was one: as failure | if there was one: as failure |
//!
//! What ends in another spell than it began in (a spell ends where a breaker opens or closes) changes nothing. So
//! those that were under way when it opened can't keep it open, and those that fail as a last resort can't either:
//! a target that nobody can replace is asked by each request, one at a time, and the first success counts.
//!
//! A probe that takes longer than the window loses its place, or one that hangs would keep all others out. What it
//! ends in still counts.

mod trial;

use std::time::Duration;

use self::trial::Trial;
use super::recent::{BUCKETS, Recent};
use crate::{clock::Moment, units::Share};

/// It stays open twice as long after each trial that fails, so many times.
const MOST_DOUBLINGS: u32 = 3;
/// And longer by up to this share of it, so that not all gateways try again at once.
const JITTER: Share = Share::percent(20);
/// When to ask again what is forced open: nobody knows.
const WHILE_FORCED: Duration = Duration::from_secs(5);
/// When to ask again while all probes are under way, at the latest.
const WHILE_PROBING: Duration = Duration::from_secs(1);

/// When a breaker opens, and how it closes again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// How far back calls count. At least as long as a call takes to fail, or slow failures never add up.
    pub window: Duration,
    /// With fewer calls than this in the window, it stays closed.
    pub min_requests: u32,
    /// The share of failed calls at which it opens; more than nothing.
    pub failure_ratio: Share,
    /// A stream whose first token takes longer than this counts as failed.
    pub slow_after: Duration,
    /// How long it stays open, the first time; more after each probe that fails.
    pub open_for: Duration,
    /// Calls at the same time while it is half open, and successes that close it; not zero.
    pub probes: u32,
}

/// What a breaker does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Lets everything through.
    Closed,
    /// Lets nothing through.
    Open,
    /// Lets some calls through, to see.
    HalfOpen,
}

impl State {
    /// Its name for operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What an operator wants of a breaker, whatever it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The target is asked.
    Closed,
    /// The target is not asked, not even as a last resort.
    Open,
}

impl Force {
    /// The state that it keeps a breaker in.
    #[must_use]
    pub fn state(self) -> State {
        match self {
            Self::Closed => State::Closed,
            Self::Open => State::Open,
        }
    }
}

/// What a call ended in, as far as a breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered in time.
    Success,
    /// It failed, or was slow.
    Failure,
    /// It was refused for the request's own sake: the target lives, but that is all it says.
    Refused,
    /// It says nothing: given up, or put off by a rate limit.
    Unknown,
}

/// The right to make one call; to be settled, however the call ends.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a probe that is never settled keeps its place until its deadline"]
pub struct Permit {
    spell: u64,
    probe: Option<u64>,
    change: Option<Change>,
}

impl Permit {
    /// What letting this call through has changed: the first probe makes an open breaker half open.
    #[must_use]
    pub fn change(&self) -> Option<Change> {
        self.change
    }
}

/// Why a call is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How long until it is worth another try.
    pub retry_after: Duration,
}

/// One state became another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
}

/// What operators see of a breaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// What it does.
    pub state: State,
    /// What an operator wants it to do.
    pub forced: Option<Force>,
    /// Calls in the window.
    pub requests: u32,
    /// Those of them that failed.
    pub failures: u32,
    /// Since when it is in this state; `None` if it was never in another.
    pub since: Option<Moment>,
    /// Until when it lets nothing through, if it is open.
    pub until: Option<Moment>,
}

/// The breaker of one target.
#[derive(Debug, Default)]
pub struct Breaker {
    phase: Phase,
    forced: Option<Force>,
    calls: Recent<Calls>,
    trial: Trial,
    /// Counts up when it opens or closes.
    spell: u64,
    /// Trials in a row that failed.
    failed_trials: u32,
    since: Option<Moment>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        until: Moment,
    },
    HalfOpen,
}

#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    requests: u32,
    failures: u32,
}

impl Breaker {
    /// Lets a call through, or not.
    ///
    /// # Errors
    /// [`Refused`] while it is open, or half open with all its probes under way.
    pub fn admit(&mut self, now: Moment, rules: &Rules) -> Result<Permit, Refused> {
        let refused = |wait| {
            Err(Refused {
                retry_after: whole_milliseconds(wait),
            })
        };
        match (self.forced, self.phase) {
            (Some(Force::Closed), _) | (None, Phase::Closed) => Ok(self.permit(None, None)),
            (Some(Force::Open), _) => refused(WHILE_FORCED),
            (None, Phase::Open { until }) if now < until => refused(until.since(now)),
            (None, Phase::Open { .. } | Phase::HalfOpen) => {
                let probe = self.trial.probe(now, rules);
                probe.map_or_else(
                    || refused(rules.open_for.min(WHILE_PROBING)),
                    |probe| {
                        let change = self.turn(Phase::HalfOpen, now);
                        Ok(self.permit(Some(probe), change))
                    },
                )
            }
        }
    }

    /// Lets a call through that nobody else can take, before its time: an early probe. `None` if it is forced open, or
    /// if as many probes as there may be are under way: one more than usual for each second that they take.
    pub fn last_resort(&mut self, now: Moment, rules: &Rules) -> Option<Permit> {
        match (self.forced, self.phase) {
            (None, Phase::Open { until }) if now < until => {
                let probe = self.trial.urgent_probe(now, rules)?;
                Some(self.permit(Some(probe), None))
            }
            (None, Phase::Open { .. } | Phase::HalfOpen) => {
                let probe = self.trial.urgent_probe(now, rules)?;
                let change = self.turn(Phase::HalfOpen, now);
                Some(self.permit(Some(probe), change))
            }
            (Some(_), _) | (None, Phase::Closed) => self.admit(now, rules).ok(),
        }
    }

    /// Takes in how a call ended. `chance` (0 ..= 1) spreads the times at which breakers try again.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a permit is settled once: it is used up"
    )]
    pub fn settle(
        &mut self,
        permit: Permit,
        outcome: Outcome,
        now: Moment,
        rules: &Rules,
        chance: f64,
    ) -> Option<Change> {
        if permit.spell != self.spell || self.forced.is_some() {
            return None;
        }
        let Some(probe) = permit.probe else {
            return match outcome {
                Outcome::Success => self.count(1, 0, now, rules, chance),
                Outcome::Failure => self.count(1, 1, now, rules, chance),
                Outcome::Refused | Outcome::Unknown => None,
            };
        };
        self.trial.settle(probe);
        match outcome {
            Outcome::Success | Outcome::Refused => self.probe_succeeded(now, rules),
            Outcome::Failure => self.probe_failed(now, rules, chance),
            Outcome::Unknown => None,
        }
    }

    /// Takes in that a call that had succeeded broke off afterwards.
    pub fn broke_off(&mut self, now: Moment, rules: &Rules, chance: f64) -> Option<Change> {
        match (self.forced, self.phase) {
            (None, Phase::Closed) => {
                let Calls { requests, failures } = self.counted(now, rules);
                // The window may have forgotten the request.
                let requests = u32::from(failures >= requests);
                self.count(requests, 1, now, rules, chance)
            }
            // Where no probe has succeeded, it is a call from before.
            (None, Phase::Open { .. } | Phase::HalfOpen) if self.trial.successes > 0 => {
                self.probe_failed(now, rules, chance)
            }
            (Some(_), _) | (None, Phase::Open { .. } | Phase::HalfOpen) => None,
        }
    }

    /// Follows an operator; `None` lets it decide by itself again, closed and with nothing counted.
    pub fn force(&mut self, force: Option<Force>, now: Moment) -> Option<Change> {
        let from = self.state();
        self.reset();
        self.phase = Phase::Closed;
        self.forced = force;
        self.changed(from, now)
    }

    /// What operators see.
    #[must_use]
    pub fn view(&self, now: Moment, rules: &Rules) -> View {
        let Calls { requests, failures } = self.counted(now, rules);
        let until = match (self.forced, self.phase) {
            (None, Phase::Open { until }) => Some(until),
            (Some(_), _) | (None, Phase::Closed | Phase::HalfOpen) => None,
        };
        View {
            state: self.state(),
            forced: self.forced,
            requests,
            failures,
            since: self.since,
            until,
        }
    }

    fn state(&self) -> State {
        let own = match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen => State::HalfOpen,
        };
        self.forced.map_or(own, Force::state)
    }

    fn permit(&self, probe: Option<u64>, change: Option<Change>) -> Permit {
        Permit {
            spell: self.spell,
            probe,
            change,
        }
    }

    fn count(
        &mut self,
        requests: u32,
        failures: u32,
        now: Moment,
        rules: &Rules,
        chance: f64,
    ) -> Option<Change> {
        self.calls.count(now, width(rules), |calls| {
            *calls = calls.plus(Calls { requests, failures });
        });
        let Calls { requests, failures } = self.counted(now, rules);
        let is_enough = requests >= rules.min_requests.max(1) && failures > 0;
        let is_too_much = f64::from(failures) / f64::from(requests) >= rules.failure_ratio.get();
        (is_enough && is_too_much)
            .then(|| self.open(now, rules, chance))
            .flatten()
    }

    /// All in the window. What breaks off may have been counted as a request before it.
    fn counted(&self, now: Moment, rules: &Rules) -> Calls {
        let buckets = self.calls.counts(now, width(rules), BUCKETS);
        let sum = buckets.fold(Calls::default(), Calls::plus);
        Calls {
            failures: sum.failures.min(sum.requests),
            ..sum
        }
    }

    fn probe_succeeded(&mut self, now: Moment, rules: &Rules) -> Option<Change> {
        self.trial.successes = self.trial.successes.saturating_add(1);
        if self.trial.successes < rules.probes {
            return None;
        }
        self.reset();
        self.turn(Phase::Closed, now)
    }

    fn probe_failed(&mut self, now: Moment, rules: &Rules, chance: f64) -> Option<Change> {
        if let Phase::Open { .. } = self.phase {
            self.trial.successes = 0;
            return None;
        }
        self.failed_trials = self.failed_trials.saturating_add(1);
        self.open(now, rules, chance)
    }

    fn open(&mut self, now: Moment, rules: &Rules, chance: f64) -> Option<Change> {
        let doubled = 1 << self.failed_trials.min(MOST_DOUBLINGS);
        let span = rules.open_for.saturating_mul(doubled);
        let jitter = JITTER.of(Share::clamped(chance).of(span));
        self.new_spell();
        let until = now.after(span.saturating_add(jitter));
        self.turn(Phase::Open { until }, now)
    }

    fn reset(&mut self) {
        self.new_spell();
        self.calls = Recent::default();
        self.failed_trials = 0;
    }

    fn new_spell(&mut self) {
        self.spell = self.spell.wrapping_add(1);
        self.trial = Trial::default();
    }

    fn turn(&mut self, phase: Phase, now: Moment) -> Option<Change> {
        let from = self.state();
        self.phase = phase;
        self.changed(from, now)
    }

    fn changed(&mut self, from: State, now: Moment) -> Option<Change> {
        let to = self.state();
        (from != to).then(|| {
            self.since = Some(now);
            Change { from, to }
        })
    }
}

impl Calls {
    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            failures: self.failures.saturating_add(other.failures),
        }
    }
}

/// How long a bucket counts, so that together they count the window at least.
fn width(rules: &Rules) -> Duration {
    const WHOLE: u32 = BUCKETS as u32 - 1;
    rules.window / WHOLE
}

/// Rounded up, and not nothing.
fn whole_milliseconds(wait: Duration) -> Duration {
    let milliseconds = wait.as_nanos().div_ceil(1_000_000).max(1);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
