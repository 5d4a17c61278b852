//! Keeping answers: at once for equal requests, a moment later for questions of the same meaning.
//!
//! The embedding of what is kept is made off the request's path, by tasks that shutdown waits for.
//! Invariant: an answer is kept only with a [`Ticket`], whole, and if `policy::storable` allows it.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
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
    telemetry::ledger::Ledger,
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

/// Keeps answers.
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

    /// Keeps a whole answer if it may be.
    pub(super) fn whole(&self, ticket: Option<Ticket>, whole: &Whole, source: &Source) {
        let id = || delivery_id(&whole.body);
        self.answered(ticket, &whole.answer, id, source, source.waited);
    }

    fn answered(
        &self,
        ticket: Option<Ticket>,
        answer: &Answer,
        id: impl FnOnce() -> Option<String>,
        source: &Source,
        took: Duration,
    ) {
        if let Some(mut ticket) = ticket {
            if let Some((near, label)) = ticket.near.take() {
                self.learner.compare(near, label, answer);
            }
            self.keep(ticket, answer, id(), source, took);
        }
    }

    /// The same for a stream that has come to its end, so long after its first event.
    pub(super) fn stream(
        &self,
        ticket: Option<Ticket>,
        ended: Ended,
        source: &Source,
        lasted: Duration,
    ) {
        match ended {
            Ended::Whole(Some(bytes)) => match assemble(&bytes) {
                Ok(answer) => {
                    let id = || delivery_id(sse::data(&bytes).next()?);
                    let took = source.waited.saturating_add(lasted);
                    self.answered(ticket, &answer, id, source, took);
                }
                Err(_) => self.not_kept("unreadable"),
            },
            Ended::Whole(None) => self.not_kept("too_large"),
            Ended::Broken(_) => self.not_kept("broken"),
        }
    }

    /// The entry that an answer becomes; its provider `took` so long for it, if anybody was asked.
    ///
    /// # Errors
    /// Why it may not be kept, in one word.
    pub(super) fn entry(
        &self,
        ticket: &Ticket,
        answer: &Answer,
        source: &Source,
        took: Option<Duration>,
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
            took,
            pinned: AtomicBool::default(),
        };
        self.fits(&entry).then_some(entry).ok_or("too_large")
    }

    /// Whether an entry is not larger than one may be.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        entry.weight() <= self.largest
    }

    fn keep(
        &self,
        ticket: Ticket,
        answer: &Answer,
        id: Option<String>,
        source: &Source,
        took: Duration,
    ) {
        let entry = match self.entry(&ticket, answer, source, Some(took)) {
            Ok(entry) => Arc::new(entry),
            Err(reason) => return self.not_kept(reason),
        };
        if self.store.purges() != ticket.purges {
            return self.not_kept("purged");
        }
        if !self.store.insert(&entry) {
            let is_there = self.store.contains(&entry.fingerprint);
            return self.not_kept(if is_there { "pinned" } else { "too_large" });
        }
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

    /// Counts the tokens of a stream that came without a count, so that its hits are known to save something. If too
    /// many wait for it, the next hit counts it.
    fn count(&self, entry: Arc<Entry>, request: Arc<ChatRequest>) {
        let Ok(permit) = Arc::clone(&self.counting).try_acquire_owned() else {
            tracing::debug!("an answer was not counted: too many wait for it");
            return;
        };
        self.tasks.spawn_blocking(move || {
            let _permit = permit;
            replay::count_tokens(&entry, &request);
        });
    }

    fn index(&self, entry: Arc<Entry>, embedding: Option<Embedding>) {
        let (store, encoder) = (Arc::clone(&self.store), self.encoder.clone());
        let (tasks, ledger) = (self.tasks.clone(), Arc::clone(&self.ledger));
        self.tasks.spawn(async move {
            let embedding = match (embedding, encoder, &entry.question) {
                (Some(embedding), _, _) => embedding,
                (None, Some(encoder), Some(question)) => {
                    match encoder.embed(&question.text).await {
                        Ok(embedding) => embedding,
                        Err(error) => return ledger.reasons().not_kept.count(error.reason()),
                    }
                }
                (None, _, _) => return,
            };
            if let Some(vectors) = store.index(&entry, &embedding) {
                tasks.spawn_blocking(move || store.build(&vectors));
            }
        });
    }

    fn not_kept(&self, reason: &'static str) {
        self.ledger.reasons().not_kept.count(reason);
    }
}

/// How a prompt begins, as long as an entry keeps it.
pub(super) fn beginning(prompt: &str) -> Box<str> {
    let end = prompt.floor_char_boundary(PROMPT);
    prompt.get(..end).unwrap_or_default().into()
}
