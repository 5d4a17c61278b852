//! The responses in memory, in the order in which they came. Pure data; the lock is around it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use super::KeptResponse;
use crate::{cache::disk::Key, clock::UnixMillis};

/// A response, and when it came.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) kept: Arc<KeptResponse>,
    pub(super) kept_at: UnixMillis,
}

impl Held {
    /// The bytes that it takes: its content, and what it takes to hold and to find that. Tables are up
    /// to twice as large as what is in them, and each allocation has a head.
    fn weight(&self) -> u64 {
        const PLACES: usize = 2 * (size_of::<(Key, u64, Held)>() + size_of::<(u64, Key)>());
        const HEADS: usize = 4 * 16;
        let KeptResponse {
            response,
            input,
            provider,
        } = &*self.kept;
        let provider = provider.as_ref().map_or(0, |name| name.as_str().len());
        let content = response.len() + input.len() + provider;
        (PLACES + HEADS + size_of::<KeptResponse>() + content) as u64
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Table {
    most: u64,
    bytes: u64,
    /// The number of the next one.
    next: u64,
    held: HashMap<Key, (u64, Held)>,
    /// By the numbers that they were given as they came.
    order: BTreeMap<u64, Key>,
}

impl Table {
    /// An empty one of at most so many bytes.
    pub(super) fn new(most: u64) -> Self {
        Self {
            most,
            bytes: 0,
            next: 0,
            held: HashMap::new(),
            order: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.order.values().copied().collect()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Held> {
        self.numbered(key).map(|(_, held)| held)
    }

    /// With its number.
    pub(super) fn numbered(&self, key: &Key) -> Option<&(u64, Held)> {
        self.held.get(key)
    }

    /// Takes one in, as the youngest. Gives back what had to go for it, which may be itself.
    #[must_use]
    pub(super) fn put(&mut self, key: Key, held: Held) -> Vec<Key> {
        self.restore(key, self.next, held)
    }

    /// Takes one in that had this number, behind those that are there.
    #[must_use]
    pub(super) fn restore(&mut self, key: Key, number: u64, held: Held) -> Vec<Key> {
        self.remove(&key);
        let weight = held.weight();
        if weight > self.most {
            return vec![key];
        }
        let mut gone = Vec::new();
        while self.bytes.saturating_add(weight) > self.most {
            let Some(oldest) = self.oldest() else { break };
            self.remove(&oldest);
            gone.push(oldest);
        }
        let number = number.max(self.next);
        self.next = number.saturating_add(1);
        self.bytes = self.bytes.saturating_add(weight);
        self.order.insert(number, key);
        self.held.insert(key, (number, held));
        gone
    }

    /// Takes one out; whether it was there.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some((number, held)) = self.held.remove(key) else {
            return false;
        };
        self.order.remove(&number);
        self.bytes = self.bytes.saturating_sub(held.weight());
        true
    }

    /// Takes out those that are this old, and gives them back.
    #[must_use]
    pub(super) fn expire(&mut self, now: UnixMillis, ttl: Duration) -> Vec<Key> {
        let mut gone = Vec::new();
        while let Some(oldest) = self.oldest()
            && (self.get(&oldest)).is_some_and(|held| now.since(held.kept_at) >= ttl)
        {
            self.remove(&oldest);
            gone.push(oldest);
        }
        gone
    }

    fn oldest(&self) -> Option<Key> {
        self.order.first_key_value().map(|(_, key)| *key)
    }
}
