//! Whose turn it is: the targets of a request in their order, those that may be asked now first.
//!
//! After a failure, `policy::retry` says whether the same target is asked again or the next one. When nobody is left who
//! may be asked at once, a short wait for a limit is worth it; then comes one last resort: the target whose breaker
//! would let something through soonest. Invariant: a request makes a bounded number of calls, and waits for a
//! bounded time between them.

use std::{collections::VecDeque, sync::PoisonError, time::Duration};

use super::{
    attempt::{Attempt, Load, NO_PLACE, Urgency},
    behalf::Behalf,
    catalogue::{Member, Target},
};
use crate::{
    clock::Clock,
    error::{UpstreamError, UpstreamErrorKind},
    ident::ProviderName,
    policy::{
        breaker::State,
        retry::{self, Failure, Next, Others},
    },
    telemetry::names,
};

/// A target to be asked, and what for.
pub(super) trait Stop {
    /// Who.
    fn target(&self) -> &Target;

    /// Whether its answer is as good as that of the first.
    fn is_choice(&self) -> bool;

    /// What it is to take.
    fn load(&self) -> Load;
}

/// A stop, and how often it was asked.
#[derive(Debug)]
pub(super) struct Turn<L> {
    pub(super) stop: L,
    made: u32,
    is_last_resort: bool,
}

/// The turns of one request.
pub(super) struct Turns<'c, L> {
    clock: &'c Clock,
    /// On whose behalf its calls are made.
    behalf: Behalf,
    waiting: VecDeque<Turn<L>>,
    /// Those that failed when others were left.
    failed: Vec<(Turn<L>, Failure)>,
    /// Those that may not be asked at present, and why.
    put_off: Vec<(Turn<L>, UpstreamError)>,
    /// What kept others from being asked for good.
    unasked: Vec<UpstreamError>,
    /// How long limits were waited for.
    waited: Duration,
    has_last_resort: bool,
    last: Option<UpstreamError>,
    /// Who was left for another one, and why.
    left: Option<(ProviderName, &'static str)>,
}

impl<'c, L: Stop> Turns<'c, L> {
    /// Turns in this order. Without `has_last_resort`, nobody is asked whose breaker is open.
    pub(super) fn new(
        stops: impl IntoIterator<Item = L>,
        behalf: Behalf,
        has_last_resort: bool,
        clock: &'c Clock,
    ) -> Self {
        Self {
            clock,
            behalf,
            waiting: stops.into_iter().map(turn).collect(),
            failed: Vec::new(),
            put_off: Vec::new(),
            unasked: Vec::new(),
            waited: Duration::ZERO,
            has_last_resort,
            last: None,
            left: None,
        }
    }

    /// Who is asked next, let through by its breaker and limits; `None` if nobody is left.
    pub(super) async fn next(&mut self) -> Option<(Turn<L>, Attempt)> {
        let next = self.next_of_all().await;
        if let Some((turn, _)) = &next
            && let Some((from, reason)) = self.left.take()
            && from != *turn.stop.target().provider()
        {
            let (from, to) = (from.to_string(), turn.stop.target().provider().to_string());
            metrics::counter!(names::UPSTREAM_FALLBACKS, "from" => from, "to" => to, "reason" => reason)
                .increment(1);
        }
        next
    }

    async fn next_of_all(&mut self) -> Option<(Turn<L>, Attempt)> {
        loop {
            while let Some(turn) = self.waiting.pop_front() {
                match self.begin(&turn, Urgency::Usual) {
                    Ok(attempt) => return Some((turn, attempt)),
                    Err(error) => self.put_off(turn, error),
                }
            }
            if let Some(turn) = self.second_round().await {
                self.waiting.push_back(turn);
                continue;
            }
            let Some((place, wait)) = self.short_wait() else {
                return self.last_resort();
            };
            self.waited += wait;
            tokio::time::sleep(wait).await;
            self.waiting.push_back(self.put_off.swap_remove(place).0);
        }
    }

    /// Somebody who may be asked at once beside whoever is being asked, among those that `accept` names.
    pub(super) fn beside(
        &mut self,
        accept: impl Fn(&L) -> bool,
        may: impl FnOnce() -> bool,
    ) -> Option<(Turn<L>, Attempt)> {
        let rules = |turn: &Turn<L>| turn.stop.target().member.conduct.breaker;
        let now = self.clock.now();
        let place = self.waiting.iter().position(|turn| {
            let view = turn.stop.target().vitals.view(now, &rules(turn));
            accept(&turn.stop) && view.state == State::Closed
        })?;
        if !may() {
            return None;
        }
        let turn = self.waiting.remove(place)?;
        match self.begin(&turn, Urgency::Usual) {
            Ok(attempt) => Some((turn, attempt)),
            Err(error) => {
                self.put_off(turn, error);
                None
            }
        }
    }

    /// A call at `turn` ended in `error`, which another call may mend. Waits before the same target is asked again.
    pub(super) async fn failed(&mut self, mut turn: Turn<L>, error: UpstreamError) {
        if turn.is_last_resort {
            // As it was before: when to come back says more than how it failed once more.
            let error = self.left_alone(&turn).unwrap_or(error);
            return self.note(error);
        }
        turn.made = turn.made.saturating_add(1);
        let member = &turn.stop.target().member;
        let failure = failure(&error);
        let rules = &member.conduct.retry;
        let next = retry::decide(failure, turn.made, self.others(), rules, fastrand::f64());
        self.note(error);
        match next {
            Next::Again(pause) if self.pauses(&turn, pause).await => self.waiting.push_front(turn),
            Next::Again(_) => {}
            Next::Other => self.failed.push((turn, failure)),
        }
    }

    /// Waits before `turn` is asked again, unless too many calls are made again.
    async fn pauses(&self, turn: &Turn<L>, pause: Duration) -> bool {
        let member = &turn.stop.target().member;
        if !retries(member, |budget| budget.withdraw(self.clock.now())) {
            return false;
        }
        let provider = member.provider.name();
        tracing::debug!(%provider, ?pause, "asks again");
        metrics::counter!(names::RETRIES, "provider" => provider.to_string()).increment(1);
        tokio::time::sleep(pause).await;
        true
    }

    /// Somebody who was asked before others that then did not answer, either: nobody else is left now.
    async fn second_round(&mut self) -> Option<Turn<L>> {
        while !self.failed.is_empty() {
            let (turn, failure) = self.failed.remove(0);
            let rules = &turn.stop.target().member.conduct.retry;
            let next = retry::decide(failure, turn.made, Others::None, rules, fastrand::f64());
            if let Next::Again(pause) = next
                && self.pauses(&turn, pause).await
            {
                return Some(turn);
            }
        }
        None
    }

    /// Remembers why a target did not answer. That one lacks something must not hide that another one failed.
    pub(super) fn note(&mut self, error: UpstreamError) {
        self.left = Some((error.provider.clone(), error.outcome()));
        if error.is_unasked() && !error.is_unsupported() {
            self.unasked.push(error);
        } else if self.last.is_none() || !error.is_unsupported() {
            self.last = Some(error);
        }
    }

    /// Asks these instead of those that are left.
    pub(super) fn replace(&mut self, stops: Vec<L>) {
        self.waiting = stops.into_iter().map(turn).collect();
    }

    /// Leaves out of those that are left who does not `keep`.
    pub(super) fn retain(&mut self, keep: impl Fn(&L) -> bool) {
        self.waiting.retain(|turn| keep(&turn.stop));
    }

    /// Asks this one next.
    pub(super) fn push_front(&mut self, stop: L) {
        self.waiting.push_front(turn(stop));
    }

    /// Why nobody answered; `None` if there was nobody.
    pub(super) fn into_error(self) -> Option<UpstreamError> {
        let put_off = self.put_off.into_iter().map(|(_, error)| error);
        let unasked: Vec<UpstreamError> = put_off.chain(self.unasked).collect();
        let unasked = joined(unasked);
        match self.last {
            // Others could take what this one can't: later.
            Some(last)
                if last.is_unsupported() || last.is_too_long() || last.is_content_filter() =>
            {
                unasked.or(Some(last))
            }
            Some(last) => Some(last.sooner(unasked.as_ref().and_then(UpstreamError::retry_after))),
            None => unasked,
        }
    }

    fn begin(&self, turn: &Turn<L>, urgency: Urgency) -> Result<Attempt, UpstreamError> {
        let target = turn.stop.target();
        let attempt = Attempt::begin(target, self.clock, turn.stop.load(), &self.behalf, urgency)?;
        if turn.made == 0 {
            let share = target.member.conduct.retry.budget;
            retries(&target.member, |budget| {
                budget.deposit(self.clock.now(), share);
            });
        }
        Ok(attempt)
    }

    fn put_off(&mut self, turn: Turn<L>, error: UpstreamError) {
        let target = turn.stop.target();
        let (provider, model) = (target.provider(), &target.model);
        tracing::debug!(%provider, %model, error = error.summary(), "passed over");
        metrics::counter!(names::PASSED_OVER, "reason" => error.outcome()).increment(1);
        self.left = Some((provider.clone(), error.outcome()));
        self.put_off.push((turn, error));
    }

    /// The one whose limit lets it be asked soonest, if that is soon enough.
    fn short_wait(&self) -> Option<(usize, Duration)> {
        let waits = self.put_off.iter().enumerate().filter_map(|(place, put)| {
            let (turn, error) = put;
            let UpstreamErrorKind::Busy { why, retry_after } = error.kind else {
                return None;
            };
            let retry_after = if why == NO_PLACE {
                A_MOMENT
            } else {
                retry_after
            };
            let most = turn.stop.target().member.conduct.limits.max_wait;
            let is_short = self.waited.saturating_add(retry_after) <= most;
            is_short.then_some((place, retry_after))
        });
        waits.min_by_key(|(_, wait)| *wait)
    }

    /// The one whose breaker would let something through soonest, once.
    fn last_resort(&mut self) -> Option<(Turn<L>, Attempt)> {
        let may = std::mem::take(&mut self.has_last_resort);
        let open = self.put_off.iter().enumerate().filter_map(|(place, put)| {
            let UpstreamErrorKind::Open { retry_after } = put.1.kind else {
                return None;
            };
            Some((place, retry_after))
        });
        let mut open: Vec<(usize, Duration)> = open.filter(|_| may).collect();
        open.sort_by_key(|(_, wait)| *wait);
        let let_through = open.into_iter().find_map(|(place, _)| {
            let (turn, _) = self.put_off.get(place)?;
            let attempt = self.begin(turn, Urgency::LastResort).ok()?;
            Some((place, attempt))
        });
        let (place, attempt) = let_through?;
        let (mut turn, _) = self.put_off.swap_remove(place);
        turn.is_last_resort = true;
        let target = turn.stop.target();
        let (provider, model) = (target.provider(), &target.model);
        tracing::debug!(%provider, %model, "nobody else is left: asked although it failed before");
        Some((turn, attempt))
    }

    /// Why `turn` is not asked at present, if its breaker is open.
    fn left_alone(&self, turn: &Turn<L>) -> Option<UpstreamError> {
        let target = turn.stop.target();
        let now = self.clock.now();
        let until = target
            .vitals
            .view(now, &target.member.conduct.breaker)
            .until?;
        Some(UpstreamError {
            provider: target.provider().clone(),
            kind: UpstreamErrorKind::Open {
                retry_after: until.since(now).max(Duration::from_secs(1)),
            },
        })
    }

    /// Who is left that can be asked now.
    fn others(&self) -> Others {
        let now = self.clock.now();
        let ready = self.waiting.iter().filter(|turn| {
            let target = turn.stop.target();
            let view = target.vitals.view(now, &target.member.conduct.breaker);
            view.state == State::Closed
        });
        ready.fold(Others::None, |others, turn| {
            if turn.stop.is_choice() || others == Others::Equal {
                Others::Equal
            } else {
                Others::Fallback
            }
        })
    }
}

fn turn<L>(stop: L) -> Turn<L> {
    Turn {
        stop,
        made: 0,
        is_last_resort: false,
    }
}

fn retries<T>(member: &Member, with: impl FnOnce(&mut retry::RetryBudget) -> T) -> T {
    with(
        &mut member
            .retries
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    )
}

/// How long until a place may be free, where one call has to end before another begins.
const A_MOMENT: Duration = Duration::from_millis(25);

/// One refusal for several, with the soonest time of all.
fn joined(unasked: Vec<UpstreamError>) -> Option<UpstreamError> {
    let retry_after = unasked
        .iter()
        .filter_map(UpstreamError::retry_after)
        .min()?;
    let are_busy = unasked
        .iter()
        .all(|error| matches!(error.kind, UpstreamErrorKind::Busy { .. }));
    let lack_keys = unasked
        .iter()
        .all(|error| matches!(error.kind, UpstreamErrorKind::NoKey { .. }));
    let soonest = unasked
        .into_iter()
        .min_by_key(|error| error.retry_after().unwrap_or(Duration::MAX))?;
    if are_busy || lack_keys {
        return Some(soonest);
    }
    Some(UpstreamError {
        kind: UpstreamErrorKind::Open { retry_after },
        ..soonest
    })
}

/// How a call failed, as far as repeating it is concerned.
fn failure(error: &UpstreamError) -> Failure {
    let retry_after = error.retry_after();
    match &error.kind {
        UpstreamErrorKind::Connect(_)
        | UpstreamErrorKind::Decode(_)
        | UpstreamErrorKind::Stream(_)
        | UpstreamErrorKind::Reported(_) => Failure::Transient { retry_after: None },
        UpstreamErrorKind::Timeout(_) | UpstreamErrorKind::Status { status: 504, .. } => {
            Failure::Timeout
        }
        UpstreamErrorKind::Status { status: 429, .. } if error.is_out_of_credit() => {
            Failure::Lasting
        }
        UpstreamErrorKind::Status { status: 429, .. } | UpstreamErrorKind::Busy { .. } => {
            Failure::RateLimited { retry_after }
        }
        UpstreamErrorKind::Status {
            status: 408 | 500..,
            ..
        } => Failure::Transient { retry_after },
        UpstreamErrorKind::Status { .. }
        | UpstreamErrorKind::Open { .. }
        | UpstreamErrorKind::NoKey { .. }
        | UpstreamErrorKind::Untranslatable(_) => Failure::Lasting,
    }
}
