//! Asking while nobody waits: for what has become stale, and to check what was served.

use std::sync::Arc;

use futures_util::StreamExt;

use super::{Gateway, Order, dispatch::collect, learn::Near, reply::ReplyBody};
use crate::policy::learn::Source;

impl Gateway {
    /// Asks for a fresh answer in the background, unless enough of that is going on. Whoever asks the
    /// same meanwhile shares the call.
    pub(super) fn refresh(self: &Arc<Self>, order: Order) {
        let Some(key) = order.call_key() else { return };
        let Ok(permit) = Arc::clone(&self.background).try_acquire_owned() else {
            return;
        };
        // Whose account pays for it, unlike for what is checked.
        if let Some(account) = &order.account {
            order.journal.client(account.name());
        }
        let gateway = Arc::clone(self);
        self.tasks.spawn(async move {
            let _permit = permit;
            let flight = gateway.flights.join(key);
            // What fails here was answered already; the next one who asks finds out.
            if let Ok(reply) = gateway.fly(order, flight, None).await
                && let ReplyBody::Events(mut events) = reply.body
            {
                // A stream is kept when it has been read to its end.
                while events.next().await.is_some() {}
            }
        });
    }

    /// Asks a provider what was answered from the cache, and compares the two.
    pub(super) fn check(self: &Arc<Self>, near: Near, order: Order) {
        let Ok(permit) = Arc::clone(&self.background).try_acquire_owned() else {
            return;
        };
        let gateway = Arc::clone(self);
        self.tasks.spawn(async move {
            let _permit = permit;
            let Ok((reply, source, _)) = gateway.ask(&order).await else {
                return;
            };
            let Some(answer) = collect(reply, gateway.max_shared).await else {
                return;
            };
            gateway.ledger.count(order.facts.way);
            // What another model says, or to less of the prompt, tells nothing of the kept answer.
            if source.is_first_choice {
                gateway.learner.compare(near, Source::Shadow, &answer);
            }
        });
    }
}
