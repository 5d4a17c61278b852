//! Which entry goes first when there is no room: the one whose keeping saves least.
//!
//! Greedy-Dual-Size-Frequency (Cherkasova, "Improving WWW Proxies Performance with Greedy-Dual-Size-
//! Frequency Caching Policy", HP Labs 1998): an entry's priority is what its uses have saved for each
//! byte it takes, on top of the priority of what was last evicted when it was last used. So what is
//! never asked for again ages without anybody touching it, and a dear answer outlives cheap ones.

use crate::units::Usd;

/// What an entry saves for each byte it takes. Finite and not negative, so that it has a total order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Priority(f64);

impl Priority {
    /// Below every entry's.
    pub const NONE: Self = Self(0.0);

    /// The number, for an atomic. Numbers that are not negative order as their bits do.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The priority of [`Priority::to_bits`]; [`Priority::NONE`] for other bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self::new(f64::from_bits(bits))
    }

    fn new(value: f64) -> Self {
        if value.is_finite() && value > 0.0 {
            Self(value)
        } else {
            Self::NONE
        }
    }
}

impl Eq for Priority {}

impl PartialOrd for Priority {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Priority {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The priority of an entry of `bytes` that answered `uses` requests, each of which saved `cost`.
///
/// `floor` is the priority of what was evicted last. `tokens` stands in for a cost that is not known,
/// at a small model's price.
#[must_use]
pub fn priority(
    floor: Priority,
    cost: Option<Usd>,
    tokens: u64,
    uses: u32,
    bytes: usize,
) -> Priority {
    /// US dollars for a token, where no price is configured.
    const SMALL_MODEL: f64 = 1e-6;
    #[expect(
        clippy::cast_precision_loss,
        reason = "only the order of magnitude matters"
    )]
    let (tokens, bytes) = (tokens as f64, bytes.max(1) as f64);
    let saved = cost.map_or(tokens * SMALL_MODEL, Usd::get).max(1e-9);
    Priority::new(floor.0 + saved * (1.0 + f64::from(uses)) / bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(floor: Priority, usd: f64, uses: u32, bytes: usize) -> Priority {
        priority(floor, Usd::new(usd), 0, uses, bytes)
    }

    #[test]
    fn dear_used_and_small_entries_stay_longer() {
        let plain = of(Priority::NONE, 0.001, 0, 1000);
        assert!(of(Priority::NONE, 0.01, 0, 1000) > plain);
        assert!(of(Priority::NONE, 0.001, 3, 1000) > plain);
        assert!(of(Priority::NONE, 0.001, 0, 100) > plain);
        assert!(priority(Priority::NONE, None, 5000, 0, 1000) > plain);
    }

    #[test]
    fn what_is_not_used_again_ages() {
        let once_dear = of(Priority::NONE, 0.01, 1, 1000);
        let evicted_since = of(once_dear, 0.001, 0, 1000);
        assert!(of(evicted_since, 0.000_1, 0, 1000) > once_dear);
    }

    proptest! {
        #[test]
        fn every_priority_has_its_place(floor in any::<u64>(), cost in any::<f64>(), tokens in any::<u64>(), uses in any::<u32>(), bytes in any::<usize>()) {
            let floor = Priority::from_bits(floor);
            let of = priority(floor, Usd::new(cost), tokens, uses, bytes);
            prop_assert!(of >= floor || of == Priority::NONE);
            prop_assert_eq!(Priority::from_bits(of.to_bits()), of);
        }
    }
}
