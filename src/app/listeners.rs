//! The sockets that a gateway listens on.

use std::{io, net::SocketAddr};

use axum::Router;
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::{
    config::Config,
    http::server::{self, Limits, Stopped},
};

/// What is listened on.
#[derive(Debug)]
pub struct Listeners {
    /// For clients; for operators too, if they have none of their own.
    pub clients: TcpListener,
    /// For operators.
    pub operators: Option<TcpListener>,
}

/// An address that can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (`{setting}`): {source}")]
pub struct BindError {
    /// The setting that names it.
    pub setting: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

impl Listeners {
    /// Listens where `config` says.
    ///
    /// # Errors
    /// [`BindError`], for example if another process has the port.
    pub async fn bind(config: &Config) -> Result<Self, BindError> {
        let clients = bind("server.listen", config.server.listen).await?;
        let operators = match config.admin.listen {
            Some(address) => Some(bind("admin.listen", address).await?),
            None => None,
        };
        Ok(Self { clients, operators })
    }

    /// Serves the routes of clients and, where they have some of their own, those of operators, until `shutdown` is done
    /// and the requests in flight on both are answered.
    pub(super) async fn serve(
        self,
        (for_clients, for_operators): (Router, Option<Router>),
        limits: Limits,
        tasks: &TaskTracker,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<Stopped> {
        let shutdown = shutdown.shared();
        let serve =
            |listener, router| server::serve(listener, router, limits, tasks, shutdown.clone());
        let clients = serve(self.clients, for_clients);
        let Some((listener, router)) = self.operators.zip(for_operators) else {
            return clients.await;
        };
        let (clients, operators) = tokio::try_join!(clients, serve(listener, router))?;
        Ok(match operators {
            Stopped::Drained => clients,
            Stopped::TimedOut => operators,
        })
    }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| BindError {
        setting,
        address,
        source,
    })
}
