//! Moving the cache: export and import as lines of JSON, and warming with known answers.
//!
//! A line that can't be taken in is reported with its number and stops no other. Vectors are made here
//! and now, a few at a time, so that requests find the encoder free.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json, value::RawValue};

use super::{
    entries::{Written, asked_for, private, refuse_change},
    refuse,
};
use crate::{
    cache::portable::{self, Header, Unreadable},
    error::Error,
    gateway::import::{Incoming, Refused, Taken, Warming},
    http::{Api, body},
    policy::identity::Fingerprint,
    wire::{answer::Answer, controls::Controls},
};

/// An export is sent in pieces of about this size, in bytes.
const PIECE: usize = 64 << 10;
/// Lines that are embedded at the same time: enough to keep the encoder busy, few enough to leave its
/// queue to requests.
const AHEAD: usize = 4;
/// Errors that are told; the rest is counted.
const TOLD: usize = 100;

/// The entries that a query selects, as lines of JSON; all, if it says nothing.
pub(crate) async fn export(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    query: Result<Query<Written>, QueryRejection>,
) -> Response {
    if let Some(refusal) = refuse(&api, &headers) {
        return refusal;
    }
    let (selector, limit) = match asked_for(query) {
        Ok(asked_for) => asked_for,
        Err(error) => return error.into_response(),
    };
    let limit = limit.unwrap_or(usize::MAX);
    let (store, now) = (Arc::clone(&api.store), api.clock.unix());
    let selecting = tokio::task::spawn_blocking(move || {
        // Their names only: what is to be sent stays where it is until its turn comes.
        let (generation, mut selected) = (store.generation(), Vec::new());
        store.each(|entry| {
            // What is of another generation never answers again.
            let is_alive = entry.generation == generation;
            if is_alive && selected.len() < limit && selector.selects(&entry.traits(now)) {
                selected.push(entry.fingerprint);
            }
        });
        selected
    });
    let Ok(selected) = selecting.await else {
        return Error::Internal("an export failed".to_owned()).into_response();
    };
    let first = Bytes::from(Header::new(&api.front.load().auth.mark()).line());
    let pieces = stream::iter([first]).chain(pieces(api, selected));
    let mut response = Body::from_stream(pieces.map(Ok::<_, Infallible>)).into_response();
    let out = response.headers_mut();
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    out.insert(header::CONTENT_TYPE, ndjson);
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn pieces(api: Arc<Api>, selected: Vec<Fingerprint>) -> impl stream::Stream<Item = Bytes> {
    stream::unfold(selected.into_iter(), move |mut left| {
        let mut piece = Vec::new();
        while piece.len() < PIECE
            && let Some(fingerprint) = left.next()
        {
            let line = api.store.get(&fingerprint);
            piece.extend(
                line.and_then(|entry| portable::line(&entry))
                    .unwrap_or_default(),
            );
        }
        std::future::ready((!piece.is_empty()).then(|| (piece.into(), left)))
    })
}

/// Takes in the lines of the body.
pub(crate) async fn import(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, request_body) = request.into_parts();
    if let Some(refusal) = refuse_change(&api, &head.headers) {
        return refusal;
    }
    let body = match body::read(&api, &head, request_body, api.front.load().max_body).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let mut export = Export::Unknown;
    let lines = lines(body).map(|(number, line)| (number, read(&api, &line, &mut export)));
    let mut outcome = Outcome::default();
    // Embedded side by side, kept in order: of two answers to one request, the later line counts.
    let mut embedded = stream::iter(lines)
        .map(|(number, read)| {
            let gateway = &api.gateway;
            async move {
                let embedded = match read {
                    Ok(Line::Entry(incoming)) => match gateway.embed(&incoming).await {
                        Ok(embedding) => Ok(Some((*incoming, embedding))),
                        Err(refused) => Err(Why::from(refused)),
                    },
                    Ok(Line::Header) => Ok(None),
                    Err(why) => Err(why),
                };
                (number, embedded)
            }
        })
        .buffered(AHEAD);
    while let Some((number, embedded)) = embedded.next().await {
        match embedded {
            Ok(None) => {}
            Ok(Some((incoming, embedding))) => {
                let taken = api.gateway.take_in(incoming, embedding);
                outcome.note(number, taken.map_err(Why::from));
            }
            Err(why) => outcome.note(number, Err(why)),
        }
        // Thousands of lines that need no embedding would hold this thread.
        tokio::task::yield_now().await;
    }
    let Outcome {
        imported,
        skipped,
        refused,
        ..
    } = outcome;
    tracing::info!(imported, skipped, refused, "entries imported");
    private(outcome.into_json())
}

/// The lines that are not blank, with their numbers from 1.
fn lines(mut body: Bytes) -> impl Iterator<Item = (u64, Bytes)> {
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
    /// Its header has been told about.
    Foreign,
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
            Export::Foreign => return Err(Why::Foreign),
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

    fn into_json(self) -> Value {
        json!({
            "lines": self.imported + self.skipped + self.refused,
            "imported": self.imported,
            "skipped": self.skipped,
            "refused": self.refused,
            "errors": self.errors,
        })
    }
}
