//! Google's errors.
//!
//! Sources: <https://ai.google.dev/gemini-api/docs/troubleshooting> and
//! <https://google.aip.dev/193> (seen 2026-11). An error is `{"error": {code, message, status,
//! details}}`, now and then in a list of one. What Google calls the request's fault and is the
//! account's becomes a refused key: a key that is not valid or leaked, a place or plan that may not use
//! the API.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{provider::transport::Failure, wire::error_body::ErrorObject};

/// Google's error, of which every field may be missing.
#[derive(Debug)]
struct Reported {
    code: Option<u16>,
    message: Option<String>,
    status: Option<String>,
    details: Vec<Detail>,
}

/// `ErrorInfo` or `RetryInfo`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    reason: Option<String>,
    retry_delay: Option<String>,
}

/// Words in messages that are about the account, not the request, though the status says 400.
const OF_THE_ACCOUNT: [&str; 5] = [
    "api key not valid",
    "api key expired",
    "user location is not supported",
    "enable billing",
    "api key was reported as leaked",
];

/// Reads a body that came with `status`.
pub(super) fn read_failure(status: u16, body: &[u8]) -> Failure {
    let value = serde_json::from_slice::<Value>(body).ok();
    let error = value.as_ref().and_then(error_of).map(read);
    match error {
        Some(error) => failure(status, error),
        None => Failure {
            status,
            error: value.as_ref().and_then(ErrorObject::from_value),
            retry_after: None,
        },
    }
}

/// The error that a body with a good status, or an event of a stream, is instead of an answer.
pub(super) fn reported(value: &Value) -> Option<Failure> {
    let error = read(error_of(value)?);
    let status = error.code.filter(|code| (400..600).contains(code));
    Some(failure(status.unwrap_or(502), error))
}

fn error_of(value: &Value) -> Option<&Value> {
    let value = value.as_array().map_or(Some(value), |list| list.first())?;
    value.get("error").filter(|error| error.is_object())
}

/// What can be read of an error, field by field.
fn read(error: &Value) -> Reported {
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let details = error.get("details").and_then(Value::as_array);
    let details = details.into_iter().flatten();
    Reported {
        code: error
            .get("code")
            .and_then(Value::as_u64)
            .and_then(|code| code.try_into().ok()),
        message: text("message"),
        status: text("status"),
        details: details
            .filter_map(|detail| Detail::deserialize(detail).ok())
            .collect(),
    }
}

fn failure(status: u16, error: Reported) -> Failure {
    let message = error.message.unwrap_or_default();
    let lower = message.to_ascii_lowercase();
    let has_reason = |reason: &str| {
        let mut reasons = error.details.iter().filter_map(|one| one.reason.as_deref());
        reasons.any(|one| one == reason)
    };
    let of_the_account = OF_THE_ACCOUNT.iter().any(|words| lower.contains(words))
        || has_reason("API_KEY_INVALID")
        || has_reason("API_KEY_EXPIRED");
    let too_long = lower.contains("token count") && lower.contains("exceeds");
    let status = match status {
        400 if of_the_account => 401,
        // Cancelled by a deadline of Google's own.
        499 => 504,
        status => status,
    };
    let code = match status {
        400 if too_long => Some("context_length_exceeded".to_owned()),
        404 => Some("model_not_found".to_owned()),
        429 => Some("rate_limit_exceeded".to_owned()),
        _ => error.status,
    };
    let kind = match status {
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    let retry_after = error
        .details
        .iter()
        .find_map(|detail| seconds(detail.retry_delay.as_deref()?))
        // Waiting mends nothing else.
        .filter(|_| matches!(status, 429 | 503));
    Failure {
        status,
        error: Some(ErrorObject {
            message,
            kind: Some(kind.to_owned()),
            param: (status == 400 && too_long).then(|| "messages".to_owned()),
            code,
        }),
        retry_after,
    }
}

/// A duration as protobuf writes it: `17s`, `0.5s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    let seconds = Some(seconds).filter(|seconds| seconds.is_finite())?;
    Duration::try_from_secs_f64(seconds.min(86_400.0)).ok()
}
