//! One connection from its first byte to its last.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    http::{Request, Version},
};
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    Limits, Peer,
    patient::Patient,
    streams::{Stream, Streams, between_looks, watched},
};
use crate::http::overload::OnSpareConnection;

/// How much of a request's head is read, in bytes; hyper answers 431 beyond it. Also how much of an answer waits
/// in a connection over HTTP/1 until the client takes it.
const LARGEST_HEAD: usize = 256 << 10;
/// How many headers a request may have; hyper answers 431 beyond it.
const MOST_HEADERS: usize = 128;
/// The same for HTTP/2, in bytes of names, values and 32 for each.
const LARGEST_HEAD_2: u32 = 64 << 10;
/// Streams at the same time on a connection over HTTP/2.
const MOST_STREAMS: u32 = 128;
/// How much of an answer waits in a stream of HTTP/2 until the client takes it, in bytes.
const STREAM_BUFFER: usize = 16 << 10;
/// When a silent peer is asked whether it is there, over HTTP/2.
const PING_AFTER: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// How long a spare connection waits for its request at most, and for its client to take the answer.
const SPARE_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a connection is within the limit of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    Regular,
    /// One of those beyond it, which take one request each and answer operators only.
    Spare,
}

/// What a server does with its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Serving,
    /// What is in flight is answered, nothing else.
    Draining,
    /// Nobody is waited for any longer.
    Cut,
}

/// How connections of a rank are treated.
#[derive(Debug)]
pub(super) struct Manners {
    builder: auto::Builder<Streams>,
    rank: Rank,
    idle: Duration,
    /// How long a client may take nothing of what there is for it.
    patience: Duration,
}

impl Manners {
    pub(super) fn new(limits: Limits, rank: Rank) -> Arc<Self> {
        let longest = match rank {
            Rank::Regular => Duration::MAX,
            Rank::Spare => SPARE_PATIENCE,
        };
        let idle = limits.header_timeout.min(longest);
        let patience = limits.write_timeout.min(longest);
        let mut builder = auto::Builder::new(Streams::new(patience));
        builder
            .http1()
            .timer(TokioTimer::new())
            .keep_alive(rank == Rank::Regular)
            .header_read_timeout(idle)
            .max_buf_size(LARGEST_HEAD)
            .max_headers(MOST_HEADERS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(LARGEST_HEAD_2)
            .max_concurrent_streams(MOST_STREAMS)
            .max_send_buf_size(STREAM_BUFFER)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PONG_WITHIN)
            .adaptive_window(true);
        Arc::new(Self {
            builder,
            rank,
            idle,
            patience,
        })
    }

    /// Answers what comes over `stream` until one side has enough, or until the server stops.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: Peer,
        router: Router,
        mut stages: watch::Receiver<Stage>,
    ) {
        let activity = Arc::new(Activity::new());
        let (router, rank) = (TowerToHyperService::new(router), self.rank);
        let service = service_fn(|mut request: Request<Incoming>| {
            let open = activity.open(request.version());
            request.extensions_mut().insert(peer);
            if rank == Rank::Spare {
                request.extensions_mut().insert(OnSpareConnection);
            }
            let answering = router.call(request);
            async move {
                let Ok(response) = answering.await;
                Ok::<_, Infallible>(match Stream::current() {
                    Some(stream) => response.map(|body| watched(body, stream, open)),
                    None => response,
                })
            }
        });
        let io = TokioIo::new(Patient::new(stream, self.patience));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let (mut is_watched, mut is_told) = (true, false);
        loop {
            let next_look = between_looks(self.patience);
            let next_look = if is_told {
                next_look
            } else {
                next_look.min(self.idle.saturating_sub(activity.since_request()))
            };
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                changed = stages.changed() => match (changed, *stages.borrow()) {
                    (Ok(()), Stage::Serving) => {}
                    (Ok(()), Stage::Draining) => connection.as_mut().graceful_shutdown(),
                    (Ok(()), Stage::Cut) | (Err(_), _) => return,
                },
                // hyper itself watches connections that speak HTTP/1, but neither those that have said nothing yet nor
                // those that speak HTTP/2.
                () = sleep(next_look), if is_watched => match activity.state(self) {
                    State::Watched => {}
                    State::Http1 => is_watched = false,
                    State::Enough if is_told => {}
                    State::Enough => {
                        is_told = true;
                        // What is in flight goes on.
                        connection.as_mut().graceful_shutdown();
                    }
                    State::Stuck => {
                        tracing::debug!("a client takes nothing of what is left for it over HTTP/2");
                        return;
                    }
                },
            }
        }
    }
}

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    Watched,
    /// Nothing: it speaks HTTP/1.
    Http1,
    /// No more requests are taken.
    Enough,
    /// All was answered long ago, and the client does not take what is left of it.
    Stuck,
}

/// What goes on on a connection.
#[derive(Debug)]
struct Activity(Mutex<Requests>);

#[derive(Debug)]
struct Requests {
    is_http1: bool,
    count: u64,
    /// When the last one came, or the connection.
    last: Instant,
    /// Those that are being answered.
    open: usize,
    /// Since when there are none of these.
    quiet: Instant,
}

impl Activity {
    fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Requests {
            is_http1: false,
            count: 0,
            last: now,
            open: 0,
            quiet: now,
        }))
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come. It is being answered until what is returned is dropped.
    fn open(self: &Arc<Self>, version: Version) -> Open {
        let mut requests = self.requests();
        requests.is_http1 = version < Version::HTTP_2;
        requests.count += 1;
        requests.open += 1;
        requests.last = Instant::now();
        drop(requests);
        Open(Arc::clone(self))
    }

    fn since_request(&self) -> Duration {
        self.requests().last.elapsed()
    }

    fn state(&self, manners: &Manners) -> State {
        let requests = self.requests();
        let Manners { idle, patience, .. } = *manners;
        if requests.is_http1 {
            State::Http1
        } else if requests.open == 0 && requests.quiet.elapsed() >= idle.saturating_add(patience) {
            State::Stuck
        } else if requests.last.elapsed() >= idle
            || (manners.rank == Rank::Spare && requests.count > 0)
        {
            State::Enough
        } else {
            State::Watched
        }
    }
}

/// A request that is being answered.
struct Open(Arc<Activity>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut requests = self.0.requests();
        requests.open = requests.open.saturating_sub(1);
        if requests.open == 0 {
            requests.quiet = Instant::now();
        }
    }
}
