//! One connection from its first byte to its last.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
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
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, sync::watch, time::sleep};

use super::{Limits, patient::Patient};
use crate::http::overload::OnSpareConnection;

/// How much of a request's head is read, in bytes; hyper answers 431 beyond it. Also how much of an answer waits
/// in a connection over HTTP/1 until the client takes it.
const LARGEST_HEAD: usize = 256 << 10;
/// How many headers a request may have; hyper answers 431 beyond it.
const MOST_HEADERS: usize = 128;
/// The same for HTTP/2, in bytes of names, values and 32 for each.
const LARGEST_HEAD_2: u32 = 64 << 10;
/// Streams at the same time on a connection over HTTP/2.
const MOST_STREAMS: u32 = 256;
/// How much of an answer waits in a stream of HTTP/2 until the client takes it, in bytes.
const STREAM_BUFFER: usize = 64 << 10;
/// When a silent peer is asked whether it is there, over HTTP/2.
const PING_AFTER: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// How long a spare connection waits for its request at most.
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
    builder: auto::Builder<TokioExecutor>,
    rank: Rank,
    idle: Duration,
    write_timeout: Duration,
}

impl Manners {
    pub(super) fn new(limits: Limits, rank: Rank) -> Arc<Self> {
        let idle = match rank {
            Rank::Regular => limits.header_timeout,
            Rank::Spare => limits.header_timeout.min(SPARE_PATIENCE),
        };
        let mut builder = auto::Builder::new(TokioExecutor::new());
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
            write_timeout: limits.write_timeout,
        })
    }

    /// Answers what comes over `stream` until one side has enough, or until the server stops.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        router: Router,
        mut stages: watch::Receiver<Stage>,
    ) {
        let seen = Seen::default();
        let (router, rank) = (TowerToHyperService::new(router), self.rank);
        let service = service_fn(|mut request: Request<Incoming>| {
            seen.note(request.version());
            if rank == Rank::Spare {
                request.extensions_mut().insert(OnSpareConnection);
            }
            router.call(request)
        });
        let io = TokioIo::new(Patient::new(stream, self.write_timeout));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let (mut before, mut is_watched) = (0, true);
        loop {
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
                () = sleep(self.idle), if is_watched => {
                    // hyper itself watches connections that speak HTTP/1, but neither those that have said nothing
                    // yet nor those that speak HTTP/2.
                    let now = seen.requests.load(Ordering::Relaxed);
                    is_watched = !seen.is_http1.load(Ordering::Relaxed);
                    if is_watched && now == before {
                        is_watched = false;
                        // What is in flight goes on.
                        connection.as_mut().graceful_shutdown();
                    }
                    before = now;
                }
            }
        }
    }
}

/// What has come over a connection so far.
#[derive(Debug, Default)]
struct Seen {
    requests: AtomicU64,
    is_http1: AtomicBool,
}

impl Seen {
    fn note(&self, version: Version) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if version < Version::HTTP_2 {
            self.is_http1.store(true, Ordering::Relaxed);
        }
    }
}
