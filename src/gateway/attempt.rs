//! One call at one target: let through by its breaker and its limits, and told to them when it is over.
//!
//! In this order: the breaker first, since what it lets through can be given back; then the model's limits and the
//! provider's, which are charged for each call. Invariants: a call that its provider worked for is billed once, here and
//! nowhere else, but for the questions of operators (`probe`), which no breaker and no limit holds up; whatever was taken
//! is settled, however the call ends; one that is dropped half-way (the client hung up, another was quicker) says nothing
//! of the target, unless it had kept its client waiting for so long that this alone is a failure.

use std::{sync::Arc, time::Duration};

use super::{
    behalf::Behalf,
    catalogue::Target,
    journey::USUAL_ANSWER,
    limiter::{Full, Hold, Which},
    tab::Tab,
    vitals::{Guard, Vitals},
};
use crate::{
    clock::{Clock, Moment},
    error::{UpstreamError, UpstreamErrorKind},
    policy::breaker::{self, Outcome, Permit},
    telemetry::{
        journal::{Noting, Stage, outcome},
        ledger::Ledger,
        trace::Propagated,
    },
    units::{Price, Tokens, Usd},
    wire::{answer::Usage, chat::Delivery},
};

/// Why a target is busy that has no place for one more: it has one as soon as any call ends, which nobody can tell.
pub(super) const NO_PLACE: &str = "it has as many requests as it may have at a time";

/// How a call is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// As the breaker says.
    Usual,
    /// Nobody else can take it: an open breaker lets it through as an early probe.
    LastResort,
}

/// What a call is about to take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) delivery: Delivery,
    /// About how many tokens it will read and write.
    pub(super) tokens: Usage,
    pub(super) tariff: Tariff,
}

/// What a call is paid by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tariff {
    /// Its tokens, at the price of its target.
    Tokens,
    /// So much for each, if that is known, whatever it takes.
    Request(Option<Usd>),
}

/// A call that was let through.
#[derive(Debug)]
pub(super) struct Attempt {
    target: Arc<Vitals>,
    rules: breaker::Rules,
    clock: Clock,
    began: Moment,
    load: Load,
    /// Until the call has ended one way or the other.
    permit: Option<Permit>,
    guard: Option<Guard>,
    holds: [Option<Hold>; 2],
    /// What the client has set aside for it, and what the target costs.
    tab: Option<Arc<Tab>>,
    price: Option<Price>,
    /// Whether the provider counts what was sent, and nobody here has yet.
    is_counted: bool,
    noting: Option<Noting>,
    ledger: Arc<Ledger>,
}

impl Attempt {
    /// Lets a call at `target` through, which is made on this `behalf`.
    ///
    /// # Errors
    /// [`UpstreamErrorKind::Open`], [`UpstreamErrorKind::Busy`].
    pub(super) fn begin(
        target: &Target,
        clock: &Clock,
        load: Load,
        behalf: &Behalf,
        urgency: Urgency,
    ) -> Result<Self, UpstreamError> {
        let now = clock.now();
        let rules = target.member.conduct.breaker;
        let refused = |kind| UpstreamError {
            provider: target.provider().clone(),
            kind,
        };
        let permit = target.vitals.admit(now, &rules, urgency);
        let permit = permit.map_err(|refusal| {
            refused(UpstreamErrorKind::Open {
                retry_after: refusal.retry_after,
            })
        })?;
        let mut attempt = Self {
            target: Arc::clone(&target.vitals),
            rules,
            clock: clock.clone(),
            began: now,
            load,
            permit: Some(permit),
            guard: None,
            holds: [None, None],
            tab: behalf.tab.clone(),
            price: target.price,
            is_counted: false,
            noting: None,
            ledger: Arc::clone(&behalf.ledger),
        };
        // All places before anything is charged: who waits for one looks again and again.
        let limiters = [&target.model_limiter, &target.limiter];
        for limiter in limiters.into_iter().flatten() {
            limiter.place().map_err(busy).map_err(refused)?;
        }
        for (hold, limiter) in attempt.holds.iter_mut().zip(limiters) {
            if let Some(limiter) = limiter {
                let entered = limiter.enter(load.tokens.total());
                *hold = Some(entered.map_err(busy).map_err(refused)?);
            }
        }
        attempt.guard = Some(target.vitals.begin(clock, load.delivery));
        attempt.is_counted = true;
        attempt.noting = Some(behalf.journal.begin(Stage::Attempt {
            provider: target.provider().clone(),
            model: target.model.clone(),
        }));
        Ok(attempt)
    }

    /// The answer begins: the first event of a stream is there, or all of a whole answer. How long that took.
    pub(super) fn begins(&mut self, is_stream: bool) -> Duration {
        if let Some(guard) = &mut self.guard {
            guard.first_token();
        }
        if let Some(noting) = &self.noting {
            noting.answered();
        }
        let latency = self.clock.now().since(self.began);
        // A whole answer takes as long as it is; only the beginning of a stream can be late.
        let is_slow = is_stream && latency > self.rules.slow_after;
        self.settle(if is_slow {
            Outcome::Failure
        } else {
            Outcome::Success
        });
        latency
    }

    /// It ended in `error`, before its answer began.
    pub(super) fn failed(mut self, error: &UpstreamError) {
        let outcome = says(error);
        self.settle(outcome);
        // What it can't be asked, and what is the request's fault, says nothing of how it fares.
        let fares_badly =
            outcome == Outcome::Failure || error.is_retryable() && !error.is_unasked();
        if let Some(guard) = self.guard.take_if(|_| fares_badly) {
            guard.failed();
        }
        self.ended(error.outcome());
        self.pay_nothing();
    }

    /// Its client did not send all of what it was to be asked: nothing is known of how it would have ended.
    pub(super) fn abandoned(mut self) {
        self.settle(Outcome::Unknown);
        self.pay_nothing();
    }

    /// Its answer broke off after it had begun.
    pub(super) fn broke_off(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.failed();
        }
        self.ended(outcome::BROKEN);
        self.target.broke_off(self.clock.now(), &self.rules);
    }

    /// Where in a trace it belongs, if its provider is to know.
    pub(super) fn trace(&self) -> Option<Propagated> {
        self.noting.as_ref()?.propagated()
    }

    /// About how many tokens its prompt has.
    pub(super) fn prompt(&self) -> Tokens {
        self.load.tokens.input
    }

    /// So many tokens were used in all. Counts once.
    pub(super) fn used(&mut self, used: Usage) {
        let (billed, cost) = match self.load.tariff {
            Tariff::Tokens => {
                let cost = self.price.map(|price| price.of(used.input, used.output));
                (Some(used), cost)
            }
            Tariff::Request(cost) => (None, cost),
        };
        if self.pay(used, billed, cost) {
            self.ledger.bill(billed, cost);
            self.ledger.bill_time(self.clock.now().since(self.began));
        }
    }

    /// Its provider did nothing that has to be paid.
    fn pay_nothing(&mut self) {
        let nothing = Usage::default();
        let (billed, cost) = match self.load.tariff {
            Tariff::Tokens => {
                let cost = (self.price).map(|price| price.of(nothing.input, nothing.output));
                (Some(nothing), cost)
            }
            Tariff::Request(cost) => (None, cost.and(Usd::new(0.0))),
        };
        self.pay(nothing, billed, cost);
    }

    /// Tells whoever set something aside for it what it took, and who notes it what of that is `billed`. Whether that was
    /// not told before.
    fn pay(&mut self, used: Usage, billed: Option<Usage>, cost: Option<Usd>) -> bool {
        if std::mem::take(&mut self.is_counted) {
            for hold in self.holds.iter_mut().flatten() {
                hold.settle(used.total());
            }
            if let Some(tab) = &self.tab {
                tab.pay(used, self.price);
            }
            if let Some(noting) = &self.noting {
                noting.used(billed, cost);
            }
            true
        } else {
            false
        }
    }

    /// Its answer is there to its end.
    pub(super) fn complete(&self) {
        self.ended(outcome::OK);
    }

    fn ended(&self, outcome: &'static str) {
        if let Some(noting) = &self.noting {
            noting.ended(outcome);
        }
    }

    /// What it says of the target that nobody waits for its answer any longer.
    fn given_up(&self) -> Outcome {
        // Or a target that says nothing would never be found out by clients with less patience.
        let patience = match self.load.delivery {
            Delivery::Stream { .. } => self.rules.slow_after,
            Delivery::Json => self.rules.window,
        };
        let is_late = self.guard.is_some() && self.clock.now().since(self.began) > patience;
        if is_late {
            Outcome::Failure
        } else {
            Outcome::Unknown
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            let now = self.clock.now();
            self.target.settle(permit, outcome, now, &self.rules);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.settle(self.given_up());
        // It was sent, and read at least; who waits for all of an answer has all of it written.
        let output = match self.load.delivery {
            Delivery::Json => self.load.tokens.output.min(USUAL_ANSWER),
            Delivery::Stream { .. } => Tokens(0),
        };
        self.used(Usage {
            output,
            ..self.load.tokens
        });
    }
}

fn busy(Full { which, wait, .. }: Full) -> UpstreamErrorKind {
    let why = match which {
        Which::Requests => "its requests of this minute are used up",
        Which::Tokens => "its tokens of this minute are used up",
        Which::Concurrent => NO_PLACE,
    };
    UpstreamErrorKind::Busy {
        why,
        retry_after: wait,
    }
}

/// What an error says of the target.
fn says(error: &UpstreamError) -> Outcome {
    match &error.kind {
        UpstreamErrorKind::Connect(_)
        | UpstreamErrorKind::Timeout(_)
        | UpstreamErrorKind::Decode(_)
        | UpstreamErrorKind::Stream(_)
        | UpstreamErrorKind::Reported(_) => Outcome::Failure,
        // A key's matter, or of the moment: both have gates of their own.
        UpstreamErrorKind::Status {
            status: 401 | 402 | 403 | 407 | 429,
            ..
        }
        | UpstreamErrorKind::Open { .. }
        | UpstreamErrorKind::Busy { .. }
        | UpstreamErrorKind::NoKey { .. }
        | UpstreamErrorKind::Untranslatable(_) => Outcome::Unknown,
        UpstreamErrorKind::Status {
            status: 400..=407 | 409..=499,
            ..
        } => Outcome::Refused,
        UpstreamErrorKind::Status { .. } => Outcome::Failure,
    }
}
