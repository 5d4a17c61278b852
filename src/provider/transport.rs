//! HTTP towards providers: sending, reading within limits, and cutting streams at event borders.
//!
//! It knows statuses, headers, time limits and framing, not what the bodies mean beyond that.
//! Invariant: no redirect is ever followed (a key would travel with it), and no body is read past
//! [`LARGEST_BODY`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::redact::Redactor;
use crate::{
    config::Timeouts,
    error::{TimeoutKind, UpstreamError, UpstreamErrorKind},
    ident::ProviderName,
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
    read_failure: ReadFailure,
    pub(super) redactor: Redactor,
    pub(super) timeouts: Timeouts,
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
    /// Connections to a provider at `base_url`, with `headers` on every request, `key` among
    /// them: it is taken out of whatever the provider says.
    ///
    /// # Errors
    /// When the TLS library can't be set up.
    pub(super) fn new(
        provider: ProviderName,
        base_url: &str,
        headers: HeaderMap,
        key: Option<&str>,
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
        let redactor = key.map(Redactor::new).unwrap_or_default();
        Ok(Self {
            provider,
            client: client.build()?,
            headers,
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

    /// Sends a JSON body, with more `headers`, and waits for a success.
    pub(super) async fn post(
        &self,
        url: &reqwest::Url,
        headers: HeaderMap,
        body: Bytes,
        stream: bool,
    ) -> Result<Answered, UpstreamError> {
        let mut request = reqwest::Request::new(http::Method::POST, url.clone());
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(headers);
        request.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        *request.body_mut() = Some(body.into());
        self.send(request, stream).await
    }

    /// Asks for `url` and waits for a success.
    pub(super) async fn get(&self, url: &reqwest::Url) -> Result<Answered, UpstreamError> {
        let mut request = reqwest::Request::new(http::Method::GET, url.clone());
        *request.headers_mut() = self.headers.clone();
        self.send(request, false).await
    }

    async fn send(
        &self,
        request: reqwest::Request,
        stream: bool,
    ) -> Result<Answered, UpstreamError> {
        let now = Instant::now();
        let deadline = now + self.timeouts.total;
        let first_token = if stream {
            deadline.min(now + self.timeouts.first_token)
        } else {
            deadline
        };
        let response = timeout_at(first_token, self.client.execute(request))
            .await
            .map_err(|_| self.late(stream))?
            .map_err(|error| self.unsent(&error))?;
        if !response.status().is_success() {
            return Err(self.refused(response, deadline).await);
        }
        let headers = visible_headers(response.headers(), &self.redactor);
        Ok(Answered {
            headers,
            response,
            deadline,
            first_token,
        })
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
        let retry_after = retry_after(response.headers());
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

/// The longest wait that a provider can ask for, in seconds.
const LONGEST_WAIT: f64 = 86_400.0;

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3), or OpenAI's `retry-after-ms`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|ms| ms / 1000.0)
        .or_else(|| number("retry-after"))
        .or_else(|| seconds_until_date(headers));
    let seconds = seconds.filter(|seconds| seconds.is_finite())?;
    Duration::try_from_secs_f64(seconds.min(LONGEST_WAIT)).ok()
}

/// How far the date in `Retry-After` is from the answer's own `Date`: the provider's clock may differ
/// from the gateway's.
fn seconds_until_date(headers: &HeaderMap) -> Option<f64> {
    let date = |name| httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok();
    let (until, now) = (date(header::RETRY_AFTER)?, date(header::DATE)?);
    Some(
        until
            .duration_since(now)
            .map_or(0.0, |wait| wait.as_secs_f64()),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_milliseconds() {
        let of = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            retry_after(&headers)
        };
        assert_eq!(of("retry-after", "20"), Some(Duration::from_secs(20)));
        assert_eq!(
            of("retry-after-ms", "1500"),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(of("retry-after", "-1"), None);
        assert_eq!(of("retry-after", "NaN"), None);
    }

    #[test]
    fn a_date_to_retry_after_is_read_against_the_date_of_the_answer() {
        let now = "Fri, 06 Nov 2026 08:00:00 GMT";
        let of = |until: &'static str, now: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_static(until));
            if let Some(now) = now {
                headers.insert("date", HeaderValue::from_static(now));
            }
            retry_after(&headers)
        };
        for (until, seconds) in [
            ("Fri, 06 Nov 2026 08:01:30 GMT", 90),
            ("Friday, 06-Nov-26 08:00:05 GMT", 5),
            ("Fri, 06 Nov 2026 08:00:00 GMT", 0),
            ("Fri, 06 Nov 2026 07:59:00 GMT", 0),
            ("Sat, 06 Nov 9999 08:00:00 GMT", 86_400),
        ] {
            assert_eq!(of(until, Some(now)), Some(Duration::from_secs(seconds)));
            assert_eq!(of(until, None), None);
            assert_eq!(of(until, Some("today")), None);
        }
        for until in [
            "",
            "soon",
            "Fri, 99 Nov 2026 08:00:00 GMT",
            "2026-11-06T08:00:00Z",
        ] {
            assert_eq!(of(until, Some(now)), None, "{until}");
        }
    }
}
