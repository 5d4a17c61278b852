//! What a call takes of its client's limits and budget: set aside before, corrected after.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    account::{Account, Reservation},
    journey::{USUAL_ANSWER, asked},
};
use crate::{
    error::Error,
    units::{Price, Tokens, Usd},
    wire::{answer::Usage, chat::ChatRequest},
};

/// What is set aside for one request until it is over, and what its calls have used of it.
#[derive(Debug)]
pub(super) struct Tab(Mutex<Bill>);

#[derive(Debug)]
struct Bill {
    reservation: Reservation,
    used: Tokens,
    cost: Option<Usd>,
}

/// Corrected only when the last call is over: what is set aside is for those that may still come.
impl Drop for Bill {
    fn drop(&mut self) {
        self.reservation.settle(self.used, self.cost);
    }
}

impl Tab {
    /// Sets aside what `used` and `price` say; nothing, where the client has neither limit nor budget. `None` where
    /// there is no client.
    ///
    /// # Errors
    /// [`Error::RateLimited`], [`Error::BudgetExceeded`].
    pub(super) fn open(
        account: Option<&Arc<Account>>,
        price: impl FnOnce() -> Option<Price>,
        used: impl FnOnce() -> Usage,
    ) -> Result<Option<Arc<Self>>, Error> {
        let Some(account) = account else {
            return Ok(None);
        };
        let (tokens, cost) = if account.is_metered() {
            let used = used();
            let cost = price().map(|price| price.of(used.input, used.output));
            (used.total(), cost)
        } else {
            (Tokens(0), None)
        };
        let bill = Bill {
            reservation: account.reserve(tokens, cost)?,
            used: Tokens(0),
            cost: None,
        };
        Ok(Some(Arc::new(Self(Mutex::new(bill)))))
    }

    /// One of its calls has used so much, at `price`.
    pub(super) fn pay(&self, used: Usage, price: Option<Price>) {
        let mut bill = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bill.used.0 = bill.used.0.saturating_add(used.total().0);
        let cost = price.map(|price| price.of(used.input, used.output));
        bill.cost = match (bill.cost, cost) {
            (Some(before), Some(more)) => Some(before + more),
            (before, more) => before.or(more),
        };
    }
}

/// What a request may use of which the prompt has `bound` tokens at most: four bytes a token, as in English, and as
/// long an answer as it allows. What was used is known when it was answered.
pub(super) fn estimate(request: &ChatRequest, bound: Tokens) -> Usage {
    let choices = request.fields().get("n").and_then(|n| n.as_u64());
    let answer = asked(request).unwrap_or(USUAL_ANSWER).0;
    Usage {
        input: Tokens(bound.0.div_ceil(4)),
        output: Tokens(answer.saturating_mul(choices.unwrap_or(1).max(1))),
    }
}
