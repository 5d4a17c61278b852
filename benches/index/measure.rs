//! One partition: filled, searched, built, searched again, saved and restored.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the real time"
)]

use std::{
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use refrain::{
    cache::partition::{Neighbour, SavedGraph, Vectors},
    embed::EncoderId,
    policy::{identity::Fingerprint, wording::Wording},
};
use serde::{Deserialize, Serialize};

use crate::synthetic::{DIMENSION, Synthetic};

/// Neighbours that a search asks for, as the gateway does.
const MOST: usize = 8;
/// Of vectors this far apart, either is right: the order of scan and graph may differ.
const TIE: f32 = 1e-6;

/// What was measured at one size.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// On one thread, without graph.
    pub(crate) inserts_per_second: f64,
    /// The whole graph, on one thread.
    pub(crate) build_seconds: f64,
    pub(crate) scan: Latency,
    pub(crate) graph: Latency,
    /// The share of searches whose nearest is as near as the scan's.
    pub(crate) recall_at_1: f64,
    /// The share of the scan's four nearest that the graph finds.
    pub(crate) recall_at_4: f64,
    /// [`Vectors::bytes`] and the growth of resident memory, per entry, with the graph.
    pub(crate) bytes_counted: f64,
    pub(crate) bytes_resident: f64,
    pub(crate) saved_bytes: f64,
    pub(crate) save_seconds: f64,
    /// From the file and the vectors in memory to a partition that is searched by graph.
    pub(crate) restore_seconds: f64,
}

/// Of searches on one thread, in microseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Measures a partition of `size` vectors with this many searches.
pub(crate) fn partition(size: usize, queries: usize) -> Result<Figures, Box<dyn Error>> {
    let synthetic = Synthetic::new(size);
    let wording = Arc::<Wording>::default();
    // A scan of a million takes a tenth of a second.
    let queries = if size > 200_000 {
        queries.div_ceil(5)
    } else {
        queries
    };
    let queries: Vec<Vec<f32>> = (size..size + queries)
        .map(|n| synthetic.vector(n))
        .collect();

    let before = resident()?;
    let vectors = Vectors::default();
    let mut inserting = Duration::ZERO;
    for number in 0..size {
        let (vector, id) = (synthetic.vector(number), id(number));
        let wording = Arc::clone(&wording);
        let begun = Instant::now();
        vectors.insert(id, &vector, wording);
        inserting += begun.elapsed();
    }
    let (scan, nearest) = search(&vectors, &queries);
    let begun = Instant::now();
    vectors.build(size.min(64) - 1);
    let build_seconds = begun.elapsed().as_secs_f64();
    let bytes_resident = resident()?.saturating_sub(before) as f64 / size as f64;
    let bytes_counted = vectors.bytes() as f64 / size as f64;
    let (graph, found) = search(&vectors, &queries);
    let (recall_at_1, recall_at_4) = recall(&nearest, &found);

    let (dir, encoder) = (tempfile::tempdir()?, EncoderId::new("synthetic"));
    let begun = Instant::now();
    vectors.save(dir.path(), "bench", &encoder)?;
    let save_seconds = begun.elapsed().as_secs_f64();
    let saved_bytes = fs::metadata(dir.path().join("bench.graph"))?.len() as f64 / size as f64;
    drop(vectors);
    let entries: Vec<_> = (0..size)
        .map(|number| (id(number), Arc::clone(&wording), synthetic.vector(number)))
        .collect();
    let begun = Instant::now();
    let saved = SavedGraph::load(dir.path(), "bench", &encoder, DIMENSION)?;
    let restored = Vectors::restore(entries, saved);
    let restore_seconds = begun.elapsed().as_secs_f64();
    if !restored.has_graph() || restored.len() != size {
        return Err("the saved graph did not fit".into());
    }
    Ok(Figures {
        inserts_per_second: size as f64 / inserting.as_secs_f64(),
        build_seconds,
        scan,
        graph,
        recall_at_1,
        recall_at_4,
        bytes_counted,
        bytes_resident,
        saved_bytes,
        save_seconds,
        restore_seconds,
    })
}

fn search(vectors: &Vectors, queries: &[Vec<f32>]) -> (Latency, Vec<Vec<Neighbour>>) {
    let mut micros = Vec::with_capacity(queries.len());
    let found = queries.iter().map(|query| {
        let begun = Instant::now();
        let found = vectors.search(query, MOST);
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
        found
    });
    let found = found.collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: usize| {
        let last = micros.len().saturating_sub(1);
        micros.get(last * share / 100).copied().unwrap_or_default()
    };
    let latency = Latency {
        p50: at(50),
        p99: at(99),
    };
    (latency, found)
}

fn recall(scanned: &[Vec<Neighbour>], found: &[Vec<Neighbour>]) -> (f64, f64) {
    let (mut first, mut four, mut of_four) = (0, 0, 0);
    for (scanned, found) in scanned.iter().zip(found) {
        let worst = |near: &[Neighbour], n: usize| near.get(n).map(|near| near.similarity.get());
        if let (Some(scanned), Some(found)) = (worst(scanned, 0), worst(found, 0)) {
            first += usize::from(found >= scanned - TIE);
        }
        for near in scanned.iter().take(4) {
            of_four += 1;
            let same = |other: &Neighbour| other.fingerprint == near.fingerprint;
            four += usize::from(found.iter().any(same));
        }
    }
    let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
    (share(first, scanned.len()), share(four, of_four))
}

fn id(number: usize) -> Fingerprint {
    Fingerprint::of(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// Resident memory of this process, in bytes (Linux).
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: usize = kilobytes.ok_or("no VmRSS")?.trim().parse()?;
    Ok(kilobytes * 1024)
}
