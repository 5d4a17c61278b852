//! More than can be held at once, and clients that are slow on purpose.

mod bodies;
mod connections;
mod heads;
mod http2;
mod shedding;
mod slow;
mod stopping;

use crate::support::gateway::Gateway;

/// Waits until nothing is being answered.
async fn at_rest(gateway: &Gateway) {
    while gateway.stats().await["in_flight"] != serde_json::json!({"requests": 0, "bytes": 0}) {
        tokio::task::yield_now().await;
    }
}
