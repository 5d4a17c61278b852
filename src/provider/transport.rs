//! HTTP towards providers: sending, reading within limits, and cutting streams at event borders.
//!
//! It knows statuses, headers, keys, time limits and framing, not what the bodies mean beyond that.
//! Invariant: no redirect is ever followed (a key would travel with it), no body is read past
//! [`LARGEST_BODY`], a call is sent at most once with each key, and a key has succeeded when something
//! was said.

mod body;
mod keys;
mod limits;
mod shown;
mod upload;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

pub(super) use self::keys::Keys;
use self::{
    body::{Cut, Pace, collect},
    shown::{shortened, visible_headers},
};
use super::{
    KeyCount,
    redact::{Redactor, Redactors},
};
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
/// How long the next part of an error body is waited for: its status says the most of it.
const ERROR_IDLE: Duration = Duration::from_secs(5);

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
    in_errors: Redactor,
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
    pub(super) limits: Limits,
}

/// Until when an attempt may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) deadline: Instant,
    /// Until something is said; the same as `deadline` for an answer that comes whole.
    pub(super) first_token: Instant,
    is_stream: bool,
}

impl Limits {
    /// What it is called when `first_token` is over.
    fn late(self) -> TimeoutKind {
        if self.is_stream {
            TimeoutKind::FirstToken
        } else {
            TimeoutKind::Total
        }
    }
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
    /// `redactors` take all out of whatever the provider says.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub(super) fn new(
        provider: ProviderName,
        base_url: &str,
        headers: HeaderMap,
        keys: Keys,
        redactors: Redactors,
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
            redactor: redactors.keys,
            in_errors: redactors.in_errors,
            timeouts,
        })
    }

    pub(super) fn provider(&self) -> &ProviderName {
        &self.provider
    }

    pub(super) fn keys(&self) -> KeyCount {
        self.keys.count()
    }

    pub(super) fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        UpstreamError {
            provider: self.provider.clone(),
            kind,
        }
    }

    /// An error that a provider reports with a success, or in a stream of which nothing was handed on.
    pub(super) fn reported(&self, failure: Failure) -> UpstreamError {
        self.failed(failure, String::new())
    }

    /// `otherwise` is what was said if it was no error of the dialect.
    fn failed(&self, failure: Failure, otherwise: String) -> UpstreamError {
        let message = match &failure.error {
            // Even a masked key is more than a client should see.
            _ if matches!(failure.status, 401 | 407) => KEY_REFUSED.to_owned(),
            Some(object) => object.message.clone(),
            None => otherwise,
        };
        self.error(UpstreamErrorKind::Status {
            status: failure.status,
            message,
            body: failure.error.map(Into::into),
            retry_after: failure.retry_after,
        })
    }

    pub(super) fn decode_error(&self, why: &dyn ToString) -> UpstreamError {
        self.error(UpstreamErrorKind::Decode(why.to_string()))
    }

    /// The limits of an attempt that begins now.
    pub(super) fn limits(&self, is_stream: bool) -> Limits {
        let now = Instant::now();
        let deadline = now + self.timeouts.total;
        let first_token = if is_stream {
            deadline.min(now + self.timeouts.first_token)
        } else {
            deadline
        };
        Limits {
            deadline,
            first_token,
            is_stream,
        }
    }

    /// Sends a JSON body about `model`, with `more` headers, and has a success `read` until something was
    /// said. `model` is empty where it is about none.
    pub(super) async fn post<T, F: Future<Output = Result<T, UpstreamError>>>(
        &self,
        model: &str,
        (url, more): (&reqwest::Url, HeaderMap),
        body: Bytes,
        limits: Limits,
        read: impl Fn(Answered) -> F,
    ) -> Result<T, UpstreamError> {
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
        self.send(model, sent, limits, read).await
    }

    /// The same for what is answered in JSON; answers with the headers that mean something to clients, too.
    pub(super) async fn post_json<T: DeserializeOwned>(
        &self,
        model: &str,
        (url, more): (&reqwest::Url, HeaderMap),
        body: Bytes,
    ) -> Result<(HeaderMap, T), UpstreamError> {
        let read = async |answered: Answered| {
            let headers = answered.headers.clone();
            Ok((headers, self.read_json(answered).await?))
        };
        let limits = self.limits(false);
        self.post(model, (url, more), body, limits, read).await
    }

    /// Asks for `url`, which is about no model, and answers in JSON.
    pub(super) async fn get_json<T: DeserializeOwned>(
        &self,
        url: &reqwest::Url,
    ) -> Result<T, UpstreamError> {
        let sent = Sent {
            method: Method::GET,
            url,
            headers: self.headers.clone(),
            body: None,
        };
        let read = |answered| self.read_json(answered);
        self.send("", sent, self.limits(false), read).await
    }

    /// Sends it with one key after the other, until it is not the key that is refused, be it by a status or in
    /// what is `read` behind a success. Nothing was delivered before, so nothing is done twice; the time for
    /// all of it is that of one attempt.
    async fn send<T, F: Future<Output = Result<T, UpstreamError>>>(
        &self,
        model: &str,
        sent: Sent<'_>,
        limits: Limits,
        read: impl Fn(Answered) -> F,
    ) -> Result<T, UpstreamError> {
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
            let response = timeout_at(limits.first_token, self.client.execute(request))
                .await
                .map_err(|_| self.error(UpstreamErrorKind::Timeout(limits.late())))?
                .map_err(|error| self.unsent(&error))?;
            let heard = self.heard(key, model, response, limits, &read).await;
            let error = match heard {
                Ok(said) => return Ok(said),
                Err(error) => error,
            };
            let Some(reason) = self.keys.failed(key, model, &error) else {
                return Err(error);
            };
            // A limit is told rather than a refusal: it passes.
            if !matches!(last, Some((_, Reason::RateLimited { .. }))) {
                last = Some((error.kind, reason));
            }
        }
    }

    /// Has a success `read` until something was said, and takes in that the key at `key` has done it.
    async fn heard<T, F: Future<Output = Result<T, UpstreamError>>>(
        &self,
        key: usize,
        model: &str,
        response: reqwest::Response,
        limits: Limits,
        read: &impl Fn(Answered) -> F,
    ) -> Result<T, UpstreamError> {
        if !response.status().is_success() {
            return Err(self.refused(response, limits).await);
        }
        let left = self.keys.left(response.headers());
        let answered = Answered {
            headers: visible_headers(response.headers(), &self.redactor),
            response,
            limits,
        };
        let said = read(answered).await?;
        self.keys.succeeded(key, model, left, &self.provider);
        Ok(said)
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

    /// Reads what can be had of an error body in time: the status is known anyway.
    async fn refused(&self, mut response: reqwest::Response, limits: Limits) -> UpstreamError {
        let status = response.status().as_u16();
        let retry_after = limits::retry_after(response.headers());
        let idle = self.timeouts.idle.min(ERROR_IDLE);
        let first = limits.first_token.min(Instant::now() + idle);
        let pace = Pace {
            first: (first, limits.late()),
            idle,
            deadline: limits.first_token,
        };
        let (body, _) = collect(&mut response, LARGEST_ERROR, pace).await;
        let body = self.in_errors.redact(body);
        let mut failure = (self.read_failure)(status, &body);
        failure.retry_after = retry_after.or(failure.retry_after);
        self.failed(failure, shortened(&body))
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
        let limits = answered.limits;
        let pace = Pace {
            first: (limits.first_token, limits.late()),
            idle: self.timeouts.idle,
            deadline: limits.deadline,
        };
        let (body, end) = collect(&mut answered.response, LARGEST_BODY, pace).await;
        match end {
            Ok(()) => Ok(self.redactor.redact(body)),
            Err(Cut::Late(kind)) => Err(self.error(UpstreamErrorKind::Timeout(kind))),
            Err(Cut::Unreadable(why)) => Err(self.decode_error(&why)),
        }
    }
}

const KEY_REFUSED: &str = "it refuses the key that this gateway has for it";

/// The cause at the bottom of an error, which says what happened; the layers above name URLs.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
