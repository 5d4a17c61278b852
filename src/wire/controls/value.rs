//! The values of controls, each with the rule that a refusal states.
//!
//! It knows how a value is written in a header and in JSON; it knows no control. Invariant: a
//! message repeats nothing of what was sent.

use std::time::Duration;

use serde_json::Value;

use super::InvalidControl;
use crate::{
    ident::{Namespace, Tag, TaskName},
    units::{Policy, Similarity},
};

/// An age or allowance that is longer counts as this (RFC 9111 §1.2.2), so that it can be added to
/// any point in time.
const LONGEST: u64 = 1 << 31;

/// What a time to live may be: ten years of 365 days, in seconds.
const LONGEST_TTL: u64 = 10 * 365 * 24 * 60 * 60;

pub(super) fn invalid(name: &str, rule: &str) -> InvalidControl {
    InvalidControl {
        name: name.to_owned(),
        message: format!("`{name}` must be {rule}"),
    }
}

/// A number of seconds as RFC 9111 §1.2.2 writes it: digits and nothing else. Too large a number
/// is the largest.
pub(super) fn delta_seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

pub(super) fn bounded(seconds: u64) -> Duration {
    Duration::from_secs(seconds.min(LONGEST))
}

pub(super) fn age(name: &str, value: &Value) -> Result<Duration, InvalidControl> {
    let seconds = value.as_u64();
    seconds
        .map(bounded)
        .ok_or_else(|| invalid(name, "a whole number of seconds"))
}

pub(super) fn ttl(name: &str, seconds: Option<u64>) -> Result<Duration, InvalidControl> {
    seconds
        .filter(|seconds| *seconds <= LONGEST_TTL)
        .map(Duration::from_secs)
        .ok_or_else(|| invalid(name, "a whole number of seconds, at most ten years"))
}

pub(super) fn namespace(name: &str, text: Option<&str>) -> Result<Namespace, InvalidControl> {
    text.and_then(|text| Namespace::new(text.trim()).ok())
        .ok_or_else(|| invalid(name, "1-128 visible ASCII characters"))
}

pub(super) fn threshold(name: &str, number: Option<f32>) -> Result<Similarity, InvalidControl> {
    number
        .filter(|number| (0.5..=1.0).contains(number))
        .and_then(Similarity::new)
        .ok_or_else(|| invalid(name, "a number from 0.5 to 1"))
}

pub(super) fn policy(name: &str, text: Option<&str>) -> Result<Policy, InvalidControl> {
    let text = text.unwrap_or_default().trim();
    let mut policies = Policy::NAMES.iter();
    policies
        .find(|(policy, _)| text.eq_ignore_ascii_case(policy))
        .map(|(_, policy)| *policy)
        .ok_or_else(|| invalid(name, "strict, balanced or loose"))
}

pub(super) fn task(name: &str, text: Option<&str>) -> Result<TaskName, InvalidControl> {
    text.and_then(|text| TaskName::new(text.trim()).ok())
        .ok_or_else(|| invalid(name, "1-64 of letters, digits, `-`, `_`, `.`"))
}

pub(super) fn tag(name: &str, text: Option<&str>) -> Result<Tag, InvalidControl> {
    text.and_then(|text| Tag::new(text.trim()).ok())
        .ok_or_else(|| not_tags(name))
}

pub(super) fn not_tags(name: &str) -> InvalidControl {
    let rule = "a list of at most 16 tags, each 1-64 visible ASCII characters without a comma";
    invalid(name, rule)
}

pub(super) fn switch(name: &str, value: &Value) -> Result<bool, InvalidControl> {
    value
        .as_bool()
        .ok_or_else(|| invalid(name, "true or false"))
}

pub(super) fn switch_text(name: &str, text: &str) -> Result<bool, InvalidControl> {
    if says_true(text) {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(invalid(name, "true or false"))
    }
}

pub(super) fn says_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}
