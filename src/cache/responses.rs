//! Responses that clients may ask for again, or continue, by their id (`store` of OpenAI's Responses).
//!
//! Each belongs to one scope: by the id alone nobody finds it. The oldest make room for new ones, and
//! all of them go with age. Where the cache outlives the process these do too, in a file of their own
//! that mirrors the memory as the cache's does (`disk`). It reads nothing of what it keeps.
//!
//! Invariant: what was deleted, or is older than it may be, is not given; and the memory is never more
//! than its bound.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use self::{
    row::Row,
    table::{Held, Table},
};
use super::disk::{Disk, Key, NotDurable, OpenError, Options, State, Unsaved};
use crate::{clock::Clock, ident::ProviderName, policy::identity::Scope};

mod row;
mod table;
#[cfg(test)]
mod tests;

/// How much is kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory for all of them, what it takes to find them included.
    pub bytes: u64,
    /// How long each may be asked for.
    pub ttl: Duration,
}

/// A response as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptResponse {
    /// The response, a JSON object.
    pub response: Bytes,
    /// A JSON array of the items that it answers, those of the turns before it included.
    pub input: Bytes,
    /// Whose ids these are; `None` if they were made here.
    pub provider: Option<ProviderName>,
}

/// Without its content, which is nothing for a log.
impl fmt::Debug for KeptResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptResponse")
            .field("bytes", &(self.response.len() + self.input.len()))
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// The responses that are kept.
#[derive(Debug)]
pub struct Responses {
    ttl: Duration,
    clock: Clock,
    /// Locked while a change is queued for the disk as well, so that both see changes in one order.
    table: Mutex<Table>,
    disk: Option<Disk<Row>>,
}

impl Responses {
    /// An empty store that goes with the process.
    #[must_use]
    pub fn new(bounds: Bounds, clock: Clock) -> Self {
        Self {
            ttl: bounds.ttl,
            clock,
            table: Mutex::new(Table::new(bounds.bytes)),
            disk: None,
        }
    }

    /// The store of a directory, which is made if need be. A file that can't be used is set aside, with
    /// a warning. Blocks.
    ///
    /// # Errors
    /// When the directory is in use by another process, or not to be read or written.
    pub fn open(directory: &Path, bounds: Bounds, clock: Clock) -> Result<Self, OpenError> {
        let (disk, mut loaded) = Disk::<Row>::open(directory, &clock, &Options::default())?;
        let rows: Vec<Row> = loaded.by_ref().collect();
        let damaged = loaded.damaged();
        let mut store = Self::new(bounds, clock);
        store.disk = Some(disk);
        let (kept, left_out) = store.restore(rows);
        tracing::info!(
            kept,
            left_out,
            damaged,
            "kept responses were read from disk"
        );
        Ok(store)
    }

    /// Takes over what was kept before, and says how much of it was and was not.
    fn restore(&self, mut rows: Vec<Row>) -> (usize, usize) {
        let total = rows.len();
        rows.sort_unstable_by_key(|row| row.number);
        let mut latest = self.clock.unix();
        // By a clock that was set back since, the older might seem younger, and stay for too long.
        for row in rows.iter_mut().rev() {
            latest = latest.min(row.kept_at);
            row.kept_at = latest;
        }
        let mut table = self.lock();
        for row in rows {
            let key = row.key;
            let gone = match row.held() {
                Some((number, held)) => table.restore(key, number, held),
                None => vec![key],
            };
            self.erase(gone);
        }
        self.expire(&mut table);
        (table.len(), total - table.len())
    }

    /// The response of this id in this scope, if it is kept.
    #[must_use]
    pub fn get(&self, scope: Scope, id: &str) -> Option<Arc<KeptResponse>> {
        let key = key(scope, id);
        let mut table = self.lock();
        self.expire(&mut table);
        Some(Arc::clone(&table.get(&key)?.kept))
    }

    /// Keeps a response, in place of an older one of this id. One that is larger than all of them may be
    /// is not kept.
    pub fn put(&self, scope: Scope, id: &str, kept: KeptResponse) {
        let key = key(scope, id);
        // Copied, so that no larger buffer is held of which these are parts.
        let kept = KeptResponse {
            response: Bytes::copy_from_slice(&kept.response),
            input: Bytes::copy_from_slice(&kept.input),
            provider: kept.provider,
        };
        let held = Held {
            kept: Arc::new(kept),
            kept_at: self.clock.unix(),
        };
        let mut table = self.lock();
        self.expire(&mut table);
        let gone = table.put(key, held);
        if let (Some(disk), Some(row)) = (&self.disk, Row::of(&table, key)) {
            disk.put(row);
        }
        self.erase(gone);
    }

    /// Forgets a response; whether it was there.
    #[must_use]
    pub fn delete(&self, scope: Scope, id: &str) -> bool {
        let key = key(scope, id);
        let mut table = self.lock();
        self.expire(&mut table);
        let is_gone = table.remove(&key);
        if is_gone {
            self.erase([key]);
        }
        is_gone
    }

    /// Forgets what is too old.
    pub fn sweep(&self) {
        self.expire(&mut self.lock());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that all of them take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// How the file is; `None` if nothing outlives the process.
    #[must_use]
    pub fn disk(&self) -> Option<State> {
        self.disk.as_ref().map(Disk::state)
    }

    /// Saves what the disk has not got, because it was too slow or is new. Waits for room: not for
    /// async workers.
    pub fn save_unsaved(&self) {
        let Some(disk) = &self.disk else { return };
        let keys = match disk.take_unsaved() {
            Unsaved::Nothing => return,
            Unsaved::Keys(keys) => keys,
            Unsaved::Everything => self.lock().keys(),
        };
        for key in keys {
            // Not in one statement: the lock must not be held while this waits for room.
            let row = Row::of(&self.lock(), key);
            let Some(row) = row else { continue };
            let number = row.number;
            if !disk.put_blocking(row) {
                // There is no file; the next one will want all of them.
                return;
            }
            let table = self.lock();
            match Row::of(&table, key) {
                None => disk.remove(key),
                Some(newer) if newer.number != number => disk.put(newer),
                Some(_same) => {}
            }
        }
    }

    /// Waits until all that was kept so far is durable. Blocks: not for async workers.
    ///
    /// # Errors
    /// When it is not durable; never where nothing outlives the process.
    pub fn flush(&self) -> Result<(), NotDurable> {
        self.disk.as_ref().map_or(Ok(()), Disk::flush)
    }

    fn expire(&self, table: &mut Table) {
        self.erase(table.expire(self.clock.unix(), self.ttl));
    }

    fn erase(&self, keys: impl IntoIterator<Item = Key>) {
        let mut keys = keys.into_iter().peekable();
        if let Some(disk) = &self.disk
            && keys.peek().is_some()
        {
            disk.remove_many(keys);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing is left half done where a panic could come from.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a response is found by: outside its scope, its id leads nowhere.
fn key(scope: Scope, id: &str) -> Key {
    // No other name that is hashed in a scope begins so.
    scope.digest(&[b"response\0", id.as_bytes()].concat())
}
