//! Reads tables of the file key by key, and notes everything that is wrong on the way.
//!
//! It knows TOML, types and ranges, but no setting. Reading never stops: a wrong value is noted and
//! yields `None` (or the default), so that one run shows every problem. Invariant: when a
//! [`Section`] is done, each of its keys was either asked for or noted as unknown.

mod field;
mod lists;
mod tables;
mod unknown;

use std::ops::{RangeBounds, RangeInclusive};

use toml::de::{DeTable, DeValue};

pub(crate) use self::field::out_of_range;
use self::field::{Field, NotOne, Raw};
use super::{
    moment,
    overrides::Overrides,
    problem::{At, Findings, Origin, quoted, shown},
    suggest,
};
use crate::clock::UnixMillis;

/// What all sections share while a configuration is read.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    pub(crate) findings: Findings<'t>,
    pub(crate) overrides: Overrides<'t>,
}

/// One table that is being read.
#[derive(Debug)]
pub(crate) struct Section<'r, 't> {
    pub(crate) reader: &'r mut Reader<'t>,
    /// The path for messages, `cache` or `providers.timeout`; empty for the file itself.
    path: String,
    /// The table's header.
    pub(crate) origin: Origin<'t>,
    table: Option<&'t DeTable<'t>>,
    known: Vec<&'static str>,
}

/// Reads a whole file.
pub(crate) fn read_root<'t, T>(
    reader: &mut Reader<'t>,
    table: &'t DeTable<'t>,
    read: impl FnOnce(&mut Section<'_, 't>) -> T,
) -> T {
    Section::read(reader, String::new(), Origin::Offset(0), Some(table), read)
}

impl<'t> Section<'_, 't> {
    fn read<T>(
        reader: &mut Reader<'t>,
        path: String,
        origin: Origin<'t>,
        table: Option<&'t DeTable<'t>>,
        read: impl FnOnce(&mut Section<'_, 't>) -> T,
    ) -> T {
        let mut section = Section {
            reader,
            path,
            origin,
            table,
            known: Vec::new(),
        };
        let value = read(&mut section);
        section.finish();
        value
    }

    /// The path of one of the section's keys, for messages.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes that `key` is not there although it has to be; says nothing if it is there but wrong.
    pub(crate) fn require(&mut self, key: &str, example: &str) {
        if self.table.is_none_or(|table| !table.contains_key(key)) {
            let message = format!("missing; write for example `{key} = {example}`");
            let path = self.path_of(key);
            self.reader.findings.problem(self.origin, path, message);
        }
    }

    /// Notes what is wrong with `key`.
    pub(crate) fn problem(&mut self, origin: Origin<'t>, key: &str, message: impl Into<String>) {
        let path = self.path_of(key);
        self.reader.findings.problem(origin, path, message);
    }

    /// Where `key` is written in the file, whatever its value.
    pub(crate) fn written(&self, key: &str) -> Option<Origin<'t>> {
        let (key, _) = self.table?.get_key_value(key)?;
        Some(Origin::Offset(key.span().start))
    }

    /// Text.
    pub(crate) fn text(&mut self, key: &'static str, expected: &str) -> Option<At<'t, &'t str>> {
        self.parsed(key, expected, Ok)
    }

    /// Text that `parse` makes sense of; its error says what is wrong.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&'t str) -> Result<T, String>,
    ) -> Option<At<'t, T>> {
        let field = self.field(key)?;
        let value = match field.text() {
            Some(text) => parse(text),
            None => Err(field.mismatch(expected)),
        };
        self.judged(field, value)
    }

    /// Text that may be a secret by mistake: never repeated, neither here nor by `parse`.
    pub(crate) fn hidden<T>(
        &mut self,
        key: &'static str,
        rule: &'static str,
        parse: impl FnOnce(&'t str) -> Option<T>,
    ) -> Option<At<'t, T>> {
        self.hidden_because(key, rule, |text| parse(text).ok_or(rule))
    }

    /// The same, where `parse` knows more than one rule; `rule` is for what is no text.
    pub(crate) fn hidden_because<T>(
        &mut self,
        key: &'static str,
        rule: &'static str,
        parse: impl FnOnce(&'t str) -> Result<T, &'static str>,
    ) -> Option<At<'t, T>> {
        let field = self.field(key)?;
        let value = field.text().map_or(Err(rule), parse);
        self.judged(field, value.map_err(str::to_owned))
    }

    /// A date or a time, in quotes or bare.
    pub(crate) fn moment(&mut self, key: &'static str) -> Option<At<'t, UnixMillis>> {
        let field = self.field(key)?;
        let value = match (field.raw, field.text()) {
            (Raw::Toml(DeValue::Datetime(written)), _) => moment::of(written),
            (_, Some(text)) => moment::parse(text),
            _ => Err(field.mismatch(moment::EXPECTED)),
        };
        self.judged(field, value)
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<At<'t, T>> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.parsed(key, &format!("one of {}", names.join(", ")), |text| {
            let chosen = choices.iter().find(|(name, _)| *name == text);
            chosen.map(|(_, value)| *value).ok_or_else(|| {
                format!(
                    "unknown value {}{}",
                    quoted(text),
                    suggest::hint(text, &names)
                )
            })
        })
    }

    /// A whole number within `range`.
    pub(crate) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<At<'t, u64>> {
        let field = self.field(key)?;
        let value = match field.integer() {
            Ok(Some(number)) if range.contains(&number) => Ok(number),
            Ok(_) => Err(out_of_range(&range, &field.found())),
            Err(NotOne) => Err(field.mismatch("a whole number")),
        };
        self.judged(field, value)
    }

    /// A number within `range`.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        range: &(impl RangeBounds<f64> + Clone),
    ) -> Option<At<'t, f64>> {
        let field = self.field(key)?;
        let value = match field.number() {
            Some(number) if number.is_finite() && range.contains(&number) => Ok(number),
            Some(_) => Err(out_of_range(range, &field.found())),
            None => Err(field.mismatch("a number")),
        };
        self.judged(field, value)
    }

    /// `true` or `false`; also `"on"` or `"off"`.
    pub(crate) fn switch(&mut self, key: &'static str) -> Option<At<'t, bool>> {
        let field = self.field(key)?;
        let value = match (field.raw, field.text()) {
            (Raw::Toml(DeValue::Boolean(value)), _) => Ok(*value),
            (_, Some("on")) | (Raw::Variable("true"), _) => Ok(true),
            (_, Some("off")) | (Raw::Variable("false"), _) => Ok(false),
            _ => Err(field.mismatch("true or false")),
        };
        self.judged(field, value)
    }

    fn field(&mut self, key: &'static str) -> Option<Field<'t>> {
        self.known.push(key);
        let path = self.path_of(key);
        if let Some(set) = self.reader.overrides.take(&self.path, key) {
            return Some(Field {
                path,
                origin: set.origin,
                raw: Raw::Variable(set.value),
            });
        }
        let value = self.table?.get(key)?;
        Some(Field {
            path,
            origin: Origin::Offset(value.span().start),
            raw: Raw::Toml(value.get_ref()),
        })
    }

    fn judged<T>(&mut self, field: Field<'t>, value: Result<T, String>) -> Option<At<'t, T>> {
        let Field { path, origin, .. } = field;
        match value {
            Ok(value) => Some(At { value, origin }),
            Err(message) => {
                self.reader.findings.problem(origin, path, message);
                None
            }
        }
    }

    /// Notes the keys that nobody asked for.
    fn finish(self) {
        for (key, value) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let message = if self.path.is_empty() {
                let section_of = self.reader.overrides.section_with(name);
                unknown::at_top(name, value.get_ref(), section_of, &self.known)
            } else {
                unknown::in_section(name, &self.known)
            };
            let path = self.path_of(&shown(name));
            let origin = Origin::Offset(key.span().start);
            self.reader.findings.problem(origin, path, message);
        }
        self.reader.overrides.learn(&self.path, &self.known);
    }
}
