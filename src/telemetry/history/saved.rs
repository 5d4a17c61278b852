//! The history as bytes: a mark, the version, a checksum, and then the buckets.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::series::{Bucket, Series};

const MARK: &[u8; 4] = b"RFRH";
/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Why a saved history can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no history, or not all of one.
    Damaged,
    /// Another version of the program wrote it.
    Version(u32),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is damaged"),
            Self::Version(version) => write!(f, "its version is {version}, not {VERSION}"),
        }
    }
}

impl std::error::Error for Unreadable {}

#[derive(Serialize)]
struct Written<'a> {
    step: u64,
    buckets: Vec<(u64, &'a Bucket)>,
}

/// The buckets of one step, as they were saved.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    pub(super) step: u64,
    pub(super) buckets: Vec<(u64, Bucket)>,
}

pub(super) fn write(levels: &[Series]) -> Vec<u8> {
    let written: Vec<Written<'_>> = (levels.iter())
        .map(|series| Written {
            step: series.step,
            buckets: series.all(),
        })
        .collect();
    // Numbers and lists of them: it has no way to fail.
    let body = postcard::to_allocvec(&written).unwrap_or_default();
    let mut bytes = Vec::with_capacity(body.len() + 40);
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(blake3::hash(&body).as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// # Errors
/// [`Unreadable`].
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Read>, Unreadable> {
    let rest = bytes.strip_prefix(MARK).ok_or(Unreadable::Damaged)?;
    let (version, rest) = rest.split_first_chunk().ok_or(Unreadable::Damaged)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(Unreadable::Version(version));
    }
    let (checksum, body) = rest.split_first_chunk::<32>().ok_or(Unreadable::Damaged)?;
    if blake3::hash(body) != blake3::Hash::from_bytes(*checksum) {
        return Err(Unreadable::Damaged);
    }
    postcard::from_bytes(body).map_err(|_| Unreadable::Damaged)
}
