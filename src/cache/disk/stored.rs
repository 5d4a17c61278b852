//! What lies in a file: its form, its checksum, and what the file is called.
//!
//! A value is `version (1 byte) · checksum (8 bytes) · fields`. The checksum is the beginning of
//! BLAKE3 over version, key and fields, so that a value under another's key is as damaged as one
//! with a flipped bit. Invariant: what [`decode`] gives back was written as it is.

use std::fmt;

/// What an entry is found by: a hash.
pub type Key = [u8; 32];

/// The form of small values. That of fields is [`Stored::VERSION`].
const VERSION: u8 = 1;
const CHECKSUM: usize = 8;
const HEAD: usize = 1 + CHECKSUM;

/// What a disk tier keeps, as plain data.
pub trait Stored: fmt::Debug + Clone + Send + 'static {
    /// The file for these.
    const KIND: Kind;

    /// The form of its fields. A change of any needs a new number, and [`Stored::read`] goes on reading
    /// the old forms.
    const VERSION: u8 = 1;

    /// What it is found by.
    fn key(&self) -> Key;

    /// About how many bytes it takes while it waits to be written.
    fn size(&self) -> usize;

    /// Its fields but for the key; `None` if they have no serial form.
    fn write(&self) -> Option<Vec<u8>>;

    /// What [`Stored::write`] gave when its form had this version; `None` if it is something else.
    fn read(key: Key, version: u8, fields: &[u8]) -> Option<Self>;
}

/// A file and what is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name without the ending; `name.lock` beside it is locked.
    pub name: &'static str,
    /// What the log calls it.
    pub title: &'static str,
    /// The table of its entries: a file with another one is not of this kind.
    pub table: &'static str,
    /// Where it is counted.
    pub metrics: Metrics,
}

/// The names of the metrics of a file.
#[derive(Debug, Clone, Copy)]
pub struct Metrics {
    /// Gauge: 1 if changes reach the file, 0 if not.
    pub state: &'static str,
    /// Gauge: its length.
    pub bytes: &'static str,
    /// Counter: writes that failed, by reason.
    pub failures: &'static str,
    /// Counter: writes that there was no room for.
    pub dropped: &'static str,
}

/// The beginning of a hash.
pub(super) fn beginning(hash: blake3::Hash) -> [u8; CHECKSUM] {
    let mut short = [0; CHECKSUM];
    for (to, from) in short.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    short
}

/// The checksum of a value under its name.
fn checksum(version: u8, name: &[u8], content: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[version]);
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name);
    hasher.update(content);
    beginning(hasher.finalize())
}

/// Why a value is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value is damaged or of an unknown version")]
pub(super) struct Damaged;

/// `content` under `name`, with its version and checksum before it.
pub(super) fn seal(name: &[u8], content: &[u8]) -> Vec<u8> {
    seal_as(VERSION, name, content)
}

pub(super) fn seal_as(version: u8, name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD + content.len());
    value.push(version);
    value.extend_from_slice(&checksum(version, name, content));
    value.extend_from_slice(content);
    value
}

/// What [`seal`] got.
pub(super) fn unseal<'a>(name: &[u8], value: &'a [u8]) -> Result<&'a [u8], Damaged> {
    match opened(name, value)? {
        (VERSION, content) => Ok(content),
        _ => Err(Damaged),
    }
}

/// The version and the content of an intact value.
fn opened<'a>(name: &[u8], value: &'a [u8]) -> Result<(u8, &'a [u8]), Damaged> {
    let (version, rest) = value.split_first().ok_or(Damaged)?;
    let (sum, content) = rest.split_first_chunk::<CHECKSUM>().ok_or(Damaged)?;
    let intact = *sum == checksum(*version, name, content);
    intact.then_some((*version, content)).ok_or(Damaged)
}

/// The value of a record; `None` if it has no serial form, which no record is without.
pub(super) fn encode<R: Stored>(record: &R) -> Option<Vec<u8>> {
    Some(seal_as(R::VERSION, &record.key(), &record.write()?))
}

/// The record of a value, of this form or an older one.
pub(super) fn decode<R: Stored>(key: &Key, value: &[u8]) -> Result<R, Damaged> {
    let (version, fields) = opened(key, value)?;
    let is_known = (1..=R::VERSION).contains(&version);
    is_known
        .then(|| R::read(*key, version, fields))
        .flatten()
        .ok_or(Damaged)
}
