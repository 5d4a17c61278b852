//! Accepting connections, and stopping without cutting anybody off.
//!
//! Its own loop rather than [`axum::serve`], for the limits that it sets on heads, headers and
//! connections. Small answers leave at once on every connection (`TCP_NODELAY`).

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::task::TaskTracker;

/// How much of a request's head is read, in bytes; hyper answers 431 beyond it.
const LARGEST_HEAD: usize = 256 << 10;
/// How many headers a request may have; hyper answers 431 beyond it.
const MOST_HEADERS: usize = 128;

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long requests in flight may go on after the signal to stop.
    pub drain_timeout: Duration,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every request in flight was answered.
    Drained,
    /// Some were still in flight when the time was up.
    TimedOut,
}

/// Serves `router` until `shutdown` is done and the requests in flight are answered.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tasks: &TaskTracker,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Stopped> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(64 << 10)
        .max_concurrent_streams(256)
        .adaptive_window(true);
    let free = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, connection) = tokio::select! {
            (permit, connection) = accepted => (permit, connection),
            () = &mut shutdown => break,
        };
        let stream = match connection {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Of this one connection, or of too many open files: both pass.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    Ok(
        match timeout(limits.drain_timeout, graceful.shutdown()).await {
            Ok(()) => Stopped::Drained,
            Err(_) => Stopped::TimedOut,
        },
    )
}
