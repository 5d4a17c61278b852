//! Which of its keys a provider is asked with.
//!
//! One key is used until it is put aside, then the next one that is free: prompts that a provider has
//! cached are cached for an account, so changing keys for its own sake costs money.
//!
//! | a provider says | put aside | for how long |
//! |---|---|---|
//! | 429 | key and model | its `Retry-After`, else 1 s, doubling up to 60 s |
//! | 403 about the key | key and model | 10 s, doubling up to 10 min |
//! | 401 | key | 10 s, doubling up to 10 min |
//! | 402, `insufficient_quota` | key | 60 s, doubling up to 10 min |
//! | nothing is left, with a success | key and model, behind the others | until it is reset |
//!
//! Nothing lasts longer than an hour. Two rules keep one request from taking a provider away from all others:
//!
//! - The last key that is not put aside as a whole is put aside for one model only, whatever it was refused
//!   with: some providers answer 401 where a key has no access to a model, and 402 where one request costs
//!   more than is left.
//! - A key of which nothing is left is asked if there is no better one. Providers say when their limit is
//!   full again; there is room for the next request long before that.
//!
//! When the time of a refused key is over, one call tries it; others follow when that one succeeds, or
//! has said nothing for a while. Invariant: there are at most [`MOST_GATES`] pairs of key and model.

use std::{collections::BTreeMap, time::Duration};

use crate::clock::Moment;

/// Pairs of key and model that are remembered. Names of models are made by clients.
pub const MOST_GATES: usize = 1000;

const LONGEST: Duration = Duration::from_secs(3600);
const LIMITED: Backoff = Backoff::seconds(1, 60);
const DENIED: Backoff = Backoff::seconds(10, 600);
const UNPAID: Backoff = Backoff::seconds(60, 600);
/// How long others wait for what the first call with a key that was refused ends in.
const PROBE: Duration = Duration::from_secs(2);
/// By how much of itself a pause after a refusal may be shorter, so that gateways do not try at once.
const JITTER: f64 = 0.2;

/// Why a key is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It has asked too much for the moment.
    RateLimited {
        /// How long it is to wait, where the provider says.
        retry_after: Option<Duration>,
    },
    /// It was answered, and nothing is left of its limit.
    Drained {
        /// How long until the limit is as it was.
        reset: Duration,
    },
    /// It may not use this model.
    Forbidden,
    /// It is not known, or not any longer.
    Unauthorized,
    /// Its account has no money left.
    Unpaid,
}

impl Reason {
    /// One word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Drained { .. } => "drained",
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::Unpaid => "unpaid",
        }
    }

    /// Whether it is about the key whatever the model.
    fn is_of_key(self) -> bool {
        match self {
            Self::Unauthorized | Self::Unpaid => true,
            Self::RateLimited { .. } | Self::Drained { .. } | Self::Forbidden => false,
        }
    }

    /// What a call that can't be made is told.
    fn obstacle(self) -> Option<Obstacle> {
        match self {
            Self::RateLimited { .. } => Some(Obstacle::RateLimited),
            Self::Drained { .. } => None,
            Self::Forbidden | Self::Unauthorized | Self::Unpaid => Some(Obstacle::Refused),
        }
    }

    /// How long a key is put aside that this has happened to so many `times` without a success.
    fn pause(self, times: u32, chance: f64) -> Duration {
        let refused = |backoff: Backoff| {
            let chance = if chance.is_nan() { 0.0 } else { chance };
            let pause = backoff.pause(times);
            pause.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
        };
        let pause = match self {
            Self::RateLimited { retry_after } => retry_after.unwrap_or(LIMITED.pause(times)),
            Self::Drained { reset } => reset,
            Self::Forbidden | Self::Unauthorized => refused(DENIED),
            Self::Unpaid => refused(UNPAID),
        };
        pause.min(LONGEST)
    }
}

/// Why no key is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// One or more of them would do, were it not for a rate limit.
    RateLimited,
    /// All are refused.
    Refused,
}

/// No key is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoneFree {
    /// How long until the first of them is; of those that are only rate limited, if there are any, since a key
    /// that was refused will likely be refused again. Zero if all were tried, and none had to be put aside.
    pub retry_after: Duration,
    /// Why.
    pub obstacle: Obstacle,
}

/// The keys of a provider, by their places. A provider without any has one place, for calls without a key.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct KeyRing {
    keys: Vec<Key>,
    current: usize,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Key {
    /// Put aside for all models.
    hold: Option<Hold>,
    /// Put aside for one.
    gates: BTreeMap<Box<str>, Hold>,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    reason: Reason,
    until: Moment,
    /// How often in a row.
    times: u32,
    /// Whether its time is over, and a call has gone out to see.
    is_probed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Backoff {
    first: Duration,
    longest: Duration,
}

/// How a key is placed for a call.
enum Standing {
    Free,
    /// Nothing may be left of its limit until then.
    Drained(Moment),
    Aside(Moment, Obstacle),
}

impl KeyRing {
    /// A ring of so many keys, all of them free.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self {
            keys: std::iter::repeat_with(Key::default)
                .take(keys.max(1))
                .collect(),
            current: 0,
        }
    }

    /// The place of the key to call `model` with (empty for a call that is about none), but for those that were
    /// `tried` for this call.
    ///
    /// # Errors
    /// When all others are put aside.
    pub fn next(&mut self, model: &str, tried: &[usize], now: Moment) -> Result<usize, NoneFree> {
        let count = self.keys.len();
        let places = (0..count).map(|step| (self.current + step) % count);
        let mut drained: Option<(Moment, usize)> = None;
        let mut free = None;
        for place in places.filter(|place| !tried.contains(place)) {
            match self.keys.get(place).map(|key| key.standing(model, now)) {
                Some(Standing::Free) => {
                    free = Some(place);
                    break;
                }
                Some(Standing::Drained(until))
                    if drained.is_none_or(|(soonest, _)| until < soonest) =>
                {
                    drained = Some((until, place));
                }
                Some(Standing::Drained(_) | Standing::Aside(..)) | None => {}
            }
        }
        let place = free.or(drained.map(|(_, place)| place));
        let place = place.ok_or_else(|| self.none_free(model, now))?;
        if let Some(key) = self.keys.get_mut(place) {
            key.probe(model, now);
        }
        self.current = place;
        Ok(place)
    }

    fn none_free(&self, model: &str, now: Moment) -> NoneFree {
        let soonest = |wanted: Obstacle| {
            let aside = self.keys.iter().filter_map(|key| {
                let Standing::Aside(until, obstacle) = key.standing(model, now) else {
                    return None;
                };
                (obstacle == wanted).then(|| until.since(now))
            });
            aside.min()
        };
        let limited = soonest(Obstacle::RateLimited).map(|wait| (wait, Obstacle::RateLimited));
        let (retry_after, obstacle) = limited.unwrap_or_else(|| {
            let refused = soonest(Obstacle::Refused).unwrap_or_default();
            (refused, Obstacle::Refused)
        });
        NoneFree {
            retry_after,
            obstacle,
        }
    }

    /// How many keys are put aside at present, as a whole or for any model.
    #[must_use]
    pub fn aside(&self, now: Moment) -> usize {
        let is_aside = |hold: &Hold| hold.until > now && hold.reason.obstacle().is_some();
        let keys = self.keys.iter();
        keys.filter(|key| key.hold.iter().chain(key.gates.values()).any(is_aside))
            .count()
    }

    /// Puts a key aside, for `model` or as a whole; returns for how long, if it was not aside before. `chance`
    /// (0 ..= 1) spreads the times at which refused keys are tried again.
    pub fn put_aside(
        &mut self,
        place: usize,
        model: &str,
        reason: Reason,
        now: Moment,
        chance: f64,
    ) -> Option<Duration> {
        let mut others = (0..).zip(&self.keys).filter(|(other, _)| *other != place);
        let is_last = others.all(|(_, key)| key.hold.is_some());
        let is_whole = reason.is_of_key() && !is_last;
        let key = self.keys.get_mut(place)?;
        let before = if is_whole {
            key.hold
        } else {
            key.gates.get(model).copied()
        };
        let hold = Hold::after(before, reason, now, chance)?;
        if is_whole {
            key.hold = Some(hold);
        } else {
            if before.is_none() {
                self.make_room();
            }
            let key = self.keys.get_mut(place)?;
            key.gates.insert(model.into(), hold);
        }
        let was_aside =
            before.is_some_and(|before| before.is_settled(now) && before.is_like(reason));
        (!was_aside).then(|| hold.until.since(now))
    }

    /// Takes in that a call with this key succeeded, and for how long nothing may be left of its limit
    /// (`drained`); returns that time if the key goes behind the others now.
    pub fn succeeded(
        &mut self,
        place: usize,
        model: &str,
        drained: Option<Duration>,
        now: Moment,
    ) -> Option<Duration> {
        // While it is put aside, that is a call from before.
        let outlasts = |hold: &Hold| hold.is_settled(now) && hold.reason.obstacle().is_some();
        let key = self.keys.get_mut(place)?;
        key.hold = key.hold.filter(outlasts);
        if let Some(reset) = drained.filter(|reset| !reset.is_zero()) {
            return self.put_aside(place, model, Reason::Drained { reset }, now, 0.0);
        }
        match key.gates.get_mut(model) {
            // It holds, but others are answered: the next one is the first in a row.
            Some(gate)
                if outlasts(gate) && gate.reason.obstacle() == Some(Obstacle::RateLimited) =>
            {
                gate.times = 0;
            }
            Some(gate) if outlasts(gate) => {}
            Some(_) | None => {
                key.gates.remove(model);
            }
        }
        None
    }

    /// Lets go of the gate that opens first, or is open, if there are as many as there may be.
    fn make_room(&mut self) {
        let gates = self.keys.iter().map(|key| key.gates.len());
        if gates.sum::<usize>() < MOST_GATES {
            return;
        }
        let all = self.keys.iter().enumerate().flat_map(|(place, key)| {
            let gates = key.gates.iter();
            gates.map(move |(model, gate)| (gate.until, place, model))
        });
        let first = all.min_by_key(|(until, ..)| *until);
        let first = first.map(|(_, place, model)| (place, model.clone()));
        if let Some((place, model)) = first
            && let Some(key) = self.keys.get_mut(place)
        {
            key.gates.remove(&model);
        }
    }
}

impl Key {
    fn standing(&self, model: &str, now: Moment) -> Standing {
        let holds = [self.hold.as_ref(), self.gates.get(model)];
        let in_force = holds.into_iter().flatten().filter(|hold| hold.until > now);
        in_force.fold(Standing::Free, |standing, hold| {
            match (standing, hold.reason.obstacle()) {
                (Standing::Aside(until, why), Some(obstacle)) => {
                    let refused = why == Obstacle::Refused || obstacle == Obstacle::Refused;
                    let obstacle = if refused {
                        Obstacle::Refused
                    } else {
                        Obstacle::RateLimited
                    };
                    Standing::Aside(until.max(hold.until), obstacle)
                }
                (aside @ Standing::Aside(..), None) => aside,
                (Standing::Free | Standing::Drained(_), Some(obstacle)) => {
                    Standing::Aside(hold.until, obstacle)
                }
                (Standing::Free | Standing::Drained(_), None) => Standing::Drained(hold.until),
            }
        })
    }

    /// Keeps others back from a key that was refused, while a call sees whether it still is.
    fn probe(&mut self, model: &str, now: Moment) {
        let holds = [self.hold.as_mut(), self.gates.get_mut(model)];
        for hold in holds.into_iter().flatten() {
            if hold.reason.obstacle() == Some(Obstacle::Refused) {
                hold.until = now.after(PROBE);
                hold.is_probed = true;
            }
        }
    }
}

impl Hold {
    /// What becomes of `before`; `None` if it stays as it is.
    fn after(before: Option<Self>, reason: Reason, now: Moment, chance: f64) -> Option<Self> {
        let alike = before.filter(|before| before.is_like(reason));
        let settled = before.filter(|before| before.is_settled(now));
        let times = match alike {
            // Calls that were under way together say one thing together.
            Some(alike) if settled.is_some() => alike.times,
            Some(alike) => alike.times.saturating_add(1),
            None => 1,
        };
        let until = now.after(reason.pause(times, chance));
        let hard = settled.filter(|settled| settled.reason.obstacle().is_some());
        let until = match hard {
            Some(_) if reason.obstacle().is_none() => return None,
            Some(hard) => until.max(hard.until),
            None => until,
        };
        let says_when =
            matches!(reason, Reason::RateLimited { retry_after } if retry_after.is_some());
        (until > now).then_some(Self {
            reason,
            until,
            times: if says_when { 0 } else { times },
            is_probed: false,
        })
    }

    /// Whether it is in force, and not only until a call that is under way has told.
    fn is_settled(&self, now: Moment) -> bool {
        self.until > now && !self.is_probed
    }

    fn is_like(&self, reason: Reason) -> bool {
        std::mem::discriminant(&self.reason) == std::mem::discriminant(&reason)
    }
}

impl Backoff {
    const fn seconds(first: u64, longest: u64) -> Self {
        Self {
            first: Duration::from_secs(first),
            longest: Duration::from_secs(longest),
        }
    }

    fn pause(self, times: u32) -> Duration {
        let doublings = times.saturating_sub(1).min(16);
        let pause = self.first.saturating_mul(1 << doublings);
        pause.min(self.longest)
    }
}

#[cfg(test)]
mod tests;
