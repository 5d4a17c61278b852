//! Taking lines in: exported entries, and known answers.
//!
//! All lines are read and checked before the first is taken in, and what is wrong with any of them is told with its
//! number: then nothing is taken in. Who asks for `partial` has the good lines taken in one by one, and the others
//! reported. Vectors are made here and now, a few at a time, so that requests find the encoder free.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Query, Request, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json, value::RawValue};

use crate::{
    cache::portable::{self, Header, Unreadable},
    embed::Embedding,
    error::Error,
    gateway::import::{Incoming, Refused, Taken, Warming},
    http::{Api, admin::private, body},
    policy::identity::Fingerprint,
    wire::{answer::Answer, controls::Controls},
};

/// Lines that are embedded at the same time: enough to keep the encoder busy, few enough to leave its
/// queue to requests.
const AHEAD: usize = 4;
/// Errors that are told; the rest is counted.
const TOLD: usize = 100;

/// How lines are to be taken in.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct How {
    /// Only said, not done. No vectors are made for it.
    dry_run: bool,
    /// Good lines even if others are not.
    partial: bool,
}

/// Takes in the lines of the body.
pub(in crate::http) async fn import(
    State(api): State<Arc<Api>>,
    how: Result<Query<How>, QueryRejection>,
    request: Request,
) -> Response {
    let Query(how) = match how {
        Ok(how) => how,
        Err(rejection) => return Error::bad_request(None, rejection.body_text()).into_response(),
    };
    let (head, request_body) = request.into_parts();
    let body = match body::read(&api, &head, request_body, api.front.load().max_body).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let outcome = match how {
        How {
            dry_run: false,
            partial: true,
        } => Some(one_by_one(&api, body).await),
        _ => all_or_none(&api, body, how).await,
    };
    let Some(outcome) = outcome else {
        return Error::Internal("an import failed".to_owned()).into_response();
    };
    let Outcome {
        imported,
        skipped,
        refused,
        ..
    } = outcome;
    tracing::info!(
        imported,
        skipped,
        refused,
        dry_run = how.dry_run,
        "entries imported"
    );
    outcome.into_response(how)
}

/// Takes in what can be, line by line. Embedded side by side, kept in order: of two answers to one request, the later
/// line counts.
async fn one_by_one(api: &Arc<Api>, body: Bytes) -> Outcome {
    let mut export = Export::Unknown;
    let lines = lines(body).map(|(number, line)| (number, read(api, &line, &mut export)));
    let mut outcome = Outcome::default();
    let mut embedded = stream::iter(lines)
        .map(|(number, read)| async move {
            let embedded = match read {
                Ok(Line::Entry(incoming)) => embed(api, incoming).await.map(Some),
                Ok(Line::Header) => Ok(None),
                Err(why) => Err(why),
            };
            (number, embedded)
        })
        .buffered(AHEAD);
    while let Some((number, embedded)) = embedded.next().await {
        outcome.lines += u64::from(!matches!(embedded, Ok(None)));
        match embedded {
            Ok(None) => {}
            Ok(Some((incoming, embedding))) => {
                let taken = api.gateway.take_in(*incoming, embedding);
                outcome.note(number, taken.map_err(Why::from));
            }
            Err(why) => outcome.note(number, Err(why)),
        }
        // Thousands of lines that need no embedding would hold this thread.
        tokio::task::yield_now().await;
    }
    outcome
}

/// Reads and checks all lines, and takes them in if nothing is wrong with any. `None` if that panics.
async fn all_or_none(api: &Arc<Api>, body: Bytes, how: How) -> Option<Outcome> {
    let reading = Arc::clone(api);
    let checked = tokio::task::spawn_blocking(move || check(&reading, body));
    let (mut outcome, good) = checked.await.ok()?;
    if how.dry_run || outcome.refused > 0 {
        if how.partial || outcome.refused == 0 {
            outcome.imported = good.len() as u64;
        }
        return Some(outcome);
    }
    let mut embedded = stream::iter(good)
        .map(|(number, incoming)| async move { (number, embed(api, incoming).await) })
        .buffered(AHEAD);
    let mut ready = Vec::new();
    while let Some((number, embedded)) = embedded.next().await {
        match embedded {
            Ok(embedded) => ready.push((number, embedded)),
            Err(why) => outcome.note(number, Err(why)),
        }
        tokio::task::yield_now().await;
    }
    if outcome.refused > 0 {
        return Some(outcome);
    }
    let api = Arc::clone(api);
    // A task that nobody can end half-way: whoever sent the lines may hang up at any time.
    let taking = tokio::task::spawn_blocking(move || take_all(&api, ready, outcome));
    taking.await.ok()
}

/// The lines of which something would be kept; what becomes of the others is noted.
fn check(api: &Api, body: Bytes) -> (Outcome, Vec<(u64, Box<Incoming>)>) {
    let (mut export, mut outcome) = (Export::Unknown, Outcome::default());
    let (mut good, mut bytes): (Vec<(u64, Box<Incoming>)>, _) = (Vec::new(), 0_u64);
    // Of each request, which of the good lines is the last about it.
    let mut last: HashMap<Fingerprint, usize> = HashMap::new();
    let bound = api.store.room();
    for (number, line) in lines(body) {
        let line = read(api, &line, &mut export);
        outcome.lines += u64::from(!matches!(line, Ok(Line::Header)));
        let incoming = match line {
            Ok(Line::Entry(incoming)) => incoming,
            Ok(Line::Header) => continue,
            Err(why) => {
                outcome.note(number, Err(why));
                continue;
            }
        };
        let fingerprint = incoming.fingerprint();
        let earlier = last.get(&fingerprint).and_then(|at| good.get(*at));
        let earlier = earlier.map(|(_, earlier)| &**earlier);
        let is_late = earlier.is_some_and(|earlier| incoming.is_late_behind(earlier));
        if is_late || api.gateway.expect(&incoming) == Taken::Skipped {
            outcome.note(number, Ok(Taken::Skipped));
            continue;
        }
        // It takes the place of the earlier one.
        let before = bytes.saturating_sub(earlier.map_or(0, Incoming::weight));
        bytes = before.saturating_add(incoming.weight());
        if bytes > bound {
            // Once: those behind it have no more room than this one.
            let why = "there is no room in `cache.max_bytes` for all lines up to this one";
            let why = if before > bound {
                Why::Told
            } else {
                Why::Says(why.to_owned())
            };
            outcome.note(number, Err(why));
            continue;
        }
        last.insert(fingerprint, good.len());
        good.push((number, incoming));
    }
    (outcome, good)
}

/// Takes in all of these, or leaves everything as it was: what was taken in by then goes again, and what it had taken the
/// place of comes back. Not what was evicted for it; nor anything once the cache was purged meanwhile, which
/// may have been meant to go.
fn take_all(api: &Api, ready: Vec<(u64, Embedded)>, mut outcome: Outcome) -> Outcome {
    let mut taken_in = Vec::new();
    for (number, (incoming, embedding)) in ready {
        let before = api.gateway.before(&incoming);
        let taken = api.gateway.take_in(*incoming, embedding);
        let is_refused = taken.is_err();
        if taken == Ok(Taken::Imported) {
            taken_in.push(before);
        }
        outcome.note(number, taken.map_err(Why::from));
        if is_refused {
            // The last first: of two lines for one request, the first knows what was there before both.
            for before in taken_in.into_iter().rev() {
                api.gateway.take_back(before);
            }
            outcome.imported = 0;
            return outcome;
        }
    }
    outcome
}

/// What may be taken in, with its vector if it needs one.
type Embedded = (Box<Incoming>, Option<Embedding>);

async fn embed(api: &Api, incoming: Box<Incoming>) -> Result<Embedded, Why> {
    let embedding = api.gateway.embed(&incoming).await?;
    Ok((incoming, embedding))
}

/// The lines that are not blank, with their numbers from 1. Some editors mark files as UTF-8 by their first bytes.
fn lines(mut body: Bytes) -> impl Iterator<Item = (u64, Bytes)> {
    const MARK: &str = "\u{feff}";
    if body.starts_with(MARK.as_bytes()) {
        body.advance(MARK.len());
    }
    let lines = std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', &body).map_or(body.len(), |end| end + 1);
        (end > 0).then(|| body.split_to(end))
    });
    (1..)
        .zip(lines)
        .filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// What a line is.
enum Line {
    Header,
    Entry(Box<Incoming>),
}

/// Whether exported entries can be read, as the last header says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Export {
    /// There was none.
    Unknown,
    Fits,
    Foreign,
}

/// Why a line was not taken in.
enum Why {
    Says(String),
    /// It has been told about an earlier line: the header, say.
    Told,
}

impl From<Refused> for Why {
    fn from(refused: Refused) -> Self {
        Self::Says(refused.to_string())
    }
}

impl From<Unreadable> for Why {
    fn from(unreadable: Unreadable) -> Self {
        Self::Says(unreadable.0)
    }
}

impl From<serde_json::Error> for Why {
    fn from(error: serde_json::Error) -> Self {
        Unreadable::from(error).into()
    }
}

/// What tells the kinds of lines apart.
#[derive(Deserialize)]
struct Kind {
    refrain_cache: Option<IgnoredAny>,
    fingerprint: Option<IgnoredAny>,
}

/// An answer to a request that nobody has made yet, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWarming<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
    #[serde(borrow)]
    response: &'a RawValue,
    client: Option<String>,
    namespace: Option<Value>,
    ttl: Option<Value>,
    tags: Option<Value>,
}

fn read(api: &Api, line: &Bytes, export: &mut Export) -> Result<Line, Why> {
    let kind: Kind = serde_json::from_slice(line)?;
    let incoming = if kind.refrain_cache.is_some() {
        let header: Header = serde_json::from_slice(line)?;
        *export = Export::Foreign;
        header.fits(&api.front.load().auth.mark())?;
        *export = Export::Fits;
        return Ok(Line::Header);
    } else if kind.fingerprint.is_some() {
        match export {
            Export::Fits => {}
            Export::Foreign => return Err(Why::Told),
            Export::Unknown => {
                let message = "an exported entry needs the first line of its export before it";
                return Err(Why::Says(message.to_owned()));
            }
        }
        let entry = portable::entry(line, api.clock.unix(), api.gateway.dimension())?;
        api.gateway.restore(entry)?
    } else {
        warming(api, line)?
    };
    Ok(Line::Entry(Box::new(incoming)))
}

fn warming(api: &Api, line: &Bytes) -> Result<Incoming, Why> {
    let written: WrittenWarming<'_> = serde_json::from_slice(line)?;
    let caller = (api.front.load().auth.named(written.client.as_deref()))
        .map_err(|m| Why::Says(m.to_owned()))?;
    let said = [
        ("namespace", written.namespace),
        ("ttl", written.ttl),
        ("tags", written.tags),
    ];
    let said = said
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut controls = Controls::default();
    controls
        .apply_refrain(&said.collect())
        .map_err(|invalid| Why::Says(invalid.message.replace("refrain.", "")))?;
    let response = Answer::read(written.response.get().as_bytes())
        .map_err(|error| Why::Says(format!("`response`: {error}")))?;
    let warming = Warming {
        caller,
        controls,
        request: line.slice_ref(written.request.get().as_bytes()),
        response,
    };
    Ok(api.gateway.warm(warming)?)
}

/// What has become of all lines.
#[derive(Default)]
struct Outcome {
    /// Without headers that could be read.
    lines: u64,
    imported: u64,
    skipped: u64,
    refused: u64,
    errors: Vec<Value>,
}

impl Outcome {
    fn note(&mut self, line: u64, taken: Result<Taken, Why>) {
        match taken {
            Ok(Taken::Imported) => self.imported += 1,
            Ok(Taken::Skipped) => self.skipped += 1,
            Err(why) => {
                self.refused += 1;
                if let Why::Says(error) = why
                    && self.errors.len() < TOLD
                {
                    self.errors.push(json!({"line": line, "error": error}));
                }
            }
        }
    }

    fn into_response(self, how: How) -> Response {
        let mut told = json!({
            "lines": self.lines,
            "imported": self.imported,
            "skipped": self.skipped,
            "refused": self.refused,
            "errors": self.errors,
            "dry_run": how.dry_run,
        });
        if self.refused == 0 || how.partial {
            return private(told);
        }
        let first = self.errors.first().map(|error| {
            let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
            let (line, error) = (error.get("line"), error.get("error").map(text));
            format!(
                "line {}: {}; nothing was imported",
                line.unwrap_or(&Value::Null),
                error.unwrap_or_default()
            )
        });
        let error = json!({
            "message": first.unwrap_or_default(),
            "type": "invalid_request_error", "param": null, "code": "broken_lines",
        });
        if let Value::Object(told) = &mut told {
            told.insert("error".to_owned(), error);
        }
        (StatusCode::BAD_REQUEST, private(told)).into_response()
    }
}
