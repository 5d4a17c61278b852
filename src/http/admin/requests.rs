//! `GET /admin/api/requests`: what happened to the latest requests.
//!
//! What was noted is told as JSON and as nothing else: names and bodies are strangers' texts.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::private;
use crate::{
    clock::UnixMillis,
    error::{Error, Fault},
    gateway::why::words,
    http::Api,
    telemetry::{
        facts::{Facts, Tier},
        journal::{Record, Stage, Step},
        ledger::Way,
        recent::Remembered,
    },
    units::Usd,
    wire::{chat::ChatRequest, controls::Controls},
};

/// Requests of one list, if nothing else is said, and at most.
const USUAL: usize = 100;
const MOST: usize = 1000;

/// Which requests are wanted.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct Filter {
    limit: Option<usize>,
    before: Option<u64>,
    way: Option<String>,
    client: Option<String>,
    model: Option<String>,
    id: Option<String>,
}

/// Latest first.
#[derive(Debug, Serialize)]
struct Listed {
    captures: bool,
    remembered: usize,
    capacity: usize,
    requests: Vec<Told>,
}

/// One request.
#[derive(Debug, Serialize)]
struct Told {
    seq: u64,
    id: String,
    trace_id: String,
    at: u64,
    route: Option<&'static str>,
    status: Option<u16>,
    client: Option<String>,
    asked_model: Option<String>,
    /// `null` if its client was gone before it was answered, or if it was refused at once.
    way: Option<&'static str>,
    tier: Option<&'static str>,
    similarity: Option<f32>,
    reason: Option<&'static str>,
    /// What the reason means.
    sentence: Option<&'static str>,
    provider: Option<String>,
    model: Option<String>,
    task: Option<String>,
    attempts: usize,
    trimmed_tokens: Option<u64>,
    overhead_ms: Option<f64>,
    upstream_ms: Option<f64>,
    head_ms: Option<f64>,
    total_ms: f64,
    tokens: Option<Tokens>,
    usd: Option<f64>,
    saved_usd: Option<f64>,
    error: Option<String>,
    fault: Option<&'static str>,
    has_content: bool,
    /// Whether all of the answer was handed over.
    complete: bool,
}

#[derive(Debug, Serialize)]
struct Tokens {
    input: u64,
    output: u64,
}

/// One request with all that was noted.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    told: Told,
    steps: Vec<ToldStep>,
    /// Its body, as text.
    content: Option<String>,
    /// Its body, if it is a chat request and whole.
    request: Option<Value>,
}

#[derive(Debug, Serialize)]
struct ToldStep {
    stage: &'static str,
    provider: Option<String>,
    model: Option<String>,
    began_ms: f64,
    answered_ms: Option<f64>,
    ended_ms: Option<f64>,
    outcome: Option<&'static str>,
    tokens: Option<Tokens>,
    usd: Option<f64>,
}

/// The latest requests.
pub(in crate::http) async fn list(
    State(api): State<Arc<Api>>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Response {
    let filter = match query {
        Ok(Query(filter)) => filter,
        Err(rejection) => {
            return Error::bad_request(None, rejection.body_text()).into_response();
        }
    };
    if let Some(way) = &filter.way
        && !WAYS.contains(&way.as_str())
    {
        let message = format!("`way` must be one of {}", WAYS.join(", "));
        return Error::bad_request("way".to_owned(), message).into_response();
    }
    let limit = filter.limit.unwrap_or(USUAL).min(MOST);
    let listed = api
        .recent
        .list(|record| filter.wants(record), filter.before, limit);
    let listed = Listed {
        captures: api.recent.captures(),
        remembered: api.recent.len(),
        capacity: api.recent.capacity(),
        requests: listed.iter().map(told).collect(),
    };
    private(listed)
}

/// One request, with its steps.
pub(in crate::http) async fn one(
    State(api): State<Arc<Api>>,
    seq: Result<Path<String>, PathRejection>,
) -> Response {
    let seq = seq.ok().and_then(|Path(seq)| seq.parse().ok());
    let found = seq.and_then(|seq| api.recent.get(seq));
    let Some(found) = found else {
        return Error::NoSuchPath("this request is not remembered (any more)".to_owned())
            .into_response();
    };
    let content = found.record.content.as_ref();
    private(Whole {
        told: told(&found),
        steps: found.record.steps.iter().map(told_step).collect(),
        content: content.map(|content| String::from_utf8_lossy(content).into_owned()),
        request: content.and_then(chat_request),
    })
}

/// The body, if it is a chat request.
fn chat_request(content: &Bytes) -> Option<Value> {
    ChatRequest::parse(content.clone(), &mut Controls::default()).ok()?;
    serde_json::from_slice(content).ok()
}

/// What `way` may be asked for: all hits, what went wrong, and the ways themselves.
const WAYS: [&str; 9] = [
    "hit",
    "miss",
    "bypass",
    "error",
    "exact",
    "semantic",
    "stale",
    "coalesced",
    "background",
];

impl Filter {
    fn wants(&self, record: &Record) -> bool {
        let facts = facts(record);
        let models = [
            record.asked_model.as_deref(),
            facts.and_then(|facts| facts.model.as_ref().map(|model| model.as_str())),
        ];
        let wants_model = |model: &String| models.contains(&Some(model.as_str()));
        let client = record.client.as_ref().map(ToString::to_string);
        // What came to nothing before anybody was asked is nobody's request.
        let is_something = record.inbound.is_some() || !record.steps.is_empty();
        is_something
            && self
                .way
                .as_ref()
                .is_none_or(|wanted| is_way(record, wanted))
            && (self.client.as_ref()).is_none_or(|wanted| client.as_ref() == Some(wanted))
            && self.model.as_ref().is_none_or(wants_model)
            && (self.id.as_ref()).is_none_or(|id| **id == *record.id || *id == trace_id(record))
    }
}

fn is_way(record: &Record, wanted: &str) -> bool {
    if wanted == "error" {
        return is_error(record);
    }
    let Some(way) = way(record) else { return false };
    let is_wanted = way.as_str() == wanted || (way.is_hit() && wanted == "hit");
    is_wanted && !is_error(record)
}

fn is_error(record: &Record) -> bool {
    let head = record.head.as_ref();
    head.is_some_and(|head| head.failure.is_some() || head.status >= 400) || record.is_broken_off()
}

fn facts(record: &Record) -> Option<&Facts> {
    record.head.as_ref()?.facts.as_ref()
}

fn way(record: &Record) -> Option<Way> {
    match &record.head {
        Some(head) => head.facts.as_ref().map(|facts| facts.way),
        // What the gateway asks by itself has calls and nobody who asked for a model.
        None => {
            (record.asked_model.is_none() && !record.steps.is_empty()).then_some(Way::Background)
        }
    }
}

fn trace_id(record: &Record) -> String {
    format!("{:032x}", record.trace.trace)
}

fn told(Remembered { seq, record }: &Remembered) -> Told {
    let head = record.head.as_ref();
    let facts = facts(record);
    let failure = head.and_then(|head| head.failure.as_ref());
    let attempts = || {
        record.steps.iter().filter_map(|step| match &step.stage {
            Stage::Attempt { provider, model } => Some((provider, model)),
            Stage::Lookup | Stage::Embedding => None,
        })
    };
    // Of a request that was not answered, who was asked last.
    let (provider, model) = facts
        .map(|facts| (facts.provider.as_ref(), facts.model.as_ref()))
        .filter(|(provider, _)| provider.is_some())
        .or_else(|| attempts().next_back().map(|(p, m)| (Some(p), Some(m))))
        .unwrap_or_default();
    let used: Vec<_> = record.steps.iter().filter_map(|step| step.used).collect();
    let tokens = (!used.is_empty()).then(|| Tokens {
        input: used.iter().map(|used| used.input.0).sum(),
        output: used.iter().map(|used| used.output.0).sum(),
    });
    let costs = record.steps.iter().filter_map(|step| step.cost);
    let costs: Vec<f64> = costs.map(Usd::get).collect();
    let reason = facts.and_then(|facts| facts.reason);
    let broke_off = record.is_broken_off().then_some(Fault::Upstream);
    let UnixMillis(at) = record.at;
    Told {
        seq: *seq,
        id: record.id.to_string(),
        trace_id: trace_id(record),
        at,
        route: head.map(|head| head.route),
        status: head.map(|head| head.status),
        client: record.client.as_ref().map(ToString::to_string),
        asked_model: record.asked_model.as_deref().map(str::to_owned),
        way: way(record).map(Way::as_str),
        tier: facts.and_then(|facts| facts.tier).map(Tier::as_str),
        similarity: facts
            .and_then(|facts| facts.tier?.similarity())
            .map(crate::units::Similarity::get),
        reason,
        sentence: reason.and_then(words::sentence),
        provider: provider.map(ToString::to_string),
        model: model.map(ToString::to_string),
        task: facts.and_then(|facts| facts.task.as_ref().map(ToString::to_string)),
        attempts: facts
            .map(|facts| facts.attempts as usize)
            .filter(|told| *told > 0)
            .unwrap_or_else(|| attempts().count()),
        trimmed_tokens: facts.and_then(|facts| Some(facts.trimmed?.0)),
        overhead_ms: record.overhead().map(in_ms),
        upstream_ms: facts.map(|facts| in_ms(facts.upstream)),
        head_ms: record.answered.map(in_ms),
        total_ms: in_ms(record.total),
        tokens,
        usd: (!costs.is_empty()).then(|| costs.iter().sum()),
        saved_usd: facts.and_then(|facts| facts.saved).map(Usd::get),
        error: failure
            .map(|failure| failure.summary.clone())
            .or_else(|| broke_off.map(|_| "the answer broke off".to_owned())),
        fault: failure
            .map(|failure| failure.fault)
            .or(broke_off)
            .map(|fault| match fault {
                Fault::Client => "client",
                Fault::Upstream => "provider",
                Fault::Gateway => "gateway",
            }),
        has_content: record.content.is_some(),
        complete: record.delivered.is_some() && !record.broke_off,
    }
}

fn told_step(step: &Step) -> ToldStep {
    let (stage, asked) = match &step.stage {
        Stage::Lookup => ("lookup", None),
        Stage::Embedding => ("embedding", None),
        Stage::Attempt { provider, model } => ("attempt", Some((provider, model))),
    };
    ToldStep {
        stage,
        provider: asked.map(|(provider, _)| provider.to_string()),
        model: asked.map(|(_, model)| model.to_string()),
        began_ms: in_ms(step.began),
        answered_ms: step.answered.map(in_ms),
        ended_ms: step.ended.map(in_ms),
        outcome: step.outcome,
        tokens: step.used.map(|used| Tokens {
            input: used.input.0,
            output: used.output.0,
        }),
        usd: step.cost.map(Usd::get),
    }
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
