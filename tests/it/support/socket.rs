//! HTTP on a socket, for the fake providers.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

use super::answer::Body;

/// Serves everybody who connects, until it is dropped.
pub(super) async fn serve<A>(
    listener: TcpListener,
    respond: impl Fn(Request<Incoming>) -> A + Clone + Send + 'static,
) where
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let respond = respond.clone();
        let service = hyper::service::service_fn(move |request| {
            let answer = respond(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(async move {
            // Ends with an error where a script cuts the connection.
            let http = hyper::server::conn::http1::Builder::new();
            let _cut = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
