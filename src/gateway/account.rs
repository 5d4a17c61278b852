//! What each client asks and spends.
//!
//! Invariant: an account outlives changes of the configuration; what was spent is never forgotten by one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::limiter::{Full, Hold, Levels, Limiter, Which};
use crate::{
    clock::{Clock, UnixMillis},
    config::Client,
    error::Error,
    ident::ClientName,
    policy::{
        limit::Limits,
        spend::{Budget, NanoUsd, Period, Refused, Spend, Spent},
    },
    telemetry::names,
    units::{Tokens, Usd},
};

mod words;

/// The accounts of all clients, those that are no longer configured included: they may come back.
#[derive(Debug)]
pub struct Accounts {
    clock: Clock,
    table: Mutex<BTreeMap<ClientName, Arc<Account>>>,
    changes: Arc<AtomicU64>,
}

/// One client's account.
#[derive(Debug)]
pub struct Account {
    name: ClientName,
    clock: Clock,
    terms: ArcSwap<Terms>,
    spend: Mutex<Spend>,
    /// Counts what was spent by anybody.
    changes: Arc<AtomicU64>,
}

/// What the configuration says about a client.
#[derive(Debug, Default)]
struct Terms {
    /// `None` where nothing is limited.
    limiter: Option<Arc<Limiter>>,
    budget: Option<Budget>,
}

/// What is set aside for one call; what is not settled when this is dropped is given back.
#[derive(Debug, Default)]
pub struct Reservation {
    account: Option<Arc<Account>>,
    tokens: Option<Hold>,
    reserved: NanoUsd,
    /// What was counted so far.
    counted: NanoUsd,
}

impl Accounts {
    /// None yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            table: Mutex::default(),
            changes: Arc::default(),
        }
    }

    /// The account of `client`, by whose terms it goes from now on. Where its limits are what they were, what is used of
    /// them stays used; what it has spent stays spent in any case.
    pub fn of(&self, client: &Client) -> Arc<Account> {
        let account = self.named(&client.name);
        account.adopt(client.limits, client.budget);
        account
    }

    /// Takes over what a client had spent before the start.
    pub fn restore(&self, name: &ClientName, spend: Spend) {
        let account = self.named(name);
        *account.spend() = spend;
        account.show();
    }

    /// What each client has spent this month, for those that have spent anything.
    #[must_use]
    pub fn spent(&self) -> Vec<(ClientName, Spent)> {
        let accounts = self.all();
        let spent = accounts
            .into_iter()
            .map(|account| (account.name.clone(), account.spent()));
        spent
            .filter(|(_, spent)| spent.month > NanoUsd(0))
            .collect()
    }

    /// How often something was spent so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Shows in the metrics what is spent: a day ends without anybody asking for anything.
    pub fn show(&self) {
        for account in self.all() {
            account.show();
        }
    }

    fn all(&self) -> Vec<Arc<Account>> {
        self.table().values().cloned().collect()
    }

    fn named(&self, name: &ClientName) -> Arc<Account> {
        let mut table = self.table();
        let account = table.entry(name.clone()).or_insert_with(|| {
            let changes = Arc::clone(&self.changes);
            Arc::new(Account::counted(name.clone(), &self.clock, changes))
        });
        Arc::clone(account)
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<ClientName, Arc<Account>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// An account without limits, and nothing spent.
    #[must_use]
    pub fn new(name: ClientName, clock: &Clock) -> Arc<Self> {
        Arc::new(Self::counted(name, clock, Arc::default()))
    }

    fn counted(name: ClientName, clock: &Clock, changes: Arc<AtomicU64>) -> Self {
        Self {
            name,
            clock: clock.clone(),
            terms: ArcSwap::default(),
            spend: Mutex::default(),
            changes,
        }
    }

    fn adopt(&self, limits: Limits, budget: Option<Budget>) {
        let before = self.terms.load();
        let unchanged = before
            .limiter
            .as_ref()
            .filter(|limiter| limiter.limits() == limits);
        let limiter = match unchanged {
            Some(limiter) => Some(Arc::clone(limiter)),
            None => (!limits.is_empty()).then(|| Limiter::new(limits, &self.clock)),
        };
        self.terms.store(Arc::new(Terms { limiter, budget }));
        let most = |budget: Option<Budget>, period| {
            let budget = budget.unwrap_or_default();
            match period {
                Period::Day => budget.daily,
                Period::Month => budget.monthly,
            }
        };
        for period in [Period::Day, Period::Month] {
            // A series can't be taken back; one that stayed as it was would say that there is a budget, and how full.
            if most(before.budget, period).is_some() && most(budget, period).is_none() {
                self.show_used(period, 0.0);
            }
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &ClientName {
        &self.name
    }

    /// Lets one request of the client in, to be held until its answer is delivered.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn enter(&self) -> Result<Option<Hold>, Error> {
        let terms = self.terms.load();
        let Some(limiter) = &terms.limiter else {
            return Ok(None);
        };
        // A hit uses no tokens; whoever is in debt may still have one.
        let hold = limiter.enter(Tokens(0));
        hold.map(Some).map_err(|full| self.full(full, Tokens(0)))
    }

    /// Whether anything has to be reserved for a call: if not, nobody need estimate it, and a reservation of nothing
    /// counts what is spent.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        let terms = self.terms.load();
        let limits = terms.limiter.as_ref().map(|limiter| limiter.limits());
        terms.budget.is_some() || limits.is_some_and(|limits| limits.tokens_per_minute.is_some())
    }

    /// Sets aside what a call will use at most. `cost` is `None` where no price is known: such a call is let through while
    /// anything is left of the budget, and counts nothing.
    ///
    /// # Errors
    /// [`Error::RateLimited`], [`Error::BudgetExceeded`]; then nothing is set aside.
    pub fn reserve(
        self: &Arc<Self>,
        tokens: Tokens,
        cost: Option<Usd>,
    ) -> Result<Reservation, Error> {
        let terms = self.terms.load();
        let tokens = match &terms.limiter {
            Some(limiter) => {
                let hold = limiter.reserve(tokens);
                Some(hold.map_err(|full| self.full(full, tokens))?)
            }
            None => None,
        };
        let reserved = match &terms.budget {
            Some(budget) => {
                let (cost, now) = (cost.map(NanoUsd::of), self.clock.unix());
                let reserved = self.spend().reserve(cost, budget, now);
                reserved.map_err(|refused| self.unpaid(&refused, now))?
            }
            None => NanoUsd(0),
        };
        Ok(Reservation {
            account: Some(Arc::clone(self)),
            tokens,
            reserved,
            counted: NanoUsd(0),
        })
    }

    /// How much is left, for headers.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let terms = self.terms.load();
        let limiter = terms.limiter.as_ref();
        limiter.map_or_else(Levels::default, |limiter| limiter.levels())
    }

    /// What limits it, if anything does.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let terms = self.terms.load();
        let limiter = terms.limiter.as_ref();
        limiter.map_or_else(Limits::default, |limiter| limiter.limits())
    }

    /// What it may spend, if that is limited.
    #[must_use]
    pub fn budget(&self) -> Option<Budget> {
        self.terms.load().budget
    }

    /// What it has spent today and this month.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spend().spent(self.clock.unix())
    }

    fn spend(&self) -> MutexGuard<'_, Spend> {
        self.spend.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self) {
        let Spent { day, month, .. } = self.spent();
        let budget = self.budget().unwrap_or_default();
        for (period, amount, most) in [
            (Period::Day, day, budget.daily),
            (Period::Month, month, budget.monthly),
        ] {
            let client = self.name.to_string();
            let spent = amount.dollars();
            metrics::gauge!(names::CLIENT_SPENT, "client" => client, "period" => period.as_str())
                .set(spent);
            if let Some(most) = most {
                self.show_used(period, used(spent, most));
            }
        }
    }

    fn show_used(&self, period: Period, share: f64) {
        let (client, period) = (self.name.to_string(), period.as_str());
        metrics::gauge!(names::CLIENT_BUDGET_USED, "client" => client, "period" => period)
            .set(share);
    }

    fn full(&self, full: Full, tokens: Tokens) -> Error {
        self.count(match full.which {
            Which::Requests => "requests",
            Which::Tokens => "tokens",
            Which::Concurrent => "concurrent",
        });
        Error::RateLimited {
            message: words::full(full, tokens),
            retry_after: full.wait,
        }
    }

    fn unpaid(&self, refused: &Refused, now: UnixMillis) -> Error {
        self.count(match refused {
            Refused::Ended { .. } => "until",
            Refused::Spent { period, .. }
            | Refused::TooDear { period, .. }
            | Refused::SetAside { period, .. } => match period {
                Period::Day => "daily_usd",
                Period::Month => "monthly_usd",
            },
        });
        words::unpaid(refused, now)
    }

    fn count(&self, limit: &'static str) {
        let client = self.name.to_string();
        metrics::counter!(names::CLIENT_REFUSED, "client" => client, "limit" => limit).increment(1);
    }
}

impl Reservation {
    /// Corrects it to what was used; a later call corrects it further. `cost` is `None` where no price is known.
    pub fn settle(&mut self, used: Tokens, cost: Option<Usd>) {
        if let Some(hold) = &mut self.tokens {
            hold.settle(used);
        }
        let Some(account) = &self.account else { return };
        let cost = cost.map(NanoUsd::of).unwrap_or_default();
        {
            let mut spend = account.spend();
            spend.release(std::mem::take(&mut self.reserved));
            if cost != self.counted {
                spend.count(self.counted, cost, account.clock.unix());
            }
        }
        if cost != self.counted {
            self.counted = cost;
            account.changes.fetch_add(1, Ordering::Release);
            account.show();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(account) = self.account.as_ref().filter(|_| self.reserved > NanoUsd(0)) {
            account.spend().release(self.reserved);
        }
    }
}

/// How much of a budget is spent; one of nothing is spent from the start.
fn used(spent: f64, most: Usd) -> f64 {
    if most.get() > 0.0 {
        spent / most.get()
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests;
