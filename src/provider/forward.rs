//! What a provider is asked that is handed on as it is: requests and answers that nobody here understands.
//!
//! An answer is whole (JSON and text, with the gateway's key taken out), events, or other bytes as they come. Invariant:
//! the address is the provider's own with a path of the configuration or of OpenAI; of the client's request it gets
//! the body, its type, and what is accepted.

use std::fmt;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderValue, header};
use reqwest::Url;
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout_at};

use super::{
    openai::failure,
    setup::Endpoint,
    traced,
    transport::{Answered, Transport, innermost},
};
use crate::{
    config::{Compat, PathTemplate},
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    telemetry::trace::Propagated,
    wire::{ask::Unable, chat::Invalid, error_body::ErrorObject, operation::Operation, sse},
};

/// One call.
#[derive(Debug)]
pub struct ForwardCall {
    /// What is asked.
    pub operation: Operation,
    /// Where below the provider's address, if not where OpenAI has it.
    pub path: Option<PathTemplate>,
    /// What the provider calls the model; empty if nobody knows (yet).
    pub model: String,
    /// The type of the body.
    pub content_type: HeaderValue,
    /// What the client accepts.
    pub accept: Option<HeaderValue>,
    /// The body.
    pub body: ForwardBody,
    /// Where in a trace it belongs, if the provider is to know.
    pub trace: Option<Propagated>,
}

/// A body that is handed on.
#[derive(Debug)]
pub enum ForwardBody {
    /// JSON, which can be sent again.
    Whole(Bytes),
    /// What comes piece by piece, once.
    Upload(Upload),
}

/// A body that is sent as it comes.
pub struct Upload {
    /// How long it is, in bytes, if that is known.
    pub length: Option<u64>,
    /// Its pieces. After one that is [`Abandoned`] nothing is sent, and the request is never complete.
    pub pieces: BoxStream<'static, Result<Bytes, Abandoned>>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// The client's body is not to be sent to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client's body was given up")]
pub struct Abandoned;

/// A provider's answer.
#[derive(Debug)]
pub struct Forwarded {
    /// The provider's headers that clients may see, and the type of the body.
    pub headers: HeaderMap,
    /// The body.
    pub body: ForwardedBody,
}

/// The body of an answer.
pub enum ForwardedBody {
    /// JSON or text.
    Whole(Bytes),
    /// Other bytes; an error is the last item.
    Bytes {
        /// How many there are, if the provider says so.
        length: Option<u64>,
        /// They, as they come.
        pieces: Pieces,
    },
    /// Whole events; an error is the last item.
    Events(Pieces),
}

/// A body as it comes.
pub type Pieces = BoxStream<'static, Result<Bytes, UpstreamError>>;

impl fmt::Debug for ForwardedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Bytes { .. } => "Bytes",
            Self::Events(_) => "Events",
        })
    }
}

/// Hands `call` on to a server of OpenAI's interface at `base`.
pub(super) async fn forward(
    transport: &Transport,
    base: &Url,
    compat: &Compat,
    call: ForwardCall,
) -> Result<Forwarded, UpstreamError> {
    let path = (call.path).unwrap_or_else(|| compat.path_beside_chat(call.operation.path()));
    if path.names_model() && call.model.is_empty() {
        let invalid = Invalid {
            message: "this provider has an address for each model: you must provide a `model`, in a form before its file"
                .to_owned(),
            param: Some("model".to_owned()),
        };
        let unable = Unable::Invalid(invalid);
        return Err(transport.error(UpstreamErrorKind::Untranslatable(unable.into())));
    }
    let url = Endpoint::below(base.clone(), path);
    let url = url.url(&call.model);
    let mut headers = traced(HeaderMap::new(), call.trace.as_ref());
    if let Some(accept) = call.accept {
        headers.insert(header::ACCEPT, accept);
    }
    let read = |answered| read(transport, answered);
    match call.body {
        ForwardBody::Whole(body) => {
            let limits = transport.limits(false);
            transport
                .post(&call.model, (&url, headers), body, limits, read)
                .await
        }
        ForwardBody::Upload(upload) => {
            headers.insert(header::CONTENT_TYPE, call.content_type);
            transport
                .upload(&call.model, (&url, headers), upload, read)
                .await
        }
    }
}

/// What the body of an answer is.
enum Kind {
    Json,
    Text,
    Html,
    Events,
    Other,
}

impl Kind {
    fn of(content_type: Option<&HeaderValue>) -> Self {
        let text = content_type.and_then(|value| value.to_str().ok());
        let text = text.unwrap_or_default().split(';').next();
        let text = text.unwrap_or_default().trim().to_ascii_lowercase();
        match text.as_str() {
            "application/json" => Self::Json,
            "text/event-stream" => Self::Events,
            "text/html" | "application/xhtml+xml" => Self::Html,
            // A text is written down in one of these.
            "application/x-subrip" => Self::Text,
            other if other.ends_with("+json") => Self::Json,
            other if other.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}

/// Reads an answer as far as is needed to hand it on: to its end, or until it has begun.
async fn read(transport: &Transport, answered: Answered) -> Result<Forwarded, UpstreamError> {
    const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
    let theirs = answered.response.headers();
    let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !theirs
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(is_plain)
    {
        return Err(transport.decode_error(&"it is compressed, which was not asked for"));
    }
    let content_type = theirs.get(header::CONTENT_TYPE);
    let kind = Kind::of(content_type);
    let mut headers = answered.headers.clone();
    let shown = content_type.filter(|value| !transport.redactor.finds(value.as_bytes()));
    headers.insert(header::CONTENT_TYPE, shown.cloned().unwrap_or(OCTETS));
    let body = match kind {
        Kind::Html => return Err(transport.decode_error(&"a page of HTML")),
        Kind::Json => ForwardedBody::Whole(json(transport, answered).await?),
        Kind::Text => ForwardedBody::Whole(transport.read(answered).await?),
        Kind::Events => {
            ForwardedBody::Events(Reading::new(transport, answered, true).begin().await?)
        }
        Kind::Other => {
            let length = answered.response.content_length();
            let reading = Reading::new(transport, answered, false);
            ForwardedBody::Bytes {
                length,
                pieces: reading.begin().await?,
            }
        }
    };
    Ok(Forwarded { headers, body })
}

async fn json(transport: &Transport, answered: Answered) -> Result<Bytes, UpstreamError> {
    let body = transport.read(answered).await?;
    serde_json::from_slice::<IgnoredAny>(&body).map_err(|error| transport.decode_error(&error))?;
    // Some gateways report errors so.
    match ErrorObject::read(&body) {
        Some(error) => Err(transport.reported(failure::reported(error))),
        None => Ok(body),
    }
}

/// A body being read.
struct Reading {
    transport: Transport,
    response: reqwest::Response,
    deadline: Instant,
    /// Cuts events apart, where it is a stream of them.
    splitter: Option<sse::Splitter>,
    begun: bool,
}

impl Reading {
    fn new(transport: &Transport, answered: Answered, are_events: bool) -> Self {
        Self {
            transport: transport.clone(),
            response: answered.response,
            deadline: answered.limits.deadline,
            splitter: are_events.then(sse::Splitter::default),
            begun: false,
        }
    }

    /// All of the body, of which something is there.
    async fn begin(mut self) -> Result<Pieces, UpstreamError> {
        let Some(first) = self.next().await? else {
            return Err(self.transport.decode_error(&"an empty body"));
        };
        self.begun = true;
        let rest = stream::unfold(Some(self), |reading| async move {
            let mut reading = reading?;
            match reading.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(reading))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(stream::iter([Ok(first)]).chain(rest).boxed())
    }

    /// The next bytes, or whole events with the gateway's key taken out.
    async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            let Some(chunk) = self.chunk().await? else {
                let rest = self.splitter.as_mut().map(sse::Splitter::take_remainder);
                let rest = rest.filter(|rest| !rest.trim_ascii().is_empty());
                return match rest {
                    // An event that only lacks its empty line is given one.
                    Some(rest) => match sse::unterminated(&rest) {
                        Some(whole) => Ok(Some(self.transport.redactor.redact(whole))),
                        None => Err(self.broken(&"it ended inside an event")),
                    },
                    None => Ok(None),
                };
            };
            let Some(splitter) = &mut self.splitter else {
                if chunk.is_empty() {
                    continue;
                }
                return Ok(Some(chunk));
            };
            match splitter.push(&chunk) {
                Ok(Some(events)) => return Ok(Some(self.transport.redactor.redact(events))),
                Ok(None) => {}
                Err(sse::EventTooLarge(size)) => {
                    return Err(self.broken(&format!("an event of more than {size} bytes")));
                }
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let timeouts = self.transport.timeouts;
        // An image takes longer to come than the next word.
        let idle = Instant::now() + timeouts.idle.max(timeouts.first_token);
        let (limit, kind) = if self.begun && idle < self.deadline {
            (idle, TimeoutKind::Idle)
        } else {
            (self.deadline, TimeoutKind::Total)
        };
        timeout_at(limit, self.response.chunk())
            .await
            .map_err(|_| self.transport.error(UpstreamErrorKind::Timeout(kind)))?
            .map_err(|error| self.broken(&innermost(&error)))
    }

    fn broken(&self, why: &dyn ToString) -> UpstreamError {
        self.transport
            .error(UpstreamErrorKind::Stream(why.to_string()))
    }
}
