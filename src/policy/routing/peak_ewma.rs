//! A moving average of latencies that believes bad news at once and good news slowly.
//!
//! As Finagle's [`PeakEwma`](https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala)
//! and `tower::load::PeakEwma`: a latency above the average replaces it, one below draws it down as
//! time goes by. They let the average of a target that is not asked decay to zero, so that it is tried
//! again. With a request every minute rather than thousands a second that makes all targets look alike,
//! so here it decays to what was observed last, and is forgotten some minutes later.

use std::time::Duration;

use crate::clock::Moment;

/// After this time, a peak is down to 37 % of what it was above the latencies observed since.
const DECAY: Duration = Duration::from_secs(10);
/// How long an observation tells what to expect. After it the target is to be tried again.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// The same, for a failure where nothing else is known.
const FAILURE_KEPT: Duration = Duration::from_secs(60);

/// The latency of a target. It decays as time goes by, but is told the time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PeakEwma(Option<State>);

/// Latencies in seconds, finite; `level` is not above `value`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    at: Moment,
    /// The average at that moment.
    value: f64,
    /// What it decays to.
    level: f64,
    until: Moment,
}

impl PeakEwma {
    /// Takes in a `latency` that was observed `now`. Times before the last one count as that.
    pub fn observe(&mut self, now: Moment, latency: Duration) {
        let level = latency.as_secs_f64();
        let (value, at) = self.present(now);
        self.0 = Some(State {
            at,
            value: value.map_or(level, |value| value.max(level)),
            level,
            until: at.after(KEPT),
        });
    }

    /// Takes in that an answer took `at_least` so long, or would have: the average is no lower now, but
    /// decays to what it did before.
    pub fn penalise(&mut self, now: Moment, at_least: Duration) {
        let penalty = at_least.as_secs_f64();
        let (value, at) = self.present(now);
        let kept = at.after(FAILURE_KEPT);
        self.0 = Some(match (value, self.0) {
            (Some(value), Some(before)) => State {
                at,
                value: value.max(penalty),
                level: before.level,
                until: before.until.max(kept),
            },
            _ => State {
                at,
                value: penalty,
                level: penalty,
                until: kept,
            },
        });
    }

    /// The latency to expect `now`; `None` if nothing was observed, or too long ago.
    #[must_use]
    pub fn value_at(&self, now: Moment) -> Option<Duration> {
        let (value, _) = self.present(now);
        value.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// The average in seconds, and the moment that it is of: concurrent requests may come in late.
    fn present(&self, now: Moment) -> (Option<f64>, Moment) {
        let Some(state) = self.0 else {
            return (None, now);
        };
        let now = now.max(state.at);
        if now >= state.until {
            return (None, now);
        }
        let elapsed = now.since(state.at).as_secs_f64();
        let left = (-elapsed / DECAY.as_secs_f64()).exp();
        let value = state.level + (state.value - state.level) * left;
        (Some(value), now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn start() -> Moment {
        Clock::manual().now()
    }

    #[track_caller]
    fn near(found: Option<Duration>, milliseconds: u64) {
        let found = found.unwrap();
        assert!(found.abs_diff(ms(milliseconds)) < ms(1), "{found:?}");
    }

    #[test]
    fn peaks_are_believed_at_once_and_forgotten_slowly() {
        let (start, mut ewma) = (start(), PeakEwma::default());
        assert_eq!(ewma.value_at(start), None);
        ewma.observe(start, ms(200));
        ewma.observe(start, ms(2_200));
        near(ewma.value_at(start), 2_200);
        // Twice as quick again, but that counts with time only.
        ewma.observe(start, ms(200));
        near(ewma.value_at(start), 2_200);
        near(ewma.value_at(start.after(DECAY)), 200 + 736);
        near(ewma.value_at(start.after(DECAY * 5)), 213);
    }

    #[test]
    fn what_is_not_asked_keeps_its_latency_until_it_is_forgotten() {
        let (start, mut ewma) = (start(), PeakEwma::default());
        ewma.observe(start, ms(900));
        near(ewma.value_at(start.after(KEPT - ms(1))), 900);
        assert_eq!(ewma.value_at(start.after(KEPT)), None);
        ewma.observe(start.after(KEPT), ms(100));
        near(ewma.value_at(start.after(KEPT)), 100);
    }

    #[test]
    fn a_failure_of_what_is_known_passes() {
        let (start, mut ewma) = (start(), PeakEwma::default());
        ewma.observe(start, ms(500));
        ewma.penalise(start, ms(30_000));
        near(ewma.value_at(start), 30_000);
        near(ewma.value_at(start.after(DECAY * 10)), 501);
        ewma.penalise(start, ms(100));
        near(ewma.value_at(start.after(DECAY * 10)), 501);
    }

    #[test]
    fn a_failure_of_what_is_not_known_is_all_that_is_known() {
        let (start, mut ewma) = (start(), PeakEwma::default());
        ewma.penalise(start, ms(30_000));
        near(ewma.value_at(start.after(FAILURE_KEPT - ms(1))), 30_000);
        assert_eq!(ewma.value_at(start.after(FAILURE_KEPT)), None);
        ewma.observe(start, ms(300));
        near(ewma.value_at(start.after(DECAY * 10)), 301);
    }

    #[test]
    fn no_number_is_too_large() {
        let (start, mut ewma) = (start(), PeakEwma::default());
        let end = start.after(Duration::MAX);
        ewma.observe(end, Duration::MAX);
        assert_eq!(ewma.value_at(start), None, "kept until the end of time");
        let mut ewma = PeakEwma::default();
        ewma.observe(start, Duration::MAX);
        ewma.penalise(start, Duration::MAX);
        assert_eq!(ewma.value_at(start), Some(Duration::MAX));
        assert_eq!(ewma.value_at(end), None);
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Observe(u64),
        Penalise(u64),
    }

    fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
        let latency = prop_oneof![Just(0), 0_u64..200_000];
        let event = (any::<bool>(), latency).prop_map(|(observed, ms)| {
            if observed {
                Event::Observe(ms)
            } else {
                Event::Penalise(ms)
            }
        });
        // Not in the order of time.
        proptest::collection::vec((0_u64..900_000, event), 1..20)
    }

    proptest! {
        #[test]
        fn laws(events in events(), mut looks in proptest::collection::vec(0_u64..2_000_000, 1..20)) {
            let (start, mut ewma) = (start(), PeakEwma::default());
            let (mut last, mut highest) = (start, Duration::ZERO);
            for (at, event) in events {
                let at = start.after(ms(at));
                last = last.max(at);
                let latency = match event {
                    Event::Observe(latency) => {
                        ewma.observe(at, ms(latency));
                        latency
                    }
                    Event::Penalise(latency) => {
                        ewma.penalise(at, ms(latency));
                        latency
                    }
                };
                highest = highest.max(ms(latency));
                // At once at least what was seen, and never more than all that was.
                let value = ewma.value_at(at).unwrap();
                prop_assert!(value + ms(1) > ms(latency), "{value:?} after {latency}");
                prop_assert!(value < highest + ms(1), "{value:?} of {highest:?}");
            }
            looks.sort_unstable();
            let mut before = ewma.value_at(last);
            for look in looks {
                let now = ewma.value_at(last.after(ms(look)));
                // `None` is less than all others.
                let slack = before.map(|before| before + Duration::from_nanos(2));
                prop_assert!(now <= slack, "{before:?} rose to {now:?}");
                before = now;
            }
        }

        #[test]
        fn a_look_changes_nothing(first in 0_u64..60_000, second in 0_u64..60_000, later in 0_u64..50_000) {
            let (start, mut ewma) = (start(), PeakEwma::default());
            ewma.observe(start, ms(first));
            ewma.observe(start, ms(second));
            // What a penalty of nothing finds on its way is what is there without it.
            let mut looked = ewma;
            looked.penalise(start.after(ms(later)), Duration::ZERO);
            let end = start.after(ms(100_000));
            let (one, other) = (ewma.value_at(end).unwrap(), looked.value_at(end).unwrap());
            prop_assert!(one.abs_diff(other) < Duration::from_micros(1));
        }
    }
}
