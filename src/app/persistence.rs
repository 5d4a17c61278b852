//! The cache across restarts: what the disk holds becomes the store, and goes on being mirrored.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;

use super::BuildError;
use crate::{
    cache::{
        disk::{self, Disk, Loaded, Options},
        entry::Entry,
        mirror,
        partition::Vectors,
        store::{Bounds, Store},
    },
    clock::Clock,
    config::Cache,
    embed::{Embed, Embedding, EncoderId},
    gateway::learn::Learner,
    policy::identity::Partition,
};

/// How often the disk is asked what it has not got.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two times that what was learned is saved.
const LEARNED: u32 = 30;
/// Ticks between two times that graphs are saved.
const SAVED_GRAPHS: u32 = 600;
/// Where graphs are saved in the data directory.
const GRAPHS: &str = "graphs";
/// The name under which the disk keeps what was learned.
const LEARNING: &str = "learning";

/// A store, and what is left to do for it.
pub(super) struct Restored {
    pub(super) store: Arc<Store>,
    /// Questions whose vectors another encoder made, or nobody yet.
    pub(super) unembedded: Vec<Arc<Entry>>,
    /// Partitions that want a graph.
    pub(super) unbuilt: Vec<Arc<Vectors>>,
}

/// What scopes are keyed with.
pub(super) fn secret(cache: &Cache) -> Result<[u8; 32], BuildError> {
    const PURPOSE: &str = "refrain 2026-11 tenant scopes";
    if let Some(secret) = &cache.secret {
        return Ok(blake3::derive_key(PURPOSE, secret.expose().as_bytes()));
    }
    if let Some(directory) = cache.data_dir.as_deref().filter(|_| cache.enabled) {
        return disk::secret(directory).map_err(|source| BuildError::Secret {
            directory: directory.to_owned(),
            source,
        });
    }
    random()
}

/// What nobody can guess.
pub(super) fn random() -> Result<[u8; 32], BuildError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| BuildError::Random(error.to_string()))?;
    Ok(random)
}

/// The store that `cache` describes, with what its disk holds. Takes a second for 100,000 entries.
pub(super) fn restore(
    cache: &Cache,
    encoder: Option<&dyn Embed>,
    clock: &Clock,
) -> Result<Restored, BuildError> {
    let bounds = Bounds {
        bytes: cache.max_bytes.get(),
        vectors: cache.max_embedding_bytes.get(),
        graph_above: cache.index_above,
    };
    let directory = cache.data_dir.as_deref().filter(|_| cache.enabled);
    let Some(directory) = directory else {
        return Ok(Restored {
            store: Arc::new(Store::new(bounds, cache.generation, None)),
            unembedded: Vec::new(),
            unbuilt: Vec::new(),
        });
    };
    let (disk, loaded) = Disk::open(directory, clock, &Options::default())?;
    let graphs = directory.join(GRAPHS);
    let generation = Store::saved_generation(&disk)
        .unwrap_or(0)
        .max(cache.generation);
    let store = Arc::new(Store::new(bounds, generation, Some(disk)));
    Ok(fill(store, loaded, encoder, clock, cache, &graphs))
}

fn fill(
    store: Arc<Store>,
    mut loaded: Loaded,
    encoder: Option<&dyn Embed>,
    clock: &Clock,
    cache: &Cache,
    graphs: &Path,
) -> Restored {
    let with_graph = Store::saved_graphs(graphs);
    let mut together: HashMap<Partition, Vec<(Arc<Entry>, Embedding)>> = HashMap::new();
    let now = clock.unix();
    let keep_stale = cache.stale_while_revalidate.max(cache.stale_if_error);
    let dimension = encoder.map_or(0, Embed::dimension);
    let encoder = encoder.map(Embed::encoder);
    let (mut entries, mut left_out) = (0_u64, 0_u64);
    let (mut unembedded, mut unbuilt) = (Vec::new(), Vec::<Arc<Vectors>>::new());
    for record in loaded.by_ref() {
        let key = record.fingerprint;
        let is_wanted = |entry: &Entry| {
            let past = now.since(entry.stored).saturating_sub(entry.ttl);
            let is_over = !past.is_zero() && past >= keep_stale && !entry.is_pinned();
            entry.generation == store.generation() && !is_over
        };
        let read = mirror::entry(record, now, dimension).filter(|(entry, _)| is_wanted(entry));
        let Some((entry, vector)) = read else {
            left_out += 1;
            if let Some(disk) = store.disk() {
                disk.remove(key);
            }
            continue;
        };
        let entry = Arc::new(entry);
        if !store.hold(Arc::clone(&entry)) {
            continue;
        }
        entries += 1;
        let Some(encoder) = encoder.as_ref().filter(|_| entry.question.is_some()) else {
            continue;
        };
        let partition = entry.question.as_ref().map(|question| question.partition);
        match (vector.and_then(|vector| vector.unpack(encoder)), partition) {
            (Some(embedding), Some(partition)) if with_graph.contains(&partition) => {
                together
                    .entry(partition)
                    .or_default()
                    .push((entry, embedding));
            }
            (Some(embedding), _) => {
                let wants = store.place(&entry, &embedding);
                let known =
                    |vectors: &Arc<Vectors>| unbuilt.iter().any(|v| Arc::ptr_eq(v, vectors));
                unbuilt.extend(wants.filter(|vectors| !known(vectors)));
            }
            (None, _) => unembedded.push(entry),
        }
    }
    for (partition, placed) in together {
        unbuilt.extend(store.place_all(partition, &placed, graphs));
    }
    tracing::info!(
        entries,
        left_out,
        damaged = loaded.damaged(),
        to_embed = unembedded.len(),
        "the cache was read from disk"
    );
    Restored {
        store,
        unembedded,
        unbuilt,
    }
}

/// Builds the graphs and makes the vectors that are missing, while requests are served.
pub(super) fn catch_up(
    chores: &mut JoinSet<()>,
    restored: Restored,
    encoder: Option<Arc<dyn Embed>>,
) {
    let Restored {
        store,
        unembedded,
        unbuilt,
    } = restored;
    for vectors in unbuilt {
        let store = Arc::clone(&store);
        chores.spawn_blocking(move || store.build(&vectors));
    }
    let Some(encoder) = encoder.filter(|_| !unembedded.is_empty()) else {
        return;
    };
    chores.spawn(async move {
        let questions = unembedded.len();
        for entry in unembedded {
            let Some(question) = &entry.question else {
                continue;
            };
            // Requests go first: where the encoder is busy, this waits.
            let embedding = loop {
                match encoder.embed(&question.text).await {
                    Ok(embedding) => break Some(embedding),
                    Err(error) if error.is_passing() => tokio::time::sleep(TICK).await,
                    Err(_) => break None,
                }
            };
            let wants = embedding.and_then(|embedding| store.index(&entry, &embedding));
            if let Some(vectors) = wants {
                let store = Arc::clone(&store);
                let built = tokio::task::spawn_blocking(move || store.build(&vectors));
                if built.await.is_err() {
                    tracing::error!("building an index failed");
                }
            }
        }
        tracing::info!(questions, "the questions read from disk are embedded again");
    });
}

/// Takes over what was learned before the start.
pub(super) fn recall(store: &Store, learner: &Learner) {
    if let Some(learned) = store.disk().and_then(|disk| disk.meta(LEARNING)) {
        learner.restore(&learned);
    }
}

/// What is saved, and where.
#[derive(Debug, Clone)]
pub(super) struct Saver {
    store: Arc<Store>,
    learner: Learner,
    disk: Disk,
    graphs: PathBuf,
    encoder: Option<EncoderId>,
}

impl Saver {
    /// `None` if nothing outlives the process.
    pub(super) fn new(
        cache: &Cache,
        store: &Arc<Store>,
        learner: &Learner,
        encoder: Option<&dyn Embed>,
    ) -> Option<Self> {
        Some(Self {
            store: Arc::clone(store),
            learner: learner.clone(),
            disk: store.disk()?.clone(),
            graphs: cache.data_dir.as_ref()?.join(GRAPHS),
            encoder: encoder.map(Embed::encoder),
        })
    }

    /// Saves what the disk was too slow for; now and then also what was learned, and the graphs.
    pub(super) fn keep_saved(&self, chores: &mut JoinSet<()>) {
        let saver = self.clone();
        chores.spawn(async move {
            for tick in 1_u32.. {
                tokio::time::sleep(TICK).await;
                if tick % LEARNED == 0 {
                    saver.save_learned();
                }
                let saver = saver.clone();
                let saved = tokio::task::spawn_blocking(move || {
                    saver.store.save_unsaved();
                    if tick % SAVED_GRAPHS == 0 {
                        saver.save_graphs();
                    }
                });
                if saved.await.is_err() {
                    tracing::error!("saving the cache failed");
                }
            }
        });
    }

    /// Makes all that was kept durable.
    pub(super) async fn finish(self) {
        self.save_learned();
        let finished = tokio::task::spawn_blocking(move || {
            // What the disk was too slow for so far; it has the time now.
            self.store.save_unsaved();
            let flushed = self.disk.flush();
            self.save_graphs();
            flushed
        });
        if !matches!(finished.await, Ok(Ok(()))) {
            tracing::warn!("the last entries could not be saved");
        }
    }

    fn save_learned(&self) {
        self.disk.put_meta(LEARNING, self.learner.snapshot());
    }

    fn save_graphs(&self) {
        let Some(encoder) = &self.encoder else { return };
        if let Err(error) = self.store.save_graphs(&self.graphs, encoder) {
            tracing::warn!(%error, "the indexes could not be saved; they are built anew at the next start");
        }
    }
}
