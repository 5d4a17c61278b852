//! Names: of providers, models, clients, tasks, tags. A name that exists is valid.
//!
//! Names travel into URLs, headers, logs and metric labels, so each constructor refuses what would
//! change the meaning of one of those.

use std::{fmt, sync::Arc};

/// Why a name was refused; says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(pub String);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name! {
    /// A configured provider: 1–64 of `a-z 0-9 - _ .`, so that `provider/model` splits at the first slash.
    ProviderName
}
name! {
    /// A configured client of the gateway: 1–64 of `a-z A-Z 0-9 - _ .`.
    ClientName
}
name! {
    /// A cache namespace: 1–128 visible ASCII characters.
    Namespace
}
name! {
    /// A kind of work, as a request or the configuration calls it: 1–64 of `a-z A-Z 0-9 - _ .`.
    TaskName
}
name! {
    /// A word that entries of the cache are marked with, to be removed by it: 1–64 visible ASCII
    /// characters without a comma, which separates tags in a header.
    Tag
}
name! {
    /// A model as a client or a provider calls it: 1–256 visible ASCII characters without what would
    /// alter a URL path or query (`?`, `#`, `%`, `\`, `..`).
    ModelId
}

impl ProviderName {
    /// # Errors
    /// When the text has other characters than the type allows, is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        checked(
            text,
            64,
            valid,
            "a provider's name is 1-64 of a-z, 0-9, `-`, `_`, `.`",
        )
        .map(Self)
    }
}

impl ClientName {
    /// # Errors
    /// When the text has other characters than the type allows, is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        checked(
            text,
            64,
            valid,
            "a client's name is 1-64 of letters, digits, `-`, `_`, `.`",
        )
        .map(Self)
    }
}

impl Namespace {
    /// # Errors
    /// When the text has other characters than the type allows, is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = |c: char| c.is_ascii_graphic();
        checked(
            text,
            128,
            valid,
            "a namespace is 1-128 visible ASCII characters",
        )
        .map(Self)
    }
}

impl TaskName {
    /// # Errors
    /// When the text has other characters than the type allows, is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        checked(
            text,
            64,
            valid,
            "a task's name is 1-64 of letters, digits, `-`, `_`, `.`",
        )
        .map(Self)
    }
}

impl Tag {
    /// # Errors
    /// When the text has other characters than the type allows, is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = |c: char| c.is_ascii_graphic() && c != ',';
        checked(
            text,
            64,
            valid,
            "a tag is 1-64 visible ASCII characters without a comma",
        )
        .map(Self)
    }
}

impl ModelId {
    /// # Errors
    /// When the text has other characters than the type allows, is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = |c: char| c.is_ascii_graphic() && !"?#%\\\"<>".contains(c);
        let rule =
            "a model's name is 1-256 visible ASCII characters without ? # % \\ \" < > or `..`";
        // `.` as a segment of a path is no segment at all.
        if text.contains("..") || text == "." || text.starts_with('/') {
            return Err(InvalidName(rule.to_owned()));
        }
        checked(text, 256, valid, rule).map(Self)
    }
}

fn checked(
    text: &str,
    longest: usize,
    valid: impl Fn(char) -> bool,
    rule: &str,
) -> Result<Arc<str>, InvalidName> {
    if text.is_empty() || text.len() > longest || !text.chars().all(valid) {
        return Err(InvalidName(rule.to_owned()));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_refuse_what_would_change_a_url_or_header() {
        assert!(ProviderName::new("open/ai").is_err());
        assert!(ProviderName::new("").is_err());
        assert!(ModelId::new("../../admin").is_err());
        assert!(ModelId::new(".").is_err());
        assert!(ModelId::new("gpt-4o?x=1").is_err());
        assert!(ModelId::new("a\r\nb").is_err());
        assert!(ModelId::new("meta-llama/Llama-3.3-70B:free").is_ok());
        assert!(Namespace::new("team a").is_err());
        assert!(TaskName::new("code generation").is_err());
        assert!(TaskName::new("code_generation").is_ok());
        assert!(Tag::new("a,b").is_err() && Tag::new("").is_err() && Tag::new("é").is_err());
        assert!(Tag::new(&"t".repeat(64)).is_ok() && Tag::new(&"t".repeat(65)).is_err());
        assert!(Tag::new("product:42/en").is_ok());
    }
}
