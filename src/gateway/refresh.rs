//! Asking again for what has become stale, while nobody waits.

use std::sync::Arc;

use futures_util::StreamExt;

use super::{Gateway, Order, reply::ReplyBody};

impl Gateway {
    /// Asks for a fresh answer in the background, unless enough of that is going on. Whoever asks the
    /// same meanwhile shares the call.
    pub(super) fn refresh(self: &Arc<Self>, order: Order) {
        let Some(fingerprint) = order
            .ticket
            .as_ref()
            .map(|ticket| ticket.identity.fingerprint)
        else {
            return;
        };
        let Ok(permit) = Arc::clone(&self.background).try_acquire_owned() else {
            return;
        };
        let gateway = Arc::clone(self);
        self.tasks.spawn(async move {
            let _permit = permit;
            let delivery = order.request.delivery();
            let flight = gateway.flights.join(fingerprint, delivery);
            // What fails here was answered already; the next one who asks finds out.
            if let Ok(reply) = gateway.fly(order, flight, None).await
                && let ReplyBody::Events(mut events) = reply.body
            {
                // A stream is kept when it has been read to its end.
                while events.next().await.is_some() {}
            }
        });
    }
}
