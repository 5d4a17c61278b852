//! One kept answer.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;

use super::partition;
use crate::{
    clock::UnixMillis,
    ident::{ModelId, Namespace, ProviderName, Tag},
    policy::{
        identity::{ContextId, Fingerprint, Partition, Scope, Surface},
        selector::Traits,
        wording::Wording,
        worth::{Priority, priority},
    },
    units::{Price, Usd},
    wire::answer::{Answer, Usage, read_usage},
};

/// An answer and what is known of it.
#[derive(Debug)]
pub struct Entry {
    /// The request that it answers.
    pub fingerprint: Fingerprint,
    /// Whose it is.
    pub scope: Scope,
    /// The conversation that it answers, its question included.
    pub context: ContextId,
    /// The second exact key.
    pub surface: Option<Surface>,
    /// The question, if others of its meaning may find the answer.
    pub question: Option<Question>,
    /// The [`Answer`] as JSON, without id and time.
    pub written: Bytes,
    /// How the prompt begins, for those who look after the cache; at most [`PROMPT`] bytes.
    pub prompt: Box<str>,
    /// What the client called the model.
    pub asked_model: Box<str>,
    /// Who gave the answer.
    pub provider: ProviderName,
    /// What the provider calls the model.
    pub model: ModelId,
    /// The part of the scope that the request named.
    pub namespace: Option<Namespace>,
    /// What the request called it, for invalidation.
    pub tags: Box<[Tag]>,
    /// Its tokens, if the provider counted them.
    pub usage: Option<Usage>,
    /// Its `usage`, counted here because the provider left it out.
    pub counted: OnceLock<Value>,
    /// What its model costs.
    pub price: Option<Price>,
    /// Since when it is kept.
    pub stored: UnixMillis,
    /// How long it is fresh.
    pub ttl: Duration,
    /// Which generation of the cache it belongs to.
    pub generation: u64,
    /// How often it has answered, and what that makes it worth.
    pub use_of: Use,
    /// How long its provider took for it, attempts that failed included; `None` if nobody has measured it.
    pub took: Option<Duration>,
    /// Whether an operator keeps it: neither room nor time ends it then.
    pub pinned: AtomicBool,
}

/// How long the kept beginning of a prompt is at most, in bytes.
pub const PROMPT: usize = 256;

/// A question whose wording may vary.
#[derive(Debug)]
pub struct Question {
    /// Where it is found.
    pub partition: Partition,
    /// Whether a part of the prompt, which had to be equal, is hashed into the partition.
    pub has_matter: bool,
    /// Its text.
    pub text: Arc<str>,
    /// Read for the guards.
    pub wording: Arc<Wording>,
    /// How many numbers its vector has.
    pub dimension: usize,
}

/// How often an entry has answered.
#[derive(Debug, Default)]
pub struct Use {
    count: AtomicU32,
    priority: AtomicU64,
}

impl Use {
    /// Used `count` times, as read back from storage.
    #[must_use]
    pub fn of(count: u32) -> Self {
        Self {
            count: AtomicU32::new(count),
            priority: AtomicU64::default(),
        }
    }

    /// How often.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Whether an entry may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It may.
    Fresh,
    /// Its time is over since so long; it may answer where a stale answer was asked for.
    Stale(Duration),
    /// It may not.
    Dead,
}

/// What freshness is measured against.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The present moment.
    pub time: UnixMillis,
    /// The present generation of the cache.
    pub generation: u64,
}

impl Entry {
    /// Whether it may answer now a request that wants nothing older than `max_age`.
    #[must_use]
    pub fn freshness(&self, now: Now, max_age: Option<Duration>) -> Freshness {
        let age = now.time.since(self.stored);
        if self.generation != now.generation || max_age.is_some_and(|most| age > most) {
            Freshness::Dead
        } else if age < self.ttl || self.is_pinned() {
            Freshness::Fresh
        } else {
            Freshness::Stale(age.saturating_sub(self.ttl))
        }
    }

    /// Whether an operator keeps it. Set by the store alone, which counts them.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pinned.load(Ordering::Relaxed)
    }

    /// The answer, read back. `None` never happens for what [`Answer`] wrote.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        Answer::read(&self.written).ok()
    }

    /// Its tokens, whoever counted them; `None` if nobody has yet.
    #[must_use]
    pub fn tokens(&self) -> Option<Usage> {
        self.usage.or_else(|| read_usage(self.counted.get()?))
    }

    /// What asking again would cost, as far as tokens and price are known.
    #[must_use]
    pub fn cost(&self) -> Option<Usd> {
        let tokens = self.tokens()?;
        Some(self.price?.of(tokens.input, tokens.output))
    }

    /// Notes that it has answered once more.
    pub fn used(&self, floor: Priority) {
        let before = self.use_of.count.fetch_add(1, Ordering::Relaxed);
        self.rate(floor, before.saturating_add(1));
    }

    /// Sets what it is worth for the first time.
    pub fn rate_anew(&self, floor: Priority) {
        self.rate(floor, self.use_of.count());
    }

    /// What it is worth.
    #[must_use]
    pub fn priority(&self) -> Priority {
        Priority::from_bits(self.use_of.priority.load(Ordering::Relaxed))
    }

    fn rate(&self, floor: Priority, uses: u32) {
        // Four bytes make about a token, where nobody has counted.
        let guessed = (self.written.len() / 4) as u64;
        let tokens = self.tokens().map_or(guessed, |usage| {
            usage.input.0.saturating_add(usage.output.0)
        });
        let rated = priority(floor, self.cost(), tokens, uses, self.weight());
        (self.use_of.priority).store(rated.to_bits(), Ordering::Relaxed);
    }

    /// The memory it takes in all tables, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        /// A slot of the table of entries and one of the second exact key, each with its share of
        /// empty ones, and what the allocator adds to six pieces.
        const TABLES: usize = 2 * 96 + 6 * 16;
        let question = self.question.as_ref().map_or(0, |question| {
            question.text.len()
                + size_of::<Wording>()
                + question.wording.bytes()
                + partition::entry_bytes(question.dimension)
        });
        let texts = self.written.len()
            + self.prompt.len()
            + self.asked_model.len()
            + self
                .tags
                .iter()
                .map(|tag| tag.as_str().len() + 32)
                .sum::<usize>();
        size_of::<Self>() + TABLES + texts + question
    }

    /// What a selector looks at.
    #[must_use]
    pub fn traits(&self, now: UnixMillis) -> Traits<'_> {
        Traits {
            id: self.fingerprint,
            scope: self.scope,
            is_pinned: self.is_pinned(),
            tags: &self.tags,
            namespace: self.namespace.as_ref(),
            models: [&self.asked_model, self.model.as_str()],
            age: now.since(self.stored),
            prompt: &self.prompt,
            generation: self.generation,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{policy::identity::ScopeKind, units::Tokens};

    /// A fingerprint for each number, spread as hashes are.
    pub(crate) fn numbered(number: u64) -> Fingerprint {
        Fingerprint::of(blake3::hash(&number.to_le_bytes()).into())
    }

    /// An entry with an answer of so many bytes.
    pub(crate) fn entry(fingerprint: Fingerprint, bytes: usize) -> Arc<Entry> {
        Arc::new(Entry {
            fingerprint,
            scope: Scope::new(&[0; 32], ScopeKind::Key, b"k"),
            context: ContextId::of(fingerprint.bytes()),
            surface: None,
            question: None,
            written: vec![b' '; bytes].into(),
            prompt: "What do crabs eat?".into(),
            asked_model: "m".into(),
            provider: ProviderName::new("p").unwrap(),
            model: ModelId::new("m").unwrap(),
            namespace: None,
            tags: Box::default(),
            usage: Some(Usage {
                input: Tokens(10),
                output: Tokens(10),
            }),
            counted: OnceLock::new(),
            price: None,
            stored: UnixMillis(1_000),
            ttl: Duration::from_millis(500),
            generation: 0,
            use_of: Use::default(),
            took: Some(Duration::from_millis(1_500)),
            pinned: AtomicBool::default(),
        })
    }

    #[test]
    fn time_and_generation_decide_on_freshness() {
        let entry = entry(numbered(1), 0);
        let at = |time, generation, max_age: Option<u64>| {
            let now = Now {
                time: UnixMillis(time),
                generation,
            };
            entry.freshness(now, max_age.map(Duration::from_millis))
        };
        assert_eq!(at(1_499, 0, None), Freshness::Fresh);
        assert_eq!(at(1_500, 0, None), Freshness::Stale(Duration::ZERO));
        assert_eq!(
            at(1_600, 0, None),
            Freshness::Stale(Duration::from_millis(100))
        );
        assert_eq!(at(1_100, 0, Some(100)), Freshness::Fresh);
        assert_eq!(at(1_101, 0, Some(100)), Freshness::Dead);
        assert_eq!(at(1_100, 1, None), Freshness::Dead);
        entry.pinned.store(true, Ordering::Relaxed);
        assert_eq!(at(1_600, 0, None), Freshness::Fresh, "its time is not over");
        assert_eq!(at(1_101, 0, Some(100)), Freshness::Dead);
        assert_eq!(at(1_100, 1, None), Freshness::Dead);
        // A clock that was set back does not make it older or younger than new.
        assert_eq!(at(10, 0, Some(0)), Freshness::Fresh);
    }
}
