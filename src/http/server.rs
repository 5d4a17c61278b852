//! Accepting connections, and stopping without cutting anybody off.
//!
//! Its own loop rather than [`axum::serve`], for the limits that it sets on heads, headers and
//! connections. Small answers leave at once on every connection (`TCP_NODELAY`).
//!
//! | a client that | is |
//! |---|---|
//! | is one too many | told 503 by one of a few spare connections, which still answer operators; hung up on where there is none of these |
//! | connects and sends no request, or no more requests, for `header_timeout` | hung up on |
//! | does not finish the head of its request in `header_timeout` | hung up on |
//! | sends too many headers, or too long ones | told 431 |
//! | takes nothing of its answer for `write_timeout` | hung up on; over HTTP/2, where answers share a connection, loses this answer |
//! | has been answered and does not take what is left, over HTTP/2 | hung up on after both |
//! | is gone without a word, over HTTP/2 | noticed by a ping |

use std::{io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use self::connection::{Manners, Rank, Stage};
use super::overload::Excess;

mod connection;
mod patient;
mod streams;

/// Connections beyond the limit that are answered, so that the refused hear why and operators can look.
const SPARE: usize = 64;

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long a client may take nothing of an answer that is there.
    pub write_timeout: Duration,
    /// How long requests in flight may go on after the signal to stop.
    pub drain_timeout: Duration,
}

/// In the extensions of a request: the address that its connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer(pub(super) IpAddr);

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
    let regular = Manners::new(limits, Rank::Regular);
    let spare = Manners::new(limits, Rank::Spare);
    let places = Arc::new(Semaphore::new(
        limits.connections.min(Semaphore::MAX_PERMITS),
    ));
    let spare_places = Arc::new(Semaphore::new(SPARE));
    let (stage, stages) = watch::channel(Stage::Serving);
    let mut shutdown = pin!(shutdown);
    loop {
        let connection = tokio::select! {
            connection = listener.accept() => connection,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match connection {
            Ok((stream, peer)) => (stream, Peer(peer.ip())),
            Err(error) => {
                // Of this one connection, or of too many open files: both pass.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let place = Arc::clone(&places).try_acquire_owned();
        let is_regular = place.is_ok();
        let place = place.or_else(|_| Arc::clone(&spare_places).try_acquire_owned());
        let Ok(place) = place else {
            Excess::Connections.count();
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let manners = Arc::clone(if is_regular { &regular } else { &spare });
        let (router, stages) = (router.clone(), stages.clone());
        tasks.spawn(async move {
            manners.serve(stream, peer, router, stages).await;
            drop(place);
        });
    }
    drop((listener, stages));
    stage.send_replace(Stage::Draining);
    let drained = timeout(limits.drain_timeout, stage.closed()).await;
    if drained.is_ok() {
        return Ok(Stopped::Drained);
    }
    stage.send_replace(Stage::Cut);
    stage.closed().await;
    Ok(Stopped::TimedOut)
}
