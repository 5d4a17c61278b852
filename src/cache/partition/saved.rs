//! A graph on disk: one file that names its encoder and whose vectors its nodes are, but holds no
//! vectors (the entries on disk do).
//!
//! All numbers little-endian: magic; length and text of the encoder's id (u16, UTF-8); dimension,
//! nodes, entry, links above the base (u32 each); the fingerprint of each node (32 bytes, zeros for a
//! tombstone); the level of each (u8); the links of the base and above (u32 each); the BLAKE3 hash of
//! all that. Invariant: what has been read is a graph that searches can walk, whatever was in the file.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::graph::{BASE_LINKS, Graph};
use crate::{embed::EncoderId, policy::identity::Fingerprint};

/// The format, its version last.
const MAGIC: &[u8; 16] = b"refrain graph 1\n";
/// Stands for no fingerprint.
const NOBODY: [u8; 32] = [0; 32];

/// A graph that was read back, for [`super::Vectors::restore`].
#[derive(Debug)]
pub struct SavedGraph {
    dimension: usize,
    owners: Vec<Fingerprint>,
    graph: Graph,
}

impl SavedGraph {
    /// Reads the graph `dir/name.graph`; `None` if there is no such file.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the file is cut off, damaged, no graph, or one of another encoder
    /// or dimension: it is of no use then, and the next save replaces it. Else the error of the file
    /// system.
    pub fn load(
        dir: &Path,
        name: &str,
        encoder: &EncoderId,
        dimension: usize,
    ) -> io::Result<Option<Self>> {
        let bytes = match fs::read(path(dir, name)?) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (bytes, hash) = bytes
            .split_last_chunk::<32>()
            .ok_or_else(|| unfit("it is cut off"))?;
        let mut rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| unfit("it is no graph of this version"))?;
        if blake3::hash(bytes) != *hash {
            return Err(unfit("it is damaged"));
        }
        let saved = Self::parse(&mut rest, encoder).ok_or_else(|| unfit("its parts don't fit"))?;
        match saved {
            Some(saved) if saved.dimension == dimension => Ok(Some(saved)),
            _ => Err(unfit("it is of another encoder")),
        }
    }

    /// `None` if the bytes don't add up, `Some(None)` if the graph is of another encoder.
    #[expect(clippy::option_option, reason = "read once, right above")]
    fn parse(rest: &mut &[u8], encoder: &EncoderId) -> Option<Option<Self>> {
        let length = u16::from_le_bytes(take(rest, 2)?.try_into().ok()?);
        if take(rest, length.into())? != encoder.as_str().as_bytes() {
            return Some(None);
        }
        let dimension = number(rest)?;
        let nodes = number(rest)?;
        let entry = number(rest)?;
        let above = number(rest)?;
        let (owners, _) = take(rest, nodes.checked_mul(32)?)?.as_chunks();
        let owners = owners.iter().copied().map(Fingerprint::of).collect();
        let levels = take(rest, nodes)?.to_vec();
        let base = numbers(rest, nodes.checked_mul(BASE_LINKS)?)?;
        let upper = numbers(rest, above)?;
        let graph = Graph::new(levels, base, upper, u32::try_from(entry).ok()?)?;
        rest.is_empty().then_some(Some(Self {
            dimension,
            owners,
            graph,
        }))
    }

    /// The dimension of its vectors.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many nodes it has, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether it has no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Where each entry belongs.
    pub(super) fn places(&self) -> HashMap<Fingerprint, u32> {
        let owners = self.owners.iter().copied().zip(0..);
        owners
            .filter(|(owner, _)| owner.bytes() != NOBODY)
            .collect()
    }

    pub(super) fn graph(self) -> Graph {
        self.graph
    }
}

/// Writes a graph whose node `n` belongs to the `n`th of `owners`.
pub(super) fn write(
    dir: &Path,
    name: &str,
    encoder: &EncoderId,
    dimension: usize,
    owners: &[Option<Fingerprint>],
    graph: &Graph,
) -> io::Result<()> {
    let target = path(dir, name)?;
    let (levels, base, upper, entry) = graph.parts();
    let id = encoder.as_str().as_bytes();
    let size = 128 + id.len() + owners.len() * 33 + (base.len() + upper.len()) * 4;
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(MAGIC);
    let length = u16::try_from(id.len()).map_err(io::Error::other)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(id);
    for count in [dimension, owners.len(), entry as usize, upper.len()] {
        let count = u32::try_from(count).map_err(io::Error::other)?;
        bytes.extend_from_slice(&count.to_le_bytes());
    }
    for owner in owners {
        let owner = owner.map_or(NOBODY, Fingerprint::bytes);
        bytes.extend_from_slice(&owner);
    }
    bytes.extend_from_slice(levels);
    for link in base.iter().chain(upper) {
        bytes.extend_from_slice(&link.to_le_bytes());
    }
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());

    // Whatever happens meanwhile, the name leads to a whole file, old or new.
    let aside = target.with_extension("graph.new");
    let mut file = File::create(&aside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&aside, &target)?;
    File::open(dir)?.sync_all()
}

/// Takes a graph away, if there is one.
pub(super) fn remove(dir: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(path(dir, name)?) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(dir: &Path, name: &str) -> io::Result<PathBuf> {
    if Path::new(name).file_name() == Some(name.as_ref()) {
        Ok(dir.join(format!("{name}.graph")))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name of a graph is no file name",
        ))
    }
}

fn unfit(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    rest.split_off(..bytes)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (bytes, []) = take(rest, 4)?.as_chunks() else {
        return None;
    };
    let number = u32::from_le_bytes(*bytes.first()?);
    usize::try_from(number).ok()
}

fn numbers(rest: &mut &[u8], count: usize) -> Option<Vec<u32>> {
    let (numbers, _) = take(rest, count.checked_mul(4)?)?.as_chunks();
    Some(numbers.iter().copied().map(u32::from_le_bytes).collect())
}
