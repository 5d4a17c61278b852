//! Names that may be given once.

use std::collections::HashMap;

use crate::config::problem::{Findings, Origin, quoted};

/// Names seen so far, with where.
#[derive(Debug, Default)]
pub(super) struct Names<'t>(HashMap<String, Origin<'t>>);

impl<'t> Names<'t> {
    /// Notes a name that was seen before.
    pub(super) fn add(
        &mut self,
        key: &str,
        name: &str,
        origin: Origin<'t>,
        findings: &mut Findings<'_>,
    ) {
        if let Some(first) = self.0.insert(name.to_owned(), origin) {
            let line = findings.line_of(first);
            let message = format!("{} is there twice; see {line}", quoted(name));
            findings.problem(origin, key, message);
        }
    }
}
