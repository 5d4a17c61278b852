//! How long is waited for a provider, and what is done when it fails, as written: `timeout`, `retry`, `breaker`.
//!
//! Some times bound others:
//!
//! ```text
//! connect, slow_after <= first_token <= total, window
//! idle, max_wait      <= total
//! ```
//!
//! Two that are written and contradict each other were noted. Where a timeout is written, a default that contradicts
//! it gives way, so no entry is wrong for what it does not say; a breaker's times move no timeout. Invariant: all times keep to these bounds, or a
//! problem was noted.

use std::{ops::Bound, time::Duration};

use super::values::{Length, Zero, duration, written_duration};
use crate::{
    config::{defaults, problem::At, provider::Timeouts, quantity::show_duration, reader::Section},
    policy::{breaker, retry},
    units::Share,
};

/// What is waited for, and how long.
#[derive(Debug)]
pub(super) struct Patience {
    pub(super) timeout: Timeouts,
    pub(super) breaker: breaker::Rules,
    pub(super) max_wait: Duration,
}

/// A time, if it is written.
type Written<'t> = Option<At<'t, Duration>>;

#[derive(Default)]
struct Times<'t> {
    connect: Written<'t>,
    first_token: Written<'t>,
    idle: Written<'t>,
    total: Written<'t>,
    window: Written<'t>,
    slow_after: Written<'t>,
    max_wait: Written<'t>,
}

/// Reads `timeout` and `breaker` of a provider whose limits say to wait for `max_wait`.
pub(super) fn patience<'t>(section: &mut Section<'_, 't>, max_wait: Written<'t>) -> Patience {
    let mut times = Times {
        max_wait,
        ..Times::default()
    };
    let default = defaults::TIMEOUTS;
    section.filled_table("timeout", "{ connect = \"3s\" }", |table| {
        times.connect = time(table, "connect", default.connect);
        times.first_token = time(table, "first_token", default.first_token);
        times.idle = time(table, "idle", default.idle);
        times.total = time(table, "total", default.total);
    });
    let mut breaker = defaults::BREAKER;
    let example = "{ window = \"60s\", failure_ratio = 0.5 }";
    section.filled_table("breaker", example, |table| {
        let default = defaults::BREAKER;
        times.window = time(table, "window", default.window);
        if let Some(requests) = count(table, "min_requests", 1_000_000) {
            breaker.min_requests = requests;
        }
        if let Some(ratio) = share(table, "failure_ratio", Bound::Excluded(0.0)) {
            breaker.failure_ratio = ratio;
        }
        times.slow_after = time(table, "slow_after", default.slow_after);
        breaker.open_for = duration(table, "open_for", Zero::Refused, default.open_for);
        if let Some(probes) = count(table, "probes", 1000) {
            breaker.probes = probes;
        }
    });
    times.contradictions(section);
    times.settled(section, breaker)
}

/// Reads `retry`.
pub(super) fn retry(section: &mut Section<'_, '_>) -> retry::Rules {
    let mut rules = defaults::RETRY;
    let example = "{ attempts = 2, base = \"250ms\", cap = \"5s\" }";
    section.filled_table("retry", example, |table| {
        let attempts = table.integer("attempts", 0..=10);
        if let Some(attempts) = attempts.and_then(|at| u32::try_from(at.value).ok()) {
            rules.attempts = attempts;
        }
        let base = time(table, "base", rules.base);
        let cap = time(table, "cap", rules.cap);
        match (base, cap) {
            (Some(base), Some(cap)) if base.value > cap.value => {
                let message = at_most("cap", cap.value, base.value);
                table.problem(base.origin, "base", message);
            }
            (Some(base), Some(cap)) => (rules.base, rules.cap) = (base.value, cap.value),
            (Some(base), None) => {
                (rules.base, rules.cap) = (base.value, rules.cap.max(base.value));
            }
            (None, Some(cap)) => (rules.base, rules.cap) = (rules.base.min(cap.value), cap.value),
            (None, None) => {}
        }
        if let Some(budget) = share(table, "budget", Bound::Included(0.0)) {
            rules.budget = budget;
        }
    });
    rules
}

impl<'t> Times<'t> {
    /// Notes the pairs of written times of which the one has to be at most the other and is not.
    fn contradictions(&self, section: &mut Section<'_, 't>) {
        const CONNECT: &str = "timeout.connect";
        const FIRST: &str = "timeout.first_token";
        const IDLE: &str = "timeout.idle";
        const TOTAL: &str = "timeout.total";
        const WINDOW: &str = "breaker.window";
        const SLOW: &str = "breaker.slow_after";
        const WAIT: &str = "limits.max_wait";
        let mut pairs = vec![
            ((IDLE, self.idle), (TOTAL, self.total)),
            ((WAIT, self.max_wait), (TOTAL, self.total)),
        ];
        if self.first_token.is_some() {
            let first = (FIRST, self.first_token);
            pairs.extend([
                ((CONNECT, self.connect), first),
                ((SLOW, self.slow_after), first),
                (first, (TOTAL, self.total)),
                (first, (WINDOW, self.window)),
            ]);
        } else {
            // What would stand between them is not written.
            for upper in [(TOTAL, self.total), (WINDOW, self.window)] {
                pairs.extend([
                    ((CONNECT, self.connect), upper),
                    ((SLOW, self.slow_after), upper),
                ]);
            }
        }
        for ((lower_name, lower), (upper_name, upper)) in pairs {
            let (Some(lower), Some(upper)) = (lower, upper) else {
                continue;
            };
            if lower.value <= upper.value {
                continue;
            }
            if upper_name == WINDOW {
                let message = format!(
                    "must be at least `{lower_name}`, which is {}, found {}: calls that take that long \
                     to fail would never count together",
                    show_duration(lower.value),
                    show_duration(upper.value)
                );
                section.problem(upper.origin, upper_name, message);
            } else {
                let message = at_most(upper_name, upper.value, lower.value);
                section.problem(lower.origin, lower_name, message);
            }
        }
    }

    /// All times. What a breaker says moves no timeout: one that contradicts the default is noted.
    fn settled(&self, section: &mut Section<'_, 't>, breaker: breaker::Rules) -> Patience {
        let default = defaults::TIMEOUTS;
        let least =
            |default: Duration, time: Written<'_>| default.max(written(time).unwrap_or(default));
        let most =
            |default: Duration, time: Written<'_>| default.min(written(time).unwrap_or(default));
        let expected = most(least(default.first_token, self.connect), self.total);
        let first_token = written(self.first_token)
            .unwrap_or_else(|| most(least(expected, self.slow_after), self.window));
        if self.first_token.is_none() && first_token != expected {
            let (name, by) = if first_token > expected {
                ("breaker.slow_after", self.slow_after)
            } else {
                ("breaker.window", self.window)
            };
            if let Some(by) = by {
                let (than, bound) = if first_token > expected {
                    ("at most", "a stream that is later is given up")
                } else {
                    (
                        "at least",
                        "calls that take that long to fail would never count together",
                    )
                };
                let message = format!(
                    "must be {than} `timeout.first_token`, which is {} where it is not written, found {}: {bound}",
                    show_duration(expected),
                    show_duration(by.value)
                );
                section.problem(by.origin, name, message);
            }
        }
        let total = written(self.total).unwrap_or_else(|| {
            let total = default.total.max(first_token);
            least(least(total, self.idle), self.max_wait)
        });
        let or_at_most = |time: Written<'_>, default: Duration, most: Duration| {
            written(time).unwrap_or(default.min(most))
        };
        Patience {
            timeout: Timeouts {
                connect: or_at_most(self.connect, default.connect, first_token),
                first_token,
                idle: or_at_most(self.idle, default.idle, total),
                total,
            },
            breaker: breaker::Rules {
                window: written(self.window).unwrap_or(breaker.window.max(first_token)),
                slow_after: or_at_most(self.slow_after, breaker.slow_after, first_token),
                ..breaker
            },
            max_wait: or_at_most(self.max_wait, defaults::MAX_WAIT, total),
        }
    }
}

fn written(time: Written<'_>) -> Option<Duration> {
    time.map(|at| at.value)
}

fn time<'t>(table: &mut Section<'_, 't>, key: &'static str, example: Duration) -> Written<'t> {
    written_duration(table, key, Zero::Refused, Length::Year, example)
}

fn count(table: &mut Section<'_, '_>, key: &'static str, most: u64) -> Option<u32> {
    let count = table.integer(key, 1..=most)?;
    u32::try_from(count.value).ok()
}

fn share(table: &mut Section<'_, '_>, key: &'static str, least: Bound<f64>) -> Option<Share> {
    let share = table.number(key, &(least, Bound::Included(1.0)))?;
    Share::new(share.value)
}

fn at_most(name: &str, most: Duration, found: Duration) -> String {
    format!(
        "must be at most `{name}`, which is {}, found {}",
        show_duration(most),
        show_duration(found)
    )
}
