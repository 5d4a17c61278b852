//! What goes from the store to the disk.
//!
//! The memory changes first, the disk after it: what has left memory meanwhile is taken out again.

use std::{
    collections::HashSet,
    fs, io,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use super::Store;
use crate::{
    cache::{
        disk::{Disk, Unsaved},
        entry::Entry,
        mirror,
        partition::{SavedGraph, Vectors},
    },
    embed::{Embedding, EncoderId},
    policy::identity::{Fingerprint, Partition},
};

/// The name under which the disk keeps the generation.
const GENERATION: &str = "generation";

impl Store {
    /// Keeps an entry, in place of an older one of the same request; says whether there was room for it, and
    /// nothing pinned in its place.
    pub fn insert(&self, entry: &Arc<Entry>) -> bool {
        let held = self.hold(Arc::clone(entry));
        if held {
            self.save(entry, None);
        }
        held
    }

    /// Lets questions of the same meaning find an entry, if it is still there. Gives the partition
    /// back if it wants building.
    pub fn index(&self, entry: &Entry, embedding: &Embedding) -> Option<Arc<Vectors>> {
        let wants = self.place(entry, embedding);
        if entry.question.is_some() {
            self.save(entry, Some(embedding));
        }
        wants
    }

    /// Has the disk know an entry as it is.
    pub(super) fn save(&self, entry: &Entry, embedding: Option<&Embedding>) {
        let Some(disk) = &self.disk else { return };
        loop {
            let record = mirror::record(entry, embedding);
            let pinned = record.pinned;
            disk.put(record);
            // Of two who save it, the last one has to know whether it is pinned.
            if entry.is_pinned() == pinned {
                break;
            }
        }
        self.forget_if_gone(entry);
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

    /// Makes `generation` the present one, unless that is younger already; says whether it did.
    pub fn raise_generation(&self, generation: u64) -> bool {
        if self.generation.fetch_max(generation, Ordering::Relaxed) >= generation {
            return false;
        }
        self.purges.fetch_add(1, Ordering::SeqCst);
        if let Some(disk) = &self.disk {
            disk.put_meta(GENERATION, generation.to_le_bytes().to_vec());
        }
        true
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

    /// Saves the graphs of all partitions that have one, and takes away those of others. Takes its
    /// time: not for async workers.
    ///
    /// # Errors
    /// [`io::Error`] of the file system; what was saved before is whole.
    pub fn save_graphs(&self, directory: &Path, encoder: &EncoderId) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let mut saved = HashSet::new();
        for (partition, vectors) in self.semantic.partitions() {
            let name = hex(partition);
            if vectors.has_graph() {
                vectors.save(directory, &name, encoder)?;
                saved.insert(format!("{name}.graph"));
            }
        }
        for file in fs::read_dir(directory)? {
            let file = file?;
            let name = file.file_name();
            if !name.to_str().is_some_and(|name| saved.contains(name)) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    /// The partitions whose graphs are saved in `directory`.
    #[must_use]
    pub fn saved_graphs(directory: &Path) -> HashSet<Partition> {
        let files = fs::read_dir(directory).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        let partition = |name: String| {
            let hash = blake3::Hash::from_hex(name.strip_suffix(".graph")?).ok()?;
            Some(Partition::of(hash.into()))
        };
        names.filter_map(partition).collect()
    }

    /// Lets questions of the same meaning find these entries of one partition, through its saved graph
    /// if that can be used. Gives the partition back if it wants building.
    pub fn place_all(
        &self,
        partition: Partition,
        placed: &[(Arc<Entry>, Embedding)],
        directory: &Path,
    ) -> Option<Arc<Vectors>> {
        let (_, embedding) = placed.first()?;
        let (encoder, dimension) = (embedding.encoder(), embedding.as_slice().len());
        let graph = SavedGraph::load(directory, &hex(partition), &encoder, dimension);
        let graph = graph.unwrap_or_else(|error| {
            tracing::warn!(%error, "a saved index can't be used and is built anew");
            None
        });
        // What had to make room for others is left out.
        let there = (placed.iter()).filter(|(entry, _)| self.memory.contains(&entry.fingerprint));
        let vectors = there.filter_map(|(entry, embedding)| {
            let wording = Arc::clone(&entry.question.as_ref()?.wording);
            Some((entry.fingerprint, wording, embedding.as_slice()))
        });
        let restored = Vectors::restore(vectors, graph);
        let vectors = self.semantic.restore(partition, restored);
        vectors.wants_building(self.graph_above).then_some(vectors)
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

fn hex(partition: Partition) -> String {
    blake3::Hash::from_bytes(partition.bytes())
        .to_hex()
        .to_string()
}
