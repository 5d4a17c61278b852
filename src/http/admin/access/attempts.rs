//! How often somebody may be wrong, by address.
//!
//! Wrong keys and requests without any are counted apart, so that a page which was left open uses up nothing that
//! somebody needs to sign in. Where wrong keys are used up, no key is let in, not even the right one: guessing would
//! otherwise go on, and the answer would say when it succeeds. Addresses of IPv6 count by their first 64 bits, which is
//! what one machine is given. Invariant: a bounded number of addresses is remembered.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU64,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Refusal, Verdict};
use crate::{clock::Moment, policy::limit::Bucket, units::Tokens};

/// Wrong keys in a row, and then in a minute.
const WRONG: NonZeroU64 = NonZeroU64::MIN.saturating_add(9);
/// Requests without any key in a row, and then in a minute.
const MISSING: NonZeroU64 = NonZeroU64::MIN.saturating_add(59);
/// Addresses that are remembered.
const MOST: usize = 10_000;
/// An address is told in the log this often at most.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// Too much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    /// Of what.
    pub(super) what: &'static str,
    /// How long until one more is let through.
    pub(super) wait: Duration,
}

/// What came from which address.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Tries>>);

/// What came from one address.
#[derive(Debug)]
struct Tries {
    wrong: Bucket,
    missing: Bucket,
    /// When it was told in the log.
    told: Option<Moment>,
}

impl Tries {
    fn new(now: Moment) -> Self {
        Self {
            wrong: Bucket::new(WRONG, now),
            missing: Bucket::new(MISSING, now),
            told: None,
        }
    }

    /// How long until there is nothing to be remembered.
    fn left(&self, now: Moment) -> Duration {
        let told = self.told.map_or(Duration::ZERO, |told| {
            BETWEEN_LINES.saturating_sub(now.since(told))
        });
        let (_, wrong) = self.wrong.level(now);
        let (_, missing) = self.missing.level(now);
        told.max(wrong).max(missing)
    }
}

impl Attempts {
    /// A key came from `peer`.
    ///
    /// # Errors
    /// [`Refusal::Wrong`], or [`Refusal::TooMany`] whether or not it is the right one.
    pub(super) fn key(&self, peer: IpAddr, is_right: bool, now: Moment) -> Verdict {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let block = block(peer);
        if is_right && !all.contains_key(&block) {
            return Ok(());
        }
        let tries = entry(&mut all, block, now);
        if let Err(wait) = tries.wrong.take(Tokens(1), now) {
            let what = "too many wrong admin keys";
            return Err(Refusal::TooMany(Refused { what, wait }));
        }
        if is_right {
            tries.wrong.correct(Tokens(1), Tokens(0), now);
            return Ok(());
        }
        Err(Refusal::Wrong)
    }

    /// Whether a refusal of `peer` is to be told in the log: the first one in a minute.
    pub(super) fn is_news(&self, peer: IpAddr, now: Moment) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = &mut entry(&mut all, block(peer), now).told;
        let is_news = told.is_none_or(|told| now.since(told) >= BETWEEN_LINES);
        if is_news {
            *told = Some(now);
        }
        is_news
    }

    /// A request without any key came from `peer`.
    ///
    /// # Errors
    /// [`Refusal::TooMany`].
    pub(super) fn nothing(&self, peer: IpAddr, now: Moment) -> Verdict {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = entry(&mut all, block(peer), now);
        tries.missing.take(Tokens(1), now).map_err(|wait| {
            let what = "too many requests without the admin key";
            Refusal::TooMany(Refused { what, wait })
        })
    }
}

/// What came from `block`. Where there are too many, those are forgotten first that soon would be.
fn entry(all: &mut HashMap<IpAddr, Tries>, block: IpAddr, now: Moment) -> &mut Tries {
    if all.len() >= MOST && !all.contains_key(&block) {
        all.retain(|_, tries| !tries.left(now).is_zero());
        if all.len() >= MOST {
            // A tenth at once, so that it is not looked for at each request.
            let mut left: Vec<Duration> = all.values().map(|tries| tries.left(now)).collect();
            let (_, limit, _) = left.select_nth_unstable(MOST / 10);
            let limit = *limit;
            let mut excess = MOST / 10;
            all.retain(|_, tries| {
                let goes = excess > 0 && tries.left(now) <= limit;
                excess -= usize::from(goes);
                !goes
            });
        }
    }
    all.entry(block).or_insert_with(|| Tries::new(now))
}

/// What is counted as one address.
fn block(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::Clock;

    fn ip(last: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + last))
    }

    fn wait(verdict: Verdict) -> Option<u64> {
        match verdict {
            Err(Refusal::TooMany(refused)) => Some(refused.wait.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn ten_wrong_keys_and_then_one_each_six_seconds() {
        let (attempts, clock) = (Attempts::default(), Clock::manual());
        for _ in 0..10 {
            assert_eq!(attempts.key(ip(1), false, clock.now()), Err(Refusal::Wrong));
        }
        for is_right in [false, true] {
            assert_eq!(wait(attempts.key(ip(1), is_right, clock.now())), Some(6));
        }
        // Others are not held up, nor is who sends no key.
        assert_eq!(attempts.key(ip(2), true, clock.now()), Ok(()));
        assert_eq!(attempts.nothing(ip(1), clock.now()), Ok(()));
        clock.advance(Duration::from_secs(6));
        // The right one uses nothing up.
        for _ in 0..3 {
            assert_eq!(attempts.key(ip(1), true, clock.now()), Ok(()));
        }
        assert_eq!(attempts.key(ip(1), false, clock.now()), Err(Refusal::Wrong));
        assert_eq!(wait(attempts.key(ip(1), true, clock.now())), Some(6));
    }

    #[test]
    fn requests_without_a_key_block_no_keys() {
        let (attempts, clock) = (Attempts::default(), Clock::manual());
        for _ in 0..60 {
            assert_eq!(attempts.nothing(ip(1), clock.now()), Ok(()));
        }
        assert_eq!(wait(attempts.nothing(ip(1), clock.now())), Some(1));
        assert_eq!(attempts.key(ip(1), true, clock.now()), Ok(()));
    }

    #[test]
    fn a_line_a_minute_for_an_address() {
        let (attempts, clock) = (Attempts::default(), Clock::manual());
        assert!(attempts.is_news(ip(1), clock.now()) && attempts.is_news(ip(2), clock.now()));
        clock.advance(BETWEEN_LINES - Duration::from_millis(1));
        assert!(!attempts.is_news(ip(1), clock.now()));
        clock.advance(Duration::from_millis(1));
        assert!(attempts.is_news(ip(1), clock.now()) && !attempts.is_news(ip(1), clock.now()));
    }

    #[test]
    fn a_machine_with_many_addresses_is_one() {
        let (attempts, clock) = (Attempts::default(), Clock::manual());
        let address = |low: u64| {
            let high = 0x2001_0db8_0000_0007_u64;
            IpAddr::V6(Ipv6Addr::from_bits(
                u128::from(high) << 64 | u128::from(low),
            ))
        };
        for low in 0..10 {
            assert_eq!(
                attempts.key(address(low), false, clock.now()),
                Err(Refusal::Wrong)
            );
        }
        assert!(wait(attempts.key(address(u64::MAX), true, clock.now())).is_some());
        // The same address in two ways.
        let mapped = IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        assert_eq!(block(mapped), ip(1));
        assert_ne!(block(ip(1)), block(ip(2)));
    }

    #[test]
    fn a_bounded_number_is_remembered_and_the_worst_longest() {
        let (attempts, clock) = (Attempts::default(), Clock::manual());
        for _ in 0..10 {
            let _wrong = attempts.key(ip(0), false, clock.now());
        }
        clock.advance(Duration::from_secs(1));
        for last in 1..=25_000 {
            let _wrong = attempts.key(ip(last), false, clock.now());
            clock.advance(Duration::from_micros(100));
        }
        let remembered = attempts.0.lock().unwrap().len();
        assert!((MOST * 8 / 10..=MOST).contains(&remembered), "{remembered}");
        // In an hour all is forgotten.
        clock.advance(Duration::from_secs(3600));
        for last in 30_000..30_000 + 2 * u32::try_from(MOST).unwrap() {
            assert_eq!(attempts.key(ip(last), true, clock.now()), Ok(()));
        }
        assert!(attempts.0.lock().unwrap().len() <= MOST);
    }
}
