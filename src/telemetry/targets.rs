//! How often each provider and each of its models was asked, how that ended, what it used and how long it took.
//!
//! Counted from the records of requests, so it says the same as they do. Invariant: of each provider, at most
//! [`MOST_MODELS`] models have numbers of their own; requests can make up more, which are counted together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    history::{Quantiles, latencies::Latencies},
    journal::{Observer, Record, Stage, Step, outcome},
};
use crate::{
    ident::{ModelId, ProviderName},
    units::Usd,
    wire::answer::Usage,
};

/// Models of one provider that are told apart.
pub const MOST_MODELS: usize = 500;

/// The numbers of all targets since the start.
#[derive(Debug)]
pub struct Targets {
    since: u64,
    providers: Mutex<BTreeMap<ProviderName, ByModel>>,
}

#[derive(Debug, Default)]
struct ByModel {
    models: BTreeMap<ModelId, Sums>,
    /// Of all models beyond those.
    other: Sums,
}

/// What became of the calls at one target.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// Calls that were made.
    pub attempts: u64,
    /// Those that failed, by the word for how.
    pub errors: BTreeMap<&'static str, u64>,
    /// Those that nobody waited for to the end.
    pub given_up: u64,
    /// Tokens that were read and written; estimated where the provider does not count.
    pub used: Usage,
    /// What they cost, where the price is known, in US dollars.
    pub usd: f64,
    latencies: Latencies,
}

/// The numbers of one provider.
#[derive(Debug, Clone, Default)]
pub struct OfProvider {
    /// Of all its models together.
    pub all: Sums,
    /// Of each that has numbers of its own.
    pub models: BTreeMap<ModelId, Sums>,
    /// Of all others together.
    pub other: Sums,
}

impl Targets {
    /// Nothing yet, counted from this time on, in seconds since 1970.
    #[must_use]
    pub fn new(since: u64) -> Self {
        Self {
            since,
            providers: Mutex::default(),
        }
    }

    /// Since when it is counted, in seconds since 1970.
    #[must_use]
    pub fn since(&self) -> u64 {
        self.since
    }

    /// The numbers of this provider.
    #[must_use]
    pub fn of(&self, provider: &ProviderName) -> OfProvider {
        let providers = self.providers();
        let Some(ByModel { models, other }) = providers.get(provider) else {
            return OfProvider::default();
        };
        let mut all = other.clone();
        models.values().for_each(|sums| all.add(sums));
        OfProvider {
            all,
            models: models.clone(),
            other: other.clone(),
        }
    }

    fn providers(&self) -> MutexGuard<'_, BTreeMap<ProviderName, ByModel>> {
        self.providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Targets {
    fn over(&self, record: &Arc<Record>) {
        for step in &record.steps {
            let Stage::Attempt { provider, model } = &step.stage else {
                continue;
            };
            if !step.is_call() {
                continue;
            }
            let mut providers = self.providers();
            if !providers.contains_key(provider) {
                providers.insert(provider.clone(), ByModel::default());
            }
            if let Some(known) = providers.get_mut(provider) {
                known.of(model).count(step);
            }
        }
    }
}

impl ByModel {
    fn of(&mut self, model: &ModelId) -> &mut Sums {
        let is_known = self.models.contains_key(model);
        if !is_known && self.models.len() >= MOST_MODELS {
            return &mut self.other;
        }
        self.models.entry(model.clone()).or_default()
    }
}

impl Sums {
    /// How long it took until an answer began, of those that did; `None` if none did.
    #[must_use]
    pub fn latency_ms(&self) -> Option<Quantiles> {
        self.latencies.quantiles()
    }

    fn count(&mut self, step: &Step) {
        self.attempts += 1;
        match step.outcome {
            Some(outcome::OK) => {}
            Some(word) => *self.errors.entry(word).or_default() += 1,
            None => self.given_up += 1,
        }
        add_usage(&mut self.used, step.used.unwrap_or_default());
        self.usd += step.cost.map_or(0.0, Usd::get);
        if let Some(answered) = step.answered {
            self.latencies.observe(answered.saturating_sub(step.began));
        }
    }

    fn add(&mut self, more: &Self) {
        self.attempts += more.attempts;
        for (word, count) in &more.errors {
            *self.errors.entry(word).or_default() += count;
        }
        self.given_up += more.given_up;
        add_usage(&mut self.used, more.used);
        self.usd += more.usd;
        self.latencies.add(&more.latencies);
    }
}

/// Adds tokens, without ever wrapping: a provider may report nonsense.
pub(super) fn add_usage(sum: &mut Usage, more: Usage) {
    sum.input.0 = sum.input.0.saturating_add(more.input.0);
    sum.output.0 = sum.output.0.saturating_add(more.output.0);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::Clock,
        telemetry::journal::{Journal, Observers},
        units::Tokens,
    };

    fn provider(name: &str) -> ProviderName {
        ProviderName::new(name).unwrap()
    }

    fn attempt(model: &str) -> Stage {
        Stage::Attempt {
            provider: provider("p"),
            model: ModelId::new(model).unwrap(),
        }
    }

    fn watched() -> (Arc<Targets>, Observers) {
        let targets = Arc::new(Targets::new(7));
        let observers = Observers::new(vec![Arc::clone(&targets) as _], None, None);
        (targets, observers)
    }

    #[test]
    fn each_call_counts_for_its_target_and_its_provider() {
        let (targets, observers) = watched();
        let clock = Clock::manual();
        let journal = Journal::open("r", None, &clock, &observers);
        drop(journal.begin(Stage::Lookup));
        let failed = journal.begin(attempt("a"));
        failed.ended("timeout");
        drop(failed);
        drop(journal.begin(attempt("a")));
        // Nobody was asked.
        journal.begin(attempt("a")).ended("untranslatable");
        let answered = journal.begin(attempt("b"));
        clock.advance(Duration::from_millis(100));
        answered.answered();
        let used = Usage {
            input: Tokens(3),
            output: Tokens(4),
        };
        answered.used(Some(used), Usd::new(0.5));
        answered.ended(outcome::OK);
        drop((answered, journal));
        let of = targets.of(&provider("p"));
        let (a, b) = (
            &of.models[&ModelId::new("a").unwrap()],
            &of.models[&ModelId::new("b").unwrap()],
        );
        assert_eq!((a.attempts, a.given_up, b.attempts), (2, 1, 1));
        assert_eq!(a.errors, BTreeMap::from([("timeout", 1)]));
        assert_eq!((a.latency_ms(), b.used, b.usd), (None, used, 0.5));
        assert_eq!((of.all.attempts, of.all.used), (3, used));
        assert_eq!(of.all.errors, a.errors);
        let told = of.all.latency_ms().unwrap();
        assert_eq!(told.count, 1);
        assert!((95.0..105.0).contains(&told.p50), "{told:?}");
        assert_eq!(targets.of(&provider("q")).all.attempts, 0);
        assert_eq!(targets.since(), 7);
    }

    #[test]
    fn models_that_are_made_up_are_counted_together() {
        let (targets, observers) = watched();
        for number in 0..MOST_MODELS + 20 {
            let journal = Journal::open("r", None, &Clock::manual(), &observers);
            drop(journal.begin(attempt(&format!("m{number}"))));
        }
        let of = targets.of(&provider("p"));
        assert_eq!((of.models.len(), of.other.attempts), (MOST_MODELS, 20));
        assert_eq!(of.all.attempts, MOST_MODELS as u64 + 20);
    }

    #[test]
    fn nonsense_does_not_wrap() {
        let (mut sum, most) = (
            Usage::default(),
            Usage {
                input: Tokens(u64::MAX),
                output: Tokens(u64::MAX),
            },
        );
        add_usage(&mut sum, most);
        add_usage(&mut sum, most);
        assert_eq!(sum, most);
    }
}
