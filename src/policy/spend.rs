//! What a client may spend, and what it has spent.
//!
//! Money is counted in whole nano-dollars, so that a million small calls add up to what they cost. It decides from the time
//! that it is told; where sums are kept is not its matter. Invariant: what is spent and what is set aside together
//! never exceed a budget because of a call whose cost was known before.

use std::time::{Duration, SystemTime};

use crate::{clock::UnixMillis, units::Usd};

/// What a client may spend. Days and months are those of UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// In a day.
    pub daily: Option<Usd>,
    /// In a calendar month.
    pub monthly: Option<Usd>,
    /// Until when anything may be spent.
    pub until: Option<UnixMillis>,
}

/// An amount of money in billionths of a US dollar; a token of the cheapest models costs some tens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NanoUsd(pub u64);

impl NanoUsd {
    /// The nearest amount; what is too much for the type is the most that it holds.
    #[must_use]
    pub fn of(amount: Usd) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and the cast saturates"
        )]
        Self((amount.get() * 1e9).round() as u64)
    }

    /// The same in dollars.
    #[must_use]
    pub fn dollars(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nine million dollars are exact to the billionth"
        )]
        let nano = self.0 as f64;
        nano / 1e9
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// How long a sum counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// A calendar month.
    Month,
}

impl Period {
    /// Its name in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// Why a call is not paid for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refused {
    /// The budget has ended.
    Ended {
        /// When.
        at: UnixMillis,
    },
    /// All of it is spent.
    Spent {
        /// In which period.
        period: Period,
        /// How much it is.
        budget: Usd,
        /// When the next period begins.
        anew: UnixMillis,
    },
    /// What is left of it is less than the call may cost.
    TooDear {
        /// In which period.
        period: Period,
        /// How much it is.
        budget: Usd,
        /// How much is left.
        left: NanoUsd,
        /// What the call may cost.
        cost: NanoUsd,
        /// When the next period begins; `None` if the call costs more than a whole budget.
        anew: Option<UnixMillis>,
    },
    /// What is left of it is set aside for calls that are under way, which may cost less.
    SetAside {
        /// In which period.
        period: Period,
        /// How much it is.
        budget: Usd,
    },
}

/// What is spent, as it is kept across restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The last day on which something was, such as `2026-11-21`.
    pub date: String,
    /// On this day.
    pub day: NanoUsd,
    /// In the month of this day, itself included.
    pub month: NanoUsd,
}

/// What a client has spent today and this month, and what is set aside for calls under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spend {
    /// Days since 1970, of the last change.
    today: u64,
    day: NanoUsd,
    month: NanoUsd,
    reserved: NanoUsd,
}

/// Milliseconds of a day; UTC has no other days.
const DAY: u64 = 24 * 60 * 60 * 1000;
/// The last day that is told from others, that before the year 9999: dates have four digits in their year.
const LAST_DAY: u64 = 2_932_531;

impl Spend {
    /// What was kept. `None` if its date is none.
    #[must_use]
    pub fn of(spent: &Spent) -> Option<Self> {
        let midnight = humantime::parse_rfc3339(&format!("{}T00:00:00Z", spent.date)).ok()?;
        let since = midnight.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let millis = u64::try_from(since.as_millis()).ok()?;
        let is_whole = millis.is_multiple_of(DAY) && spent.date.len() == 10;
        is_whole.then_some(Self {
            today: millis / DAY,
            day: spent.day,
            month: spent.month,
            reserved: NanoUsd(0),
        })
    }

    /// What is to be kept.
    #[must_use]
    pub fn spent(&self, now: UnixMillis) -> Spent {
        let mut at = self.clone();
        at.turn(now);
        Spent {
            date: date(at.today),
            day: at.day,
            month: at.month,
        }
    }

    /// Sets `cost` aside, of which both periods have to have enough. Where no price is known (`None`), nothing is set aside,
    /// and the call is let through as long as anything is left.
    ///
    /// # Errors
    /// Why not; of two reasons, the one that lasts longer.
    pub fn reserve(
        &mut self,
        cost: Option<NanoUsd>,
        budget: &Budget,
        now: UnixMillis,
    ) -> Result<NanoUsd, Refused> {
        if let Some(at) = budget.until.filter(|until| now >= *until) {
            return Err(Refused::Ended { at });
        }
        self.turn(now);
        let periods = [
            (Period::Month, budget.monthly, self.month),
            (Period::Day, budget.daily, self.day),
        ];
        for (period, budget, spent) in periods {
            if let Some(budget) = budget {
                self.check(period, budget, spent, cost)?;
            }
        }
        let cost = cost.unwrap_or_default();
        self.reserved = self.reserved.plus(cost);
        Ok(cost)
    }

    fn check(
        &self,
        period: Period,
        budget: Usd,
        spent: NanoUsd,
        cost: Option<NanoUsd>,
    ) -> Result<(), Refused> {
        let whole = NanoUsd::of(budget);
        let anew = self.anew(period);
        let known = cost.unwrap_or_default();
        let fits = |sum: NanoUsd| sum < whole && sum.plus(known) <= whole;
        if fits(spent.plus(self.reserved)) {
            return Ok(());
        }
        Err(if spent >= whole {
            Refused::Spent {
                period,
                budget,
                anew,
            }
        } else if fits(spent) {
            Refused::SetAside { period, budget }
        } else {
            Refused::TooDear {
                period,
                budget,
                left: whole.minus(spent),
                cost: known,
                anew: (known <= whole).then_some(anew),
            }
        })
    }

    /// Gives back what was set aside.
    pub fn release(&mut self, reserved: NanoUsd) {
        self.reserved = self.reserved.minus(reserved);
    }

    /// Counts `cost`, in place of the `before` that was counted for the same call.
    pub fn count(&mut self, before: NanoUsd, cost: NanoUsd, now: UnixMillis) {
        self.turn(now);
        for sum in [&mut self.day, &mut self.month] {
            *sum = sum.minus(before).plus(cost);
        }
    }

    /// Begins a new day, and a new month, when they have come. Clocks that are set back by up to a day begin nothing: what is
    /// spent stays spent. One that was farther ahead was wrong, and does not bind anybody until its time has come.
    fn turn(&mut self, now: UnixMillis) {
        let today = (now.0 / DAY).min(LAST_DAY);
        if today == self.today || today.saturating_add(1) == self.today {
            return;
        }
        if month(today) != month(self.today) {
            self.month = NanoUsd(0);
        }
        self.day = NanoUsd(0);
        self.today = today;
    }

    /// When the next period begins.
    fn anew(&self, period: Period) -> UnixMillis {
        let this = month(self.today);
        let days = match period {
            Period::Day => self.today.saturating_add(1),
            // No month has more than 31 days.
            Period::Month => (1..=31)
                .map(|days| self.today.saturating_add(days))
                .find(|day| month(*day) != this)
                .unwrap_or(self.today.saturating_add(31)),
        };
        UnixMillis(days.saturating_mul(DAY))
    }
}

/// A moment as people and the configuration write it: `2026-11-22T00:00:00Z`.
#[must_use]
pub fn rfc3339(at: UnixMillis) -> String {
    // The years of the format end with 9999.
    let most = LAST_DAY.saturating_mul(DAY);
    let since = Duration::from_millis(at.0.min(most));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

/// The date of a day since 1970.
fn date(day: u64) -> String {
    rfc3339(UnixMillis(day.saturating_mul(DAY)))
        .chars()
        .take(10)
        .collect()
}

/// The month of a day since 1970, such as `2026-11`.
fn month(day: u64) -> String {
    date(day).chars().take(7).collect()
}

#[cfg(test)]
mod tests;
