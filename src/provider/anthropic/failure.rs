//! Anthropic's errors in OpenAI's words.
//!
//! Source: <https://platform.claude.com/docs/en/api/errors> (seen 2026-11). In a stream the type is all
//! there is, so the status comes from it:
//!
//! | type | status | `type` for the client |
//! |---|---|---|
//! | `invalid_request_error` | 400 | `invalid_request_error` |
//! | `authentication_error`, `billing_error`, `permission_error` | 401, 402, 403 | `server_error` |
//! | `not_found_error`, `request_too_large` | 404, 413 | `invalid_request_error` |
//! | `rate_limit_error` | 429 | `rate_limit_error` |
//! | `timeout_error`, `overloaded_error` | 504, 503 | `server_error` |
//! | `api_error`, any other | 500 | `server_error` |

use serde_json::Value;

use super::wire::Error;
use crate::{provider::transport::Failure, wire::error_body::ErrorObject};

/// Reads the body of an answer without success. Servers that speak the dialect, and proxies, also send the
/// error in a list, as a text, or without the object around it.
pub(super) fn read_failure(status: u16, body: &[u8]) -> Failure {
    let body = serde_json::from_slice(body).ok().map(unlisted);
    let error = body.and_then(|mut body| {
        let fields = body.as_object_mut()?;
        match fields.remove("error") {
            None | Some(Value::Null) if fields.contains_key("message") => told(body),
            error => told(error?),
        }
    });
    match error {
        Some(error) => failure(Some(status), error),
        None => Failure {
            status: own(status),
            error: None,
            retry_after: None,
        },
    }
}

/// The error that a body with a good status is instead of an answer.
pub(super) fn reported(body: Value) -> Option<Failure> {
    let error = unlisted(body).get_mut("error")?.take();
    Some(failure(None, told(error)?))
}

/// The first of a list.
fn unlisted(mut body: Value) -> Value {
    match body.as_array_mut() {
        Some(list) => list.first_mut().map(Value::take).unwrap_or_default(),
        None => body,
    }
}

/// An error that says something.
fn told(error: Value) -> Option<Error> {
    let error = Error::from(error);
    (!(error.kind.is_empty() && error.message.is_empty())).then_some(error)
}

/// The usual status for one that only Anthropic has.
fn own(status: u16) -> u16 {
    match status {
        // Cancelled by a deadline of somebody in between.
        499 => 504,
        529 => 503,
        status => status,
    }
}

/// What `error` means; `status` where there was one.
pub(super) fn failure(status: Option<u16>, error: Error) -> Failure {
    let by_type = match error.kind.as_str() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 503,
        _ => 500,
    };
    let says = |words: &str| error.message.to_ascii_lowercase().contains(words);
    let status = match own(status.unwrap_or(by_type)) {
        // The gateway's account, not the client's request.
        400 if says("credit balance is too low") => 402,
        status => status,
    };
    let too_long = says("prompt is too long") || says("exceed context limit");
    let (kind, code) = match status {
        400 if too_long => ("invalid_request_error", Some("context_length_exceeded")),
        404 if says("model") => ("invalid_request_error", Some("model_not_found")),
        413 => ("invalid_request_error", Some("request_too_large")),
        400 | 404..=428 | 430..=499 => ("invalid_request_error", None),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        _ => ("server_error", Some(error.kind.as_str())),
    };
    // Messages begin with the path of the field, by the names of this dialect.
    let field = error.message.split_once(':').map(|(field, _)| field);
    let same = ["max_tokens", "temperature", "top_p", "top_k", "model"];
    let param = field.filter(|field| same.contains(field));
    let object = ErrorObject {
        param: param.map(str::to_owned),
        kind: Some(kind.to_owned()),
        code: code.filter(|code| !code.is_empty()).map(str::to_owned),
        message: error.message,
    };
    Failure {
        status,
        error: Some(object),
        retry_after: None,
    }
}
