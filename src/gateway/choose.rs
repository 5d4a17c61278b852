//! From a request's destination to its route: where its conversation is, else what kind of work it is.

use std::sync::Arc;

use super::{
    Gateway, Order,
    catalogue::{Destination, Route},
    dispatch::{Sending, Source, dispatch},
    pins::Pin,
    record::Ticket,
    setup::Tasks,
};
use crate::{
    cache::entry::Entry,
    embed::Embedding,
    error::UpstreamError,
    ident::TaskName,
    policy::{
        routing::conversation::Keys,
        task::{self, Classified, Signals},
    },
    provider::ChatReply,
    telemetry::{
        journal::{Journal, Stage, outcome},
        ledger::Way,
        names,
    },
    wire::chat::ChatRequest,
};

/// Where a request goes.
pub(super) struct Chosen {
    pub(super) route: Arc<Route>,
    /// Who has answered its conversation so far.
    pub(super) pinned: Option<Pin>,
    /// Under which its conversation is found; `None` if there is but one way to go.
    pub(super) keys: Option<Keys>,
    /// What kind of work it is, if that had to be found out.
    pub(super) classified: Option<Classified>,
    /// The vector of its text, if it was made for that.
    pub(super) embedding: Option<Embedding>,
}

impl Gateway {
    /// Asks whoever `order` goes to; with the right to keep the answer, if there is one.
    ///
    /// # Errors
    /// As of [`dispatch`].
    pub(super) async fn ask(
        &self,
        order: &Order,
    ) -> Result<(ChatReply, Source, Option<Ticket>), UpstreamError> {
        let Chosen {
            route,
            pinned,
            keys,
            embedding,
            classified,
        } = self.choose(order).await;
        if matches!(order.destination, Destination::Auto { .. }) {
            let task = (route.task.as_ref()).map_or_else(String::new, ToString::to_string);
            let why = classified.map_or("conversation", |classified| classified.why.as_str());
            metrics::counter!(names::ROUTED, "task" => task, "reason" => why).increment(1);
        }
        let sending = Sending {
            route: &route,
            request: &order.request,
            scope: Some(order.scope),
            budget: order.setup.budget(&order.wish, &route),
            pinned: pinned.as_ref().map(|pin| (&pin.provider, &pin.model)),
            behalf: order.behalf(&self.ledger),
            has_last_resort: !order.has_stale,
        };
        // Apart, so that the future of a request that the cache answers is not as large.
        let (reply, source) = Box::pin(dispatch(&sending, &self.clock)).await?;
        // What is asked while nobody waits is no turn of a conversation.
        let keys = keys.filter(|_| order.facts.way != Way::Background);
        if let Some(keys) = keys {
            let pin = Pin {
                provider: source.provider.clone(),
                model: source.model.clone(),
                task: route.task.clone(),
            };
            self.pins.remember(&keys, pin);
        }
        let mut ticket = order.ticket.clone().filter(|_| source.is_first_choice);
        if let Some(ticket) = &mut ticket {
            ticket.embedding = ticket.embedding.take().or(embedding);
        }
        // What is configured for a declared kind of work is in the ticket already.
        if matches!(order.destination, Destination::Auto { .. }) {
            let cache = (route.task.as_ref())
                .map_or_else(Default::default, |task| order.setup.of_task(task));
            ticket = ticket.filter(|_| cache.enabled != Some(false));
            if let (Some(ticket), Some(ttl)) = (&mut ticket, cache.ttl) {
                ticket.ttl = ticket.ttl.min(ttl);
            }
        }
        Ok((reply, source, ticket))
    }

    /// Has the conversation of a request that the cache answered stay where it was, or where the answer is
    /// from.
    pub(super) fn stay(&self, keys: Option<Keys>, entry: &Entry) {
        let Some(keys) = keys else { return };
        let pin = self.pins.find(&keys).unwrap_or_else(|| Pin {
            provider: entry.provider.clone(),
            model: entry.model.clone(),
            task: None,
        });
        self.pins.remember(&keys, pin);
    }

    /// Where `order` goes.
    pub(super) async fn choose(&self, order: &Order) -> Chosen {
        let Order { setup, request, .. } = order;
        let keys = setup.keys(&order.destination, order.scope, request);
        let pinned = keys.as_ref().and_then(|keys| self.pins.find(keys));
        let chosen = |route| Chosen {
            route,
            pinned: pinned.clone(),
            keys,
            classified: None,
            embedding: None,
        };
        let (fast, otherwise) = match &order.destination {
            Destination::Route(route) => return chosen(Arc::clone(route)),
            Destination::Auto { fast, otherwise } => (*fast, otherwise),
        };
        let for_task = |task: &TaskName| {
            let route = setup.catalogue.for_task(task, fast);
            route.unwrap_or_else(|_| Arc::clone(otherwise))
        };
        if let Some(task) = pinned.as_ref().and_then(|pin| pin.task.as_ref()) {
            return chosen(for_task(task));
        }
        let Some(tasks) = &setup.tasks else {
            return chosen(Arc::clone(otherwise));
        };
        // The vector that the lookup made is of the question alone.
        let text = task::text_of(request);
        let ticket = (order.ticket.as_ref())
            .filter(|ticket| ticket.identity.question.as_deref() == text.as_deref());
        let known = ticket.and_then(|ticket| ticket.embedding.as_ref());
        let classifying = self.classify(tasks, request, text.as_deref(), known, &order.journal);
        let (classified, made) = classifying.await;
        let embedding = made.filter(|_| ticket.is_some());
        let route = for_task(&classified.task);
        Chosen {
            classified: Some(classified),
            embedding,
            ..chosen(route)
        }
    }

    /// What kind of work a request is, by the `text` of it that says so, of which `known` is the vector if
    /// there is one already; else with the vector that was made.
    pub(super) async fn classify(
        &self,
        tasks: &Tasks,
        request: &ChatRequest,
        text: Option<&str>,
        known: Option<&Embedding>,
        journal: &Arc<Journal>,
    ) -> (Classified, Option<Embedding>) {
        let signals = Signals::of(request);
        let mut made = None;
        if known.is_none()
            && let (Some(encoder), Some(text)) = (&self.encoder, text)
        {
            let noting = journal.begin(Stage::Embedding);
            match encoder.embed(text).await {
                Ok(embedding) => {
                    noting.ended(outcome::OK);
                    made = Some(embedding);
                }
                Err(error) => {
                    noting.ended(error.reason());
                    tracing::debug!(reason = error.reason(), "not classified by meaning");
                }
            }
        }
        let vector = known.or(made.as_ref());
        let classified = task::classify(
            &signals,
            vector.map(Embedding::as_slice),
            tasks.examples(),
            &tasks.rule,
        );
        (classified, made)
    }
}
