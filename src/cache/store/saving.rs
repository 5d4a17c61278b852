//! What goes from the store to the disk.
//!
//! The memory changes first, the disk after it: what has left memory meanwhile is taken out again.

use std::sync::{Arc, atomic::Ordering};

use super::Store;
use crate::{
    cache::{
        disk::{Disk, Unsaved},
        entry::Entry,
        mirror,
        partition::Vectors,
    },
    embed::Embedding,
    policy::identity::Fingerprint,
};

/// The name under which the disk keeps the generation.
const GENERATION: &str = "generation";

impl Store {
    /// Keeps an entry, in place of an older one of the same request.
    pub fn insert(&self, entry: Arc<Entry>) {
        if self.hold(Arc::clone(&entry))
            && let Some(disk) = &self.disk
        {
            disk.put(mirror::record(&entry, None));
            self.forget_if_gone(&entry);
        }
    }

    /// Lets questions of the same meaning find an entry, if it is still there. Gives the partition
    /// back if it wants building.
    pub fn index(&self, entry: &Entry, embedding: &Embedding) -> Option<Arc<Vectors>> {
        let wants = self.place(entry, embedding);
        if let Some(disk) = self.disk.as_ref().filter(|_| entry.question.is_some()) {
            disk.put(mirror::record(entry, Some(embedding)));
            self.forget_if_gone(entry);
        }
        wants
    }

    /// Starts a new generation: nothing that is kept answers any more.
    pub fn new_generation(&self) -> u64 {
        self.purges.fetch_add(1, Ordering::SeqCst);
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(disk) = &self.disk {
            disk.put_meta(GENERATION, generation.to_le_bytes().to_vec());
        }
        generation
    }

    /// Where entries outlive the process.
    #[must_use]
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Saves what the disk has not got, because it was too slow or is new. Waits for room: not for
    /// async workers.
    pub fn save_unsaved(&self) {
        let Some(disk) = &self.disk else { return };
        let save = |entry: &Arc<Entry>| {
            if disk.put_blocking(mirror::record(entry, None)) {
                self.forget_if_gone(entry);
            }
        };
        match disk.take_unsaved() {
            Unsaved::Nothing => {}
            Unsaved::Keys(keys) => {
                let entries = keys
                    .into_iter()
                    .filter_map(|key| self.get(&Fingerprint::of(key)));
                entries.for_each(|entry| save(&entry));
            }
            Unsaved::Everything => self.memory.each(save),
        }
    }

    /// An entry that has left memory while it was on its way to the disk must not stay there.
    fn forget_if_gone(&self, entry: &Entry) {
        if !self.memory.contains(&entry.fingerprint) {
            self.erase(&entry.fingerprint);
        }
    }

    pub(super) fn erase(&self, fingerprint: &Fingerprint) {
        if let Some(disk) = &self.disk {
            disk.remove(fingerprint.bytes());
        }
    }

    /// The generation that a disk has seen last.
    #[must_use]
    pub fn saved_generation(disk: &Disk) -> Option<u64> {
        let bytes = disk.meta(GENERATION)?;
        Some(u64::from_le_bytes(bytes.as_ref().try_into().ok()?))
    }
}
