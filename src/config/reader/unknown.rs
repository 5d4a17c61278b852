//! What to say about a key that is none.
//!
//! It guesses what was meant; the value of an unknown key is never looked at, because it may be a
//! secret. Invariant: the message names only settings that exist.

use toml::de::DeValue;

use crate::config::suggest;

/// Keys under which people write the secret itself.
const INLINE_SECRETS: [&str; 10] = [
    "api_key",
    "api_keys",
    "apikey",
    "key",
    "keys",
    "token",
    "secret",
    "password",
    "admin_key",
    "bearer",
];

/// About a key below a section.
pub(super) fn in_section(name: &str, known: &[&'static str]) -> String {
    if INLINE_SECRETS.contains(&name.to_lowercase().as_str()) {
        return inline_secret(known);
    }
    format!("unknown key{}", suggest::hint(name, known))
}

/// About a section, or a key before the first one, which may belong into `section`.
pub(super) fn at_top(
    name: &str,
    value: &DeValue<'_>,
    section: Option<&str>,
    known: &[&'static str],
) -> String {
    if matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        return format!("unknown section{}", suggest::hint(name, known));
    }
    match section {
        Some(section) => format!("a setting outside of its section, which is `[{section}]`"),
        None => format!(
            "a setting outside of a section (there are: {})",
            known.join(", ")
        ),
    }
}

fn inline_secret(known: &[&'static str]) -> String {
    const RULE: &str = "secrets are not written into this file; put it into an environment \
        variable and write the variable's name";
    let example = [
        ("api_key_env", "OPENAI_API_KEY"),
        ("key_env", "MY_KEY"),
        ("secret_env", "REFRAIN_SECRET"),
    ];
    match example.iter().find(|(key, _)| known.contains(key)) {
        Some((key, variable)) => format!("{RULE}: `{key} = \"{variable}\"`"),
        None => format!("unknown key; {RULE}, where a key is asked for"),
    }
}
