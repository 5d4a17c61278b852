//! What the writing thread shares with those who cause changes, under one lock.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{
    Mode, State,
    backlog::{Backlog, Room, Unsaved},
    stored::{Key, Stored},
};
use crate::clock::Clock;

/// So many changes or bytes don't wait for more.
const CHANGES: usize = 1_000;
const BYTES: usize = 8 << 20;
/// What the thread shares.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) inner: Mutex<Inner<R>>,
    /// Something for the thread to do.
    pub(super) work: Condvar,
    /// Something was done: there is room, or a flush is over.
    pub(super) done: Condvar,
    pub(super) clock: Clock,
}

#[derive(Debug)]
pub(super) struct Inner<R> {
    pub(super) backlog: Backlog<R>,
    pub(super) meta: BTreeMap<String, Bytes>,
    pub(super) state: State,
    /// Flushes asked for, and the last one that is over.
    pub(super) asked: u64,
    pub(super) answered: u64,
    /// Somebody waits for the next commit.
    pub(super) hurry: bool,
    pub(super) renew: bool,
    pub(super) closing: bool,
    pub(super) closed: bool,
}

impl<R: Stored> Inner<R> {
    fn serving(&self) -> bool {
        matches!(self.state.mode, Mode::Serving) && !self.closed
    }

    /// Whether the next commit should not wait for more changes.
    pub(super) fn due(&self) -> bool {
        self.hurry
            || self.closing
            || self.renew
            || self.backlog.pending().changes.len() >= CHANGES
            || self.backlog.pending_bytes() >= BYTES
    }
}

impl<R: Stored> Shared<R> {
    pub(super) fn new(queue_bytes: usize, meta: BTreeMap<String, Bytes>, clock: &Clock) -> Self {
        Self {
            inner: Mutex::new(Inner {
                backlog: Backlog::new(queue_bytes),
                meta,
                state: State {
                    mode: Mode::Serving,
                    file_bytes: 0,
                    queued_bytes: 0,
                    last_commit: None,
                    dropped: 0,
                    failures: 0,
                },
                asked: 0,
                answered: 0,
                hurry: false,
                renew: false,
                closing: false,
                closed: false,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
            clock: clock.clone(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner<R>> {
        // Nothing is left half done where a panic could come from.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the backlog, if there is a file to be changed.
    fn change<T>(&self, change: impl FnOnce(&mut Backlog<R>) -> T) -> Option<T> {
        let mut inner = self.lock();
        if !inner.serving() {
            return None;
        }
        let (idle, due) = (inner.backlog.pending().is_empty(), inner.due());
        let result = change(&mut inner.backlog);
        // Waking the thread for each change would cost more than the change.
        if idle || (inner.due() && !due) {
            self.work.notify_one();
        }
        Some(result)
    }

    pub(super) fn put(&self, record: R) {
        if self.change(|backlog| backlog.put(record)) == Some(false) {
            self.lock().state.dropped += 1;
            metrics::counter!(R::KIND.metrics.dropped).increment(1);
        }
    }

    pub(super) fn put_blocking(&self, record: R) -> bool {
        let size = record.size();
        let mut inner = self.lock();
        while inner.serving() && inner.backlog.room(size) == Room::Later {
            inner.hurry = true;
            self.work.notify_one();
            inner = self
                .done
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let serving = inner.serving();
        drop(inner);
        self.put(record);
        serving
    }

    pub(super) fn remove(&self, keys: impl IntoIterator<Item = Key>) {
        self.change(|backlog| keys.into_iter().for_each(|key| backlog.remove(key)));
    }

    pub(super) fn prune(&self, key: Key) {
        self.change(|backlog| backlog.prune(key));
    }

    pub(super) fn clear(&self) {
        self.change(Backlog::clear);
    }

    pub(super) fn put_meta(&self, name: &str, value: Bytes) {
        // Kept in memory-only mode as well: the next file gets all of them.
        self.lock().meta.insert(name.to_owned(), value);
        self.change(|backlog| backlog.note_meta(name.to_owned()));
    }

    pub(super) fn meta(&self, name: &str) -> Option<Bytes> {
        self.lock().meta.get(name).cloned()
    }

    pub(super) fn renew(&self) {
        self.lock().renew = true;
        self.work.notify_one();
    }

    pub(super) fn take_unsaved(&self) -> Unsaved {
        let mut inner = self.lock();
        if inner.serving() {
            inner.backlog.take_unsaved()
        } else {
            Unsaved::Nothing
        }
    }

    pub(super) fn state(&self) -> State {
        let inner = self.lock();
        State {
            queued_bytes: inner.backlog.bytes() as u64,
            ..inner.state.clone()
        }
    }

    /// Waits until all changes so far are durable; `false` if they are not.
    pub(super) fn flush(&self) -> bool {
        let mut inner = self.lock();
        inner.asked += 1;
        inner.hurry = true;
        let (ticket, failures) = (inner.asked, inner.state.failures);
        self.work.notify_one();
        while inner.serving() && inner.answered < ticket {
            inner = self
                .done
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner.serving() && inner.state.failures == failures
    }

    /// Lets the thread end after a last commit.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    /// Waits until the state is as wanted.
    #[cfg(test)]
    pub(super) fn wait_for(&self, wanted: impl Fn(&State) -> bool) -> State {
        let inner = self.lock();
        let inner = self.done.wait_while(inner, |inner| !wanted(&inner.state));
        inner.unwrap().state.clone()
    }
}
