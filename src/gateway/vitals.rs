//! How each target fares: its requests under way, and how long its answers take to begin.
//!
//! Invariant: what [`Vitals::begin`] counts is counted down again, however the request ends.

mod told;

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use moka::{
    self,
    sync::{Cache, CacheBuilder},
};

pub(super) use self::told::begin_at_zero;
use super::{attempt::Urgency, limiter::Limiter};
use crate::{
    clock::{Clock, Moment},
    ident::{ModelId, ProviderName},
    policy::{
        breaker::{self, Breaker, Change, Force, Outcome, Permit, Refused, View},
        hedge::{self, Hedges},
        limit::Limits,
        routing::{peak_ewma::PeakEwma, strategy::Candidate},
    },
    units::Price,
    wire::chat::Delivery,
};

/// A failure counts as an answer that took at least this long. Otherwise a target that fails at once
/// would be the quickest of all and draw every request.
const FAILURE: Duration = Duration::from_secs(30);
/// After this time without an answer, one that was given up tells something of the target.
const PATIENCE: Duration = Duration::from_secs(1);
/// When to come back where even a last resort is taken.
const LAST_RESORT: Duration = Duration::from_secs(1);
/// Targets that are remembered: far more than any configuration has, but requests can make up models.
const MOST_TARGETS: u64 = 10_000;
/// How long a target is remembered that nobody asks.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Changes of a breaker that are remembered.
const MOST_CHANGES: usize = 50;

/// A provider's model.
type Name = (ProviderName, ModelId);

/// The vitals of all targets; clones share them. They outlive a change of the configuration.
#[derive(Debug, Clone)]
pub struct VitalsTable {
    targets: Cache<Name, Arc<Vitals>>,
    /// Those whose breakers follow an operator, which are never forgotten.
    forced: Arc<Mutex<HashMap<Name, Arc<Vitals>>>>,
    /// Those of a provider, and of its models.
    limiters: Cache<(ProviderName, Option<ModelId>), Arc<Limiter>>,
    clock: Clock,
}

fn table<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>()
-> CacheBuilder<K, V, Cache<K, V>> {
    let cache = Cache::builder().max_capacity(MOST_TARGETS);
    cache.time_to_idle(IDLE)
}

impl VitalsTable {
    /// Of no target yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            targets: table()
                .eviction_listener(|name, vitals: Arc<Vitals>, cause| {
                    told::forgotten(&name, &vitals, cause);
                })
                .build(),
            forced: Arc::default(),
            limiters: table().build(),
            clock: clock.clone(),
        }
    }

    /// The vitals of this provider's `model`.
    #[must_use]
    pub fn of(&self, provider: &ProviderName, model: &ModelId) -> Arc<Vitals> {
        let name = (provider.clone(), model.clone());
        if let Some(forced) = self.forced().get(&name) {
            return Arc::clone(forced);
        }
        let vitals = || Arc::new(Vitals::new(name.clone(), &self.clock));
        self.targets.get_with_by_ref(&name, vitals)
    }

    /// Has the breaker of this provider's `model` follow an operator until it is told otherwise, however long
    /// nobody asks; `None` lets it decide by itself again.
    pub fn force(
        &self,
        provider: &ProviderName,
        model: &ModelId,
        force: Option<Force>,
        now: Moment,
    ) {
        let vitals = self.of(provider, model);
        let name = (provider.clone(), model.clone());
        let mut forced = self.forced();
        vitals.with_breaker(|breaker| ((), breaker.force(force, now)));
        if force.is_some() {
            forced.insert(name, vitals);
        } else {
            forced.remove(&name);
            self.targets.insert(name, vitals);
        }
    }

    /// What holds this provider, or one of its models, to `limits`: the same as before, unless they are
    /// others now.
    pub(super) fn limiter(
        &self,
        provider: &ProviderName,
        model: Option<&ModelId>,
        limits: Limits,
    ) -> Option<Arc<Limiter>> {
        if limits.is_empty() {
            return None;
        }
        let limited = (provider.clone(), model.cloned());
        let entry = self.limiters.entry(limited).and_upsert_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let known = known.filter(|known| known.limits() == limits);
            known.unwrap_or_else(|| Limiter::new(limits, &self.clock))
        });
        Some(entry.into_value())
    }

    /// All targets that are remembered.
    #[must_use]
    pub fn all(&self) -> Vec<(ProviderName, ModelId, Arc<Vitals>)> {
        let mut all = self.forced().clone();
        let known = self.targets.iter();
        all.extend(known.map(|(name, vitals)| (Name::clone(&name), vitals)));
        let all = all.into_iter();
        all.map(|((provider, model), vitals)| (provider, model, vitals))
            .collect()
    }

    fn forced(&self) -> MutexGuard<'_, HashMap<Name, Arc<Vitals>>> {
        self.forced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How one target fares.
#[derive(Debug)]
pub struct Vitals {
    name: Name,
    in_flight: AtomicU32,
    latencies: Mutex<ByDelivery<PeakEwma>>,
    breaker: Mutex<Watched>,
    hedges: Mutex<ByDelivery<Hedges>>,
    clock: Clock,
}

/// A breaker, and what became of it.
#[derive(Debug, Default)]
struct Watched {
    breaker: Breaker,
    changes: VecDeque<Changed>,
}

/// A change of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// When it was, in seconds since 1970.
    pub at: u64,
    /// From what to what.
    pub change: Change,
}

/// Apart, since a stream begins with its first word and a whole answer comes with its last.
#[derive(Debug, Default)]
struct ByDelivery<T> {
    whole: T,
    stream: T,
}

impl<T> ByDelivery<T> {
    fn of(&mut self, delivery: Delivery) -> &mut T {
        match delivery {
            Delivery::Json => &mut self.whole,
            Delivery::Stream { .. } => &mut self.stream,
        }
    }
}

impl Vitals {
    fn new(name: Name, clock: &Clock) -> Self {
        Self {
            name,
            clock: clock.clone(),
            in_flight: AtomicU32::default(),
            latencies: Mutex::default(),
            breaker: Mutex::default(),
            hedges: Mutex::default(),
        }
    }

    /// The requests under way, streams that are being read included.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request for an answer of this `delivery`, until the guard is dropped.
    pub fn begin(self: &Arc<Self>, clock: &Clock, delivery: Delivery) -> Guard {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Guard {
            vitals: Arc::clone(self),
            clock: clock.clone(),
            began: clock.now(),
            delivery,
            waits: true,
        }
    }

    /// What `policy` has to know of the target to choose it for an answer of this `delivery`.
    #[must_use]
    pub fn candidate(
        &self,
        weight: u32,
        price: Option<Price>,
        delivery: Delivery,
        now: Moment,
    ) -> Candidate {
        Candidate {
            weight,
            price,
            latency: self.with_latencies(|latencies| latencies.of(delivery).value_at(now)),
            in_flight: self.in_flight(),
        }
    }

    /// Lets a call through, or not.
    ///
    /// # Errors
    /// [`Refused`] with the time until it is worth another try.
    pub(super) fn admit(
        &self,
        now: Moment,
        rules: &breaker::Rules,
        urgency: Urgency,
    ) -> Result<Permit, Refused> {
        self.with_breaker(|breaker| {
            let permit = match urgency {
                Urgency::Usual => breaker.admit(now, rules),
                Urgency::LastResort => breaker.last_resort(now, rules).ok_or(Refused {
                    retry_after: rules.open_for.min(LAST_RESORT),
                }),
            };
            let change = permit.as_ref().ok().and_then(Permit::change);
            (permit, change)
        })
    }

    /// Takes in how a call ended that was let through.
    pub(super) fn settle(
        &self,
        permit: Permit,
        outcome: Outcome,
        now: Moment,
        rules: &breaker::Rules,
    ) {
        let chance = fastrand::f64();
        self.with_breaker(|breaker| ((), breaker.settle(permit, outcome, now, rules, chance)));
    }

    /// Takes in that an answer broke off that had begun.
    pub(super) fn broke_off(&self, now: Moment, rules: &breaker::Rules) {
        let chance = fastrand::f64();
        self.with_breaker(|breaker| ((), breaker.broke_off(now, rules, chance)));
    }

    /// After which wait another target may be asked beside this one.
    pub(super) fn hedge_after(&self, delivery: Delivery, rules: &hedge::Rules) -> Option<Duration> {
        self.with_hedges(|hedges| hedges.of(delivery).begin(rules))
    }

    /// Takes the right to ask another target beside this one.
    pub(super) fn may_hedge(&self, delivery: Delivery) -> bool {
        self.with_hedges(|hedges| hedges.of(delivery).withdraw())
    }

    /// Takes in how long this target took to begin its answer, for those who hedge.
    pub(super) fn hedge_observe(&self, delivery: Delivery, latency: Duration) {
        self.with_hedges(|hedges| hedges.of(delivery).observe(latency));
    }

    fn with_hedges<T>(&self, with: impl FnOnce(&mut ByDelivery<Hedges>) -> T) -> T {
        with(&mut (self.hedges.lock()).unwrap_or_else(PoisonError::into_inner))
    }

    /// What operators see of its breaker.
    #[must_use]
    pub fn view(&self, now: Moment, rules: &breaker::Rules) -> View {
        self.with_breaker(|breaker| (breaker.view(now, rules), None))
    }

    /// The latest changes of its breaker, the earliest first.
    #[must_use]
    pub fn changes(&self) -> Vec<Changed> {
        self.watched().changes.iter().copied().collect()
    }

    /// Operators are told of a change before the next one can happen.
    fn with_breaker<T>(&self, with: impl FnOnce(&mut Breaker) -> (T, Option<Change>)) -> T {
        let mut watched = self.watched();
        let (result, change) = with(&mut watched.breaker);
        if let Some(change) = change {
            while watched.changes.len() >= MOST_CHANGES {
                watched.changes.pop_front();
            }
            let at = self.clock.unix_seconds();
            watched.changes.push_back(Changed { at, change });
            told::told(&self.name, change);
        }
        result
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_latencies<T>(&self, with: impl FnOnce(&mut ByDelivery<PeakEwma>) -> T) -> T {
        // Nothing that is done under the lock can leave half of it.
        with(&mut (self.latencies.lock()).unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request under way. To be kept until the last piece of its answer is read.
///
/// Dropped before the answer began, it was given up (by the client, or since the request was at fault):
/// the time waited counts if it was long, or a target that never answers would never be known to be slow.
#[derive(Debug)]
#[must_use = "the request counts as under way only while this is kept"]
pub struct Guard {
    vitals: Arc<Vitals>,
    clock: Clock,
    began: Moment,
    delivery: Delivery,
    /// Whether nothing has come yet, neither an answer nor a failure.
    waits: bool,
}

impl Guard {
    /// The answer begins: its first event is there, or all of it. Counts once.
    pub fn first_token(&mut self) {
        if std::mem::take(&mut self.waits) {
            let now = self.clock.now();
            let latency = now.since(self.began);
            let delivery = self.delivery;
            self.vitals
                .with_latencies(|latencies| latencies.of(delivery).observe(now, latency));
        }
    }

    /// The target failed, before its answer or within it. Not for requests that are themselves wrong, nor
    /// for what the target can't do.
    pub fn failed(mut self) {
        self.waits = false;
        let now = self.clock.now();
        let penalty = now.since(self.began).max(FAILURE);
        self.vitals.with_latencies(|latencies| {
            latencies.whole.penalise(now, penalty);
            latencies.stream.penalise(now, penalty);
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.vitals.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.waits {
            let now = self.clock.now();
            let waited = now.since(self.began);
            if waited >= PATIENCE {
                let delivery = self.delivery;
                self.vitals
                    .with_latencies(|latencies| latencies.of(delivery).penalise(now, waited));
            }
        }
    }
}

#[cfg(test)]
mod tests;
