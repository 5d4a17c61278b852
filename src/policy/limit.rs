//! How much may be asked, of one target or by one client.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use crate::{clock::Moment, units::Tokens};

/// How much may be asked; nothing is unlimited by being zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens in a minute, of prompts and answers together.
    pub tokens_per_minute: Option<NonZeroU64>,
    /// Requests at the same time.
    pub concurrent: Option<NonZeroU32>,
}

impl Limits {
    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The parts that a token is counted in: with nanoseconds in a minute, a bucket gains `per_minute` parts in each
/// nanosecond, and nothing is ever rounded.
const PARTS: i128 = 60_000_000_000;
/// The deepest debt, in times of a full bucket: a day's. A provider that reports nonsense shuts nobody out for good.
const DEEPEST: i128 = 24 * 60;

/// Tokens that may be used: filled evenly, `per_minute` of them in a minute, which is also the most that it
/// holds. May go below nothing, where more was used than had been reserved.
///
/// In any span of time no more is taken than a full bucket and what flows in meanwhile; what one take asks for beyond a
/// full bucket is paid by those after it.
#[derive(Debug)]
pub struct Bucket {
    per_minute: NonZeroU64,
    /// In parts; below zero is a debt.
    level: i128,
    /// When `level` was right.
    at: Moment,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new(per_minute: NonZeroU64, now: Moment) -> Self {
        Self {
            per_minute,
            level: parts(per_minute.get()),
            at: now,
        }
    }

    /// Takes `tokens` out. More than it can ever hold need a full one, and leave a debt; none at all can always be taken.
    ///
    /// # Errors
    /// How long until there are enough, if nobody else takes any: exact to the nanosecond.
    pub fn take(&mut self, tokens: Tokens, now: Moment) -> Result<(), Duration> {
        if tokens.0 == 0 {
            return Ok(());
        }
        self.fill(now);
        let wanted = parts(tokens.0);
        let missing = wanted.min(self.most()).saturating_sub(self.level);
        if missing > 0 {
            return Err(self.time_for(missing));
        }
        self.add(wanted.saturating_neg());
        Ok(())
    }

    /// Corrects what was taken to what was used.
    pub fn correct(&mut self, taken: Tokens, used: Tokens, now: Moment) {
        self.fill(now);
        self.add(parts(taken.0).saturating_sub(parts(used.0)));
    }

    /// What is left, and how long until it is full.
    #[must_use]
    pub fn level(&self, now: Moment) -> (Tokens, Duration) {
        let level = self.level_at(now);
        let whole = u64::try_from(level / PARTS).unwrap_or(0);
        (
            Tokens(whole),
            self.time_for(self.most().saturating_sub(level)),
        )
    }

    fn most(&self) -> i128 {
        parts(self.per_minute.get())
    }

    fn level_at(&self, now: Moment) -> i128 {
        let elapsed = i128::try_from(now.since(self.at).as_nanos()).unwrap_or(i128::MAX);
        let gained = elapsed.saturating_mul(i128::from(self.per_minute.get()));
        self.level.saturating_add(gained).min(self.most())
    }

    fn fill(&mut self, now: Moment) {
        self.level = self.level_at(now);
        // A moment before the last one fills nothing, and must not make the time between count twice.
        self.at = self.at.max(now);
    }

    fn add(&mut self, change: i128) {
        let most = self.most();
        let least = most.saturating_mul(-DEEPEST);
        self.level = self.level.saturating_add(change).clamp(least, most);
    }

    /// How long it takes to gain so much, rounded up to a nanosecond.
    fn time_for(&self, parts: i128) -> Duration {
        let parts = u128::try_from(parts).unwrap_or(0);
        let nanos = parts.div_ceil(u128::from(self.per_minute.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn parts(tokens: u64) -> i128 {
    i128::from(tokens).saturating_mul(PARTS)
}

#[cfg(test)]
mod tests;
