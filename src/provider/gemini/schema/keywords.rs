//! The keywords of single types.

use std::collections::HashSet;

use serde_json::{Number, Value};

use super::layers::Layers;
use crate::provider::gemini::wire::{Kind, Schema};

/// How many values that can't be an `enum` are told in a description.
const MOST_TOLD: usize = 50;
/// What RE2 has not, and ECMA 262 has: looking around, and referring back.
const NOT_RE2: [&str; 5] = ["(?=", "(?!", "(?<=", "(?<!", "\\k<"];

pub(super) fn string(schema: &mut Schema, layers: &Layers<'_>) {
    let format = layers
        .text("format")
        .filter(|format| *format == "date-time");
    schema.format = format.map(str::to_owned);
    schema.pattern = layers
        .text("pattern")
        .filter(|pattern| is_re2(pattern))
        .map(str::to_owned);
    schema.min_length = layers.count("minLength");
    schema.max_length = layers.count("maxLength");
}

fn is_re2(pattern: &str) -> bool {
    let refers_back = pattern
        .split('\\')
        .skip(1)
        .any(|rest| rest.starts_with(|c: char| ('1'..='9').contains(&c)));
    !refers_back && !NOT_RE2.iter().any(|part| pattern.contains(part))
}

pub(super) fn number(schema: &mut Schema, layers: &Layers<'_>) {
    let is_integer = schema.kind == Some(Kind::Integer);
    let formats: &[&str] = if is_integer {
        &["int32", "int64"]
    } else {
        &["float", "double"]
    };
    let format = layers
        .text("format")
        .filter(|format| formats.contains(format));
    schema.format = format.map(str::to_owned);
    let bound = |exclusive: &str, inclusive: &str, step: i64| {
        let Some(bound) = layers.number(exclusive) else {
            return layers.number(inclusive).cloned();
        };
        let next = bound.as_i64().and_then(|bound| bound.checked_add(step));
        let next = next.filter(|_| is_integer).map(Number::from);
        Some(next.unwrap_or_else(|| bound.clone()))
    };
    schema.minimum = bound("exclusiveMinimum", "minimum", 1);
    schema.maximum = bound("exclusiveMaximum", "maximum", -1);
}

/// The types of `values`, which have no `null` among them.
pub(super) fn kinds_of(values: &[&Value]) -> Vec<Kind> {
    let mut numbers = values.iter().filter(|value| value.is_number());
    let numbers = if numbers.all(|value| fits(Kind::Integer, value)) {
        Kind::Integer
    } else {
        Kind::Number
    };
    let all = [
        Kind::String,
        numbers,
        Kind::Boolean,
        Kind::Array,
        Kind::Object,
    ];
    let kinds = all
        .into_iter()
        .filter(|kind| values.iter().any(|value| fits(*kind, value)));
    kinds.collect()
}

/// Those of `kinds` that one of `values` is of; all, if none is.
pub(super) fn fitting(kinds: Vec<Kind>, values: &[&Value]) -> Vec<Kind> {
    let fitting: Vec<Kind> = kinds
        .iter()
        .copied()
        .filter(|kind| values.iter().any(|value| fits(*kind, value)))
        .collect();
    if fitting.is_empty() { kinds } else { fitting }
}

fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::String => value.is_string(),
        Kind::Number => value.is_number(),
        Kind::Integer => {
            let whole = |number: f64| number.fract() == 0.0;
            value.is_number() && value.as_f64().is_some_and(whole)
        }
        Kind::Boolean => value.is_boolean(),
        Kind::Array => value.is_array(),
        Kind::Object => value.is_object(),
    }
}

/// Allows only those of `values` that are of the schema's type.
pub(super) fn enumerate(schema: &mut Schema, values: &[&Value]) {
    if schema.kind == Some(Kind::String) {
        let mut known = HashSet::new();
        let texts = values.iter().filter_map(|value| value.as_str());
        for text in texts.filter(|text| known.insert(*text)) {
            if text.is_empty() {
                schema.explain("May be empty.");
            } else {
                schema.values.push(text.to_owned());
            }
        }
        return;
    }
    let values = values
        .iter()
        .filter(|value| schema.kind.is_some_and(|kind| fits(kind, value)));
    let told: Vec<String> = values
        .take(MOST_TOLD)
        .map(|value| value.to_string())
        .collect();
    match told.as_slice() {
        [] => {}
        [only] => schema.explain(&format!("Always {only}.")),
        several => schema.explain(&format!("One of {}.", several.join(", "))),
    }
}

/// Makes one of alternatives that are all the same but for their `enum`.
pub(super) fn join_enums(schemas: &mut Vec<Schema>) {
    let without = |schema: &Schema| Schema {
        values: Vec::new(),
        ..schema.clone()
    };
    let Some((first, others)) = schemas.split_first_mut() else {
        return;
    };
    let same = others
        .iter()
        .all(|other| !other.values.is_empty() && without(other) == without(first));
    if first.values.is_empty() || !same {
        return;
    }
    let mut known: HashSet<String> = first.values.iter().cloned().collect();
    let more = others
        .iter_mut()
        .flat_map(|other| std::mem::take(&mut other.values));
    first
        .values
        .extend(more.filter(|value| known.insert(value.clone())));
    schemas.truncate(1);
}
