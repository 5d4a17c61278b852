//! The thread that makes changes durable.
//!
//! | mode | event | then |
//! |---|---|---|
//! | serving | changes wait | they are collected for a moment and committed together |
//! | serving | a commit fails | the file is unlinked; memory only |
//! | serving | the file turns out damaged | it is set aside, a fresh one made; everything is unsaved |
//! | memory only | a change | nothing: the file that will be made is empty |
//! | memory only | the retry's time has come | a fresh file; serving, and everything is unsaved |
//!
//! Unlinking is what keeps removals: a file that could not be told of one must not be read again.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{
    Mode, Options,
    backlog::Batch,
    failure::Failure,
    file::{DataFile, Directory},
    shared::{Inner, Shared},
    stored::Stored,
};
use crate::clock::Moment;

/// How long changes are collected for one commit. With two commits of a third of a second, on a
/// slow disk, a change is durable within a second.
const WINDOW: Duration = Duration::from_millis(250);
/// The wait between retries doubles up to this multiple of the first one.
const LONGEST_RETRY: u32 = 16;
/// After this time without a failure the next one is taken as the first.
const CALM: Duration = Duration::from_secs(600);

/// What there is to do next.
#[derive(Debug)]
enum Work<R> {
    Commit(Batch<R>, BTreeMap<String, Bytes>, u64),
    Renew,
    Retry,
    Stop,
}

/// The thread's own.
#[derive(Debug)]
pub(super) struct Writer<R> {
    shared: Arc<Shared<R>>,
    directory: Directory,
    file: Option<DataFile>,
    first_retry: Duration,
    retry: Duration,
    failed: Option<Moment>,
}

impl<R: Stored> Writer<R> {
    /// A writer of this file; without one it begins in memory-only mode.
    pub(super) fn new(
        shared: Arc<Shared<R>>,
        directory: Directory,
        file: Result<DataFile, Failure>,
        options: &Options,
    ) -> Self {
        let mut writer = Self {
            shared,
            directory,
            file: None,
            first_retry: options.retry,
            retry: options.retry,
            failed: None,
        };
        match file {
            Ok(file) => {
                writer.file = Some(file);
                writer.measure();
                metrics::gauge!(R::KIND.metrics.state).set(1.0);
            }
            Err(failure) => writer.fail(&failure),
        }
        writer
    }

    /// Works until it is closed.
    pub(super) fn run(mut self) {
        loop {
            match self.wait() {
                Work::Commit(batch, meta, ticket) => self.commit(batch, &meta, ticket),
                Work::Renew => self.renew(),
                Work::Retry => self.recover(),
                Work::Stop => break,
            }
        }
        if let Some(file) = self.file.take() {
            file.close();
        }
        // The lock of the directory goes before anybody hears that this is over.
        drop(self.directory);
        self.shared.lock().closed = true;
        self.shared.done.notify_all();
    }

    fn wait(&self) -> Work<R> {
        let shared = &*self.shared;
        let mut inner = shared.lock();
        if self.file.is_none() {
            let waited = shared
                .work
                .wait_timeout_while(inner, self.retry, |inner| !inner.closing);
            let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
            return if inner.closing {
                Work::Stop
            } else {
                Work::Retry
            };
        }
        let idle = |inner: &mut Inner<R>| inner.backlog.pending().is_empty() && !inner.due();
        let waited = shared.work.wait_while(inner, idle);
        inner = waited.unwrap_or_else(PoisonError::into_inner);
        let waited = shared
            .work
            .wait_timeout_while(inner, WINDOW, |inner| !inner.due());
        (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if inner.renew {
            return Work::Renew;
        }
        if inner.closing && inner.backlog.pending().is_empty() {
            return Work::Stop;
        }
        inner.hurry = false;
        let batch = inner.backlog.take();
        let changed = batch.meta.iter();
        let meta = changed
            .filter_map(|name| Some((name.clone(), inner.meta.get(name)?.clone())))
            .collect();
        Work::Commit(batch, meta, inner.asked)
    }

    fn commit(&mut self, batch: Batch<R>, meta: &BTreeMap<String, Bytes>, ticket: u64) {
        let Some(file) = &mut self.file else { return };
        if !batch.is_empty()
            && let Err(failure) = file.commit(batch, meta)
        {
            self.fail(&failure);
            return;
        }
        self.measure();
        let mut inner = self.shared.lock();
        inner.backlog.settle();
        inner.answered = ticket;
        inner.state.last_commit = Some(self.shared.clock.now());
        drop(inner);
        self.shared.done.notify_all();
    }

    /// Notes the length of the file.
    fn measure(&self) {
        let bytes = self.file.as_ref().map_or(0, DataFile::length);
        self.shared.lock().state.file_bytes = bytes;
        #[expect(clippy::cast_precision_loss, reason = "a gauge needs no 2^53 bytes")]
        metrics::gauge!(R::KIND.metrics.bytes).set(bytes as f64);
    }

    /// Goes on in memory only.
    fn fail(&mut self, failure: &Failure) {
        if let Some(file) = self.file.take() {
            file.close();
        }
        let now = self.shared.clock.now();
        let recent = self
            .failed
            .is_some_and(|last| now.since(last) < self.retry + CALM);
        self.retry = if recent {
            (self.retry * 2).min(self.first_retry * LONGEST_RETRY)
        } else {
            self.first_retry
        };
        self.failed = Some(now);
        tracing::error!(
            error = %failure,
            retry_s = self.retry.as_secs(),
            "{} can't be written; what belongs there is in memory only until it can",
            R::KIND.title
        );
        if let Err(error) = self.directory.unlink() {
            tracing::error!(
                %error,
                "{} can't be removed either; delete it before the next start, or entries that were removed come back",
                R::KIND.title
            );
        }
        metrics::gauge!(R::KIND.metrics.state).set(0.0);
        metrics::counter!(R::KIND.metrics.failures, "reason" => failure.reason()).increment(1);
        self.measure();
        let mut inner = self.shared.lock();
        inner.backlog.abandon();
        inner.renew = false;
        inner.state.failures += 1;
        inner.state.mode = Mode::MemoryOnly {
            since: now,
            why: failure.to_string(),
        };
        drop(inner);
        self.shared.done.notify_all();
    }

    /// Tries to have a file again.
    fn recover(&mut self) {
        match self.fresh() {
            Ok(file) => {
                self.serve_anew(file);
                tracing::info!("{} can be written again", R::KIND.title);
            }
            Err(failure) => {
                self.retry = (self.retry * 2).min(self.first_retry * LONGEST_RETRY);
                self.failed = Some(self.shared.clock.now());
                tracing::debug!(error = %failure, "{} still can't be written", R::KIND.title);
                metrics::counter!(R::KIND.metrics.failures, "reason" => failure.reason())
                    .increment(1);
            }
        }
    }

    /// Sets a damaged file aside; everything it held is in memory by now.
    fn renew(&mut self) {
        if let Some(file) = self.file.take() {
            file.close();
        }
        let aside = self.directory.set_aside("its tree is damaged".to_owned());
        match aside
            .map_err(Failure::from)
            .and_then(|aside| Ok((aside, self.fresh()?)))
        {
            Ok((aside, file)) => {
                tracing::warn!(
                    file = %aside.path.display(),
                    "{} is damaged and was set aside; what could be read is saved anew",
                    R::KIND.title
                );
                self.serve_anew(file);
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// A new file with the small values in it.
    fn fresh(&self) -> Result<DataFile, Failure> {
        let mut file = self.directory.fresh()?;
        let meta = self.shared.lock().meta.clone();
        let mut batch = Batch::<R>::default();
        batch.meta.extend(meta.keys().cloned());
        file.commit(batch, &meta)?;
        Ok(file)
    }

    fn serve_anew(&mut self, file: DataFile) {
        self.file = Some(file);
        self.measure();
        metrics::gauge!(R::KIND.metrics.state).set(1.0);
        let mut inner = self.shared.lock();
        inner.renew = false;
        inner.backlog.abandon();
        inner.backlog.miss_everything();
        // Those that changed while the file was made.
        for name in inner.meta.keys().cloned().collect::<Vec<_>>() {
            inner.backlog.note_meta(name);
        }
        inner.state.mode = Mode::Serving;
        drop(inner);
        self.shared.done.notify_all();
    }
}
