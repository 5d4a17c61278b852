//! Values of which several sections have one: durations, sizes, names of variables.
//!
//! It knows how such a value is written and within which bounds; it knows no setting. Invariant:
//! a value that is wrong is noted as a problem, and the default stands in for it.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    config::{
        problem::{At, quoted},
        quantity::{ByteSize, parse_duration, show_duration},
        reader::{Section, out_of_range},
    },
    units::Tokens,
};

/// Whether a duration may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    /// It may, and means "not at all".
    Allowed,
    /// It would make the setting useless.
    Refused,
    /// Whoever writes it is to write this.
    Instead(&'static str),
}

/// How long a duration may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// 366 days: far beyond any sensible setting, and small enough to be added to any point in time.
    Year,
    /// 30 days.
    Month,
}

impl Length {
    fn days(self) -> u64 {
        match self {
            Self::Year => 366,
            Self::Month => 30,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Year => "a year",
            Self::Month => "30 days",
        }
    }
}

/// A duration such as `"30s"`, of a year at most.
pub(super) fn duration(
    section: &mut Section<'_, '_>,
    key: &'static str,
    zero: Zero,
    default: Duration,
) -> Duration {
    written_duration(section, key, zero, Length::Year, default).map_or(default, |at| at.value)
}

/// A duration, if it is there; `example` is for messages.
pub(super) fn written_duration<'t>(
    section: &mut Section<'_, 't>,
    key: &'static str,
    zero: Zero,
    longest: Length,
    example: Duration,
) -> Option<At<'t, Duration>> {
    let example = show_duration(example);
    let expected = format!("a duration in quotes, for example \"{example}\"");
    section.parsed(key, &expected, |text| {
        let duration = parse_duration(text).ok_or_else(|| {
            format!(
                "not a duration: {} (write for example \"{example}\")",
                quoted(text)
            )
        })?;
        match zero {
            Zero::Refused if duration.is_zero() => Err(format!(
                "must be more than zero (for example \"{example}\")"
            )),
            Zero::Instead(instead) if duration.is_zero() => {
                Err(format!("must be more than zero; write {instead}"))
            }
            Zero::Allowed | Zero::Refused | Zero::Instead(_) => {
                if duration > Duration::from_secs(longest.days() * 24 * 60 * 60) {
                    return Err(format!(
                        "longer than {}: {}",
                        longest.as_str(),
                        quoted(text)
                    ));
                }
                Ok(duration)
            }
        }
    })
}

/// A size such as `"10MiB"`.
pub(super) fn size<'t>(
    section: &mut Section<'_, 't>,
    key: &'static str,
    range: &RangeInclusive<ByteSize>,
    default: ByteSize,
) -> Option<At<'t, ByteSize>> {
    let expected = format!("a size in quotes, for example \"{default}\"");
    section.parsed(key, &expected, |text| {
        let size = ByteSize::parse(text).ok_or_else(|| {
            format!(
                "not a size: {} (write for example \"{default}\"; units: bytes, KiB, MiB, GiB, \
                 KB, MB, GB)",
                quoted(text)
            )
        })?;
        if range.contains(&size) {
            Ok(size)
        } else {
            Err(out_of_range(range, &quoted(text)))
        }
    })
}

/// A number of tokens; none at all would be no number to work with.
pub(super) fn tokens<'t>(
    section: &mut Section<'_, 't>,
    key: &'static str,
) -> Option<At<'t, Tokens>> {
    let number = section.integer(key, 1..=1_000_000_000)?;
    Some(At {
        value: Tokens(number.value),
        origin: number.origin,
    })
}

/// The name of an environment variable that holds a key; the variable is then no override.
pub(super) fn key_variable<'t>(
    section: &mut Section<'_, 't>,
    key: &'static str,
) -> Option<At<'t, &'t str>> {
    let name = section.hidden(key, VARIABLE_RULE, |text| is_variable(text).then_some(text))?;
    section.reader.overrides.claim(name.value);
    Some(name)
}

/// What the name of a variable is.
///
/// Stricter than the system is, on purpose: this is where people paste the key itself, and of the
/// keys of the providers known here none passes, so that none is repeated in a message.
pub(super) const VARIABLE_RULE: &str = "not the name of an environment variable: capital letters, \
    digits and `_`, at most 64 (the key itself is not written into this file)";

/// Whether `text` follows [`VARIABLE_RULE`].
pub(super) fn is_variable(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len())
        && text.bytes().all(valid)
        && !text.starts_with(|first: char| first.is_ascii_digit())
}
