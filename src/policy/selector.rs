//! Which entries an operator means: to look at, to count, to forget.
//!
//! Invariant: a selector without any condition selects nothing, so that a forgotten field never
//! empties the cache; everything is asked for by name.

use std::time::Duration;

use super::identity::{Fingerprint, Scope};
use crate::ident::{Namespace, Tag};

/// Conditions, all of which an entry has to meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Every entry, whatever else is named.
    pub everything: bool,
    /// This one.
    pub id: Option<Fingerprint>,
    /// With this tag.
    pub tag: Option<Tag>,
    /// Of this scope, or of a part of it that a request named: what a client has asked for.
    pub scope: Option<Scope>,
    /// Stored under this namespace.
    pub namespace: Option<Namespace>,
    /// Asked for, or answered, under this model's name.
    pub model: Option<String>,
    /// At least this old.
    pub older_than: Option<Duration>,
    /// Younger than this.
    pub younger_than: Option<Duration>,
    /// Pinned, or not.
    pub pinned: Option<bool>,
    /// Whose prompt begins like this, upper and lower case alike.
    pub prompt_prefix: Option<String>,
    /// Of an earlier generation than this.
    pub generation_below: Option<u64>,
}

/// What a selector looks at.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// Its identity.
    pub id: Fingerprint,
    /// Whose it is.
    pub scope: Scope,
    /// Whether an operator keeps it.
    pub is_pinned: bool,
    /// Its tags.
    pub tags: &'a [Tag],
    /// The namespace that its request named.
    pub namespace: Option<&'a Namespace>,
    /// The model's name, as the client wrote it and as its provider calls it.
    pub models: [&'a str; 2],
    /// How old it is.
    pub age: Duration,
    /// How its prompt begins.
    pub prompt: &'a str,
    /// Its generation.
    pub generation: u64,
}

impl Selector {
    /// Whether this names any condition.
    #[must_use]
    pub fn says_something(&self) -> bool {
        *self != Self::default()
    }

    /// Whether an entry is meant.
    #[must_use]
    pub fn selects(&self, entry: &Traits<'_>) -> bool {
        self.says_something()
            && self.id.is_none_or(|id| id == entry.id)
            && (self.tag.as_ref()).is_none_or(|tag| entry.tags.contains(tag))
            && (self.namespace.as_ref()).is_none_or(|name| entry.namespace == Some(name))
            && (self.model.as_ref()).is_none_or(|model| entry.models.contains(&model.as_str()))
            && self.older_than.is_none_or(|age| entry.age >= age)
            && self.younger_than.is_none_or(|age| entry.age < age)
            && self.pinned.is_none_or(|pinned| pinned == entry.is_pinned)
            && (self.prompt_prefix.as_ref()).is_none_or(|prefix| begins_with(entry.prompt, prefix))
            && (self.generation_below).is_none_or(|generation| entry.generation < generation)
            && (self.scope).is_none_or(|scope| is_within(scope, entry))
    }
}

/// Whether an entry is of this scope, or of the part of it that its request named.
fn is_within(scope: Scope, entry: &Traits<'_>) -> bool {
    let is_part = |name| scope.within(name) == entry.scope;
    entry.scope == scope || entry.namespace.is_some_and(is_part)
}

/// Whether `text` begins with `prefix`; of a longer prefix than is kept of a text, what is kept decides
/// nothing, so it does not match.
fn begins_with(text: &str, prefix: &str) -> bool {
    let mut text = text.trim_start().chars().flat_map(char::to_lowercase);
    (prefix.trim_start().chars().flat_map(char::to_lowercase)).all(|c| text.next() == Some(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(change: impl FnOnce(&mut Selector)) -> bool {
        let mut selector = Selector::default();
        change(&mut selector);
        selector.selects(&Traits {
            id: Fingerprint::of([1; 32]),
            scope: Scope::of([7; 32]).within(&Namespace::new("docs").unwrap()),
            is_pinned: true,
            tags: &[Tag::new("faq").unwrap()],
            namespace: Some(&Namespace::new("docs").unwrap()),
            models: ["fast", "gpt-4o-mini"],
            age: Duration::from_secs(60),
            prompt: "How do I return a parcel?",
            generation: 2,
        })
    }

    #[test]
    fn each_condition_selects_and_deselects() {
        let prefix = |text: &str| Some(text.to_owned());
        assert!(select(|s| s.everything = true));
        assert!(select(|s| s.id = Some(Fingerprint::of([1; 32]))));
        assert!(!select(|s| s.id = Some(Fingerprint::of([2; 32]))));
        assert!(select(|s| s.tag = Tag::new("faq").ok()));
        assert!(!select(|s| s.tag = Tag::new("fa").ok()));
        assert!(select(|s| s.namespace = Namespace::new("docs").ok()));
        assert!(!select(|s| s.namespace = Namespace::new("doc").ok()));
        assert!(select(|s| s.model = prefix("fast")));
        assert!(select(|s| s.model = prefix("gpt-4o-mini")));
        assert!(!select(|s| s.model = prefix("gpt-4o")));
        assert!(select(|s| s.older_than = Some(Duration::from_secs(60))));
        assert!(!select(|s| s.older_than = Some(Duration::from_secs(61))));
        assert!(select(|s| s.younger_than = Some(Duration::from_secs(61))));
        assert!(!select(|s| s.younger_than = Some(Duration::from_secs(60))));
        assert!(select(|s| s.pinned = Some(true)));
        assert!(!select(|s| s.pinned = Some(false)));
        let part = |name| Scope::of([7; 32]).within(&Namespace::new(name).unwrap());
        assert!(select(|s| s.scope = Some(Scope::of([7; 32]))));
        assert!(select(|s| s.scope = Some(part("docs"))));
        assert!(!select(|s| s.scope = Some(part("other"))));
        assert!(!select(|s| s.scope = Some(Scope::of([8; 32]))));
        assert!(select(|s| s.prompt_prefix = prefix("how do i")));
        assert!(!select(|s| s.prompt_prefix = prefix("do i")));
        assert!(select(|s| s.generation_below = Some(3)));
        assert!(!select(|s| s.generation_below = Some(2)));
    }

    #[test]
    fn all_conditions_count_and_none_selects_nothing() {
        assert!(!select(|_| ()));
        assert!(!select(|s| {
            s.everything = true;
            s.model = Some("other".to_owned());
        }));
    }
}
