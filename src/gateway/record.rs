//! Keeping answers: at once for equal requests, a moment later for questions of the same meaning.
//!
//! The embedding of what is kept is made off the request's path, by tasks that shutdown waits for.
//! Invariant: an answer is kept only with a [`Ticket`], whole, and if `policy::storable` allows it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    dispatch::Source,
    learn::{Learner, Near},
    replay,
};
use crate::{
    cache::{
        entry::{Entry, PROMPT, Question, Use},
        pointer::{Alias, RawKey, Receipt},
        shared::Ended,
        store::Store,
    },
    clock::Clock,
    embed::{Embed, Embedding},
    ident::{Namespace, Tag},
    policy::{
        identity::{Identity, Scope},
        learn,
        storable::{Keep, NotKept, storable},
        wording::Wording,
    },
    provider::Whole,
    telemetry::{ledger::Ledger, names},
    wire::{
        answer::{Answer, delivery_id},
        assemble::assemble,
        chat::ChatRequest,
        sse,
    },
};

/// Requests longer than this, in bytes, are not counted unasked: it takes milliseconds.
const LONGEST_COUNTED: usize = 16 << 10;
/// Requests that are counted, or wait for it, at the same time.
const COUNTS: usize = 256;

/// The right to keep one answer, and where.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) identity: Identity,
    /// Whose the answer is, and who asked.
    pub(super) scope: Scope,
    pub(super) own: Scope,
    pub(super) namespace: Option<Namespace>,
    pub(super) tags: Vec<Tag>,
    /// Whether others of the question's meaning may find the answer.
    pub(super) semantic: bool,
    /// Whether the question is about a matter that is hashed into its partition.
    pub(super) has_matter: bool,
    /// How the prompt begins.
    pub(super) prompt: Box<str>,
    /// The question's vector, if the lookup made it.
    pub(super) embedding: Option<Embedding>,
    pub(super) ttl: Duration,
    /// The question's nearest neighbour, and where a label about it comes from.
    pub(super) near: Option<(Near, learn::Source)>,
    /// How much had been purged when it was asked: what is purged meanwhile is not kept again.
    pub(super) purges: u64,
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
    learner: Learner,
    largest: usize,
    tasks: TaskTracker,
    clock: Clock,
    counting: Arc<Semaphore>,
}

impl Recorder {
    /// A recorder into `store`, of answers of up to `largest` bytes. `tasks` owns what it does in the
    /// background.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        encoder: Option<Arc<dyn Embed>>,
        ledger: Arc<Ledger>,
        learner: Learner,
        largest: usize,
        tasks: TaskTracker,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            encoder,
            ledger,
            learner,
            largest,
            tasks,
            clock,
            counting: Arc::new(Semaphore::new(COUNTS)),
        }
    }

    /// Bills a whole answer, and keeps it if it may be.
    pub(super) fn whole(&self, ticket: Option<Ticket>, whole: &Whole, source: &Source) {
        self.answered(ticket, &whole.answer, || delivery_id(&whole.body), source);
    }

    fn answered(
        &self,
        ticket: Option<Ticket>,
        answer: &Answer,
        id: impl FnOnce() -> Option<String>,
        source: &Source,
    ) {
        self.ledger.bill(answer.usage(), source.cost_of(answer));
        if let Some(mut ticket) = ticket {
            if let Some((near, label)) = ticket.near.take() {
                self.learner.compare(near, label, answer);
            }
            self.keep(ticket, answer, id(), source);
        }
    }

    /// The same for a stream that has come to its end.
    pub(super) fn stream(&self, ticket: Option<Ticket>, ended: Ended, source: &Source) {
        match ended {
            Ended::Whole(Some(bytes)) => match assemble(&bytes) {
                Ok(answer) => {
                    let id = || delivery_id(sse::data(&bytes).next()?);
                    self.answered(ticket, &answer, id, source);
                }
                Err(_) => not_kept("unreadable"),
            },
            Ended::Whole(None) => not_kept("too_large"),
            Ended::Broken(_) => not_kept("broken"),
        }
    }

    /// The entry that an answer becomes.
    ///
    /// # Errors
    /// Why it may not be kept, in one word.
    pub(super) fn entry(
        &self,
        ticket: &Ticket,
        answer: &Answer,
        source: &Source,
    ) -> Result<Entry, &'static str> {
        let keep = storable(answer).map_err(NotKept::as_str)?;
        let written = serde_json::to_vec(answer).map_err(|_| "unreadable")?;
        let identity = &ticket.identity;
        let semantic = ticket.semantic && keep == Keep::ExactAndSemantic;
        let question = (identity.question.as_deref())
            .filter(|_| semantic)
            .zip(self.encoder.as_ref())
            .map(|(text, encoder)| Question {
                partition: identity.partition,
                has_matter: ticket.has_matter,
                wording: Arc::new(Wording::of(text)),
                text: text.into(),
                dimension: encoder.dimension(),
            });
        let entry = Entry {
            fingerprint: identity.fingerprint,
            scope: ticket.scope,
            context: identity.context,
            surface: identity.surface.filter(|_| semantic),
            question,
            // Without the room that was left for more.
            written: written.into_boxed_slice().into(),
            prompt: ticket.prompt.clone(),
            asked_model: ticket.request.model().into(),
            provider: source.provider.clone(),
            model: source.model.clone(),
            namespace: ticket.namespace.clone(),
            tags: ticket.tags.as_slice().into(),
            usage: answer.usage(),
            counted: OnceLock::new(),
            price: source.price,
            stored: self.clock.unix(),
            ttl: ticket.ttl,
            generation: self.store.generation(),
            use_of: Use::default(),
        };
        self.fits(&entry).then_some(entry).ok_or("too_large")
    }

    /// Whether an entry is not larger than one may be.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        entry.weight() <= self.largest
    }

    fn keep(&self, ticket: Ticket, answer: &Answer, id: Option<String>, source: &Source) {
        let entry = match self.entry(&ticket, answer, source) {
            Ok(entry) => Arc::new(entry),
            Err(reason) => return not_kept(reason),
        };
        if self.store.purges() != ticket.purges {
            return not_kept("purged");
        }
        self.store.insert(&entry);
        let fingerprint = entry.fingerprint;
        if let Some(id) = id {
            let receipt = Receipt {
                owner: ticket.own,
                entry: fingerprint,
                admitted: None,
            };
            self.store.issue(&id, receipt);
        }
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
        if entry.question.is_some() {
            self.index(Arc::clone(&entry), ticket.embedding);
        }
        if entry.usage.is_none() && ticket.request.raw().len() <= LONGEST_COUNTED {
            self.count(entry, ticket.request);
        }
    }

    /// Counts the tokens of a stream that came without a count, so that it is billed and its hits
    /// are known to save something. If too many wait for it, it is not billed, and the next hit counts it.
    fn count(&self, entry: Arc<Entry>, request: Arc<ChatRequest>) {
        let Ok(permit) = Arc::clone(&self.counting).try_acquire_owned() else {
            tracing::debug!("an answer was not counted: too many wait for it");
            return;
        };
        let ledger = Arc::clone(&self.ledger);
        self.tasks.spawn_blocking(move || {
            let _permit = permit;
            replay::count_tokens(&entry, &request);
            ledger.bill(entry.tokens(), entry.cost());
        });
    }

    fn index(&self, entry: Arc<Entry>, embedding: Option<Embedding>) {
        let (store, encoder) = (Arc::clone(&self.store), self.encoder.clone());
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            let embedding = match (embedding, encoder, &entry.question) {
                (Some(embedding), _, _) => embedding,
                (None, Some(encoder), Some(question)) => {
                    match encoder.embed(&question.text).await {
                        Ok(embedding) => embedding,
                        Err(error) => return not_kept(error.reason()),
                    }
                }
                (None, _, _) => return,
            };
            if let Some(vectors) = store.index(&entry, &embedding) {
                tasks.spawn_blocking(move || store.build(&vectors));
            }
        });
    }
}

/// How a prompt begins, as long as an entry keeps it.
pub(super) fn beginning(prompt: &str) -> Box<str> {
    let end = prompt.floor_char_boundary(PROMPT);
    prompt.get(..end).unwrap_or_default().into()
}

fn not_kept(reason: &'static str) {
    metrics::counter!(names::CACHE_NOT_KEPT, "reason" => reason).increment(1);
}
