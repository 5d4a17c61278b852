//! A model's name, or the beginning of many.
//!
//! It matches text; it knows no models. Invariant: a `*` stands at the end or nowhere.

use std::fmt;

use crate::ident::ModelId;

/// `gpt-4o` (exactly this model) or `gpt-*` (every model whose name starts so).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelPattern {
    /// This name only.
    Exact(ModelId),
    /// Every name with this beginning; the empty one is every name.
    Prefix(String),
}

impl ModelPattern {
    /// Reads a name with at most one `*`, at its end; an error says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (stem, is_prefix) = match text.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (text, false),
        };
        if stem.contains('*') {
            return Err("a pattern has one `*`, at its end (for example `gpt-*`)".to_owned());
        }
        if is_prefix && stem.is_empty() {
            return Ok(Self::Prefix(String::new()));
        }
        let name = ModelId::new(stem).map_err(|invalid| invalid.to_string())?;
        Ok(if is_prefix {
            Self::Prefix(name.as_str().to_owned())
        } else {
            Self::Exact(name)
        })
    }

    /// Whether a requested name is meant.
    #[must_use]
    pub fn matches(&self, requested: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == requested,
            Self::Prefix(prefix) => requested.starts_with(prefix.as_str()),
        }
    }

    /// Whether every name that `other` means is meant here, too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(name)) => self.matches(name.as_str()),
            (Self::Prefix(prefix), Self::Prefix(longer)) => longer.starts_with(prefix.as_str()),
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_beginnings() {
        let check = |pattern: &str, name: &str, expect: bool| {
            let pattern = ModelPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(name), expect, "{pattern} {name}");
        };
        check("gpt-*", "gpt-4o", true);
        check("gpt-*", "gpt", false);
        check("gpt-4o", "gpt-4o-mini", false);
        check("*", "anything", true);
        assert!(ModelPattern::parse("g*t").is_err());
        assert!(ModelPattern::parse("**").is_err());
        assert!(ModelPattern::parse("").is_err());
        assert!(ModelPattern::parse("a b*").is_err());
    }
}
