//! One value as it is written, before a setting makes sense of it.
//!
//! It tells types apart and describes what it found; whether a value is good is decided by who
//! asked. Invariant: a description is short and free of control characters.

use std::{
    fmt::Display,
    ops::{Bound, RangeBounds},
};

use toml::de::DeValue;

use crate::config::problem::{Origin, quoted, shown};

/// The value of one key, not yet judged.
#[derive(Debug)]
pub(super) struct Field<'t> {
    pub(super) path: String,
    pub(super) origin: Origin<'t>,
    pub(super) raw: Raw<'t>,
}

/// Text of the file has a type; text of the environment gets the type that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'t> {
    Toml(&'t DeValue<'t>),
    Variable(&'t str),
}

/// The value is no whole number.
pub(super) struct NotOne;

impl<'t> Field<'t> {
    pub(super) fn text(&self) -> Option<&'t str> {
        match self.raw {
            Raw::Variable(text) => Some(text),
            Raw::Toml(value) => value.as_str(),
        }
    }

    /// `Ok(None)` is a whole number that is negative or too large.
    pub(super) fn integer(&self) -> Result<Option<u64>, NotOne> {
        match self.raw {
            Raw::Toml(DeValue::Integer(number)) => {
                Ok(u64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            Raw::Toml(_) => Err(NotOne),
            Raw::Variable(text) => text.parse().map(Some).map_err(|_| NotOne),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self.raw {
            Raw::Toml(DeValue::Float(number)) => number.as_str().parse().ok(),
            Raw::Toml(DeValue::Integer(number)) if number.radix() == 10 => {
                number.as_str().parse().ok()
            }
            Raw::Toml(_) => None,
            Raw::Variable(text) => text.parse().ok(),
        }
    }

    pub(super) fn mismatch(&self, expected: &str) -> String {
        format!("expected {expected}, found {}", self.found())
    }

    /// What was written instead.
    pub(super) fn found(&self) -> String {
        match self.raw {
            Raw::Variable(text) => quoted(text),
            Raw::Toml(DeValue::String(text)) => format!("the text {}", quoted(text)),
            Raw::Toml(DeValue::Integer(number)) => shown(&number.to_string()),
            Raw::Toml(DeValue::Float(number)) => shown(number.as_str()),
            Raw::Toml(DeValue::Boolean(value)) => value.to_string(),
            Raw::Toml(DeValue::Datetime(_)) => "a date".to_owned(),
            Raw::Toml(DeValue::Array(_)) => "a list".to_owned(),
            Raw::Toml(DeValue::Table(_)) => "a table".to_owned(),
        }
    }
}

/// "must be …, found …".
pub(crate) fn out_of_range<T: Display>(range: &impl RangeBounds<T>, found: &str) -> String {
    let least = match range.start_bound() {
        Bound::Included(least) => format!("at least {least}"),
        Bound::Excluded(least) => format!("more than {least}"),
        Bound::Unbounded => String::new(),
    };
    let most = match range.end_bound() {
        Bound::Included(most) => format!("at most {most}"),
        Bound::Excluded(most) => format!("less than {most}"),
        Bound::Unbounded => String::new(),
    };
    let and = if least.is_empty() || most.is_empty() {
        ""
    } else {
        " and "
    };
    format!("must be {least}{and}{most}, found {found}")
}
