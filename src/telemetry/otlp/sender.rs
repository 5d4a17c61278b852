//! Handing spans to a collector, by OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! What a collector answers is read as far as it says what to do, and told to nobody.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prost::Message as _;
use reqwest::{Client, Response, Url, redirect};

use super::message::ExportResponse;

/// How long a collector may take for a batch: what the specification has as its default.
const PATIENCE: Duration = Duration::from_secs(10);
/// As much of an answer is read.
const LARGEST_ANSWER: usize = 64 << 10;

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
}

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is there, but for so many spans that the collector does not take.
    Taken {
        /// How many.
        rejected: u64,
    },
    /// It may be taken later: not before that, if the collector says so.
    Later {
        /// Why, without a word of the collector's.
        why: String,
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// It is not taken, however often it is sent.
    Refused {
        /// Why.
        why: String,
    },
}

impl Sender {
    /// # Errors
    /// When the TLS library can't be set up, or the address is none.
    pub(super) fn new(endpoint: &str, mut headers: HeaderMap) -> Result<Self, String> {
        let endpoint = Url::parse(endpoint).map_err(|error| error.to_string())?;
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let mut client = Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("refrain/", env!("CARGO_PKG_VERSION")));
        let host = endpoint.host_str().unwrap_or_default();
        if host == "localhost" || host == "[::1]" || host.starts_with("127.") {
            client = client.no_proxy();
        }
        Ok(Self {
            client: client.build().map_err(|error| innermost(&error))?,
            endpoint,
            headers,
        })
    }

    pub(super) async fn send(&self, body: Bytes) -> Sent {
        let request = self
            .client
            .post(self.endpoint.clone())
            .headers(self.headers.clone())
            .body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let why = innermost(&error);
                return Sent::Later { why, after: None };
            }
        };
        let status = response.status();
        match status {
            status if status.is_success() => Sent::Taken {
                rejected: rejected(response).await,
            },
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Sent::Later {
                why: format!("status {}", status.as_u16()),
                after: retry_after(response.headers()),
            },
            status => Sent::Refused {
                why: format!("status {}", status.as_u16()),
            },
        }
    }
}

/// How many spans were not taken of a batch that was.
async fn rejected(mut response: Response) -> u64 {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return 0;
        }
        body.extend_from_slice(&chunk);
    }
    let answer = ExportResponse::decode(&*body).unwrap_or_default();
    let rejected = answer.partial_success.map(|part| part.rejected_spans);
    rejected.map_or(0, |rejected| u64::try_from(rejected).unwrap_or(0))
}

/// In seconds; dates are for servers whose clock is known.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The cause at the bottom of an error; the layers above name addresses.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
