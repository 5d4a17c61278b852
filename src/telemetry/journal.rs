//! What happens to one request, noted as it happens, and told once when it is over.
//!
//! One [`Journal`] belongs to each request of a client, and to each call that the gateway makes for itself. Whoever works on
//! the request holds it; when the last of them lets go, its [`Record`] is told to all [`Observer`]s: the log line, the
//! recent requests, the numbers of targets, the trace. Invariant: each record is told once, and says the same to all.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Method;

use super::trace::{Propagated, TraceContext, TraceState, fresh_span};
use crate::{
    clock::{Clock, Moment, UnixMillis},
    ident::ClientName,
    units::{Share, Usd},
    wire::answer::Usage,
};

pub mod outcome;
mod record;

pub(super) use self::record::OPERATIONS;
pub use self::record::{Failure, Head, Inbound, Record, Stage, Step};

/// Steps of one request that are noted; a request makes a bounded number of calls, far fewer.
const MOST_STEPS: usize = 64;
/// The longest name of a model that is noted, in bytes: clients may write anything.
pub(super) const LONGEST_NAME: usize = 200;

/// Somebody who is told of every request when it is over. Called where the request ends, so it must not block.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A request is over.
    fn over(&self, record: &Arc<Record>);
}

/// Who is told, and what is noted for them.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    all: Arc<[Arc<dyn Observer>]>,
    /// Whether requests are noted word by word, up to so many bytes.
    capture: Option<usize>,
    /// Of traces that begin here, which share is recorded; `None` if there is nobody to record them.
    sampled: Option<Share>,
}

impl Observers {
    /// These. Requests are noted word by word up to `capture` bytes; of traces that begin here, `sampled` are recorded,
    /// and providers are told which trace a call belongs to, unless there is nobody to record any.
    #[must_use]
    pub fn new(
        all: Vec<Arc<dyn Observer>>,
        capture: Option<usize>,
        sampled: Option<Share>,
    ) -> Self {
        Self {
            all: all.into(),
            capture,
            sampled,
        }
    }
}

#[derive(Debug, Default)]
struct Notes {
    inbound: Option<Inbound>,
    trace_state: Option<TraceState>,
    shared: Option<TraceContext>,
    read: Option<Duration>,
    is_logged: bool,
    client: Option<ClientName>,
    asked_model: Option<Box<str>>,
    head: Option<Head>,
    answered: Option<Duration>,
    delivered: Option<Duration>,
    broke_off: bool,
    saved: Option<Usd>,
    steps: Vec<Step>,
    content: Option<Bytes>,
}

/// Where one request is noted.
#[derive(Debug)]
pub struct Journal {
    id: Box<str>,
    trace: TraceContext,
    parent: Option<u64>,
    clock: Clock,
    began: Moment,
    at: UnixMillis,
    observers: Observers,
    notes: Mutex<Notes>,
}

impl Journal {
    /// The journal of the request `id`, which continues the trace of `parent`.
    #[must_use]
    pub fn open(
        id: &str,
        parent: Option<TraceContext>,
        clock: &Clock,
        observers: &Observers,
    ) -> Arc<Self> {
        let trace = match parent {
            Some(parent) => parent.within(fresh_span()),
            None => TraceContext::fresh(
                observers
                    .sampled
                    .is_some_and(|share| fastrand::f64() < share.get()),
            ),
        };
        Arc::new(Self {
            id: id.into(),
            trace,
            parent: parent.map(|parent| parent.span),
            clock: clock.clone(),
            began: clock.now(),
            at: clock.unix(),
            observers: observers.clone(),
            notes: Mutex::default(),
        })
    }

    /// A journal that nobody reads.
    #[must_use]
    pub fn unread(clock: &Clock) -> Arc<Self> {
        Self::open("", None, clock, &Observers::default())
    }

    /// The journal of what the gateway does of its own accord after this request. If it does nothing, nobody is told.
    #[must_use]
    pub fn aside(&self) -> Arc<Self> {
        let aside = Self::open(&self.id, Some(self.trace), &self.clock, &self.observers);
        let state = self.notes().trace_state.clone();
        aside.notes().trace_state = state;
        aside
    }

    /// The id of the request.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The trace, and the span of the request in it.
    #[must_use]
    pub fn trace(&self) -> TraceContext {
        self.trace
    }

    /// What others are told that are asked something for it; `None` if nobody records traces.
    #[must_use]
    pub fn propagated(&self) -> Option<Propagated> {
        self.observers.sampled?;
        Some(Propagated {
            context: self.trace,
            state: self.notes().trace_state.clone(),
        })
    }

    /// A client asked for this `route`.
    pub fn asked(&self, method: &Method, route: &'static str) {
        let method = method.clone();
        self.notes().inbound = Some(Inbound { method, route });
    }

    /// The tracers before know this of its trace.
    pub fn carries(&self, state: Option<TraceState>) {
        self.notes().trace_state = state;
    }

    /// It shares the call of another request, of which this is the span.
    pub fn shares(&self, other: TraceContext) {
        self.notes().shared = Some(other);
    }

    /// All of its body is here.
    pub fn read(&self) {
        let now = self.elapsed();
        self.notes().read = Some(now);
    }

    /// The log was told of it.
    pub fn logged(&self) {
        self.notes().is_logged = true;
    }

    /// It is the request of this client.
    pub fn client(&self, name: &ClientName) {
        self.notes().client = Some(name.clone());
    }

    /// This model is asked for.
    pub fn asked_for(&self, model: &str) {
        let end = model.floor_char_boundary(LONGEST_NAME);
        self.notes().asked_model = model.get(..end).map(Into::into);
    }

    /// This is its body.
    pub fn content(&self, body: &Bytes) {
        if let Some(most) = self.observers.capture {
            // A copy, for what is kept must hold no more than itself: a body may be a piece of a larger buffer.
            let kept = body.get(..most).unwrap_or(body);
            self.notes().content = Some(Bytes::copy_from_slice(kept));
        }
    }

    /// How many calls were made so far, and how long they took: from the beginning of the first to the end of the last.
    #[must_use]
    pub fn calls(&self) -> (u32, Duration) {
        let notes = self.notes();
        let calls = || notes.steps.iter().filter(|step| step.is_call());
        let began = calls().map(|step| step.began).min().unwrap_or_default();
        let ends = calls().map(|step| step.ended);
        let ended = if ends.clone().all(|end| end.is_some()) {
            ends.flatten().max().unwrap_or_default()
        } else {
            self.elapsed()
        };
        let count = u32::try_from(calls().count()).unwrap_or(u32::MAX);
        (count, ended.saturating_sub(began))
    }

    /// A step begins.
    pub fn begin(self: &Arc<Self>, stage: Stage) -> Noting {
        let began = self.elapsed();
        let mut notes = self.notes();
        let place = notes.steps.len();
        if place < MOST_STEPS {
            notes.steps.push(Step {
                stage,
                span: fresh_span(),
                began,
                answered: None,
                ended: None,
                outcome: None,
                used: None,
                cost: None,
            });
        }
        drop(notes);
        Noting {
            journal: Arc::clone(self),
            place,
        }
    }

    /// The head of the answer is ready.
    pub fn answered(&self, head: Head) {
        let now = self.elapsed();
        let mut notes = self.notes();
        notes.head = Some(head);
        notes.answered = Some(now);
    }

    /// All of the answer was handed over.
    pub fn delivered(&self) {
        let now = self.elapsed();
        self.notes().delivered.get_or_insert(now);
    }

    /// The client is told, in the midst of its answer, that there is no more of it.
    pub fn broke_off(&self) {
        self.notes().broke_off = true;
    }

    /// It has saved so much, which was not known when the head of the answer was ready.
    pub fn saved(&self, saved: Usd) {
        self.notes().saved = Some(saved);
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().since(self.began)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.observers.all.is_empty() {
            return;
        }
        let total = self.elapsed();
        let mut notes = std::mem::take(&mut *self.notes());
        // Nobody asked, and nothing was done.
        if notes.inbound.is_none() && notes.head.is_none() && notes.steps.is_empty() {
            return;
        }
        let facts = notes.head.as_mut().and_then(|head| head.facts.as_mut());
        if let Some(facts) = facts {
            facts.saved = facts.saved.or(notes.saved);
        }
        let record = Arc::new(Record {
            id: std::mem::take(&mut self.id),
            trace: self.trace,
            parent: self.parent,
            trace_state: notes.trace_state,
            shared: notes.shared,
            inbound: notes.inbound,
            at: self.at,
            read: notes.read,
            client: notes.client,
            asked_model: notes.asked_model,
            head: notes.head,
            is_logged: notes.is_logged,
            answered: notes.answered,
            delivered: notes.delivered,
            broke_off: notes.broke_off,
            total,
            steps: notes.steps,
            content: notes.content,
        });
        for observer in &*self.observers.all {
            observer.over(&record);
        }
    }
}

/// A step that is going on. What is never ended was given up.
#[derive(Debug)]
#[must_use = "a step that is dropped at once says nothing"]
pub struct Noting {
    journal: Arc<Journal>,
    place: usize,
}

impl Noting {
    /// Where in the trace what this step asks of others belongs.
    #[must_use]
    pub fn trace(&self) -> TraceContext {
        let notes = self.journal.notes();
        let span = notes.steps.get(self.place).map(|step| step.span);
        self.journal
            .trace
            .within(span.unwrap_or(self.journal.trace.span))
    }

    /// What a provider is told of that; `None` if nobody records traces.
    #[must_use]
    pub fn propagated(&self) -> Option<Propagated> {
        let mut told = self.journal.propagated()?;
        told.context = self.trace();
        Some(told)
    }

    /// An answer begins.
    pub fn answered(&self) {
        self.note(|step, now| step.answered = Some(now));
    }

    /// It ends like this. What is said first counts.
    pub fn ended(&self, outcome: &'static str) {
        self.note(|step, now| {
            step.ended.get_or_insert(now);
            step.outcome.get_or_insert(outcome);
        });
    }

    /// It used so many tokens, if it is paid by tokens, and cost so much, if that is known.
    pub fn used(&self, used: Option<Usage>, cost: Option<Usd>) {
        self.note(|step, _| (step.used, step.cost) = (used, cost));
    }

    fn note(&self, note: impl FnOnce(&mut Step, Duration)) {
        let now = self.journal.elapsed();
        if let Some(step) = self.journal.notes().steps.get_mut(self.place) {
            note(step, now);
        }
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        self.note(|step, now| {
            step.ended.get_or_insert(now);
        });
    }
}

#[cfg(test)]
mod tests;
