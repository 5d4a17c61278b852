//! Answers over HTTP/2, whose clients can refuse to take them while the connection itself goes on.
//!
//! Flow control is the client's: with a window of nothing, what there is of an answer stays here, and the socket never
//! blocks. From outside one sees only when hyper asks for more of a body: it does so as soon as the window covers what
//! it has got so far. So a stream waits on its client while a piece was handed over and no other is asked for, and on
//! us while there is no piece. One that waits on its client for too long is reset; the others of its connection go on.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::{
    body::{Frame, SizeHint},
    rt::Executor,
};
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep};

use crate::http::pieces::Pieces;

/// What is handed over at once, in bytes: as much a client has to take now and then to be kept.
const PIECE: usize = 4 << 10;

tokio::task_local! {
    /// The stream that is being answered.
    static STREAM: Arc<Stream>;
}

/// Runs streams, each until it is answered or its client takes nothing for `patience`.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    patience: Duration,
}

impl Streams {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, answering: F) {
        let (stream, patience) = (Arc::new(Stream::default()), self.patience);
        let running = Arc::clone(&stream);
        TokioExecutor::new().execute(STREAM.scope(stream, async move {
            // Dropping what answers resets the stream.
            tokio::select! {
                biased;
                _ = answering => {}
                () = running.is_refused_for(patience) => {
                    tracing::debug!("a client takes nothing of its answer over HTTP/2");
                }
            }
        }));
    }
}

/// A stream, and whom it waits on.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Since when it waits on its client, if it does.
    handed_over: Mutex<Option<Instant>>,
}

impl Stream {
    /// The one that the task at hand answers; nothing over HTTP/1.
    pub(super) fn current() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    fn set(&self, handed_over: Option<Instant>) {
        let mut slot = self
            .handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = handed_over;
    }

    fn handed_over(&self) -> Option<Instant> {
        *self
            .handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Done when it has waited on its client for `patience`, or up to a quarter more.
    async fn is_refused_for(&self, patience: Duration) {
        loop {
            let waited = self.handed_over().map(|since| since.elapsed());
            if waited.is_some_and(|waited| waited >= patience) {
                return;
            }
            sleep(between_looks(patience)).await;
        }
    }
}

/// How often something that may last for `patience` is looked at.
pub(super) fn between_looks(patience: Duration) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(10);
    (patience / 4).max(SHORTEST)
}

/// `body`, which tells `stream` whom it waits on, and keeps `guard` until the client has room for all of it.
pub(super) fn watched<G: Send + 'static>(body: Body, stream: Arc<Stream>, guard: G) -> Body {
    stream.set(Some(Instant::now()));
    Body::new(Watched {
        body: Pieces::new(body),
        stream,
        _guard: guard,
    })
}

struct Watched<G> {
    body: Pieces,
    stream: Arc<Stream>,
    _guard: G,
}

/// The guard is never pinned, whatever it is.
impl<G> Unpin for Watched<G> {}

impl<G> hyper::body::Body for Watched<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // hyper parts with a piece when the window has room for one byte of it. So the last byte comes by itself: when
        // that is parted with, there was room for all the others.
        let next = self.body.poll(context, |there| {
            there.saturating_sub(1).clamp(there.min(1), PIECE)
        });
        self.stream.set(next.is_ready().then(Instant::now));
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.left()
    }
}
