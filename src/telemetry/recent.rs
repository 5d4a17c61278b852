//! The latest requests, for people who want to know what happened to one.
//!
//! A ring of records in memory, each with a number that counts up. It holds no more of them than it is told, and no more of
//! their bodies than [`MOST_BYTES`]: the oldest go first. Invariant: numbers rise by one from the oldest to the latest.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::journal::{Observer, Record};

/// Bytes of bodies that are held in all.
pub const MOST_BYTES: usize = 32 << 20;
/// Records that are looked at while others wait.
const AT_ONCE: usize = 256;

/// One request that is remembered.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Its number.
    pub seq: u64,
    /// What happened to it.
    pub record: Arc<Record>,
}

/// Remembers the latest requests.
#[derive(Debug)]
pub struct Recent {
    capacity: usize,
    captures: bool,
    most_bytes: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug)]
struct Ring {
    /// Oldest first.
    records: VecDeque<Arc<Record>>,
    /// The number of the oldest.
    first: u64,
    /// Bytes of the bodies that are held.
    bytes: usize,
    /// The number of the oldest whose body may be held.
    with_content: u64,
}

impl Ring {
    fn place(&self, seq: u64) -> Option<usize> {
        usize::try_from(seq.checked_sub(self.first)?).ok()
    }

    fn drop_oldest(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= length(&record);
            self.first += 1;
            self.with_content = self.with_content.max(self.first);
        }
    }

    /// Forgets the body of the oldest that has one; says whether there was one to look at.
    fn drop_content(&mut self) -> bool {
        let place = self.place(self.with_content);
        let Some(record) = place.and_then(|place| self.records.get_mut(place)) else {
            return false;
        };
        let bytes = length(record);
        if bytes > 0 {
            Arc::make_mut(record).content = None;
            self.bytes -= bytes;
        }
        self.with_content += 1;
        true
    }
}

fn length(record: &Record) -> usize {
    record.content.as_ref().map_or(0, bytes::Bytes::len)
}

impl Recent {
    /// Remembers so many requests. `captures` says whether their bodies are noted.
    #[must_use]
    pub fn new(capacity: usize, captures: bool) -> Self {
        Self {
            capacity,
            captures,
            most_bytes: MOST_BYTES,
            ring: Mutex::new(Ring {
                records: VecDeque::new(),
                first: 1,
                bytes: 0,
                with_content: 1,
            }),
        }
    }

    /// How many requests are remembered at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether bodies are noted.
    #[must_use]
    pub fn captures(&self) -> bool {
        self.captures
    }

    /// How many requests are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring().records.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The latest requests that are `wanted`, latest first: at most `limit`, of those with numbers below `before`.
    #[must_use]
    pub fn list(
        &self,
        wanted: impl Fn(&Record) -> bool,
        before: Option<u64>,
        limit: usize,
    ) -> Vec<Remembered> {
        let mut found = Vec::new();
        let mut end = before.unwrap_or(u64::MAX);
        while found.len() < limit {
            let some = self.some(end);
            let Some(last) = some.last() else { break };
            end = last.seq;
            let left = limit - found.len();
            found.extend(
                some.into_iter()
                    .filter(|one| wanted(&one.record))
                    .take(left),
            );
        }
        found
    }

    /// The request of this number, if it is still remembered.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<Remembered> {
        let ring = self.ring();
        let record = Arc::clone(ring.records.get(ring.place(seq)?)?);
        Some(Remembered { seq, record })
    }

    /// Some of those with numbers below `end`, latest first; none if there are no more.
    fn some(&self, end: u64) -> Vec<Remembered> {
        let ring = self.ring();
        let end = (ring.place(end)).map_or(0, |place| place.min(ring.records.len()));
        let start = end.saturating_sub(AT_ONCE);
        let records = ring.records.range(start..end);
        let numbered = (ring.first..).skip(start).zip(records);
        let mut some: Vec<Remembered> = numbered
            .map(|(seq, record)| Remembered {
                seq,
                record: Arc::clone(record),
            })
            .collect();
        drop(ring);
        some.reverse();
        some
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Recent {
    fn over(&self, record: &Arc<Record>) {
        if self.capacity == 0 {
            return;
        }
        let mut ring = self.ring();
        if ring.records.len() >= self.capacity {
            ring.drop_oldest();
        }
        ring.bytes += length(record);
        ring.records.push_back(Arc::clone(record));
        while ring.bytes > self.most_bytes && ring.drop_content() {}
    }
}

#[cfg(test)]
mod tests {

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn record(id: usize, content: Option<usize>) -> Arc<Record> {
        Arc::new(Record {
            id: id.to_string().into(),
            content: content.map(|bytes| Bytes::from(vec![b'x'; bytes])),
            ..Record::blank()
        })
    }

    fn seqs(list: &[Remembered]) -> Vec<u64> {
        list.iter().map(|one| one.seq).collect()
    }

    #[test]
    fn the_latest_come_first_and_the_oldest_go() {
        let recent = Recent::new(3, false);
        (1..=5).for_each(|id| recent.over(&record(id, None)));
        assert_eq!((recent.len(), recent.is_empty()), (3, false));
        let all = recent.list(|_| true, None, 10);
        assert_eq!(seqs(&all), [5, 4, 3]);
        assert_eq!(&*all[0].record.id, "5");
        assert_eq!(seqs(&recent.list(|_| true, None, 2)), [5, 4]);
        assert_eq!(seqs(&recent.list(|_| true, Some(5), 10)), [4, 3]);
        assert_eq!(seqs(&recent.list(|_| true, Some(3), 10)), [0; 0]);
        assert_eq!(seqs(&recent.list(|_| true, Some(0), 10)), [0; 0]);
        assert_eq!(seqs(&recent.list(|one| &*one.id == "3", None, 10)), [3]);
        assert!(recent.get(2).is_none() && recent.get(6).is_none() && recent.get(0).is_none());
        assert_eq!(&*recent.get(4).unwrap().record.id, "4");
    }

    #[test]
    fn what_is_rare_is_found_however_far_back() {
        let recent = Recent::new(10_000, false);
        (0..5_000).for_each(|id| recent.over(&record(id, None)));
        let rare = recent.list(|one| one.id.ends_with("777"), None, 100);
        assert_eq!(seqs(&rare), [4778, 3778, 2778, 1778, 778]);
    }

    #[test]
    fn none_is_none() {
        let recent = Recent::new(0, true);
        recent.over(&record(1, Some(10)));
        assert!(recent.is_empty() && recent.get(1).is_none());
        assert!(recent.list(|_| true, None, 10).is_empty());
    }

    #[test]
    fn the_oldest_bodies_go_first_and_requests_stay() {
        let mut recent = Recent::new(100, true);
        recent.most_bytes = 100;
        for id in 1..=5 {
            // Somebody else holds the record too.
            let record = record(id, (id != 2).then_some(40));
            recent.over(&record);
            assert_eq!(
                record.content.is_some(),
                id != 2,
                "it is not changed for others"
            );
        }
        let has = |seq| recent.get(seq).unwrap().record.content.is_some();
        assert_eq!([1, 2, 3, 4, 5].map(has), [false, false, false, true, true]);
        assert_eq!(recent.len(), 5);
        recent.over(&record(6, Some(1_000)));
        assert_eq!(recent.ring().bytes, 0, "one that is too large goes as well");
        recent.over(&record(7, Some(1)));
        assert!(recent.get(7).unwrap().record.content.is_some());
    }

    proptest! {
        #[test]
        fn it_is_bounded(
            capacity in 0_usize..8,
            sizes in prop::collection::vec(prop::option::of(0_usize..60), 0..40),
        ) {
            let mut recent = Recent::new(capacity, true);
            recent.most_bytes = 100;
            for (id, size) in sizes.iter().enumerate() {
                recent.over(&record(id, *size));
                let ring = recent.ring();
                let held: usize = ring.records.iter().map(|record| length(record)).sum();
                prop_assert_eq!(held, ring.bytes);
                prop_assert!(held <= 100 && ring.records.len() <= capacity);
            }
            let last = recent.list(|_| true, None, 1);
            prop_assert_eq!(last.first().map(|one| one.seq), (capacity > 0 && !sizes.is_empty()).then_some(sizes.len() as u64));
        }
    }
}
