//! From what happened to a request to its spans.
//!
//! The request is a span, and each step of it a child. Nothing of a prompt, an answer or a key is in a record but the body
//! that is kept for other purposes, which is not looked at here.

use std::time::Duration;

use super::{
    attributes as name,
    message::{AnyValue, Event, KeyValue, Kind, Link, Span, Status, Value},
};
use crate::{
    error::Fault,
    ident::{ClientName, ModelId, ProviderName, TaskName},
    telemetry::{
        facts::{Facts, Tier},
        journal::{Record, Stage, Step},
        log_line::named,
        peers::Peers,
        trace::TraceContext,
    },
    units::Usd,
};

/// Of a span's `flags` in OTLP: it is known whether the parent is of another process, and it is.
const IS_REMOTE_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Attributes, of which those without a value are left out.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue {
                value: Some(value.into()),
            }),
        });
    }

    fn put_if(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
}

/// A pair of name and value.
pub(super) fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(value.into()),
        }),
    }
}

/// The spans of a request.
pub(super) fn spans(record: &Record, peers: &Peers) -> Vec<Span> {
    let steps = record.steps.iter();
    let children = steps.map(|step| child(record, step, peers));
    std::iter::once(request(record)).chain(children).collect()
}

/// A span of the trace; times count from the beginning of the request.
fn span(record: &Record, id: u64, parent: Option<u64>, (from, to): (Duration, Duration)) -> Span {
    let to_id = |id: u64| id.to_be_bytes().to_vec();
    let state = record.trace_state.as_ref();
    Span {
        trace_id: record.trace.trace.to_be_bytes().to_vec(),
        span_id: to_id(id),
        trace_state: state.map_or_else(String::new, |state| state.as_str().to_owned()),
        parent_span_id: parent.map(to_id).unwrap_or_default(),
        start_time_unix_nano: at(record, from),
        end_time_unix_nano: at(record, to.max(from)),
        flags: u32::from(record.trace.is_sampled) | parent.map_or(0, |_| IS_REMOTE_KNOWN),
        ..Span::default()
    }
}

fn link(other: &TraceContext) -> Link {
    Link {
        trace_id: other.trace.to_be_bytes().to_vec(),
        span_id: other.span.to_be_bytes().to_vec(),
    }
}

fn at(record: &Record, offset: Duration) -> u64 {
    let offset = u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX);
    (record.at.0)
        .saturating_mul(1_000_000)
        .saturating_add(offset)
}

fn request(record: &Record) -> Span {
    let end = record.delivered.unwrap_or(record.total);
    let own = span(
        record,
        record.trace.span,
        record.parent,
        (Duration::ZERO, end),
    );
    let mut says = Attributes::default();
    // What the gateway does of its own accord, after no request in particular, has no id.
    says.put_if(
        name::REQUEST_ID,
        Some(&*record.id).filter(|id| !id.is_empty()),
    );
    let client = record.client.as_ref().map(ClientName::as_str);
    says.put_if(name::CLIENT, client);
    let asked = record.asked_model.as_deref().map(named);
    says.put_if(name::REQUEST_MODEL, asked.as_deref());
    if let Some(inbound) = &record.inbound {
        says.put(name::METHOD, inbound.method.as_str());
        says.put(name::ROUTE, inbound.route);
    }
    says.put_if(name::DELIVERED, record.delivery());
    says.put_if(name::COST, record.cost().map(Usd::get));
    let mut status = None;
    if let Some(head) = &record.head {
        says.put(name::STATUS, u64::from(head.status));
        if let Some(facts) = &head.facts {
            put_facts(&mut says, facts);
        }
        // What the client did wrong is no error of a server.
        if head.status >= 500 {
            says.put(name::ERROR_TYPE, head.status.to_string().as_str());
            let failure = head.failure.as_ref();
            let failure = failure.filter(|failure| failure.fault != Fault::Client);
            status = Some(Status::error(
                failure.map_or("", |failure| &*failure.summary),
            ));
        }
    }
    let (kind, name) = match &record.inbound {
        Some(inbound) => (
            Kind::Server,
            format!("{} {}", inbound.method, inbound.route),
        ),
        None => (Kind::Internal, "background".to_owned()),
    };
    // Whoever has sent a request is another process; what follows one is done in this.
    let is_remote = record.parent.is_some() && record.inbound.is_some();
    let flags = own.flags | if is_remote { IS_REMOTE } else { 0 };
    Span {
        name,
        kind: kind.into(),
        attributes: says.0,
        status,
        flags,
        links: record.shared.iter().map(link).collect(),
        ..own
    }
}

fn put_facts(says: &mut Attributes, facts: &Facts) {
    says.put(name::CACHE_RESULT, facts.way.as_str());
    says.put_if(name::CACHE_REASON, facts.reason);
    says.put_if(name::CACHE_TIER, facts.tier.map(Tier::as_str));
    says.put_if(name::TASK, facts.task.as_ref().map(TaskName::as_str));
    let provider = facts.provider.as_ref().map(ProviderName::as_str);
    says.put_if(name::TARGET, provider);
    let model = facts.model.as_ref().map(ModelId::as_str);
    says.put_if(name::RESPONSE_MODEL, model);
    if facts.attempts > 0 {
        says.put(name::ATTEMPTS, u64::from(facts.attempts));
    }
    says.put_if(name::SAVED, facts.saved.map(Usd::get));
}

fn child(record: &Record, step: &Step, peers: &Peers) -> Span {
    let ended = step.ended.unwrap_or(record.total);
    let parent = enclosing(record, step).unwrap_or(record.trace.span);
    let own = span(record, step.span, Some(parent), (step.began, ended));
    let mut says = Attributes::default();
    match &step.stage {
        Stage::Lookup => {
            says.put_if(name::CACHE_RESULT, step.outcome);
            Span {
                name: "cache lookup".to_owned(),
                kind: Kind::Internal.into(),
                attributes: says.0,
                ..own
            }
        }
        Stage::Embedding => {
            let failed = step.failed();
            says.put_if(name::ERROR_TYPE, failed);
            Span {
                name: "embedding".to_owned(),
                kind: Kind::Internal.into(),
                attributes: says.0,
                status: failed.map(|_| Status::error("")),
                ..own
            }
        }
        Stage::Attempt { provider, model } => {
            let operation = record.operation();
            let peer = peers.get(provider);
            says.put(name::OPERATION, operation);
            let known_as = peer.as_ref().map_or(provider.as_str(), |peer| &*peer.name);
            says.put(name::PROVIDER, known_as);
            says.put(name::TARGET, provider.as_str());
            says.put(name::REQUEST_MODEL, model.as_str());
            if let Some((host, port)) = peer.as_ref().and_then(|peer| peer.address.as_ref()) {
                says.put(name::SERVER_ADDRESS, &**host);
                says.put_if(name::SERVER_PORT, port.map(u64::from));
            }
            if let Some(used) = step.used {
                says.put(name::INPUT_TOKENS, used.input.0);
                says.put(name::OUTPUT_TOKENS, used.output.0);
            }
            says.put_if(name::COST, step.cost.map(Usd::get));
            // One that was given up says nothing of the provider.
            says.put(name::OUTCOME, step.word());
            let failed = step.failed();
            says.put_if(name::ERROR_TYPE, failed);
            let begins = step.answered.map(|answered| Event {
                time_unix_nano: at(record, answered),
                name: name::FIRST_CHUNK.to_owned(),
            });
            Span {
                name: format!("{operation} {model}"),
                kind: Kind::Client.into(),
                attributes: says.0,
                events: begins.into_iter().collect(),
                status: failed.map(|_| Status::error("")),
                ..own
            }
        }
    }
}

/// The lookup that a vector was made for.
fn enclosing(record: &Record, step: &Step) -> Option<u64> {
    let mut steps = record.steps.iter();
    let lookup = steps.find(|other| {
        other.stage == Stage::Lookup && other.began <= step.began && other.ended >= step.ended
    });
    let lookup = lookup.filter(|_| step.stage == Stage::Embedding);
    lookup.map(|lookup| lookup.span)
}
