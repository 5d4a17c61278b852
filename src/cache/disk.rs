//! Entries on disk: a mirror of the memory that a start begins with. What an entry is, and what its file is called,
//! is told by [`Stored`].
//!
//! Nothing is looked up here. Changes are queued and committed together by a thread of its own
//! (`writer`), so that a process that is killed loses the last second and no more; a full disk or
//! any other error means memory only, until it works again. It does not decide what is kept.
//!
//! The owner changes its memory first and the disk after that, so that a file that is made anew
//! can be filled from memory: it asks [`Disk::take_unsaved`] from time to time, gives what it
//! names to [`Disk::put_blocking`], and removes what has left its memory meanwhile. Of what is
//! [`Loaded`] beside requests, it takes what it has neither got nor removed since.
//!
//! Invariant: nothing that was removed comes back, by a crash later than a second or by an error.

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;

mod backlog;
mod failure;
mod file;
mod load;
mod record;
mod secret;
mod shared;
mod stored;
mod writer;

use file::{Attach, Directory};
use shared::Shared;
use writer::Writer;

pub use backlog::Unsaved;
pub use failure::{OpenError, SetAside};
pub use load::Loaded;
pub use record::{PackedVector, Record};
pub use secret::secret;
pub use stored::{Key, Kind, Metrics, Stored};

use crate::clock::{Clock, Moment};

/// Bounds of the disk tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes that wait to be written at most; what comes on top is not saved (yet).
    pub queue_bytes: usize,
    /// The wait before the first attempt to write again after a failure.
    pub retry: Duration,
    /// Bytes of a file that may be compacted when it is opened, if it is mostly empty.
    pub compact_above: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_bytes: 64 << 20,
            retry: Duration::from_secs(60),
            compact_above: 64 << 20,
        }
    }
}

/// Whether changes reach the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// They do.
    Serving,
    /// They don't, and there is no file.
    MemoryOnly {
        /// Since when.
        since: Moment,
        /// What failed.
        why: String,
    },
}

/// How the disk tier is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Whether changes reach the disk.
    pub mode: Mode,
    /// The length of the file.
    pub file_bytes: u64,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
    /// The last commit since the start.
    pub last_commit: Option<Moment>,
    /// Writes that there was no room for.
    pub dropped: u64,
    /// How often it went from serving to memory only.
    pub failures: u64,
}

/// What was queued may not be durable: the disk failed meanwhile, or there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file can't be written; entries are in memory only")]
pub struct NotDurable;

/// The disk tier. Clones share it; the last one to go waits for the last commit.
#[derive(Debug, Clone)]
pub struct Disk<R: Stored = Record>(Arc<Handle<R>>);

struct Handle<R: Stored> {
    shared: Arc<Shared<R>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<R: Stored> Disk<R> {
    /// Opens a directory, which is made if need be, and gives what it holds.
    ///
    /// A file that can't be used is set aside ([`Loaded::set_aside`]) and replaced by an empty one.
    /// With no room for a file it begins in memory-only mode.
    ///
    /// # Errors
    /// When the directory is in use by another process, or not to be read or written.
    pub fn open(
        directory: &Path,
        clock: &Clock,
        options: &Options,
    ) -> Result<(Self, Loaded<R>), OpenError> {
        Self::open_with(directory, clock, options, file::attach())
    }

    fn open_with(
        path: &Path,
        clock: &Clock,
        options: &Options,
        attach: Attach,
    ) -> Result<(Self, Loaded<R>), OpenError> {
        let directory = Directory::open(path, R::KIND, attach)?;
        let mut opened = directory.file(options.compact_above)?;
        let mut held = None;
        if let Ok(file) = &opened.file {
            match file.meta().and_then(|meta| Ok((meta, file.records()?))) {
                Ok(found) => held = Some(found),
                Err(failure) => {
                    if let Ok(file) = opened.file {
                        file.close();
                    }
                    let failed = |source| OpenError::Io {
                        path: path.to_owned(),
                        source,
                    };
                    let set_aside = directory.set_aside(failure.to_string()).map_err(failed)?;
                    opened.set_aside = Some(set_aside);
                    opened.file = directory.fresh();
                }
            }
        }
        if let Some(SetAside { path, why }) = &opened.set_aside {
            tracing::warn!(
                file = %path.display(),
                why,
                "{} could not be used and was set aside; it begins empty",
                R::KIND.title
            );
        }
        let (meta, records) = held.map_or_else(Default::default, |(meta, rows)| (meta, Some(rows)));
        let shared = Arc::new(Shared::new(options.queue_bytes, meta, clock));
        let loaded = Loaded::new(records, opened.set_aside, Arc::clone(&shared));
        let writer = Writer::new(Arc::clone(&shared), directory, opened.file, options);
        let thread = thread::Builder::new()
            .name(format!("{}-disk", R::KIND.name))
            .spawn(move || writer.run())
            .map_err(|source: io::Error| OpenError::Io {
                path: path.to_owned(),
                source,
            })?;
        let thread = Mutex::new(Some(thread));
        Ok((Self(Arc::new(Handle { shared, thread })), loaded))
    }

    /// Queues a record, in place of an older one. If there is no room, what the file holds under
    /// its key goes and the key is unsaved.
    pub fn put(&self, record: R) {
        self.0.shared.put(record);
    }

    /// Queues a record as soon as there is room, waiting for it. `false` if it was not saved
    /// because there is no file; then there will be another time to save everything.
    #[must_use]
    pub fn put_blocking(&self, record: R) -> bool {
        self.0.shared.put_blocking(record)
    }

    /// Queues the removal of an entry. It is never dropped.
    pub fn remove(&self, fingerprint: Key) {
        self.remove_many([fingerprint]);
    }

    /// Queues the removal of entries, all of them in one commit.
    pub fn remove_many(&self, fingerprints: impl IntoIterator<Item = Key>) {
        self.0.shared.remove(fingerprints);
    }

    /// Queues the removal of all entries. Small values stay.
    pub fn clear(&self) {
        self.0.shared.clear();
    }

    /// Queues a small value, of a few KiB, in place of the one of the same name. It survives a
    /// change of the file.
    pub fn put_meta(&self, name: &str, value: impl Into<Bytes>) {
        self.0.shared.put_meta(name, value.into());
    }

    /// The small value of this name.
    #[must_use]
    pub fn meta(&self, name: &str) -> Option<Bytes> {
        self.0.shared.meta(name)
    }

    /// Waits until all that was queued so far is durable. Blocks: not for a thread of the runtime.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn flush(&self) -> Result<(), NotDurable> {
        self.0.shared.flush().then_some(()).ok_or(NotDurable)
    }

    /// What the memory holds and the file does not; asked once, it is the caller's to save.
    #[must_use]
    pub fn take_unsaved(&self) -> Unsaved {
        self.0.shared.take_unsaved()
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.shared.state()
    }
}

impl<R: Stored> Drop for Handle<R> {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of {} panicked", R::KIND.title);
        }
    }
}

impl<R: Stored> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("state", &self.shared.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
