//! What happened to one request, when it is over.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::outcome;
use crate::{
    clock::UnixMillis,
    error::Fault,
    ident::{ClientName, ModelId, ProviderName},
    telemetry::{
        facts::Facts,
        trace::{TraceContext, TraceState},
    },
    units::Usd,
    wire::answer::Usage,
};

/// The kind of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Looking for a kept answer.
    Lookup,
    /// Making a vector of the question.
    Embedding,
    /// A call at a provider.
    Attempt {
        /// Who is asked.
        provider: ProviderName,
        /// What it calls the model.
        model: ModelId,
    },
}

/// What took time. Times count from the beginning of the request.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it is.
    pub stage: Stage,
    /// Its span in the trace.
    pub span: u64,
    /// When it began.
    pub began: Duration,
    /// When an answer began, of an attempt that has one.
    pub answered: Option<Duration>,
    /// When it ended; `None` if it was still going on when its request was over.
    pub ended: Option<Duration>,
    /// How it ended, in one word of [`outcome`] or of an error; `None` if nobody knows: it was given up.
    pub outcome: Option<&'static str>,
    /// The tokens that it used, if it is one that uses tokens.
    pub used: Option<Usage>,
    /// What that cost, if it is known.
    pub cost: Option<Usd>,
}

impl Step {
    /// Whether a provider was asked something.
    pub(in crate::telemetry) fn is_call(&self) -> bool {
        let was_asked = (self.outcome).is_none_or(|outcome| !outcome::UNASKED.contains(&outcome));
        was_asked && matches!(self.stage, Stage::Attempt { .. })
    }

    /// How it went wrong, if it did.
    pub(in crate::telemetry) fn failed(&self) -> Option<&'static str> {
        self.outcome.filter(|outcome| *outcome != outcome::OK)
    }

    /// How it ended, in one word.
    pub(in crate::telemetry) fn word(&self) -> &'static str {
        self.outcome.unwrap_or(outcome::GIVEN_UP)
    }
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened, without the words of a client or a provider.
    pub summary: String,
}

/// How a request was answered, as far as its head says.
#[derive(Debug, Clone)]
pub struct Head {
    /// The route, from a fixed list.
    pub route: &'static str,
    /// The status.
    pub status: u16,
    /// How the answer came to be, if it came as far as the cache or a provider.
    pub facts: Option<Facts>,
    /// Why there is none.
    pub failure: Option<Failure>,
}

/// How a client asked, as far as the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The method.
    pub method: Method,
    /// The route, from a fixed list.
    pub route: &'static str,
}

/// What providers can be asked for: `gen_ai.operation.name`. Those that OpenTelemetry's conventions (1.37.0) have no word
/// for are called as in `[endpoints]` of the configuration.
pub(in crate::telemetry) const OPERATIONS: [&str; 8] = [
    "chat",
    "text_completion",
    "embeddings",
    "generate_content",
    "moderations",
    "rerank",
    "audio",
    "images",
];

impl Inbound {
    /// What providers are asked for by requests of this route: one of [`OPERATIONS`].
    fn operation(&self) -> &'static str {
        match self.route {
            "/v1/completions" => "text_completion",
            // Of Google's other methods, those that give vectors are all that ask a provider.
            "/v1/embeddings" | "/v1beta/models" => "embeddings",
            "/v1/moderations" => "moderations",
            "/v1/rerank" => "rerank",
            "/v1/audio" => "audio",
            "/v1/images" => "images",
            route if route.starts_with("/v1beta/") => "generate_content",
            _ => "chat",
        }
    }
}

/// What happened to one request.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its id, as the client was told.
    pub id: Box<str>,
    /// The trace, and its own span.
    pub trace: TraceContext,
    /// The span that it is a child of, if a client's or another request's.
    pub parent: Option<u64>,
    /// What the tracers before know of the trace.
    pub trace_state: Option<TraceState>,
    /// The span of the request whose call it shared.
    pub shared: Option<TraceContext>,
    /// How a client asked; `None` for what the gateway does of its own accord.
    pub inbound: Option<Inbound>,
    /// When it came in.
    pub at: UnixMillis,
    /// When its body was here, of requests that have one that was read whole.
    pub read: Option<Duration>,
    /// Whose it is, if clients have names.
    pub client: Option<ClientName>,
    /// What was asked for, as the client wrote it.
    pub asked_model: Option<Box<str>>,
    /// How it was answered; `None` if its client was gone before, or if it was the gateway's own.
    pub head: Option<Head>,
    /// Whether the log was told already: of what is refused for too much load, not each has its line.
    pub is_logged: bool,
    /// When the head of the answer was ready.
    pub answered: Option<Duration>,
    /// When all of the answer was handed over; `None` if its client was gone before.
    pub delivered: Option<Duration>,
    /// Whether the client was told in the midst of its answer that there is no more of it.
    pub broke_off: bool,
    /// When the last of it was done.
    pub total: Duration,
    /// What took time, in the order in which it began.
    pub steps: Vec<Step>,
    /// The body of the request, where requests are noted word by word.
    pub content: Option<Bytes>,
}

impl Record {
    /// One to which nothing happened.
    #[cfg(test)]
    pub(crate) fn blank() -> Self {
        Self {
            id: "r".into(),
            trace: TraceContext::fresh(false),
            parent: None,
            trace_state: None,
            shared: None,
            inbound: None,
            at: UnixMillis(0),
            read: None,
            client: None,
            asked_model: None,
            head: None,
            is_logged: false,
            answered: None,
            delivered: None,
            broke_off: false,
            total: Duration::ZERO,
            steps: Vec::new(),
            content: None,
        }
    }

    /// How long the gateway itself took until the head of the answer was ready: without waiting for providers.
    #[must_use]
    pub fn overhead(&self) -> Option<Duration> {
        let facts = self.head.as_ref()?.facts.as_ref();
        let upstream = facts.map_or(Duration::ZERO, |facts| facts.upstream);
        Some(self.answered?.saturating_sub(upstream))
    }

    /// The same without waiting for the client to send its request.
    #[must_use]
    pub fn own_time(&self) -> Option<Duration> {
        let overhead = self.overhead()?;
        Some(overhead.saturating_sub(self.read.unwrap_or_default()))
    }

    /// What providers were asked for: `gen_ai.operation.name`.
    pub(in crate::telemetry) fn operation(&self) -> &'static str {
        let inbound = self.inbound.as_ref();
        inbound.map_or("chat", Inbound::operation)
    }

    /// Whether the answer broke off after it had begun: for the client, or at a provider.
    #[must_use]
    pub fn is_broken_off(&self) -> bool {
        let mut steps = self.steps.iter();
        self.broke_off || steps.any(|step| step.outcome == Some(outcome::BROKEN))
    }

    /// How much of the answer a client had, in one word; `None` if no client had asked.
    pub(in crate::telemetry) fn delivery(&self) -> Option<&'static str> {
        self.inbound.as_ref()?;
        Some(match self.delivered {
            None => "gone",
            Some(_) if self.broke_off => "broken",
            Some(_) => "whole",
        })
    }

    /// What all of it cost, if that is known.
    #[must_use]
    pub fn cost(&self) -> Option<Usd> {
        let costs = self.steps.iter().filter_map(|step| step.cost);
        let facts = self.head.as_ref().and_then(|head| head.facts.as_ref());
        let noted = costs.reduce(|a, b| a + b);
        noted.or(facts.and_then(|facts| facts.cost))
    }

    /// Whether the client was gone before it had all of its answer.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.inbound.is_some() && self.delivered.is_none()
    }
}
