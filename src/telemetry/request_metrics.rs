//! What one request adds to the metrics, when it is over.
//!
//! Invariant: a hit looks nothing up by a label's text; each counter and timer is looked up once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{Counter, Histogram};

use super::{
    exemplars::Exemplars,
    facts::{Facts, Tier},
    journal::{Head, Observer, Record, Stage, Step, outcome},
    ledger::Way,
    models::MODELS,
    names,
};
use crate::{
    ident::{ModelId, ProviderName},
    wire::answer::Usage,
};

/// What a provider says to whom it has had enough of.
const RATE_LIMITED: &str = "rate_limited";

/// Counts requests that are over.
#[derive(Debug)]
pub struct RequestMetrics {
    exact: Lookups,
    canonical: Lookups,
    semantic: Lookups,
    missed: Counter,
    overhead_of_hits: Histogram,
    overhead_of_calls: Histogram,
    embedding: Histogram,
    targets: Mutex<HashMap<Called, Arc<Target>>>,
    exemplars: Arc<Exemplars>,
}

/// What a tier has answered.
#[derive(Debug)]
struct Lookups {
    hit: Counter,
    stale: Counter,
}

/// What somebody was asked for.
type Called = (ProviderName, ModelId, &'static str);

/// The metrics of calls that went well.
#[derive(Debug)]
struct Target {
    answers: Counter,
    duration: Histogram,
    first_chunk: Histogram,
    input: Histogram,
    output: Histogram,
}

impl RequestMetrics {
    /// Counts, and keeps exemplars in `exemplars`.
    #[must_use]
    pub fn new(exemplars: Arc<Exemplars>) -> Self {
        let lookups = |tier: &'static str, result: &'static str| metrics::counter!(names::CACHE_LOOKUPS, "tier" => tier, "result" => result);
        let of_tier = |tier| Lookups {
            hit: lookups(tier, "hit"),
            stale: lookups(tier, "stale"),
        };
        let overhead =
            |cached: &'static str| metrics::histogram!(names::OVERHEAD, "cached" => cached);
        Self {
            exact: of_tier("exact"),
            canonical: of_tier("canonical"),
            semantic: of_tier("semantic"),
            missed: lookups("none", "miss"),
            overhead_of_hits: overhead("yes"),
            overhead_of_calls: overhead("no"),
            embedding: metrics::histogram!(names::EMBEDDING_DURATION),
            targets: Mutex::default(),
            exemplars,
        }
    }
}

impl Observer for RequestMetrics {
    fn over(&self, record: &Arc<Record>) {
        match &record.head {
            Some(head) => self.answered(head, record),
            // Its client was gone before there was any.
            None if record.steps.iter().any(is_vain_lookup) => self.missed.increment(1),
            None => {}
        }
        let operation = record.operation();
        for step in &record.steps {
            self.step(step, operation, record);
        }
    }
}

impl RequestMetrics {
    fn answered(&self, head: &Head, record: &Record) {
        if let Some(answered) = record.answered {
            let status = names::status_class(head.status);
            let labels = [
                ("http_route", head.route),
                ("http_response_status_code", status),
            ];
            self.exemplars
                .note(names::HTTP_DURATION, &labels, answered, record);
        }
        let Some(facts) = &head.facts else { return };
        self.looked_up(facts);
        // A request that failed does not say how long providers were waited for.
        let is_answered = head.failure.is_none() && head.status < 300;
        if let Some(overhead) = record.overhead().filter(|_| is_answered) {
            let (histogram, cached) = match facts.way {
                Way::Exact | Way::Semantic | Way::Stale => (&self.overhead_of_hits, "yes"),
                Way::Miss | Way::Bypass => (&self.overhead_of_calls, "no"),
                // Its time was that of another request.
                Way::Coalesced | Way::Background => return,
            };
            histogram.record(overhead);
            let labels = [("cached", cached)];
            self.exemplars
                .note(names::OVERHEAD, &labels, overhead, record);
        }
    }

    fn looked_up(&self, facts: &Facts) {
        let tier = match facts.tier {
            Some(Tier::Surface) => &self.canonical,
            Some(Tier::Semantic(_)) => &self.semantic,
            Some(Tier::Exact) | None => &self.exact,
        };
        match facts.way {
            Way::Exact | Way::Semantic => tier.hit.increment(1),
            Way::Stale => tier.stale.increment(1),
            Way::Coalesced | Way::Miss => self.missed.increment(1),
            Way::Bypass | Way::Background => {}
        }
    }

    fn step(&self, step: &Step, operation: &'static str, record: &Record) {
        let took = step
            .ended
            .unwrap_or(record.total)
            .saturating_sub(step.began);
        match &step.stage {
            Stage::Embedding if step.outcome.is_some() => self.embedding.record(took),
            Stage::Attempt { provider, model } => {
                if step.outcome == Some(outcome::OK) {
                    MODELS.answered(provider, model);
                    let target = self.target((provider.clone(), model.clone(), operation));
                    target.answered(step, took);
                } else {
                    failed(step, provider, model, operation, took);
                }
                if step.is_call() && record.trace.is_sampled {
                    let is_fine = step.outcome == Some(outcome::OK);
                    let labels = [
                        ("gen_ai_operation_name", operation),
                        ("gen_ai_provider_name", provider.as_str()),
                        ("gen_ai_request_model", MODELS.label(provider, model)),
                        ("error_type", if is_fine { "" } else { step.word() }),
                    ];
                    let name = names::UPSTREAM_DURATION;
                    self.exemplars.note(name, &labels, took, record);
                }
            }
            Stage::Embedding | Stage::Lookup => {}
        }
    }

    /// What counts calls like this one. There are no more of them than models with a name and kinds of operations.
    fn target(&self, called: Called) -> Arc<Target> {
        let (provider, model, operation) = called;
        if !MODELS.knows(&provider, &model) {
            return Arc::new(Target::new(&provider, &model, operation));
        }
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let called = (provider, model, operation);
        if let Some(known) = targets.get(&called) {
            return Arc::clone(known);
        }
        let target = Arc::new(Target::new(&called.0, &called.1, operation));
        targets.insert(called, Arc::clone(&target));
        target
    }
}

impl Target {
    fn new(provider: &ProviderName, model: &ModelId, operation: &'static str) -> Self {
        let model = MODELS.label(provider, model);
        let provider = provider.as_str();
        let tokens = |kind: &'static str| {
            metrics::histogram!(
                names::UPSTREAM_TOKENS,
                "gen_ai_operation_name" => operation,
                "gen_ai_provider_name" => provider.to_owned(),
                "gen_ai_request_model" => model.to_owned(),
                "gen_ai_token_type" => kind,
            )
        };
        Self {
            answers: metrics::counter!(
                names::UPSTREAM_ATTEMPTS, "provider" => provider.to_owned(), "outcome" => outcome::OK
            ),
            duration: duration(operation, provider, model, ""),
            first_chunk: metrics::histogram!(
                names::UPSTREAM_FIRST_CHUNK,
                "gen_ai_operation_name" => operation,
                "gen_ai_provider_name" => provider.to_owned(),
                "gen_ai_request_model" => model.to_owned(),
            ),
            input: tokens("input"),
            output: tokens("output"),
        }
    }

    fn answered(&self, step: &Step, took: Duration) {
        self.answers.increment(1);
        self.duration.record(took);
        if let Some(answered) = step.answered {
            self.first_chunk.record(answered.saturating_sub(step.began));
        }
        if let Some(Usage { input, output }) = step.used {
            #[expect(clippy::cast_precision_loss, reason = "sums for people")]
            let counts = [
                (&self.input, input.0 as f64),
                (&self.output, output.0 as f64),
            ];
            for (histogram, count) in counts {
                histogram.record(count);
            }
        }
    }
}

fn duration(
    operation: &'static str,
    provider: &str,
    model: &str,
    error: &'static str,
) -> Histogram {
    metrics::histogram!(
        names::UPSTREAM_DURATION,
        "gen_ai_operation_name" => operation,
        "gen_ai_provider_name" => provider.to_owned(),
        "gen_ai_request_model" => model.to_owned(),
        "error_type" => error,
    )
}

fn failed(
    step: &Step,
    provider: &ProviderName,
    model: &ModelId,
    operation: &'static str,
    took: Duration,
) {
    let outcome = step.word();
    let name = provider.to_string();
    metrics::counter!(names::UPSTREAM_ATTEMPTS, "provider" => name.clone(), "outcome" => outcome)
        .increment(1);
    if outcome == RATE_LIMITED {
        metrics::counter!(names::RATE_LIMITED, "provider" => name).increment(1);
    }
    if step.is_call() {
        let model = MODELS.label(provider, model);
        duration(operation, provider.as_str(), model, outcome).record(took);
    }
}

fn is_vain_lookup(step: &Step) -> bool {
    step.stage == Stage::Lookup
        && step
            .outcome
            .is_some_and(|outcome| !Tier::WORDS.contains(&outcome))
}

#[cfg(test)]
mod tests;
