//! One line of the log for each request, when it is over.
//!
//! A line holds names, numbers and reasons, in the words of headers and metrics, and none of the words of a client or a
//! provider but the name of the model that was asked for, made inert ([`named`]).

use std::{borrow::Cow, sync::Arc, time::Duration};

use super::{
    facts::Tier,
    journal::{LONGEST_NAME, Observer, Record, Stage},
    logs,
};
use crate::{error::Fault, inert, units::Usd};

/// Which lines there are.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// Whether requests that were answered have one.
    pub answered: bool,
    /// From which time of its own on the gateway was slow.
    pub slow: Duration,
}

/// Writes the lines.
#[derive(Debug)]
pub struct RequestLog {
    lines: Lines,
}

impl RequestLog {
    /// Such lines.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self { lines }
    }
}

impl Observer for RequestLog {
    fn over(&self, record: &Arc<Record>) {
        let (record, lines) = (Arc::clone(record), self.lines);
        logs::later(move || write(&record, lines));
    }
}

/// What is said of a request, and how loudly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing, but to who wants to know everything.
    Quiet,
    Answered,
    GivenUp,
    Refused,
    Slow,
    BrokenOff,
    NotAnswered,
    Failed,
}

impl Verdict {
    fn of(record: &Record, lines: Lines) -> Self {
        if record.inbound.is_none() || record.is_logged {
            return Self::Quiet;
        }
        let failure = record.head.as_ref().and_then(|head| head.failure.as_ref());
        match failure.map(|failure| failure.fault) {
            Some(Fault::Gateway) => return Self::Failed,
            Some(Fault::Upstream) => return Self::NotAnswered,
            Some(Fault::Client) | None => {}
        }
        if record.is_broken_off() {
            Self::BrokenOff
        } else if record.own_time().is_some_and(|time| time >= lines.slow) {
            Self::Slow
        } else if failure.is_some() {
            Self::Refused
        } else if record.is_cut_short() {
            Self::GivenUp
        } else if lines.answered {
            Self::Answered
        } else {
            Self::Quiet
        }
    }
}

/// The fields of a line are written once, whatever its level.
macro_rules! line {
    ($level:ident, $message:literal, $line:ident) => {
        tracing::$level!(
            target: "request",
            request_id = &*$line.record.id,
            trace_id = $line.trace_id,
            client = $line.record.client.as_ref().map(crate::ident::ClientName::as_str),
            method = $line.record.inbound.as_ref().map(|inbound| inbound.method.as_str()),
            route = $line.record.inbound.as_ref().map(|inbound| inbound.route),
            status = $line.head.map(|head| head.status),
            cache = $line.facts.map(|facts| facts.way.as_str()),
            reason = $line.facts.and_then(|facts| facts.reason),
            tier = $line.facts.and_then(|facts| facts.tier).map(Tier::as_str),
            similarity = $line.similarity,
            provider = $line.facts.and_then(|facts| facts.provider.as_ref()).map(crate::ident::ProviderName::as_str),
            model = $line.facts.and_then(|facts| facts.model.as_ref()).map(crate::ident::ModelId::as_str),
            asked_model = $line.asked_model.as_deref(),
            task = $line.facts.and_then(|facts| facts.task.as_ref()).map(crate::ident::TaskName::as_str),
            attempts = $line.facts.map(|facts| facts.attempts),
            input_tokens = $line.tokens.map(|(input, _)| input),
            output_tokens = $line.tokens.map(|(_, output)| output),
            trimmed_tokens = $line.facts.and_then(|facts| facts.trimmed).map(|tokens| tokens.0),
            cost_usd = $line.cost.map(Usd::get),
            saved_usd = $line.facts.and_then(|facts| facts.saved).map(Usd::get),
            overhead_ms = $line.record.overhead().map(ms),
            upstream_ms = $line.facts.map(|facts| ms(facts.upstream)),
            head_ms = $line.record.answered.map(ms),
            total_ms = ms($line.record.total),
            read_ms = $line.read_ms,
            lookup_ms = $line.lookup_ms,
            embedding_ms = $line.embedding_ms,
            delivered = $line.delivered,
            error = $line.error,
            $message
        )
    };
}

struct Line<'r> {
    record: &'r Record,
    head: Option<&'r super::journal::Head>,
    facts: Option<&'r super::facts::Facts>,
    trace_id: Option<String>,
    asked_model: Option<Cow<'r, str>>,
    similarity: Option<f64>,
    tokens: Option<(u64, u64)>,
    cost: Option<Usd>,
    read_ms: Option<f64>,
    lookup_ms: Option<f64>,
    embedding_ms: Option<f64>,
    delivered: Option<&'static str>,
    error: Option<&'r str>,
}

impl<'r> Line<'r> {
    fn new(record: &'r Record, verdict: Verdict) -> Self {
        let head = record.head.as_ref();
        let facts = head.and_then(|head| head.facts.as_ref());
        let used = record.steps.iter().filter_map(|step| step.used);
        let tokens = used
            .map(|used| (used.input.0, used.output.0))
            .reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)));
        let took = |stage: &Stage| {
            let steps = record.steps.iter().filter(|step| step.stage == *stage);
            let times = steps.filter_map(|step| Some(step.ended?.saturating_sub(step.began)));
            times.reduce(Duration::saturating_add).map(ms)
        };
        let is_slow = verdict == Verdict::Slow;
        let failure = head.and_then(|head| head.failure.as_ref());
        let broke_off = (verdict == Verdict::BrokenOff).then_some("the answer broke off");
        Self {
            record,
            head,
            facts,
            trace_id: (record.trace.is_sampled).then(|| format!("{:032x}", record.trace.trace)),
            asked_model: record.asked_model.as_deref().map(named),
            similarity: facts
                .and_then(|facts| facts.tier?.similarity())
                .map(crate::units::Similarity::rounded),
            tokens,
            cost: record.cost(),
            read_ms: record.read.filter(|_| is_slow).map(ms),
            lookup_ms: is_slow.then(|| took(&Stage::Lookup)).flatten(),
            embedding_ms: is_slow.then(|| took(&Stage::Embedding)).flatten(),
            delivered: record.delivery(),
            error: failure.map(|failure| &*failure.summary).or(broke_off),
        }
    }
}

/// Writes the line of `record`, if it has one.
fn write(record: &Record, lines: Lines) {
    let verdict = Verdict::of(record, lines);
    if verdict == Verdict::Quiet && !tracing::enabled!(target: "request", tracing::Level::DEBUG) {
        return;
    }
    let line = Line::new(record, verdict);
    match verdict {
        Verdict::Quiet => line!(debug, "over", line),
        Verdict::Answered => line!(info, "answered", line),
        Verdict::GivenUp => line!(info, "given up", line),
        Verdict::Refused => line!(info, "refused", line),
        Verdict::Slow => line!(warn, "slow", line),
        Verdict::BrokenOff => line!(warn, "broken off", line),
        Verdict::NotAnswered => line!(warn, "not answered", line),
        Verdict::Failed => line!(error, "failed", line),
    }
}

/// In milliseconds, to the microsecond.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact for the first 200 years; a request is shorter"
)]
fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// A name that a client chose, of at most 200 bytes, that does nothing but be read.
#[must_use]
pub fn named(text: &str) -> Cow<'_, str> {
    let end = text.floor_char_boundary(LONGEST_NAME);
    let text = text.get(..end).unwrap_or_default();
    if !text.contains(inert::acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = inert::line(text);
    shown.truncate(shown.floor_char_boundary(LONGEST_NAME));
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests;
