//! How large a context window a request needs.
//!
//! Ollama cuts what does not fit, and what a model gets by itself is often 4096 tokens. A window of
//! another size makes it load the model anew, so sizes come in steps, and the largest one of late stays.
//! Source: <https://docs.ollama.com/context-length> (seen 2026-11).

/// The smallest window, in tokens; each step is twice the one before.
const SMALLEST: u64 = 4096;
/// The largest window for a model of which nothing is known, in tokens.
const LARGEST_UNKNOWN: u64 = 1 << 20;

/// What a request needs, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// The prompt, rather too few than too many.
    pub(super) least: u64,
    /// The prompt, rather too many than too few.
    pub(super) most: u64,
    /// Room for the answer.
    pub(super) answer: u64,
}

/// What is known about the windows of a model, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Windows {
    /// The longest it was made for; `None` if unknown.
    pub(super) longest: Option<u64>,
    /// The one it has now, or is meant to have.
    pub(super) current: u64,
}

/// A prompt does not fit into any window of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong {
    /// The tokens that there is room for.
    pub(super) limit: u64,
}

/// The window for a request. An estimate that is too high costs memory and no more: only a prompt that
/// surely does not fit is refused, everything else is Ollama's to judge.
pub(super) fn window(need: Need, windows: Windows) -> Result<u64, TooLong> {
    let longest = windows
        .longest
        .unwrap_or(LARGEST_UNKNOWN.max(windows.current));
    fits(need, longest)?;
    let wanted = need.most.saturating_add(need.answer).min(longest);
    let step = wanted.next_power_of_two().max(SMALLEST);
    Ok(step.max(windows.current).min(longest))
}

/// Whether a prompt may fit into a window of this size.
pub(super) fn fits(need: Need, limit: u64) -> Result<(), TooLong> {
    if need.least >= limit {
        return Err(TooLong { limit });
    }
    Ok(())
}

/// The next larger window; `None` if there is none.
pub(super) fn larger(windows: Windows) -> Option<u64> {
    let longest = windows.longest.unwrap_or(LARGEST_UNKNOWN);
    (windows.current < longest).then(|| windows.current.saturating_mul(2).min(longest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(most: u64, answer: u64, longest: Option<u64>, current: u64) -> Result<u64, TooLong> {
        let need = Need {
            least: most / 4,
            most,
            answer,
        };
        window(need, Windows { longest, current })
    }

    #[test]
    fn windows_come_in_steps() {
        assert_eq!(of(10, 2048, Some(131_072), 0), Ok(4096));
        assert_eq!(of(2048, 2048, Some(131_072), 0), Ok(4096));
        assert_eq!(of(2049, 2048, Some(131_072), 0), Ok(8192));
        assert_eq!(of(50_000, 2048, Some(131_072), 0), Ok(65_536));
    }

    #[test]
    fn a_window_is_never_longer_than_the_model() {
        assert_eq!(of(10, 2048, Some(2048), 0), Ok(2048));
        assert_eq!(of(6000, 2048, Some(7000), 0), Ok(7000));
        assert_eq!(of(10, u64::MAX, Some(7000), 9000), Ok(7000));
    }

    #[test]
    fn the_larger_window_stays() {
        assert_eq!(of(10, 2048, Some(131_072), 16_384), Ok(16_384));
        assert_eq!(of(10, 2048, None, 5000), Ok(5000));
    }

    #[test]
    fn what_surely_does_not_fit_is_refused() {
        assert_eq!(of(40_000, 10, Some(8192), 0), Err(TooLong { limit: 8192 }));
        assert_eq!(of(30_000, 10, Some(8192), 0), Ok(8192));
        assert_eq!(of(u64::MAX, 10, None, 0), Err(TooLong { limit: 1 << 20 }));
    }

    #[test]
    fn windows_grow_to_the_longest() {
        let next = |current| {
            larger(Windows {
                longest: Some(10_000),
                current,
            })
        };
        assert_eq!(next(4096), Some(8192));
        assert_eq!(next(8192), Some(10_000));
        assert_eq!(next(10_000), None);
    }

    proptest! {
        #[test]
        fn a_window_holds_what_is_needed_or_is_the_longest(
            most in 0_u64..200_000, answer in any::<u64>(), longest in prop::option::of(1_u64..300_000),
            current in 0_u64..300_000,
        ) {
            if let Ok(window) = of(most, answer, longest, current) {
                let longest = longest.unwrap_or(1 << 20);
                prop_assert!(window <= longest);
                prop_assert!(window == longest || window >= most.saturating_add(answer));
            }
        }
    }
}
