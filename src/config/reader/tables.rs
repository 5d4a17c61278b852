//! Tables within tables, and lists of them.
//!
//! Invariant: what is no table, where one belongs, was noted.

use toml::de::DeValue;

use super::{
    Section,
    field::{Field, Raw},
};
use crate::config::problem::{At, Origin, shown};

impl<'t> Section<'_, 't> {
    /// The keys of a table with their texts, whatever the keys are called. The texts are never
    /// repeated.
    pub(crate) fn pairs(
        &mut self,
        key: &'static str,
        expected: &str,
    ) -> Vec<(&'t str, At<'t, &'t str>)> {
        let Some(field) = self.field(key) else {
            return Vec::new();
        };
        let Raw::Toml(DeValue::Table(table)) = field.raw else {
            let message = format!("expected {expected}");
            self.reader
                .findings
                .problem(field.origin, field.path, message);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in table {
            let origin = Origin::Offset(value.span().start);
            if let Some(value) = value.get_ref().as_str() {
                pairs.push((name.get_ref().as_ref(), At { value, origin }));
            } else {
                let path = format!("{}.{}", field.path, shown(name.get_ref()));
                self.reader
                    .findings
                    .problem(origin, path, "expected text in quotes");
            }
        }
        pairs
    }

    /// A table below this one, if there is one.
    pub(crate) fn table<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&mut Section<'_, 't>) -> T,
    ) -> Option<At<'t, T>> {
        let field = self.field(key)?;
        let Raw::Toml(DeValue::Table(table)) = field.raw else {
            let message = field.mismatch(&format!("a table, for example `{key} = {example}`"));
            return self.judged(field, Err(message));
        };
        let Field { path, origin, .. } = field;
        let value = Section::read(self.reader, path, origin, Some(table), read);
        Some(At { value, origin })
    }

    /// The same, for a table that has no use if it is empty.
    pub(crate) fn filled_table<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&mut Section<'_, 't>) -> T,
    ) -> Option<At<'t, T>> {
        let value = self.table.and_then(|table| table.get(key));
        let table = value.and_then(|value| value.get_ref().as_table());
        if table.is_none_or(|table| !table.is_empty()) {
            return self.table(key, example, read);
        }
        let field = self.field(key)?;
        let message = format!("sets nothing; write for example `{key} = {example}`");
        self.judged(field, Err(message))
    }

    /// Whether the value of `key` is a table, for keys that may also be something else.
    pub(crate) fn is_table(&self, key: &str) -> bool {
        let value = self.table.and_then(|table| table.get(key));
        value.is_some_and(|value| value.get_ref().is_table())
    }

    /// A `[section]` of the file, read also if it is not there (the environment may set its keys).
    pub(crate) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> T,
    ) -> T {
        let field = self.field(key);
        let origin = field
            .as_ref()
            .map_or(Origin::Offset(0), |field| field.origin);
        let table = match field.as_ref().map(|field| field.raw) {
            Some(Raw::Toml(DeValue::Table(table))) => Some(table),
            Some(_) => {
                let message = format!("expected a section `[{key}]`, with one bracket");
                self.reader.findings.problem(origin, key, message);
                None
            }
            None => None,
        };
        Section::read(self.reader, key.to_owned(), origin, table, read)
    }

    /// The `[[entries]]` of the file.
    pub(crate) fn entries<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(&mut Section<'_, 't>) -> T,
    ) -> Vec<T> {
        let message = format!("expected one or more `[[{key}]]`, with two brackets");
        self.list_of_tables(key, &message, read)
    }

    /// A list of tables below this one.
    pub(crate) fn tables<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnMut(&mut Section<'_, 't>) -> T,
    ) -> Vec<T> {
        let message = format!("expected a list of tables, for example `{key} = [{example}]`");
        self.list_of_tables(key, &message, read)
    }

    fn list_of_tables<T>(
        &mut self,
        key: &'static str,
        message: &str,
        mut read: impl FnMut(&mut Section<'_, 't>) -> T,
    ) -> Vec<T> {
        let Some(Field { path, origin, raw }) = self.field(key) else {
            return Vec::new();
        };
        let Raw::Toml(DeValue::Array(elements)) = raw else {
            self.reader.findings.problem(origin, path, message);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for element in elements {
            let origin = Origin::Offset(element.span().start);
            if let DeValue::Table(table) = element.get_ref() {
                entries.push(Section::read(
                    self.reader,
                    path.clone(),
                    origin,
                    Some(table),
                    &mut read,
                ));
            } else {
                self.reader.findings.problem(origin, path.clone(), message);
            }
        }
        entries
    }
}
