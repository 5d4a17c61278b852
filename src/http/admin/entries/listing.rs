//! One page of a list of entries: found by text, put in order, of as many as there are.
//!
//! What is held is the identity and the rank of what lies before the end of the page, never the entries themselves.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use serde::Deserialize;

use super::{described::Saved, selection::Page};
use crate::{
    cache::{entry::Entry, store::Store},
    clock::UnixMillis,
    policy::{identity::Fingerprint, selector::Selector},
};

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sort {
    /// What was stored last.
    #[default]
    Newest,
    /// What has answered most often.
    Uses,
    /// What has saved most: money first, then tokens.
    Saved,
    /// What takes most memory.
    Size,
}

/// Greater comes first; the identity makes it an order that does not change between pages.
type Rank = (u64, u64, Reverse<[u8; 32]>);

impl Sort {
    fn rank(self, entry: &Entry) -> Rank {
        let uses = u64::from(entry.use_of.count());
        let stored = entry.stored.0;
        let (first, second) = match self {
            Self::Newest => (stored, 0),
            Self::Uses => (uses, stored),
            Self::Saved => {
                let Saved { usd, tokens, .. } = Saved::by(entry);
                // Of numbers that are not negative, greater ones have greater bits.
                (usd.unwrap_or(0.0).max(0.0).to_bits(), tokens.unwrap_or(0))
            }
            Self::Size => (entry.weight() as u64, stored),
        };
        (first, second, Reverse(entry.fingerprint.bytes()))
    }
}

/// A text that is looked for in prompts, questions and answers, whatever its case.
#[derive(Debug)]
pub(super) struct Needle {
    plain: String,
    /// As it stands in JSON.
    escaped: String,
}

impl Needle {
    pub(super) fn new(text: &str) -> Self {
        let plain = text.to_lowercase();
        let quoted = serde_json::Value::from(plain.as_str()).to_string();
        let escaped = quoted.get(1..quoted.len().saturating_sub(1));
        Self {
            escaped: escaped.unwrap_or_default().to_owned(),
            plain,
        }
    }

    fn is_in(&self, entry: &Entry) -> bool {
        let is_in = |text: &str| text.to_lowercase().contains(&self.plain);
        is_in(&entry.prompt)
            || (entry.question.as_ref()).is_some_and(|question| is_in(&question.text))
            || (self.may_be_said(&entry.written) && said(entry).iter().any(|said| is_in(said)))
    }

    /// Whether it is anywhere in an answer; only then it is worth reading.
    fn may_be_said(&self, written: &[u8]) -> bool {
        std::str::from_utf8(written).is_ok_and(|json| json.to_lowercase().contains(&self.escaped))
    }
}

/// What an answer says in words, choice by choice.
pub(super) fn said(entry: &Entry) -> Vec<String> {
    let choices = entry
        .answer()
        .map_or_else(Vec::new, |answer| answer.choices);
    let content = |message: &serde_json::Map<String, serde_json::Value>| {
        message.get("content")?.as_str().map(str::to_owned)
    };
    choices
        .iter()
        .filter_map(|choice| content(&choice.message))
        .collect()
}

/// How many entries there are, and those of the page. Looks at every entry: not for async workers.
pub(super) fn page(
    store: &Store,
    selector: &Selector,
    page: &Page,
    limit: usize,
    now: UnixMillis,
) -> (u64, Vec<Arc<Entry>>) {
    let end = page.offset.saturating_add(limit);
    let mut total = 0;
    let mut first: BinaryHeap<Reverse<Rank>> = BinaryHeap::new();
    store.each(|entry| {
        let is_meant = selector.selects(&entry.traits(now))
            && (page.needle.as_ref()).is_none_or(|needle| needle.is_in(entry));
        if !is_meant {
            return;
        }
        total += 1;
        let rank = page.sort.rank(entry);
        let is_full = first.len() >= end;
        if is_full && first.peek().is_none_or(|last| rank <= last.0) {
            return;
        }
        if is_full {
            first.pop();
        }
        first.push(Reverse(rank));
    });
    let sorted = first.into_sorted_vec();
    let wanted = sorted.into_iter().skip(page.offset);
    let entries = wanted.filter_map(|Reverse((.., Reverse(id)))| store.get(&Fingerprint::of(id)));
    (total, entries.collect())
}
