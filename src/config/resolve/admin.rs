//! The admin's key.
//!
//! Invariant: whoever names its variable has a key, or a problem was noted; without one the admin side would be open.

use super::secrets::{Lookup, look_up};
use crate::config::{defaults, file::AdminEntry, problem::Findings};

const KEY: &str = "admin.key_env";

/// The variable that the key is taken from.
pub(super) fn variable<'t>(entry: &AdminEntry<'t>) -> &'t str {
    entry
        .key_env
        .map_or(defaults::ADMIN_KEY_ENV, |named| named.value)
}

/// The key. [`Lookup::Unset`] only if no variable is named for it.
pub(super) fn key(
    entry: &AdminEntry<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings<'_>,
) -> Lookup {
    let variable = variable(entry);
    match (look_up(env, variable, KEY, findings), entry.key_env) {
        (Lookup::Unset, Some(named)) => {
            let message = format!(
                "{variable} is not set; set it to the key of the admin page, or take this out to have no key there"
            );
            findings.problem(named.origin, KEY, message);
            Lookup::Unusable
        }
        (found, _) => found,
    }
}
