//! Whether a failed call is made again, and when.
//!
//! | failure | nobody else is left | a fallback is left | an equal is left |
//! |---|---|---|---|
//! | transient | again | again | other |
//! | transient, with `Retry-After` | again, not before it | again if it is no longer than `base`, else other | other |
//! | rate limited | again, not before `Retry-After` | other | other |
//! | timeout, lasting | other | other | other |
//!
//! "Again" is "other" after `attempts` calls more than the first, and where `Retry-After` is longer than `cap`. A
//! call that took all its time is not made again: a second wait helps nobody. Pauses are drawn from all of the backoff
//! ("full jitter", [Exponential Backoff And Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).

use std::time::Duration;

use super::recent::{BUCKETS, Recent};
use crate::{clock::Moment, units::Share};

/// Retries that may be made whatever was asked, or a quiet gateway could make none.
const FLOOR: u64 = 10;
/// The budget looks back ten of these.
const BUCKET: Duration = Duration::from_secs(1);
/// Of one call: shares are summed in these.
const MILLIONTHS: u64 = 1_000_000;

/// How failed calls are made again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Calls after the first, at one target.
    pub attempts: u32,
    /// The longest pause before the first of them; doubles with each.
    pub base: Duration,
    /// The longest pause of all, and the longest `Retry-After` that is waited for.
    pub cap: Duration,
    /// How many calls may be repeated, as a share of all.
    pub budget: Share,
}

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It could not be delivered, or the answer was none: it may be made again at once.
    Transient {
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It took all the time that it had.
    Timeout,
    /// The provider has enough for the moment.
    RateLimited {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It would fail again: the gateway's key, or a model that is not there.
    Lasting,
}

/// Who is left to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Nobody.
    None,
    /// Targets that answer as well as this one would.
    Equal,
    /// Fallbacks: they answer too, but with another model.
    Fallback,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same target, after this pause.
    Again(Duration),
    /// The next target, if there is one.
    Other,
}

/// Decides after a failure. `made` counts the calls at this target so far, `chance` (0 ..= 1) is drawn for
/// the pause (full jitter).
#[must_use]
pub fn decide(failure: Failure, made: u32, others: Others, rules: &Rules, chance: f64) -> Next {
    let retry_after = match (failure, others) {
        (Failure::Transient { retry_after }, Others::None)
        | (Failure::RateLimited { retry_after }, Others::None) => retry_after,
        (Failure::Transient { retry_after }, Others::Fallback)
            if retry_after.is_none_or(|wait| wait <= rules.base) =>
        {
            retry_after
        }
        (
            Failure::Transient { .. } | Failure::RateLimited { .. },
            Others::Fallback | Others::Equal,
        )
        | (Failure::Timeout | Failure::Lasting, _) => return Next::Other,
    };
    if made > rules.attempts || retry_after.is_some_and(|wait| wait > rules.cap) {
        return Next::Other;
    }
    Next::Again(pause(retry_after, made, rules, Share::clamped(chance)))
}

/// The pause after `made` calls: not before the provider wants, and then not all callers at once.
fn pause(retry_after: Option<Duration>, made: u32, rules: &Rules, chance: Share) -> Duration {
    let doubled = 2_u32.saturating_pow(made.saturating_sub(1));
    let backoff = chance.of(rules.base.saturating_mul(doubled).min(rules.cap));
    let wanted = retry_after.map(|wait| wait.saturating_add(chance.of(rules.base)));
    backoff.max(wanted.unwrap_or_default()).min(rules.cap)
}

/// Calls that may be repeated: ten in ten seconds, and a share of those that are made, so that an outage does not
/// multiply them.
#[derive(Debug, Default)]
pub struct RetryBudget {
    recent: Recent<Calls>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    /// What first calls have paid in, in millionths of a call.
    paid: u64,
    /// Repeated ones.
    repeated: u64,
}

impl RetryBudget {
    /// Counts a first call.
    pub fn deposit(&mut self, now: Moment, share: Share) {
        self.recent.count(now, BUCKET, |calls| {
            calls.paid = calls.paid.saturating_add(share.millionths());
        });
    }

    /// Takes the right to repeat one, if there is one left.
    pub fn withdraw(&mut self, now: Moment) -> bool {
        // All repeated calls of the last ten seconds count, but no first call from before them.
        let paid = (self.recent.counts(now, BUCKET, BUCKETS - 1))
            .fold(0_u64, |sum, calls| sum.saturating_add(calls.paid));
        let repeated = (self.recent.counts(now, BUCKET, BUCKETS))
            .fold(0_u64, |sum, calls| sum.saturating_add(calls.repeated));
        let is_left = repeated < FLOOR.saturating_add(paid / MILLIONTHS);
        if is_left {
            self.recent.count(now, BUCKET, |calls| {
                calls.repeated = calls.repeated.saturating_add(1);
            });
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    const RULES: Rules = Rules {
        attempts: 2,
        base: ms(200),
        cap: ms(5_000),
        budget: Share::percent(20),
    };
    const ALL: [Others; 3] = [Others::None, Others::Fallback, Others::Equal];

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    const fn transient(retry_after: Option<Duration>) -> Failure {
        Failure::Transient { retry_after }
    }

    const fn limited(retry_after: Option<Duration>) -> Failure {
        Failure::RateLimited { retry_after }
    }

    /// What follows the first call if nobody, a fallback, an equal is left; by the largest chance.
    #[track_caller]
    fn check(failure: Failure, next: [Option<u64>; 3]) {
        for (others, wait) in ALL.into_iter().zip(next) {
            let expected = wait.map_or(Next::Other, |wait| Next::Again(ms(wait)));
            let found = decide(failure, 1, others, &RULES, 1.0);
            assert_eq!(found, expected, "{failure:?}, {others:?}");
        }
    }

    #[test]
    fn the_table() {
        check(transient(None), [Some(200), Some(200), None]);
        check(transient(Some(ms(0))), [Some(200), Some(200), None]);
        check(transient(Some(ms(200))), [Some(400), Some(400), None]);
        check(transient(Some(ms(201))), [Some(401), None, None]);
        check(transient(Some(ms(5_000))), [Some(5_000), None, None]);
        check(transient(Some(ms(5_001))), [None; 3]);
        check(limited(None), [Some(200), None, None]);
        check(limited(Some(ms(700))), [Some(900), None, None]);
        check(limited(Some(ms(5_001))), [None; 3]);
        check(Failure::Timeout, [None; 3]);
        check(Failure::Lasting, [None; 3]);
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_end_with_the_attempts() {
        let rules = Rules {
            attempts: 7,
            ..RULES
        };
        let next = |made| decide(transient(None), made, Others::None, &rules, 1.0);
        let pauses = [200, 400, 800, 1_600, 3_200, 5_000, 5_000];
        for (made, pause) in (1..).zip(pauses) {
            assert_eq!(next(made), Next::Again(ms(pause)), "{made}");
        }
        assert_eq!(next(8), Next::Other);
        let half = decide(transient(None), 2, Others::None, &rules, 0.5);
        assert_eq!(half, Next::Again(ms(200)), "of all of the backoff");
        let none = decide(transient(None), 2, Others::None, &rules, 0.0);
        assert_eq!(none, Next::Again(Duration::ZERO));
    }

    fn duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            (0_u64..20_000).prop_map(ms),
            Just(Duration::MAX),
            Just(Duration::ZERO),
            Just(Duration::from_nanos(1)),
        ]
    }

    fn failure() -> impl Strategy<Value = Failure> {
        let wait = proptest::option::of(duration());
        (0..4, wait).prop_map(|(kind, wait)| match kind {
            0 => transient(wait),
            1 => limited(wait),
            2 => Failure::Timeout,
            _ => Failure::Lasting,
        })
    }

    proptest! {
        #[test]
        fn pauses_are_within_what_is_wanted_and_the_cap(
            failure in failure(),
            made in prop_oneof![0_u32..5, any::<u32>()],
            attempts in prop_oneof![0_u32..5, any::<u32>()],
            others in proptest::sample::select(&ALL[..]),
            (base, cap) in (duration(), duration()),
            chance in prop_oneof![0.0..=1.0, any::<f64>()],
        ) {
            let rules = Rules { attempts, base, cap, ..RULES };
            if let Next::Again(pause) = decide(failure, made, others, &rules, chance) {
                prop_assert!(made <= attempts && others != Others::Equal);
                prop_assert!(pause <= cap);
                if let Failure::Transient { retry_after: Some(wait) }
                    | Failure::RateLimited { retry_after: Some(wait) } = failure
                {
                    prop_assert!(pause >= wait, "asked {:?} too early", wait - pause);
                }
            }
        }

        #[test]
        fn no_ten_seconds_see_more_retries_than_their_share(
            percent in 0_u8..=100,
            steps in proptest::collection::vec(
                (prop_oneof![0_u64..50, 0_u64..2_000, Just(30_000)], 0_usize..20, 0_usize..20), 1..80),
        ) {
            let (mut now, mut budget) = (Clock::manual().now(), RetryBudget::default());
            let share = Share::percent(percent);
            let (mut firsts, mut retries) = (Vec::new(), Vec::new());
            for (step, first, again) in steps {
                now = now.after(ms(step));
                for _ in 0..first {
                    budget.deposit(now, share);
                    firsts.push(now);
                }
                for _ in 0..again {
                    let within = |calls: &[Moment]| {
                        calls.iter().filter(|at| now.since(**at) < ms(10_000)).count() as f64
                    };
                    if budget.withdraw(now) {
                        retries.push(now);
                        let most = 10.0 + share.get() * within(&firsts);
                        prop_assert!(within(&retries) <= most + 1e-6, "{} of {most}", within(&retries));
                    } else {
                        let older = retries.iter().filter(|at| now.since(**at) < ms(11_000));
                        prop_assert!(older.count() >= 10, "the floor is always there");
                    }
                }
            }
        }
    }

    #[test]
    fn an_outage_repeats_a_share() {
        let (start, mut budget) = (Clock::manual().now(), RetryBudget::default());
        let mut granted = 0;
        for call in 0..1_000 {
            let now = start.after(ms(call));
            budget.deposit(now, Share::percent(20));
            granted += u32::from(budget.withdraw(now));
        }
        assert_eq!(granted, 210);
        let later = start.after(ms(60_000));
        let again = (0..20).filter(|_| budget.withdraw(later)).count();
        assert_eq!(again, 10);
    }

    #[test]
    fn calls_of_long_ago_pay_for_nothing() {
        let (start, mut budget) = (Clock::manual().now(), RetryBudget::default());
        for _ in 0..100 {
            budget.deposit(start, Share::percent(20));
        }
        let later = start.after(ms(10_500));
        assert_eq!((0..50).filter(|_| budget.withdraw(later)).count(), 10);
    }
}
