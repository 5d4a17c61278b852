//! HTTP towards providers: sending, reading within limits, and cutting streams at event borders.
//!
//! It knows statuses, headers, keys, time limits and framing, not what the bodies mean beyond that.
//! Invariant: no redirect is ever followed (a key would travel with it), no body is read past
//! [`LARGEST_BODY`], and a call is sent at most once with each key.

mod keys;
mod limits;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

pub(super) use self::keys::Keys;
use super::redact::Redactor;
use crate::{
    config::Timeouts,
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    ident::ProviderName,
    policy::key_ring::Reason,
    wire::error_body::ErrorObject,
};

/// The largest body read as a whole, in bytes.
const LARGEST_BODY: usize = 64 << 20;
/// How much of an error body is read, in bytes.
const LARGEST_ERROR: usize = 1 << 20;

/// What a provider means by an answer that is an error.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The HTTP status that says it best.
    pub(super) status: u16,
    /// What is wrong, in the provider's words; `None` if its body is no error of its dialect.
    pub(super) error: Option<ErrorObject>,
    /// How long it wants to be left alone, where the body says so.
    pub(super) retry_after: Option<Duration>,
}

/// Reads a body that came with a status of no success.
pub(super) type ReadFailure = fn(status: u16, body: &[u8]) -> Failure;

/// One provider's connections.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    provider: ProviderName,
    client: reqwest::Client,
    headers: HeaderMap,
    keys: Arc<Keys>,
    read_failure: ReadFailure,
    pub(super) redactor: Redactor,
    pub(super) timeouts: Timeouts,
}

/// What is sent, whatever the key.
struct Sent<'u> {
    method: Method,
    url: &'u reqwest::Url,
    headers: HeaderMap,
    body: Option<Bytes>,
}

/// A body to be read whole, or a stream.
pub(super) struct Answered {
    pub(super) headers: HeaderMap,
    pub(super) response: reqwest::Response,
    pub(super) deadline: Instant,
    pub(super) first_token: Instant,
}

impl Answered {
    /// Whether the body says that it is a stream of events.
    pub(super) fn is_event_stream(&self) -> bool {
        let content_type = self.response.headers().get(header::CONTENT_TYPE);
        content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .trim_start()
                    .to_ascii_lowercase()
                    .starts_with("text/event-stream")
            })
    }
}

impl Transport {
    /// Connections to a provider at `base_url`, with `headers` and one of `keys` on every request, of which
    /// `redactor` takes all out of whatever the provider says.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub(super) fn new(
        provider: ProviderName,
        base_url: &str,
        headers: HeaderMap,
        keys: Keys,
        redactor: Redactor,
        timeouts: Timeouts,
        read_failure: ReadFailure,
    ) -> Result<Self, reqwest::Error> {
        let mut client = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .http2_adaptive_window(true)
            .user_agent(concat!("refrain/", env!("CARGO_PKG_VERSION")));
        let host = base_url.split("://").nth(1).unwrap_or(base_url);
        if ["127.", "localhost", "[::1]"]
            .iter()
            .any(|local| host.starts_with(local))
        {
            client = client.no_proxy();
        }
        Ok(Self {
            provider,
            client: client.build()?,
            headers,
            keys: Arc::new(keys),
            read_failure,
            redactor,
            timeouts,
        })
    }

    pub(super) fn provider(&self) -> &ProviderName {
        &self.provider
    }

    pub(super) fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        UpstreamError {
            provider: self.provider.clone(),
            kind,
        }
    }

    /// An error that a provider reports with a success, or in a stream of which nothing was handed on.
    pub(super) fn reported(&self, failure: Failure) -> UpstreamError {
        let message = failure.error.as_ref().map(|error| error.message.clone());
        self.error(UpstreamErrorKind::Status {
            status: failure.status,
            message: message.unwrap_or_default(),
            body: failure.error.map(Into::into),
            retry_after: failure.retry_after,
        })
    }

    pub(super) fn decode_error(&self, why: &dyn ToString) -> UpstreamError {
        self.error(UpstreamErrorKind::Decode(why.to_string()))
    }

    /// Sends a JSON body about `model`, with more `headers`, and waits for a success. `model` is empty
    /// where it is about none.
    pub(super) async fn post(
        &self,
        model: &str,
        url: &reqwest::Url,
        more: HeaderMap,
        body: Bytes,
        stream: bool,
    ) -> Result<Answered, UpstreamError> {
        let mut headers = self.headers.clone();
        headers.extend(more);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let sent = Sent {
            method: Method::POST,
            url,
            headers,
            body: Some(body),
        };
        self.send(model, sent, stream).await
    }

    /// Asks for `url`, which is about no model, and waits for a success.
    pub(super) async fn get(&self, url: &reqwest::Url) -> Result<Answered, UpstreamError> {
        let sent = Sent {
            method: Method::GET,
            url,
            headers: self.headers.clone(),
            body: None,
        };
        self.send("", sent, false).await
    }

    /// Sends it with one key after the other, until it is not the key that is refused. Nothing was delivered
    /// before, so nothing is done twice; the time for all of it is that of one attempt.
    async fn send(
        &self,
        model: &str,
        sent: Sent<'_>,
        stream: bool,
    ) -> Result<Answered, UpstreamError> {
        let now = Instant::now();
        let deadline = now + self.timeouts.total;
        let first_token = if stream {
            deadline.min(now + self.timeouts.first_token)
        } else {
            deadline
        };
        let mut tried = Vec::new();
        let mut last = None;
        loop {
            let key = match self.keys.next(model, &tried) {
                Ok(key) => key,
                Err(none) => return Err(self.error(keys::none_left(none, last))),
            };
            tried.push(key);
            let mut request = reqwest::Request::new(sent.method.clone(), sent.url.clone());
            *request.headers_mut() = sent.headers.clone();
            self.keys.put(key, request.headers_mut());
            *request.body_mut() = sent.body.clone().map(Into::into);
            let response = timeout_at(first_token, self.client.execute(request))
                .await
                .map_err(|_| self.late(stream))?
                .map_err(|error| self.unsent(&error))?;
            if response.status().is_success() {
                let headers = response.headers();
                self.keys.succeeded(key, model, headers, &self.provider);
                return Ok(Answered {
                    headers: visible_headers(headers, &self.redactor),
                    response,
                    deadline,
                    first_token,
                });
            }
            let error = self.refused(response, deadline).await;
            let Some(reason) = self.keys.failed(key, model, &error) else {
                return Err(error);
            };
            // A limit is told rather than a refusal: it passes.
            if !matches!(last, Some((_, Reason::RateLimited { .. }))) {
                last = Some((error.kind, reason));
            }
        }
    }

    fn late(&self, stream: bool) -> UpstreamError {
        let kind = if stream {
            TimeoutKind::FirstToken
        } else {
            TimeoutKind::Total
        };
        self.error(UpstreamErrorKind::Timeout(kind))
    }

    fn unsent(&self, error: &reqwest::Error) -> UpstreamError {
        let why = innermost(error);
        self.error(if error.is_connect() {
            UpstreamErrorKind::Connect(why)
        } else if error.is_timeout() {
            UpstreamErrorKind::Timeout(TimeoutKind::FirstToken)
        } else {
            UpstreamErrorKind::Decode(why)
        })
    }

    async fn refused(&self, mut response: reqwest::Response, deadline: Instant) -> UpstreamError {
        let status = response.status().as_u16();
        let retry_after = limits::retry_after(response.headers());
        let body = timeout_at(deadline, collect(&mut response, LARGEST_ERROR)).await;
        let body = self
            .redactor
            .redact(body.ok().and_then(Result::ok).unwrap_or_default());
        let failure = (self.read_failure)(status, &body);
        let message = match &failure.error {
            // Even a masked key is more than a client should see.
            _ if matches!(failure.status, 401 | 407) => KEY_REFUSED.to_owned(),
            Some(object) => object.message.clone(),
            None => shortened(&body),
        };
        self.error(UpstreamErrorKind::Status {
            status: failure.status,
            message,
            body: failure.error.map(Into::into),
            retry_after: retry_after.or(failure.retry_after),
        })
    }

    /// Asks for `url`, which answers in JSON.
    pub(super) async fn get_json<T: DeserializeOwned>(
        &self,
        url: &reqwest::Url,
    ) -> Result<T, UpstreamError> {
        self.read_json(self.get(url).await?).await
    }

    /// Reads the whole body as JSON.
    pub(super) async fn read_json<T: DeserializeOwned>(
        &self,
        answered: Answered,
    ) -> Result<T, UpstreamError> {
        let body = self.read(answered).await?;
        serde_json::from_slice(&body).map_err(|error| self.decode_error(&error))
    }

    /// Reads the whole body.
    pub(super) async fn read(&self, mut answered: Answered) -> Result<Bytes, UpstreamError> {
        timeout_at(
            answered.deadline,
            collect(&mut answered.response, LARGEST_BODY),
        )
        .await
        .map_err(|_| self.error(UpstreamErrorKind::Timeout(TimeoutKind::Total)))?
        .map_err(|why| self.decode_error(&why))
        .map(|body| self.redactor.redact(body))
    }
}

const KEY_REFUSED: &str = "it refuses the key that this gateway has for it";

async fn collect(response: &mut reqwest::Response, most: usize) -> Result<Bytes, String> {
    let Some(first) = response.chunk().await.map_err(|error| innermost(&error))? else {
        return Ok(Bytes::new());
    };
    let mut body = BytesMut::new();
    let mut only = Some(first);
    while let Some(chunk) = response.chunk().await.map_err(|error| innermost(&error))? {
        if let Some(first) = only.take() {
            body.extend_from_slice(&first);
        }
        body.extend_from_slice(&chunk);
        if body.len() > most {
            return Err(format!("the body is larger than {most} bytes"));
        }
    }
    Ok(only.unwrap_or_else(|| body.freeze()))
}

/// The headers of a provider that mean something to its clients, but for those that quote the key.
fn visible_headers(headers: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let visible = |name: &HeaderName, value: &HeaderValue| {
        let name = name.as_str();
        let means_something = name.starts_with("openai-")
            || name.starts_with("x-ratelimit-")
            || name.starts_with("anthropic-ratelimit-")
            || is_request_id(name);
        means_something && !redactor.finds(value.as_bytes())
    };
    fn is_request_id(name: &str) -> bool {
        matches!(name, "x-request-id" | "request-id")
    }
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, value)| visible(name, value)) {
        let name = if is_request_id(name.as_str()) {
            HeaderName::from_static("x-refrain-upstream-request-id")
        } else {
            name.clone()
        };
        kept.insert(name, value.clone());
    }
    kept
}

/// The beginning of a body that was expected to be something else, fit to be shown.
fn shortened(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..400).unwrap_or(body));
    let text: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(200)
        .collect();
    if text.is_empty() {
        "no body".to_owned()
    } else {
        text.escape_debug().to_string()
    }
}

/// The cause at the bottom of an error, which says what happened; the layers above name URLs.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
