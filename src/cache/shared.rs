//! One stream for several readers, each at its own place.
//!
//! There is no task behind it: whichever reader needs more reads from the source on behalf of all,
//! so a reader that vanishes leaves the source to the others, and when the last one goes the source
//! goes too. Invariant: memory is bounded; a reader that falls behind by more than the bound loses
//! the stream (with an error), the others do not wait for it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
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

type OnEnd = Box<dyn FnOnce(Ended) + Send>;

/// A stream that several readers share.
pub struct Shared {
    provider: ProviderName,
    source: tokio::sync::Mutex<Option<BoxStream<'static, Result<Piece, UpstreamError>>>>,
    log: Mutex<Log>,
    /// Most bytes held.
    bound: usize,
}

struct Log {
    pieces: VecDeque<Bytes>,
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
    Piece(Bytes),
    End(Result<(), UpstreamError>),
    Lost,
    Wait,
}

impl Shared {
    /// Shares `rest`, which follows `first`. `on_end` is called once, before the last piece is handed
    /// to anybody; not at all if every reader vanishes first.
    #[must_use]
    pub fn new(
        provider: ProviderName,
        first: Piece,
        rest: BoxStream<'static, Result<Piece, UpstreamError>>,
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
    pub fn read(self: Arc<Self>) -> BoxStream<'static, Result<Bytes, UpstreamError>> {
        stream::unfold(Some((self, 0)), |state| async move {
            let (shared, place) = state?;
            match shared.next(place).await? {
                Ok(bytes) => Some((Ok(bytes), Some((shared, place + 1)))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    async fn next(&self, place: usize) -> Option<Result<Bytes, UpstreamError>> {
        loop {
            if let Some(ready) = self.ready(place).await {
                return ready;
            }
            let mut source = self.source.lock().await;
            // Another reader may have read on while this one waited for its turn.
            if matches!(self.look(place), Next::Wait) {
                let item = match source.as_mut() {
                    Some(source) => source.next().await,
                    None => None,
                };
                self.push(item);
            }
        }
    }

    async fn ready(&self, place: usize) -> Option<Option<Result<Bytes, UpstreamError>>> {
        match self.look(place) {
            Next::Piece(bytes) => Some(Some(Ok(bytes))),
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
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match place.checked_sub(log.base) {
            None => Next::Lost,
            Some(at) => match (log.pieces.get(at), &log.end) {
                (Some(bytes), _) => Next::Piece(bytes.clone()),
                (None, Some(end)) => Next::End(end.clone()),
                (None, None) => Next::Wait,
            },
        }
    }

    fn push(&self, item: Option<Result<Piece, UpstreamError>>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended = None;
        match item {
            Some(Ok(piece)) => {
                log.bytes += piece.bytes.len();
                log.pieces.push_back(piece.bytes);
                while log.bytes > self.bound && log.pieces.len() > 1 {
                    let dropped = log.pieces.pop_front().map_or(0, |piece| piece.len());
                    log.bytes -= dropped;
                    log.base += 1;
                }
                if piece.last {
                    log.end = Some(Ok(()));
                    let whole = (log.base == 0).then(|| {
                        log.pieces
                            .iter()
                            .fold(Vec::with_capacity(log.bytes), |mut all, piece| {
                                all.extend_from_slice(piece);
                                all
                            })
                    });
                    ended = Some(Ended::Whole(whole));
                }
            }
            Some(Err(error)) => {
                log.end = Some(Err(error.clone()));
                ended = Some(Ended::Broken(error));
            }
            None => {
                let kind = UpstreamErrorKind::Stream("it ended before the answer did".to_owned());
                let error = UpstreamError {
                    provider: self.provider.clone(),
                    kind,
                };
                log.end = Some(Err(error.clone()));
                ended = Some(Ended::Broken(error));
            }
        }
        let on_end = ended.is_some().then(|| log.on_end.take()).flatten();
        drop(log);
        if let (Some(ended), Some(on_end)) = (ended, on_end) {
            on_end(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_channel::mpsc;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn piece(text: &'static str) -> Piece {
        Piece {
            bytes: Bytes::from_static(text.as_bytes()),
            last: text == "end",
        }
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

    async fn all(stream: BoxStream<'static, Result<Bytes, UpstreamError>>) -> String {
        stream
            .map(|item| item.map_or("!".into(), |b| String::from_utf8(b.to_vec()).unwrap()))
            .collect()
            .await
    }

    #[tokio::test]
    async fn a_late_reader_gets_it_all() {
        let (shared, sender, ends) = shared(100);
        let mut first = Arc::clone(&shared).read();
        sender.unbounded_send(Ok(piece("b"))).unwrap();
        assert_eq!(first.next().await.unwrap().unwrap(), "a");
        assert_eq!(first.next().await.unwrap().unwrap(), "b");
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
        let (one, two) = tokio::join!(all(Arc::clone(&shared).read()), all(shared.read()));
        assert_eq!((one.as_str(), two.as_str()), ("a!", "a!"));
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
