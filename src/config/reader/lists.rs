//! Lists of texts and of numbers.
//!
//! Invariant: a wrong element is noted where it stands and left out, and never repeated here: it may
//! be a prompt, or a secret in the wrong place.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::{
    Section,
    field::{Field, NotOne, Raw, out_of_range},
};
use crate::config::problem::{At, Origin};

/// A list with its origin, and each element with its own.
pub(crate) type List<'t, T> = At<'t, Vec<At<'t, T>>>;

impl<'t> Section<'_, 't> {
    /// How many elements the list of `key` has as it is written, wrong ones included; `None` if it is no
    /// list of the file.
    pub(crate) fn length(&self, key: &str) -> Option<usize> {
        let list = self.table?.get(key)?.get_ref().as_array()?;
        Some(list.len())
    }

    /// A list of texts that `parse` makes sense of, in a variable with commas between.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        mut parse: impl FnMut(&'t str) -> Result<T, String>,
    ) -> Option<List<'t, T>> {
        self.elements(key, expected, |field| match field.text() {
            Some(text) => parse(text),
            None => Err(format!("expected a list of {expected}")),
        })
    }

    /// A list of whole numbers within `range`.
    pub(crate) fn integers(
        &mut self,
        key: &'static str,
        range: &RangeInclusive<u64>,
    ) -> Option<List<'t, u64>> {
        const EXPECTED: &str = "whole numbers";
        self.elements(key, EXPECTED, |field| match field.integer() {
            Ok(Some(number)) if range.contains(&number) => Ok(number),
            Ok(_) => Err(out_of_range(range, &field.found())),
            Err(NotOne) => Err(format!("expected a list of {EXPECTED}")),
        })
    }

    /// One text, or a list of them. Other than those of [`Section::list`], wrong ones may be repeated
    /// by `parse`.
    pub(crate) fn one_or_more<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        mut parse: impl FnMut(&'t str) -> Result<T, String>,
    ) -> Option<List<'t, T>> {
        if self.length(key).is_some() {
            return self.list(key, expected, parse);
        }
        let one = self.parsed(key, &format!("{expected}, one or a list"), &mut parse)?;
        Some(At {
            origin: one.origin,
            value: vec![one],
        })
    }

    fn elements<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        mut read: impl FnMut(&Field<'t>) -> Result<T, String>,
    ) -> Option<List<'t, T>> {
        let field = self.field(key)?;
        let elements: Vec<(Origin<'t>, Raw<'t>)> = match field.raw {
            Raw::Toml(DeValue::Array(elements)) => elements
                .iter()
                .map(|element| {
                    let origin = Origin::Offset(element.span().start);
                    (origin, Raw::Toml(element.get_ref()))
                })
                .collect(),
            Raw::Variable(text) => text
                .split(',')
                .map(|element| (field.origin, Raw::Variable(element.trim())))
                .collect(),
            Raw::Toml(_) => {
                return self.judged(field, Err(format!("expected a list of {expected}")));
            }
        };
        let mut list = Vec::new();
        for (origin, raw) in elements {
            let field = Field {
                path: field.path.clone(),
                origin,
                raw,
            };
            let value = read(&field);
            list.extend(self.judged(field, value));
        }
        self.judged(field, Ok(list))
    }
}
