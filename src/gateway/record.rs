//! Keeping answers: at once for equal requests, a moment later for questions of the same meaning.
//!
//! The embedding of what is kept is made off the request's path, by tasks that shutdown waits for.
//! Invariant: an answer is kept only with a [`Ticket`], whole, and if `policy::storable` allows it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::task::TaskTracker;

use super::{dispatch::Source, replay};
use crate::{
    cache::{
        entry::Entry,
        shared::Ended,
        store::{Alias, RawKey, Store},
    },
    clock::Clock,
    embed::{Embed, Embedding},
    policy::{
        identity::{Fingerprint, Partition},
        storable::{Keep, storable},
        wording::Wording,
    },
    telemetry::{ledger::Ledger, names},
    wire::{answer::Answer, assemble::assemble, chat::ChatRequest},
};

/// Requests longer than this, in bytes, are not counted unasked: it takes milliseconds.
const LONGEST_COUNTED: usize = 16 << 10;

/// The right to keep one answer, and where.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) fingerprint: Fingerprint,
    pub(super) partition: Partition,
    /// The question, if others of its meaning may find the answer.
    pub(super) wording: Option<String>,
    /// Its vector, if the lookup made it.
    pub(super) embedding: Option<Embedding>,
    pub(super) ttl: Duration,
    /// The bytes of the request, if the same bytes always mean the same.
    pub(super) raw: Option<RawKey>,
    /// For counting its tokens, where the provider did not.
    pub(super) request: Arc<ChatRequest>,
}

/// Keeps answers, and bills them.
#[derive(Debug, Clone)]
pub struct Recorder {
    store: Arc<Store>,
    encoder: Option<Arc<dyn Embed>>,
    ledger: Arc<Ledger>,
    largest: usize,
    tasks: TaskTracker,
    clock: Clock,
}

impl Recorder {
    /// A recorder into `store`, of answers of up to `largest` bytes. `tasks` owns what it does in the
    /// background.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        encoder: Option<Arc<dyn Embed>>,
        ledger: Arc<Ledger>,
        largest: usize,
        tasks: TaskTracker,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            encoder,
            ledger,
            largest,
            tasks,
            clock,
        }
    }

    /// Bills a whole answer, and keeps it if it may be.
    pub(super) fn whole(&self, ticket: Option<Ticket>, answer: &Answer, source: &Source) {
        self.ledger.bill(answer.usage(), source.cost_of(answer));
        if let Some(ticket) = ticket {
            self.keep(ticket, answer, source);
        }
    }

    /// The same for a stream that has come to its end.
    pub(super) fn stream(&self, ticket: Option<Ticket>, ended: Ended, source: &Source) {
        match ended {
            Ended::Whole(Some(bytes)) => match assemble(&bytes) {
                Ok(answer) => self.whole(ticket, &answer, source),
                Err(_) => not_kept("unreadable"),
            },
            Ended::Whole(None) => not_kept("too_large"),
            Ended::Broken(_) => not_kept("broken"),
        }
    }

    fn keep(&self, ticket: Ticket, answer: &Answer, source: &Source) {
        let keep = match storable(answer) {
            Ok(keep) => keep,
            Err(reason) => return not_kept(reason.as_str()),
        };
        let semantic = keep == Keep::ExactAndSemantic && self.encoder.is_some();
        let question = ticket.wording.filter(|_| semantic);
        let Ok(written) = serde_json::to_vec(answer) else {
            return not_kept("unreadable");
        };
        let entry = Arc::new(Entry {
            written: written.into(),
            partition: question.is_some().then_some(ticket.partition),
            provider: source.provider.clone(),
            model: source.model.clone(),
            usage: answer.usage(),
            counted: OnceLock::new(),
            price: source.price,
            stored: self.clock.now(),
            ttl: ticket.ttl,
        });
        if entry.weight() > self.largest {
            return not_kept("too_large");
        }
        let fingerprint = ticket.fingerprint;
        self.store.insert(fingerprint, Arc::clone(&entry));
        if let Some(raw) = ticket.raw {
            let delivery = ticket.request.delivery();
            self.store.remember(
                raw,
                Alias {
                    fingerprint,
                    paraphrase_of: None,
                    delivery,
                },
            );
        }
        if let Some(question) = question {
            self.index(ticket.partition, fingerprint, question, ticket.embedding);
        }
        if entry.usage.is_none() && ticket.request.raw().len() <= LONGEST_COUNTED {
            self.count(entry, ticket.request);
        }
    }

    /// Counts the tokens of a stream that came without a count, so that it is billed and its hits
    /// are known to save something.
    fn count(&self, entry: Arc<Entry>, request: Arc<ChatRequest>) {
        let ledger = Arc::clone(&self.ledger);
        self.tasks.spawn_blocking(move || {
            replay::count_tokens(&entry, &request);
            ledger.bill(entry.tokens(), entry.cost());
        });
    }

    fn index(
        &self,
        partition: Partition,
        fingerprint: Fingerprint,
        question: String,
        embedding: Option<Embedding>,
    ) {
        let (store, encoder) = (Arc::clone(&self.store), self.encoder.clone());
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            let embedding = match (embedding, encoder) {
                (Some(embedding), _) => embedding,
                (None, Some(encoder)) => match encoder.embed(&question).await {
                    Ok(embedding) => embedding,
                    Err(error) => return not_kept(error.reason()),
                },
                (None, None) => return,
            };
            let wording = Arc::new(Wording::of(&question));
            if let Some(vectors) = store.index(partition, fingerprint, &embedding, wording) {
                tasks.spawn_blocking(move || store.build(&vectors));
            }
        });
    }
}

fn not_kept(reason: &'static str) {
    metrics::counter!(names::CACHE_NOT_KEPT, "reason" => reason).increment(1);
}
