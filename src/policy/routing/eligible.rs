//! Which targets can take a request at all: by what it needs, and by its length.
//!
//! What is not known of a target does not speak against it.

use std::fmt;

use super::ability::{Abilities, Ability};
use crate::units::Tokens;

/// Why a target is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// It lacks what the request needs.
    Lacks(Ability),
    /// The prompt is too long for it.
    TooLong {
        /// What the prompt has at least.
        prompt: Tokens,
        /// What it may have.
        limit: Tokens,
    },
}

impl Skip {
    /// The reason in headers, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lacks(Ability::Images) => "lacks_images",
            Self::Lacks(Ability::Audio) => "lacks_audio",
            Self::Lacks(Ability::Files) => "lacks_files",
            Self::Lacks(Ability::Tools) => "lacks_tools",
            Self::Lacks(Ability::JsonSchema) => "lacks_json_schema",
            Self::TooLong { .. } => "too_long",
        }
    }
}

/// For people.
impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(ability) => write!(f, "it does not support {ability}"),
            Self::TooLong { prompt, limit } => {
                let (prompt, limit) = (prompt.0, limit.0);
                write!(
                    f,
                    "the prompt has at least {prompt} tokens, of which it takes {limit}"
                )
            }
        }
    }
}

/// What a target can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// What it supports.
    pub supports: Option<Abilities>,
    /// Prompt and answer together.
    pub window: Option<Tokens>,
    /// The longest answer.
    pub max_output: Option<Tokens>,
}

/// The first of what is `needed` that the target is known to lack.
#[must_use]
pub fn lacks(needed: Abilities, limits: &Limits) -> Option<Ability> {
    needed.first_not_in(limits.supports?)
}

/// How many tokens a prompt may have for a target. `soft` is not above `hard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// A longer prompt can't be answered as asked.
    pub hard: Tokens,
    /// What a prompt is cut to, so that the answer has room although the request asks for none.
    pub soft: Tokens,
}

/// The room for a prompt, whose answer may have `asked` tokens and which may itself have `max_input`.
/// `None` if no limit is known.
#[must_use]
pub fn room(limits: &Limits, asked: Option<Tokens>, max_input: Option<Tokens>) -> Option<Room> {
    /// An answer that says how long it may be in no way is longer than this but rarely.
    const USUAL_ANSWER: u64 = 4096;
    let Some(Tokens(window)) = limits.window else {
        return max_input.map(|most| Room {
            hard: most,
            soft: most,
        });
    };
    let longest = limits.max_output.map_or(u64::MAX, |Tokens(most)| most);
    let (reserved, sensible) = match asked {
        // Who asks for more than the model can say gets what it can.
        Some(Tokens(asked)) => (asked.min(longest), asked.min(longest)),
        None => (0, longest.min(USUAL_ANSWER).min(window / 4)),
    };
    let within = |answer: u64| {
        let left = Tokens(window.saturating_sub(answer));
        max_input.map_or(left, |most| left.min(most))
    };
    Some(Room {
        hard: within(reserved),
        soft: within(sensible),
    })
}

/// How a prompt that has not been counted exactly stands to the room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Whatever its count is, there is room.
    Fits,
    /// Its count has to be known.
    Unsure,
    /// Whatever its count is, there is no room.
    TooLong,
}

/// How a prompt of at `least` and at `most` so many tokens stands to `room`.
#[must_use]
pub fn fit(least: Tokens, most: Tokens, room: Room) -> Fit {
    if most <= room.hard {
        Fit::Fits
    } else if least > room.hard {
        Fit::TooLong
    } else {
        Fit::Unsure
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(
        (window, max_output): (Option<u64>, Option<u64>),
        asked: Option<u64>,
        max_input: Option<u64>,
        expected: Option<(u64, u64)>,
    ) {
        let limits = Limits {
            supports: None,
            window: window.map(Tokens),
            max_output: max_output.map(Tokens),
        };
        let found = room(&limits, asked.map(Tokens), max_input.map(Tokens));
        let expected = expected.map(|(hard, soft)| Room {
            hard: Tokens(hard),
            soft: Tokens(soft),
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn rooms() {
        let (window, none) = (Some(128_000), None);
        // Nothing is known.
        check((none, none), none, none, None);
        check((none, Some(4_000)), Some(4_000), none, None);
        // The prompt alone is limited.
        check((none, Some(4_000)), Some(900), Some(500), Some((500, 500)));
        // Nothing is asked for: a usual answer, or the longest, or a quarter of the window.
        check((window, none), none, none, Some((128_000, 123_904)));
        check((window, Some(16_384)), none, none, Some((128_000, 123_904)));
        check((window, Some(1_000)), none, none, Some((128_000, 127_000)));
        check((Some(8_192), none), none, none, Some((8_192, 6_144)));
        check((Some(3), none), none, none, Some((3, 3)));
        // What is asked for is reserved, as far as the model can say so much.
        check((window, none), Some(28_000), none, Some((100_000, 100_000)));
        check(
            (window, Some(8_000)),
            Some(28_000),
            none,
            Some((120_000, 120_000)),
        );
        check((window, none), Some(128_000), none, Some((0, 0)));
        check((window, none), Some(u64::MAX), none, Some((0, 0)));
        check((window, Some(0)), Some(9), none, Some((128_000, 128_000)));
        check((Some(0), none), none, none, Some((0, 0)));
        // The smaller limit holds.
        check((window, none), none, Some(9_000), Some((9_000, 9_000)));
        check(
            (window, none),
            none,
            Some(125_000),
            Some((125_000, 123_904)),
        );
        check((window, none), none, Some(0), Some((0, 0)));
    }

    #[test]
    fn prompts_fit_or_do_not_or_have_to_be_counted() {
        let room = Room {
            hard: Tokens(100),
            soft: Tokens(50),
        };
        for (least, most, expected) in [
            (0, 0, Fit::Fits),
            (60, 100, Fit::Fits),
            (100, 101, Fit::Unsure),
            (0, u64::MAX, Fit::Unsure),
            (101, 101, Fit::TooLong),
            (101, u64::MAX, Fit::TooLong),
        ] {
            assert_eq!(fit(Tokens(least), Tokens(most), room), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_not_lacked() {
        let needed = Abilities::default()
            .with(Ability::Tools)
            .with(Ability::Images);
        let supporting = |supports| Limits {
            supports,
            ..Limits::default()
        };
        assert_eq!(lacks(needed, &supporting(None)), None);
        assert_eq!(lacks(needed, &supporting(Some(needed))), None);
        let tools = Abilities::default().with(Ability::Tools);
        assert_eq!(
            lacks(needed, &supporting(Some(tools))),
            Some(Ability::Images)
        );
        assert_eq!(
            lacks(tools, &supporting(Some(Abilities::default()))),
            Some(Ability::Tools)
        );
        assert_eq!(
            lacks(
                Abilities::default(),
                &supporting(Some(Abilities::default()))
            ),
            None
        );
    }

    #[test]
    fn every_reason_has_its_name() {
        for (name, ability) in Ability::NAMES {
            let skip = Skip::Lacks(ability);
            assert_eq!(skip.as_str(), format!("lacks_{name}"));
            assert_eq!(skip.to_string(), format!("it does not support {name}"));
        }
        let too_long = Skip::TooLong {
            prompt: Tokens(9_000),
            limit: Tokens(8_192),
        };
        assert_eq!(too_long.as_str(), "too_long");
        assert_eq!(
            too_long.to_string(),
            "the prompt has at least 9000 tokens, of which it takes 8192"
        );
    }

    proptest! {
        #[test]
        fn rooms_are_within_their_limits(
            window: Option<u64>, max_output: Option<u64>, asked: Option<u64>, max_input: Option<u64>,
        ) {
            let limits = Limits {
                supports: None,
                window: window.map(Tokens),
                max_output: max_output.map(Tokens),
            };
            let found = room(&limits, asked.map(Tokens), max_input.map(Tokens));
            prop_assert_eq!(found.is_none(), window.is_none() && max_input.is_none());
            if let Some(Room { hard: Tokens(hard), soft: Tokens(soft) }) = found {
                prop_assert!(soft <= hard);
                prop_assert!(hard <= window.unwrap_or(u64::MAX));
                prop_assert!(hard <= max_input.unwrap_or(u64::MAX));
                // An answer as long as asked for, or as the model can give, has its room beside the prompt.
                if let (Some(window), Some(asked)) = (window, asked) {
                    let answer = asked.min(max_output.unwrap_or(u64::MAX));
                    prop_assert!(hard == 0 || u128::from(hard) + u128::from(answer) <= u128::from(window));
                }
            }
        }
    }
}
