//! One stream for several readers, each at its own place.
//!
//! There is no task behind it: whichever reader needs more reads from the source on behalf of all,
//! so a reader that vanishes leaves the source to the others, and when the last one goes the source
//! goes too. Invariant: memory is bounded; a reader that falls behind by more than the bound loses
//! the stream (with an error), the others do not wait for it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use crate::{
    error::{UpstreamError, UpstreamErrorKind},
    ident::ProviderName,
    provider::Piece,
};

/// What a stream came to.
#[derive(Debug)]
pub enum Ended {
    /// It is whole; its bytes, unless there were too many to keep.
    Whole(Option<Vec<u8>>),
    /// It broke.
    Broken(UpstreamError),
}

type Source = BoxStream<'static, Result<Piece, UpstreamError>>;
type OnEnd = Box<dyn FnOnce(Ended) + Send>;

/// A stream that several readers share.
pub struct Shared {
    provider: ProviderName,
    source: tokio::sync::Mutex<Option<Source>>,
    log: Mutex<Log>,
    /// Most bytes held.
    bound: usize,
}

struct Log {
    pieces: VecDeque<Piece>,
    /// The number of the first piece held.
    base: usize,
    bytes: usize,
    end: Option<Result<(), UpstreamError>>,
    on_end: Option<OnEnd>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

enum Next {
    Piece(Piece),
    End(Result<(), UpstreamError>),
    Lost,
    Wait,
}

enum Progress {
    Open,
    Whole(Vec<Piece>),
    Broken(UpstreamError),
    TooLarge,
}

impl Shared {
    /// Shares `rest`, which follows `first`. `on_end` is called once, before the last piece is handed
    /// to anybody; not at all if every reader vanishes first.
    #[must_use]
    pub fn new(
        provider: ProviderName,
        first: Piece,
        rest: Source,
        bound: usize,
        on_end: impl FnOnce(Ended) + Send + 'static,
    ) -> Arc<Self> {
        let log = Log {
            pieces: VecDeque::new(),
            base: 0,
            bytes: 0,
            end: None,
            on_end: Some(Box::new(on_end)),
        };
        let shared = Self {
            provider,
            source: tokio::sync::Mutex::new(Some(rest)),
            log: Mutex::new(log),
            bound,
        };
        shared.push(Some(Ok(first)));
        Arc::new(shared)
    }

    /// The stream from its beginning. Ends after the last piece or an error.
    #[must_use]
    pub fn read(self: Arc<Self>) -> BoxStream<'static, Result<Piece, UpstreamError>> {
        stream::unfold(Some((self, 0)), |state| async move {
            let (shared, place) = state?;
            match shared.next(place).await? {
                Ok(piece) => Some((Ok(piece), Some((shared, place + 1)))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// The bytes of the whole stream, read to its end; `None` as soon as there are too many to hold.
    /// May be dropped and called again at any time.
    ///
    /// # Errors
    /// What the stream broke with.
    pub async fn whole(&self) -> Result<Option<Vec<u8>>, UpstreamError> {
        loop {
            match self.progress() {
                Progress::Whole(pieces) => return Ok(Some(joined(pieces.iter()))),
                Progress::Broken(error) => return Err(error),
                Progress::TooLarge => return Ok(None),
                Progress::Open => {}
            }
            let mut source = self.source.lock().await;
            if matches!(self.progress(), Progress::Open) {
                self.read_on(&mut source).await;
            }
        }
    }

    /// Whether whoever begins to read now still gets the beginning.
    #[must_use]
    pub fn has_beginning(&self) -> bool {
        self.log().base == 0
    }

    async fn next(&self, place: usize) -> Option<Result<Piece, UpstreamError>> {
        loop {
            if let Some(ready) = self.ready(place).await {
                return ready;
            }
            let mut source = self.source.lock().await;
            // Another reader may have read on while this one waited for its turn.
            if matches!(self.look(place), Next::Wait) {
                self.read_on(&mut source).await;
            }
        }
    }

    async fn read_on(&self, source: &mut Option<Source>) {
        let item = match source {
            Some(source) => source.next().await,
            None => None,
        };
        self.push(item);
    }

    async fn ready(&self, place: usize) -> Option<Option<Result<Piece, UpstreamError>>> {
        match self.look(place) {
            Next::Piece(piece) => Some(Some(Ok(piece))),
            Next::End(Err(error)) => Some(Some(Err(error))),
            Next::Lost => {
                let why = "this client reads too slowly".to_owned();
                let kind = UpstreamErrorKind::Stream(why);
                Some(Some(Err(UpstreamError {
                    provider: self.provider.clone(),
                    kind,
                })))
            }
            Next::End(Ok(())) => {
                // Reading the source to its end lets its connection serve again.
                if let Ok(mut source) = self.source.try_lock()
                    && let Some(mut source) = source.take()
                {
                    while source.next().await.is_some() {}
                }
                Some(None)
            }
            Next::Wait => None,
        }
    }

    fn look(&self, place: usize) -> Next {
        let log = self.log();
        match place.checked_sub(log.base) {
            None => Next::Lost,
            Some(at) => match (log.pieces.get(at), &log.end) {
                (Some(piece), _) => Next::Piece(piece.clone()),
                (None, Some(end)) => Next::End(end.clone()),
                (None, None) => Next::Wait,
            },
        }
    }

    fn progress(&self) -> Progress {
        let log = self.log();
        match &log.end {
            _ if log.base > 0 => Progress::TooLarge,
            None => Progress::Open,
            Some(Ok(())) => Progress::Whole(log.pieces.iter().cloned().collect()),
            Some(Err(error)) => Progress::Broken(error.clone()),
        }
    }

    /// Only whoever has the source, or makes the stream, pushes: no two do at a time.
    fn push(&self, item: Option<Result<Piece, UpstreamError>>) {
        let item = item.unwrap_or_else(|| {
            let kind = UpstreamErrorKind::Stream("it ended before the answer did".to_owned());
            Err(UpstreamError {
                provider: self.provider.clone(),
                kind,
            })
        });
        let ended = match &item {
            Ok(piece) if piece.last => Some(Ended::Whole(self.whole_with(piece))),
            Ok(_) => None,
            Err(error) => Some(Ended::Broken(error.clone())),
        };
        if let Some(ended) = ended {
            let on_end = self.log().on_end.take();
            if let Some(on_end) = on_end {
                on_end(ended);
            }
        }
        let mut log = self.log();
        match item {
            Ok(piece) => {
                if piece.last {
                    log.end = Some(Ok(()));
                }
                log.bytes += piece.weight();
                log.pieces.push_back(piece);
                while log.bytes > self.bound && log.pieces.len() > 1 {
                    let dropped = log.pieces.pop_front().map_or(0, |piece| piece.weight());
                    log.bytes -= dropped;
                    log.base += 1;
                }
            }
            Err(error) => log.end = Some(Err(error)),
        }
    }

    /// The whole stream if `last` ends it, unless it is too large.
    fn whole_with(&self, last: &Piece) -> Option<Vec<u8>> {
        let log = self.log();
        let fits = log.pieces.is_empty() || log.bytes + last.weight() <= self.bound;
        if log.base > 0 || !fits {
            return None;
        }
        let pieces: Vec<_> = log.pieces.iter().chain([last]).cloned().collect();
        drop(log);
        Some(joined(pieces.iter()))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn joined<'a>(pieces: impl Iterator<Item = &'a Piece> + Clone) -> Vec<u8> {
    let length = pieces.clone().map(|piece| piece.bytes.len()).sum();
    pieces.fold(Vec::with_capacity(length), |mut all, piece| {
        all.extend_from_slice(&piece.bytes);
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_channel::mpsc;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn piece(text: &'static str) -> Piece {
        Piece::new(Bytes::from_static(text.as_bytes()), text == "end")
    }

    type Sender = mpsc::UnboundedSender<Result<Piece, UpstreamError>>;

    fn shared(bound: usize) -> (Arc<Shared>, Sender, Arc<Mutex<Vec<String>>>) {
        let (sender, receiver) = mpsc::unbounded();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ends);
        let name = ProviderName::new("p").unwrap();
        let shared = Shared::new(name, piece("a"), receiver.boxed(), bound, move |ended| {
            seen.lock().unwrap().push(format!("{ended:?}"));
        });
        (shared, sender, ends)
    }

    async fn all(stream: Source) -> String {
        stream
            .map(|item| {
                item.map_or("!".into(), |piece| {
                    String::from_utf8(piece.bytes.to_vec()).unwrap()
                })
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn a_late_reader_gets_it_all() {
        let (shared, sender, ends) = shared(100);
        let mut first = Arc::clone(&shared).read();
        sender.unbounded_send(Ok(piece("b"))).unwrap();
        assert_eq!(first.next().await.unwrap().unwrap().bytes, "a");
        assert_eq!(first.next().await.unwrap().unwrap().bytes, "b");
        let late = Arc::clone(&shared).read();
        sender.unbounded_send(Ok(piece("end"))).unwrap();
        drop(sender);
        let (rest, late) = tokio::join!(all(first), all(late));
        assert_eq!((rest.as_str(), late.as_str()), ("end", "abend"));
        assert_eq!(ends.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_reader_that_vanishes_while_reading_leaves_nothing_behind() {
        let (shared, sender, _) = shared(100);
        let mut first = Arc::clone(&shared).read();
        let mut second = Arc::clone(&shared).read();
        first.next().await;
        second.next().await;
        assert!(first.next().now_or_never().is_none());
        assert!(second.next().now_or_never().is_none());
        drop(first);
        sender.unbounded_send(Ok(piece("end"))).unwrap();
        drop(sender);
        assert_eq!(all(second).await, "end");
    }

    #[tokio::test]
    async fn a_break_reaches_every_reader_and_nothing_is_kept() {
        let (shared, sender, ends) = shared(100);
        drop(sender);
        let readers = [(); 2].map(|()| Arc::clone(&shared).read());
        let [one, two] = readers.map(all);
        let (one, two, whole) = tokio::join!(one, two, shared.whole());
        assert_eq!((one.as_str(), two.as_str()), ("a!", "a!"));
        assert!(whole.is_err());
        assert!(ends.lock().unwrap()[0].starts_with("Broken"));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_a_slow_reader_is_told() {
        let (shared, sender, ends) = shared(3);
        let slow = Arc::clone(&shared).read();
        let fast = Arc::clone(&shared).read();
        for _ in 0..5 {
            sender.unbounded_send(Ok(piece("xx"))).unwrap();
        }
        sender.unbounded_send(Ok(piece("end"))).unwrap();
        drop(sender);
        assert_eq!(all(fast).await, "axxxxxxxxxxend");
        assert_eq!(all(slow).await, "!");
        assert_eq!(*ends.lock().unwrap(), ["Whole(None)"]);
    }

    #[tokio::test]
    async fn the_whole_is_read_together_with_others_and_after_them() {
        let (shared, sender, _) = shared(100);
        let mut reader = Arc::clone(&shared).read();
        reader.next().await;
        // Given up half-way, nothing is lost.
        assert!(shared.whole().now_or_never().is_none());
        sender.unbounded_send(Ok(piece("b"))).unwrap();
        sender.unbounded_send(Ok(piece("end"))).unwrap();
        drop(sender);
        let (whole, rest) = tokio::join!(shared.whole(), all(reader));
        assert_eq!(
            (whole.unwrap().unwrap(), rest),
            (b"abend".to_vec(), "bend".into())
        );
        assert_eq!(shared.whole().await.unwrap().unwrap(), b"abend");
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_read_to_its_end() {
        let (shared, sender, _) = shared(3);
        sender.unbounded_send(Ok(piece("xx"))).unwrap();
        sender.unbounded_send(Ok(piece("xx"))).unwrap();
        assert!(shared.has_beginning());
        assert!(shared.whole().await.unwrap().is_none());
        assert!(!shared.has_beginning());
    }

    #[tokio::test]
    async fn the_end_is_told_before_anybody_can_read_it() {
        let (sender, receiver) = mpsc::unbounded();
        let reader: Arc<Mutex<Option<Source>>> = Arc::default();
        let (late, seen) = (Arc::clone(&reader), Arc::new(Mutex::new(String::new())));
        let saw = Arc::clone(&seen);
        let name = ProviderName::new("p").unwrap();
        let shared = Shared::new(name, piece("a"), receiver.boxed(), 9, move |_| {
            let mut late = late.lock().unwrap().take().unwrap();
            while let Some(Some(item)) = late.next().now_or_never() {
                let bytes = item.unwrap().bytes.to_vec();
                saw.lock()
                    .unwrap()
                    .push_str(&String::from_utf8(bytes).unwrap());
            }
        });
        *reader.lock().unwrap() = Some(Arc::clone(&shared).read());
        sender.unbounded_send(Ok(piece("end"))).unwrap();
        assert_eq!(shared.whole().await.unwrap().unwrap(), b"aend");
        assert_eq!(*seen.lock().unwrap(), "a");
    }

    #[tokio::test]
    async fn the_source_goes_with_the_last_reader() {
        let dropped = Arc::new(AtomicUsize::new(0));
        struct Guard(Arc<AtomicUsize>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let guard = Guard(Arc::clone(&dropped));
        let source = stream::pending()
            .map(move |item| {
                let _keep = &guard;
                item
            })
            .boxed();
        let name = ProviderName::new("p").unwrap();
        let shared = Shared::new(name, piece("a"), source, 9, |_| {});
        let mut reader = shared.read();
        reader.next().await;
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        drop(reader);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}
