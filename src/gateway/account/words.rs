//! What a client is told that may not ask more: which limit, how high it is, and when to come back. Never its key.

use std::time::Duration;

use crate::{
    clock::UnixMillis,
    error::Error,
    gateway::limiter::{Full, Which},
    policy::spend::{Period, Refused, rfc3339},
    units::{Tokens, Usd},
};

/// How long until calls that are under way may have ended; nobody knows.
const GUESS: Duration = Duration::from_secs(1);

/// About a limit that is reached by a request of so many tokens.
pub(super) fn full(full: Full, tokens: Tokens) -> String {
    let Full { which, limit, wait } = full;
    let wait = seconds(wait);
    match which {
        Which::Requests => format!(
            "this key's limit of {limit} requests a minute is reached; try again in {wait} s"
        ),
        Which::Tokens => format!(
            "this key's limit of {limit} tokens a minute is reached: the request may use {} of them; \
             try again in {wait} s",
            tokens.0
        ),
        Which::Concurrent => format!(
            "this key's limit of {limit} requests at the same time is reached; try again when one of \
             them has ended"
        ),
    }
}

/// About a call that is not paid for.
pub(super) fn unpaid(refused: &Refused, now: UnixMillis) -> Error {
    let (message, retry_after) = match *refused {
        Refused::Ended { at } => {
            let message = format!("this key's budget ended at {} (UTC)", rfc3339(at));
            (message, None)
        }
        Refused::Spent {
            period,
            budget,
            anew,
        } => {
            let budget = whole(budget, period);
            let anew_at = rfc3339(anew);
            let message = format!("{budget} is spent; it begins anew at {anew_at} (UTC)");
            (message, Some(anew.since(now)))
        }
        Refused::TooDear {
            period,
            budget,
            left,
            cost,
            anew,
        } => {
            let budget = whole(budget, period);
            let (left, cost) = (left.dollars(), cost.dollars());
            let when = match anew {
                Some(anew) => format!("it begins anew at {} (UTC)", rfc3339(anew)),
                None => "it never pays for such a call".to_owned(),
            };
            let message = format!(
                "of {budget} ${left:.6} are left, and this call may cost ${cost:.6}: ask for fewer \
                 tokens, or of a cheaper model; {when}"
            );
            (message, anew.map(|anew| anew.since(now)))
        }
        Refused::SetAside { period, budget } => {
            let budget = whole(budget, period);
            let message = format!(
                "what is left of {budget} is set aside for calls that are under way; try again when \
                 one of them has ended"
            );
            (message, Some(GUESS))
        }
    };
    Error::BudgetExceeded {
        message,
        retry_after,
    }
}

fn whole(budget: Usd, period: Period) -> String {
    let amount = budget.get();
    // A budget of less than a cent is not "$0.00".
    let cents = amount * 100.0;
    let digits = if (cents - cents.round()).abs() < 1e-6 {
        2
    } else {
        6
    };
    format!(
        "this key's budget of ${amount:.digits$} a {}",
        period.as_str()
    )
}

/// Rounded up, as in `Retry-After`.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}
