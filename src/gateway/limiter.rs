//! Limits in force: of a provider, of one of its models, or of a client.
//!
//! Requests a minute are `governor`'s (GCRA). It can't take anything back, so tokens, of which more are reserved than used, are in
//! a [`Bucket`], and requests are charged last: whoever is refused is charged nothing. Invariant: whatever is let in gives
//! its place back when its [`Hold`] is dropped.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    NotUntil, Quota, RateLimiter,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use crate::{
    clock::{Clock, Moment},
    policy::limit::{Bucket, Limits},
    units::Tokens,
};

/// What is told to whoever finds all places taken: nobody knows when one is free.
const GUESS: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Requests in a minute.
    Requests,
    /// Tokens in a minute.
    Tokens,
    /// Requests at the same time.
    Concurrent,
}

/// A limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Which.
    pub which: Which,
    /// How high it is.
    pub limit: u64,
    /// How long until the same is let in, if nothing else is; a guess for [`Which::Concurrent`].
    pub wait: Duration,
}

/// How much is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// How high it is.
    pub limit: u64,
    /// How much is left.
    pub remaining: u64,
    /// How long until all of it is there again.
    pub reset: Duration,
}

/// How much is left of each limit; `None` where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    /// Requests in a minute.
    pub requests: Option<Level>,
    /// Tokens in a minute.
    pub tokens: Option<Level>,
    /// Requests at the same time that are under way.
    pub in_flight: u32,
}

/// Limits in force.
#[derive(Debug)]
pub struct Limiter {
    limits: Limits,
    clock: Clock,
    requests: Option<Requests>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    in_flight: u32,
    tokens: Option<Bucket>,
    /// When all requests of a minute are there again. `governor` knows it, and tells nobody.
    all_requests: Moment,
}

/// Something that was let in.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Hold {
    limiter: Arc<Limiter>,
    has_place: bool,
    /// What the bucket was charged.
    tokens: Tokens,
    is_settled: bool,
}

impl Limiter {
    /// These limits, with nothing used of them.
    #[must_use]
    pub fn new(limits: Limits, clock: &Clock) -> Arc<Self> {
        let now = clock.now();
        let tokens = limits.tokens_per_minute;
        Arc::new(Self {
            limits,
            requests: limits
                .requests_per_minute
                .map(|limit| Requests::new(limit, clock)),
            state: Mutex::new(State {
                in_flight: 0,
                tokens: tokens.map(|limit| Bucket::new(limit, now)),
                all_requests: now,
            }),
            clock: clock.clone(),
        })
    }

    /// What it holds to.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Lets one request in that will use about `tokens`: all limits, or none, are charged. No tokens are within every
    /// limit of them.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn enter(self: &Arc<Self>, tokens: Tokens) -> Result<Hold, Full> {
        self.with(|state, now| {
            self.has_place(state)?;
            self.take(state, tokens, now)?;
            if let Some(requests) = &self.requests {
                if let Err(full) = requests.take() {
                    self.correct(state, tokens, Tokens(0), now);
                    return Err(full);
                }
                state.all_requests = state.all_requests.max(now).after(requests.interval);
            }
            state.in_flight = state.in_flight.saturating_add(1);
            Ok(())
        })?;
        Ok(self.hold(tokens, true))
    }

    /// Whether one more may be under way; charges nothing.
    ///
    /// # Errors
    /// [`Which::Concurrent`].
    pub(super) fn place(&self) -> Result<(), Full> {
        self.with(|state, _| self.has_place(state))
    }

    fn has_place(&self, state: &State) -> Result<(), Full> {
        let limit = self.limits.concurrent.map(u32::from);
        match limit.filter(|limit| state.in_flight >= *limit) {
            None => Ok(()),
            Some(limit) => Err(Full {
                which: Which::Concurrent,
                limit: limit.into(),
                wait: GUESS,
            }),
        }
    }

    /// Reserves tokens for a request that is in already.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn reserve(self: &Arc<Self>, tokens: Tokens) -> Result<Hold, Full> {
        self.with(|state, now| self.take(state, tokens, now))?;
        Ok(self.hold(tokens, false))
    }

    /// How much is left.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.with(|state, now| {
            let requests = self.requests.as_ref().map(|requests| {
                let reset = state.all_requests.since(now);
                requests.level(reset)
            });
            let tokens = state.tokens.as_ref().zip(self.limits.tokens_per_minute);
            let tokens = tokens.map(|(bucket, limit)| {
                let (left, reset) = bucket.level(now);
                Level {
                    limit: limit.get(),
                    remaining: left.0,
                    reset,
                }
            });
            Levels {
                requests,
                tokens,
                in_flight: state.in_flight,
            }
        })
    }

    /// The time is asked for under the lock, so that nobody is charged by an older one than who came before.
    fn with<T>(&self, f: impl FnOnce(&mut State, Moment) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        f(&mut state, now)
    }

    fn take(&self, state: &mut State, tokens: Tokens, now: Moment) -> Result<(), Full> {
        let Some((bucket, limit)) = state.tokens.as_mut().zip(self.limits.tokens_per_minute) else {
            return Ok(());
        };
        bucket.take(tokens, now).map_err(|wait| Full {
            which: Which::Tokens,
            limit: limit.get(),
            wait,
        })
    }

    fn correct(&self, state: &mut State, taken: Tokens, used: Tokens, now: Moment) {
        if let Some(bucket) = &mut state.tokens {
            bucket.correct(taken, used, now);
        }
    }

    fn hold(self: &Arc<Self>, tokens: Tokens, has_place: bool) -> Hold {
        Hold {
            limiter: Arc::clone(self),
            has_place,
            tokens,
            is_settled: false,
        }
    }
}

impl Hold {
    /// Corrects the tokens to those that were used; a later call corrects them further. Without any, all are given back.
    pub fn settle(&mut self, used: Tokens) {
        let limiter = &self.limiter;
        limiter.with(|state, now| limiter.correct(state, self.tokens, used, now));
        self.tokens = used;
        self.is_settled = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let limiter = &self.limiter;
        limiter.with(|state, now| {
            if self.has_place {
                state.in_flight = state.in_flight.saturating_sub(1);
            }
            if !self.is_settled {
                limiter.correct(state, self.tokens, Tokens(0), now);
            }
        });
    }
}

/// Requests in a minute: as many at once as in a minute, and one more each time that a share of the minute has passed.
#[derive(Debug)]
struct Requests {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>,
    limit: u32,
    /// How long until there is one more.
    interval: Duration,
}

impl Requests {
    fn new(limit: std::num::NonZeroU32, clock: &Clock) -> Self {
        let quota = Quota::per_minute(limit);
        let ticks = Ticks {
            start: clock.now(),
            clock: clock.clone(),
        };
        Self {
            limiter: RateLimiter::direct_with_clock(quota, ticks),
            limit: limit.get(),
            interval: quota.replenish_interval(),
        }
    }

    fn take(&self) -> Result<(), Full> {
        self.limiter
            .check()
            .map_err(|not_until: NotUntil<Duration>| {
                let now = governor::clock::Clock::now(self.limiter.clock());
                Full {
                    which: Which::Requests,
                    limit: self.limit.into(),
                    wait: not_until.wait_time_from(now),
                }
            })
    }

    /// `reset` is how long until all are there.
    fn level(&self, reset: Duration) -> Level {
        let missing = reset.as_nanos().div_ceil(self.interval.as_nanos().max(1));
        let missing = u64::try_from(missing).unwrap_or(u64::MAX);
        Level {
            limit: self.limit.into(),
            remaining: u64::from(self.limit).saturating_sub(missing),
            reset: reset.min(MINUTE),
        }
    }
}

/// Our clock as `governor`'s: the time since the limiter was made.
#[derive(Debug, Clone)]
struct Ticks {
    clock: Clock,
    start: Moment,
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        // `governor` panics at durations of more than 584 years.
        const LONGEST: Duration = Duration::from_secs(1 << 33);
        self.clock.now().since(self.start).min(LONGEST)
    }
}

#[cfg(test)]
mod tests;
