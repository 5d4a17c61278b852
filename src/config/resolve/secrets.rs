//! Keys from the environment.
//!
//! It looks variables up with the function it is given. Invariant: a message names the variable,
//! never what is in it.

use crate::config::{
    problem::{Findings, Origin},
    secret::Secret,
};

/// What a variable holds.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// Nothing, or an empty text.
    Unset,
    /// A key.
    Set(Secret),
    /// Something that cannot be a key; noted as a problem.
    Unusable,
}

impl Lookup {
    pub(crate) fn into_secret(self) -> Option<Secret> {
        match self {
            Self::Set(secret) => Some(secret),
            Self::Unset | Self::Unusable => None,
        }
    }
}

/// Looks up a key for the setting `key`.
pub(crate) fn look_up(
    env: &dyn Fn(&str) -> Option<String>,
    variable: &str,
    key: &str,
    findings: &mut Findings<'_>,
) -> Lookup {
    let text = match env(variable) {
        Some(text) if !text.is_empty() => text,
        _ => return Lookup::Unset,
    };
    if let Some(secret) = Secret::new(&text) {
        return Lookup::Set(secret);
    }
    let message = if Secret::new(text.trim()).is_some() {
        "the key has white space or a line break at an end; set it without"
    } else {
        "the key has white space, control characters or other than ASCII characters in it"
    };
    findings.problem(Origin::Variable(variable), key, message);
    Lookup::Unusable
}
