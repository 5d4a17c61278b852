//! What is done with single entries: an operator pins them, looks around them, searches them by meaning; who finds
//! one wrong has it forgotten.

use std::sync::Arc;

use super::Store;
use crate::{
    cache::{
        entry::Entry,
        memory::Pinned,
        partition::{Neighbour, Vectors},
        pointer::Receipt,
    },
    embed::{Embedding, EncoderId},
    policy::identity::{ContextId, Fingerprint},
};

/// An entry with the vector that it is found by.
#[derive(Debug)]
pub struct Kept {
    entry: Arc<Entry>,
    embedding: Option<Embedding>,
}

impl Store {
    /// Has an entry stay whatever its time and worth, until it is unpinned or purged; or no longer. Outlives
    /// the process, as entries do, with the vector that `encoder` made. All that are pinned may take half of
    /// the bound.
    #[must_use]
    pub fn pin(
        &self,
        fingerprint: &Fingerprint,
        pinned: bool,
        encoder: Option<&EncoderId>,
    ) -> Pinned {
        let done = self.memory.pin(fingerprint, pinned);
        if let Pinned::Done(entry) = &done {
            self.save(entry, self.embedding(entry, encoder).as_ref());
        }
        done
    }

    /// Forgets an entry that somebody found to be wrong, and that conversations shared it; but not one that
    /// an operator has pinned.
    pub fn condemn(&self, fingerprint: Fingerprint) -> bool {
        let removed = self.memory.remove_unpinned(&fingerprint);
        removed.is_some_and(|entry| {
            self.unshare(fingerprint);
            self.purged(&entry);
            true
        })
    }

    /// Forgets an entry, pinned or not, and that conversations shared it.
    pub fn forget(&self, fingerprint: Fingerprint) -> bool {
        self.unshare(fingerprint);
        self.remove(&fingerprint)
    }

    fn unshare(&self, fingerprint: Fingerprint) {
        let links = self
            .contexts
            .iter()
            .filter(|(_, (_, entry))| *entry == fingerprint);
        let links: Vec<ContextId> = links.map(|(context, _)| *context).collect();
        links
            .iter()
            .for_each(|context| self.contexts.invalidate(context));
    }

    /// What is kept of a request, to be put back where something else takes its place; with the vector that
    /// `encoder` made.
    #[must_use]
    pub fn kept(&self, request: &Fingerprint, encoder: Option<&EncoderId>) -> Option<Kept> {
        let entry = self.get(request)?;
        let embedding = self.embedding(&entry, encoder);
        Some(Kept { entry, embedding })
    }

    /// Keeps it again. Gives the partition back if it wants building.
    pub fn put_back(&self, kept: &Kept) -> Option<Arc<Vectors>> {
        let Kept { entry, embedding } = kept;
        let is_kept = self.insert(entry);
        let embedding = embedding.as_ref().filter(|_| is_kept)?;
        self.index(entry, embedding)
    }

    /// The vector of an entry, as it is held.
    fn embedding(&self, entry: &Entry, encoder: Option<&EncoderId>) -> Option<Embedding> {
        let partition = entry.question.as_ref()?.partition;
        let vector = self.semantic.vector(partition, entry.fingerprint)?;
        Embedding::new(encoder?.clone(), vector).ok()
    }

    /// The questions nearest to that of an entry among those that it could be taken for, itself left out,
    /// nearest first.
    #[must_use]
    pub fn around(&self, entry: &Entry, most: usize) -> Vec<Neighbour> {
        let partition = entry.question.as_ref().map(|question| question.partition);
        partition.map_or_else(Vec::new, |partition| {
            self.semantic.around(partition, entry.fingerprint, most)
        })
    }

    /// The entries whose questions are nearest to `query`, of all scopes, models and settings, nearest first:
    /// at most `most` of those that are `wanted`. Looks at every partition: not for async workers.
    pub fn search(
        &self,
        query: &Embedding,
        most: usize,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<(Arc<Entry>, Neighbour)> {
        // A partition is of one scope and one model, so it is wanted as a whole but for tags and names.
        const DEEPER: usize = 8;
        let is_wanted = |near: &Neighbour| {
            let entry = self.memory.get(&near.fingerprint);
            entry.is_some_and(|entry| wanted(&entry))
        };
        let depth = (most, most.saturating_mul(DEEPER));
        let near = self
            .semantic
            .search_all(query, depth, is_wanted)
            .into_iter();
        near.filter_map(|near| Some((self.memory.get(&near.fingerprint)?, near)))
            .collect()
    }

    /// Of the hits by meaning on an entry that are remembered, the one with the lowest score. It is not
    /// remembered any longer. Looks at every receipt: not for async workers.
    #[must_use]
    pub fn doubtful(&self, fingerprint: Fingerprint) -> Option<Receipt> {
        let mut worst: Option<(Arc<Box<str>>, Receipt)> = None;
        for (id, receipt) in &self.receipts {
            let Some(admitted) =
                (receipt.admitted.as_ref()).filter(|_| receipt.entry == fingerprint)
            else {
                continue;
            };
            let is_worse = (worst.as_ref())
                .and_then(|(_, worst)| worst.admitted.as_ref())
                .is_none_or(|worst| admitted.score < worst.score);
            if is_worse {
                worst = Some((id, receipt));
            }
        }
        let (id, _) = worst?;
        self.receipts.remove(&*id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::{
            disk::Record,
            entry::tests::{entry as sample, numbered},
            mirror,
            store::Bounds,
        },
        clock::UnixMillis,
    };

    fn asking(stored: u64) -> Arc<Entry> {
        let mut record: Record = mirror::record(&sample(numbered(1), 0), None);
        record.written = br#"{"model":"m","choices":[{"index":0,"message":{"content":"a"}}]}"#
            .as_slice()
            .into();
        record.partition = Some([2; 32]);
        record.question = Some("What do crabs eat?".to_owned());
        record.stored_unix_ms = stored;
        let (entry, _) = mirror::entry(record, UnixMillis(9_000), 2).unwrap();
        Arc::new(entry)
    }

    #[test]
    fn what_was_replaced_is_put_back_as_it_was_found() {
        let bounds = Bounds {
            bytes: 1 << 20,
            vectors: 0,
            graph_above: 64,
        };
        let (store, encoder) = (Store::new(bounds, 0, None), EncoderId::new("e"));
        let embedding = Embedding::new(encoder.clone(), vec![0.6, 0.8]).unwrap();
        let (older, newer) = (asking(1_000), asking(2_000));
        assert!(store.kept(&older.fingerprint, None).is_none());
        assert!(store.insert(&older));
        assert!(store.index(&older, &embedding).is_none());
        let bytes = store.size().bytes;

        let kept = store.kept(&older.fingerprint, Some(&encoder)).unwrap();
        assert!(store.insert(&newer) && store.remove(&newer.fingerprint));
        assert!(store.put_back(&kept).is_none());
        let found = store.get(&older.fingerprint).unwrap();
        assert!(Arc::ptr_eq(&found, &older));
        let near = store.neighbours(older.question.as_ref().unwrap().partition, &embedding, 1);
        assert_eq!(
            near.first().map(|near| near.fingerprint),
            Some(older.fingerprint)
        );
        assert_eq!(store.size().bytes, bytes);
    }
}
