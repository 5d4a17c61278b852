//! What a model takes, by its name.
//!
//! Sources: the model pages and migration guides below <https://platform.claude.com/docs/en/models>, and
//! <https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting> (seen 2026-11). A rule
//! goes by version, not by a list of names, so that the next model of a line is covered:
//!
//! | models | longest answer | thinking | sampling | effort | JSON schema |
//! |---|---|---|---|---|---|
//! | up to 3 | 4096 | no | yes | no | no |
//! | 3.5 | 8192 | no | yes | no | no |
//! | 3.7, Sonnet 4 | 64 000 | budget | yes | no | no |
//! | Opus 4, 4.1 | 32 000 | budget | yes; 4.1: one of both | no | no |
//! | 4.5 | 64 000 | budget | one of both | no | yes |
//! | 4.6 | 128 000, Sonnet 64 000 | adaptive, on request | one of both | to `max`, no `xhigh` | yes |
//! | 4.7 to 4.9 | 128 000 | adaptive, on request | no | all | yes |
//! | Sonnet 5, Opus 5, Haiku 5.5 | 128 000 | adaptive unless `disabled` | no | all | yes |
//! | Sonnet 5.5 | 128 000 | adaptive unless `between_tools` | no | all | yes |
//! | Fable, Mythos; Opus 5.5; later; a Claude without a number | 128 000 | always | no | all | yes |
//! | no Claude | 8192 | budget | yes | no | no |
//!
//! An assistant's message at the end is continued up to 4.5. A tool can be forced up to 5.0 and on Haiku.
//! From 5.1 on, thoughts that come back are checked against what was said before them.

/// What one model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    /// The longest answer, thoughts included, in tokens.
    pub(super) most_output: u64,
    pub(super) thinking: Thinking,
    pub(super) sampling: Sampling,
    pub(super) efforts: Efforts,
    /// Whether it has structured outputs.
    pub(super) schemas: bool,
    /// Whether `tool_choice` may force a call.
    pub(super) forced_tools: bool,
    /// Whether it goes on with an assistant's message at the end.
    pub(super) prefill: bool,
    /// Whether thoughts are bound to the conversation that made them.
    pub(super) bound_thoughts: bool,
}

/// How a model is made to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    Never,
    /// `enabled`, with `budget_tokens`.
    Budget,
    /// `adaptive`; off otherwise.
    OnRequest,
    /// `adaptive`, unless the request has this type of thinking.
    Unless(&'static str),
    Always,
}

/// What of `temperature` and `top_p` a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    None,
    OneOfBoth,
    Both,
}

/// Which of the highest levels of effort a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Efforts {
    /// No levels at all.
    None,
    /// `max`, but not `xhigh`.
    NoXHigh,
    All,
}

impl Abilities {
    pub(super) fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let Some(place) = model.find("claude") else {
            return Self::OTHER;
        };
        let name = model.get(place..).unwrap_or_default();
        let words: Vec<&str> = name.split(['-', '.', '_', '@', ':', '/']).collect();
        let is = |line: &str| words.contains(&line);
        let Some(version) = version(&words) else {
            return Self::NEWEST;
        };
        let is_opus = is("opus");
        match version {
            ..305 => Self::old(4096),
            305..=306 => Self::old(8192),
            307..401 => Self::thoughtful(if is_opus && version >= 400 {
                32_000
            } else {
                64_000
            }),
            401..=404 => Self {
                sampling: Sampling::OneOfBoth,
                ..Self::thoughtful(if is_opus { 32_000 } else { 64_000 })
            },
            405 => Self {
                sampling: Sampling::OneOfBoth,
                schemas: true,
                ..Self::thoughtful(64_000)
            },
            406 => Self {
                most_output: if is("sonnet") { 64_000 } else { 128_000 },
                sampling: Sampling::OneOfBoth,
                efforts: Efforts::NoXHigh,
                ..Self::NEW
            },
            407..=499 => Self::NEW,
            500.. => Self::fifth(version, is),
        }
    }

    fn fifth(version: u32, is: impl Fn(&str) -> bool) -> Self {
        let first = version == 500;
        let thinking = match version {
            500 if is("sonnet") || is("opus") => Thinking::Unless("disabled"),
            500..=599 if is("haiku") => Thinking::Unless("disabled"),
            500..=599 if is("sonnet") => Thinking::Unless("between_tools"),
            _ => Thinking::Always,
        };
        Self {
            thinking,
            forced_tools: first || is("haiku"),
            bound_thoughts: !first,
            ..Self::NEWEST
        }
    }

    const fn old(most_output: u64) -> Self {
        Self {
            most_output,
            thinking: Thinking::Never,
            ..Self::OTHER
        }
    }

    const fn thoughtful(most_output: u64) -> Self {
        Self {
            most_output,
            ..Self::OTHER
        }
    }

    const OTHER: Self = Self {
        most_output: 8192,
        thinking: Thinking::Budget,
        sampling: Sampling::Both,
        efforts: Efforts::None,
        schemas: false,
        forced_tools: true,
        prefill: true,
        bound_thoughts: false,
    };

    const NEW: Self = Self {
        most_output: 128_000,
        thinking: Thinking::OnRequest,
        sampling: Sampling::None,
        efforts: Efforts::All,
        schemas: true,
        forced_tools: true,
        prefill: false,
        bound_thoughts: false,
    };

    const NEWEST: Self = Self {
        thinking: Thinking::Always,
        forced_tools: false,
        bound_thoughts: true,
        ..Self::NEW
    };
}

/// The version among the words of a name, with two places for what is behind the point: 305 in
/// `claude-3-5-sonnet-20241022`, 400 in `claude-opus-4-20250514`.
fn version(words: &[&str]) -> Option<u32> {
    // More digits are a date.
    let number = |word: &str| -> Option<u32> {
        let is_short = word.len() <= 2 && word.bytes().all(|b| b.is_ascii_digit());
        is_short.then(|| word.parse().ok()).flatten()
    };
    let place = words.iter().position(|word| number(word).is_some())?;
    let minor = words.get(place + 1).and_then(|word| number(word));
    Some(number(words.get(place)?)? * 100 + minor.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_wherever_they_stand() {
        let of = |name: &str| {
            version(
                &name
                    .split(['-', '.', '_', '@', ':', '/'])
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of("claude-3-5-sonnet-20241022"), Some(305));
        assert_eq!(of("claude-sonnet-4-20250514"), Some(400));
        assert_eq!(of("claude-sonnet-4-20250514-v1:0"), Some(400));
        assert_eq!(of("claude-opus-4@20250514"), Some(400));
        assert_eq!(of("claude-haiku-4.5"), Some(405));
        assert_eq!(of("claude-opus-5-5"), Some(505));
        assert_eq!(of("claude-mythos-preview"), None);
        assert_eq!(of("claude-3-opus-latest"), Some(300));
        assert_eq!(of(""), None);
    }

    #[test]
    fn every_model_of_the_official_list_has_its_row() {
        let row = |name: &str| {
            let a = Abilities::of(name);
            format!(
                "{name}: {} {:?} {:?} {:?}{}{}{}{}",
                a.most_output,
                a.thinking,
                a.sampling,
                a.efforts,
                if a.schemas { " schemas" } else { "" },
                if a.forced_tools { " forced" } else { "" },
                if a.prefill { " prefill" } else { "" },
                if a.bound_thoughts { " bound" } else { "" },
            )
        };
        let names = [
            "claude-2.1",
            "claude-3-haiku-20240307",
            "claude-3-5-haiku-latest",
            "claude-3-7-sonnet-20250219",
            "claude-opus-4-20250514",
            "claude-sonnet-4-0",
            "claude-opus-4-1-20250805",
            "claude-sonnet-4-5-20250929",
            "claude-haiku-4-5",
            "claude-opus-4-5",
            "claude-sonnet-4-6",
            "claude-opus-4-6",
            "claude-opus-4-7",
            "claude-opus-4-8",
            "claude-mythos-preview",
            "claude-opus-5",
            "claude-sonnet-5",
            "claude-fable-5",
            "claude-mythos-5-1",
            "claude-fable-5-2",
            "claude-haiku-5-5",
            "claude-sonnet-5-5",
            "claude-opus-5-5",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "anthropic/claude-opus-4.7",
            "claude-opus-6",
            "kimi-k2",
        ];
        insta::assert_snapshot!(names.map(row).join("\n"));
    }
}
