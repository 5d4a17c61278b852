//! Names of tools: Google's begin with a letter or `_`, OpenAI's may begin with a digit or `-`.
//!
//! Source: `FunctionDeclaration.name` at <https://ai.google.dev/api/caching> (seen 2026-11): letters,
//! digits, `_`, `.`, `:` and `-`, 128 at most. Invariant: `told(asked(name)) == name` for every name
//! that OpenAI allows.

/// Stands before a name that could not begin as it does.
const MARK: &str = "_n_";
const LONGEST: usize = 128;

/// What Google is to call the tool `name`. A name of old calls that no tool could have loses what
/// can't be said.
pub(super) fn asked(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    let name: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .take(LONGEST - MARK.len())
        .collect();
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins_well && !name.starts_with(MARK) {
        name
    } else {
        format!("{MARK}{name}")
    }
}

/// What the client calls the tool that Google calls `name`.
pub(super) fn told(name: &str) -> &str {
    name.strip_prefix(MARK).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_names_that_google_refuses_change() {
        for name in ["get_weather", "_x", "A-1"] {
            assert_eq!(asked(name), name);
        }
        assert_eq!(asked("2fa"), "_n_2fa");
        assert_eq!(asked("-x"), "_n_-x");
        assert_eq!(asked("_n_x"), "_n__n_x");
        assert_eq!(asked("größe in m"), "gr__e_in_m");
        assert_eq!(asked(""), "_n_");
    }

    proptest! {
        #[test]
        fn names_come_back(name in "[a-zA-Z0-9_-]{1,64}") {
            let asked = asked(&name);
            prop_assert!(asked.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
            prop_assert_eq!(told(&asked), name);
        }

        #[test]
        fn any_name_becomes_one_that_google_takes(name in ".*") {
            let asked = asked(&name);
            prop_assert!(asked.len() <= LONGEST);
            prop_assert!(asked.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b)));
        }
    }
}
