//! Settings from the environment: `REFRAIN_CACHE__TTL=1h` goes before `ttl` of `[cache]`.
//!
//! It takes pairs of names and texts; it does not read the environment and judges no value.
//! Invariant: every variable with a double underscore was either taken for a setting, or claimed as
//! the name of a key's variable, or is noted as a problem.

use super::{
    problem::{At, Findings, Origin, shown},
    suggest,
};

/// The sections whose settings the environment may set: those that are there once.
pub(super) const SECTIONS: [&str; 7] = [
    "server",
    "admin",
    "embedding",
    "cache",
    "responses",
    "telemetry",
    "routing",
];

const PREFIX: &str = "REFRAIN_";

/// The names of those that set something, as [`Overrides::new`] reads them.
pub(crate) fn variables(variables: &[(String, String)]) -> Vec<String> {
    let set = Overrides::new(variables).pending.into_iter();
    let set = set.filter(|set| SECTIONS.contains(&set.section.as_str()));
    set.map(|set| set.variable.to_owned()).collect()
}

/// The variables that were not yet taken.
#[derive(Debug)]
pub(crate) struct Overrides<'t> {
    pending: Vec<Override<'t>>,
    /// Variables that hold keys; those are left alone.
    claimed: Vec<&'t str>,
    /// Sections with the keys they have, for suggestions.
    known: Vec<(String, Vec<&'static str>)>,
}

#[derive(Debug)]
struct Override<'t> {
    variable: &'t str,
    section: String,
    key: String,
    text: &'t str,
}

impl<'t> Overrides<'t> {
    /// The overrides among `variables`. An empty value counts as unset, as for keys: compose files
    /// pass variables on whether they are set or not.
    pub(crate) fn new(variables: &'t [(String, String)]) -> Self {
        let pending = variables
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .filter_map(|(variable, text)| {
                let (section, key) = variable.strip_prefix(PREFIX)?.split_once("__")?;
                Some(Override {
                    variable,
                    section: section.to_ascii_lowercase(),
                    key: key.to_ascii_lowercase(),
                    text,
                })
            })
            .collect();
        Self {
            pending,
            claimed: Vec::new(),
            known: Vec::new(),
        }
    }

    /// The text for a setting, if the environment has one.
    pub(crate) fn take(&mut self, section: &str, key: &str) -> Option<At<'t, &'t str>> {
        if !SECTIONS.contains(&section) {
            return None;
        }
        let wanted = |set: &Override<'_>| set.section == section && set.key == key;
        let position = self.pending.iter().position(wanted)?;
        let set = self.pending.swap_remove(position);
        Some(At {
            value: set.text,
            origin: Origin::Variable(set.variable),
        })
    }

    /// Leaves a variable alone, because the file names it for a key.
    pub(crate) fn claim(&mut self, variable: &'t str) {
        self.claimed.push(variable);
    }

    /// Remembers the keys of a section.
    pub(crate) fn learn(&mut self, section: &str, keys: &[&'static str]) {
        if SECTIONS.contains(&section) {
            self.known.push((section.to_owned(), keys.to_vec()));
        }
    }

    /// The section that has a key of this name.
    pub(crate) fn section_with(&self, key: &str) -> Option<&str> {
        let section = self.known.iter().find(|(_, keys)| keys.contains(&key));
        section.map(|(section, _)| section.as_str())
    }

    /// Notes the variables that set nothing.
    pub(crate) fn finish(&self, findings: &mut Findings<'_>) {
        for set in &self.pending {
            if self.claimed.contains(&set.variable) {
                continue;
            }
            let keys = self
                .known
                .iter()
                .find(|(section, _)| *section == set.section);
            let message = match keys {
                Some((section, keys)) => {
                    let near = suggest::nearest(&set.key, keys.iter().copied());
                    let names = keys.iter().map(|key| variable(section, key));
                    let hint = near.map_or_else(
                        || format!(" (there are: {})", names.collect::<Vec<_>>().join(", ")),
                        |key| format!(", did you mean `{}`?", variable(section, key)),
                    );
                    format!("unknown setting{hint}")
                }
                None => {
                    let near = suggest::nearest(&set.section, SECTIONS);
                    let hint = near.map_or_else(String::new, |section| {
                        format!("; did you mean `{}`?", variable(section, &shown(&set.key)))
                    });
                    format!(
                        "only settings of [server], [admin], [embedding], [cache], [responses], [telemetry] and \
                         [routing] can be set by environment{hint}"
                    )
                }
            };
            let path = shown(&format!("{}.{}", set.section, set.key));
            findings.problem(Origin::Variable(set.variable), path, message);
        }
    }
}

fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}
