//! Errors as clients see them: OpenAI's shape, one match, one place.
//!
//! What the gateway got wrong is told in a fixed sentence; the cause is for the log, which finds it in
//! the extensions of the response.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Side;
use crate::{
    error::{Error, Fault, UpstreamError, UpstreamErrorKind},
    wire::{
        ask::Unable,
        error_body::{ErrorBody, ErrorObject},
    },
};

/// Longest message that is sent, in characters: a message may quote what a client or provider sent.
const LONGEST_MESSAGE: usize = 1000;
/// What OpenAI calls an account that may not spend more.
const QUOTA: &str = "insufficient_quota";
/// What to wait before a retry where nobody said.
const PAUSE: Duration = Duration::from_secs(1);

/// What there is for clients, for those who ask for something else.
const FOR_CLIENTS: &str = "POST /v1/chat/completions, POST /v1/responses, GET|DELETE /v1/responses/{id}, \
    GET /v1/responses/{id}/input_items, POST /v1/responses/{id}/cancel, POST /v1/messages, \
    POST /v1/messages/count_tokens, POST /v1/embeddings, POST /v1/completions, POST /v1/moderations, \
    POST /v1/audio/{speech|transcriptions|translations}, POST /v1/images/{generations|edits|variations}, \
    POST /v1/rerank, POST /v1/cache/feedback, GET /v1/models, GET /v1/models/{id}, GET /v1beta/models, \
    POST /v1beta/models/{model}:{generateContent|streamGenerateContent|countTokens}";
/// What there is for operators.
const FOR_OPERATORS: &str = "GET /metrics, GET /admin";

struct Shape {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    retry_after: Option<Duration>,
}

fn shape(error: &Error) -> Shape {
    const INVALID: &str = "invalid_request_error";
    let of = |status, kind, code| Shape {
        status,
        kind,
        code,
        retry_after: None,
    };
    match error {
        Error::BadRequest { .. } => of(StatusCode::BAD_REQUEST, INVALID, None),
        Error::TooLarge { .. } => of(
            StatusCode::PAYLOAD_TOO_LARGE,
            INVALID,
            Some("request_too_large"),
        ),
        Error::Encoded => of(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            INVALID,
            Some("unsupported_encoding"),
        ),
        Error::Unauthorized(_) => of(StatusCode::UNAUTHORIZED, INVALID, Some("invalid_api_key")),
        Error::Expired => of(StatusCode::FORBIDDEN, INVALID, Some("expired_api_key")),
        Error::Forbidden { code, .. } => of(StatusCode::FORBIDDEN, INVALID, Some(code)),
        Error::RateLimited { retry_after, .. } => Shape {
            retry_after: Some(*retry_after),
            ..of(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                Some("rate_limit_exceeded"),
            )
        },
        Error::BudgetExceeded { retry_after, .. } => Shape {
            retry_after: *retry_after,
            ..of(
                StatusCode::TOO_MANY_REQUESTS,
                "budget_exceeded",
                Some("budget_exceeded"),
            )
        },
        Error::Overloaded { retry_after, .. } => Shape {
            retry_after: Some(*retry_after),
            ..of(
                StatusCode::SERVICE_UNAVAILABLE,
                "server_error",
                Some("overloaded"),
            )
        },
        Error::SlowBody => of(
            StatusCode::REQUEST_TIMEOUT,
            INVALID,
            Some("request_timeout"),
        ),
        Error::ModelNotAllowed(_) => of(StatusCode::FORBIDDEN, INVALID, Some("model_not_allowed")),
        Error::UnknownModel { .. } => of(StatusCode::NOT_FOUND, INVALID, Some("model_not_found")),
        Error::NotCached => of(StatusCode::GATEWAY_TIMEOUT, INVALID, Some("not_cached")),
        Error::UnknownAnswer => of(StatusCode::NOT_FOUND, INVALID, Some("unknown_answer")),
        Error::NoPreviousResponse(_) => of(
            StatusCode::BAD_REQUEST,
            INVALID,
            Some("previous_response_not_found"),
        ),
        Error::NoSuchEntry => of(StatusCode::NOT_FOUND, INVALID, Some("unknown_entry")),
        Error::Conflict(_) => of(StatusCode::CONFLICT, INVALID, Some("conflict")),
        // OpenAI gives it no code.
        Error::NoSuchResponse(_) => of(StatusCode::NOT_FOUND, INVALID, None),
        Error::NoSuchPath(_) => of(StatusCode::NOT_FOUND, INVALID, Some("unknown_url")),
        Error::MethodNotAllowed(_) => of(
            StatusCode::METHOD_NOT_ALLOWED,
            INVALID,
            Some("method_not_allowed"),
        ),
        Error::Exhausted(upstream) => upstream_shape(upstream),
        Error::Internal(_) => of(StatusCode::INTERNAL_SERVER_ERROR, "server_error", None),
    }
}

fn upstream_shape(error: &UpstreamError) -> Shape {
    let of = |status, code| Shape {
        status,
        kind: "server_error",
        code: Some(code),
        retry_after: error.retry_after(),
    };
    match &error.kind {
        UpstreamErrorKind::Timeout(_) => of(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
        UpstreamErrorKind::Status { status, .. } => match *status {
            // Ours to mend: a client that is told 401 would throw its own, good key away.
            401..=403 | 407 => of(StatusCode::BAD_GATEWAY, "upstream_auth"),
            429 => {
                // Clients tell the two apart by this.
                let (kind, code) = if error.is_out_of_credit() {
                    (QUOTA, QUOTA)
                } else {
                    ("rate_limit_error", "rate_limit_exceeded")
                };
                Shape {
                    status: StatusCode::TOO_MANY_REQUESTS,
                    kind,
                    code: Some(code),
                    retry_after: Some(error.retry_after().unwrap_or(PAUSE)),
                }
            }
            503 | 529 => Shape {
                retry_after: Some(error.retry_after().unwrap_or(PAUSE)),
                ..of(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable")
            },
            408 | 504 => of(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
            status @ 400..=499 => Shape {
                kind: "invalid_request_error",
                code: None,
                ..of(
                    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
                    "",
                )
            },
            _ => of(StatusCode::BAD_GATEWAY, "upstream_error"),
        },
        UpstreamErrorKind::Open { .. } => of(StatusCode::SERVICE_UNAVAILABLE, "circuit_open"),
        UpstreamErrorKind::NoKey { .. } => of(StatusCode::BAD_GATEWAY, "upstream_auth"),
        UpstreamErrorKind::Busy { .. } => Shape {
            kind: "rate_limit_error",
            ..of(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded")
        },
        UpstreamErrorKind::Untranslatable(unable) => Shape {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: match **unable {
                Unable::Unsupported { .. } => Some("unsupported_parameter"),
                Unable::TooLong { .. } => Some("context_length_exceeded"),
                Unable::Invalid(_) => None,
            },
            retry_after: None,
        },
        UpstreamErrorKind::Connect(_)
        | UpstreamErrorKind::Decode(_)
        | UpstreamErrorKind::Stream(_)
        | UpstreamErrorKind::Reported(_) => of(StatusCode::BAD_GATEWAY, "upstream_error"),
    }
}

fn object(error: &Error, shape: &Shape) -> ErrorObject {
    let mut object = ErrorObject {
        message: error.to_string(),
        kind: Some(shape.kind.to_owned()),
        param: None,
        code: shape.code.map(str::to_owned),
    };
    match error {
        Error::BadRequest { param, .. } => object.param.clone_from(param),
        Error::UnknownModel { .. } | Error::ModelNotAllowed(_) => {
            object.param = Some("model".to_owned())
        }
        Error::NoPreviousResponse(_) => object.param = Some("previous_response_id".to_owned()),
        Error::Internal(_) => {
            object.message =
                "an internal error; the gateway's log has it under this request's id".to_owned();
        }
        Error::Exhausted(UpstreamError {
            kind: UpstreamErrorKind::Untranslatable(unable),
            ..
        }) => {
            object.message = match &**unable {
                // Some clients look for the word in the message only.
                Unable::TooLong { message } => format!("{message} (context_length_exceeded)"),
                Unable::Unsupported { .. } | Unable::Invalid(_) => unable.to_string(),
            };
            object.param = match &**unable {
                Unable::Unsupported { param, .. } => Some(param.clone()),
                Unable::TooLong { .. } => Some("messages".to_owned()),
                Unable::Invalid(invalid) => invalid.param.clone(),
            };
        }
        // What a provider says in the middle of its stream goes through too.
        Error::Exhausted(UpstreamError {
            kind: UpstreamErrorKind::Reported(theirs),
            ..
        }) => {
            object.clone_from(theirs);
            object.kind.get_or_insert_with(|| shape.kind.to_owned());
        }
        // What is about the request goes through in the provider's own words and fields.
        Error::Exhausted(UpstreamError {
            kind: UpstreamErrorKind::Status {
                body: Some(theirs), ..
            },
            ..
        }) if error.fault() == Fault::Client => {
            object.clone_from(theirs);
            object.kind.get_or_insert_with(|| shape.kind.to_owned());
        }
        Error::TooLarge { .. }
        | Error::Encoded
        | Error::Unauthorized(_)
        | Error::Expired
        | Error::Forbidden { .. }
        | Error::RateLimited { .. }
        | Error::BudgetExceeded { .. }
        | Error::Overloaded { .. }
        | Error::SlowBody
        | Error::NotCached
        | Error::UnknownAnswer
        | Error::NoSuchEntry
        | Error::Conflict(_)
        | Error::NoSuchResponse(_)
        | Error::NoSuchPath(_)
        | Error::MethodNotAllowed(_)
        | Error::Exhausted(_) => {}
    }
    if object.message.len() > LONGEST_MESSAGE {
        object.message = object
            .message
            .chars()
            .take(LONGEST_MESSAGE)
            .chain(['\u{2026}'])
            .collect();
    }
    object
}

/// The status of an error, and what is said of it.
pub(super) fn told(error: &Error) -> (u16, ErrorObject) {
    let shape = shape(error);
    (shape.status.as_u16(), object(error, &shape))
}

/// The body of an error, as JSON.
pub(super) fn body(error: &Error) -> Vec<u8> {
    let error = object(error, &shape(error));
    serde_json::to_vec(&ErrorBody { error }).unwrap_or_default()
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        const ORIGIN: HeaderName = HeaderName::from_static("x-refrain-error-origin");
        const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
        const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
        let shape = shape(&self);
        let mut response = Response::new(Body::from(body(&self)));
        *response.status_mut() = shape.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        let upstream = matches!(&self, Self::Exhausted(error) if !error.is_unasked());
        let origin = if upstream { "upstream" } else { "gateway" };
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        if let Some(wait) = shape.retry_after {
            // Rounded up: a client that comes a moment too early is refused again.
            let up = |unit: u128| {
                let units = wait.as_nanos().div_ceil(unit);
                HeaderValue::from(u64::try_from(units).unwrap_or(u64::MAX))
            };
            headers.insert(header::RETRY_AFTER, up(1_000_000_000));
            // What the official clients look at first.
            headers.insert(RETRY_AFTER_MS, up(1_000_000));
        }
        if matches!(self, Self::Unauthorized(_)) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The official clients would try again within a second or two.
        if self.is_lasting() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if matches!(self, Self::TooLarge { .. } | Self::SlowBody) {
            // The rest of the body is not read.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// The answer for paths that do not exist on this side.
pub(super) async fn no_such_path(side: Side, request: Request) -> Error {
    // With all that there is, no more than a message may have.
    let path: String = request.uri().path().chars().take(100).collect();
    let method = request.method().clone();
    let (head, body) = request.into_parts();
    super::body::skip(&head.headers, body).await;
    let there = match side {
        Side::All => format!("{FOR_CLIENTS}, GET /health, {FOR_OPERATORS}"),
        Side::Clients => format!("{FOR_CLIENTS}, GET /health"),
        Side::Operators => format!("GET /health, {FOR_OPERATORS}"),
    };
    Error::NoSuchPath(format!("there is no {method} {path}; there are {there}"))
}

/// The answer for methods that a path does not have.
pub(super) async fn method_not_allowed(request: Request) -> Error {
    let path: String = request.uri().path().chars().take(200).collect();
    let method = request.method().clone();
    let (head, body) = request.into_parts();
    super::body::skip(&head.headers, body).await;
    Error::MethodNotAllowed(format!("{path} does not answer {method}"))
}

/// The answer to a request that made the gateway panic.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands it over by value"
)]
pub(super) fn of_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of unknown kind");
    Error::Internal(format!("panic: {text}")).into_response()
}

#[cfg(test)]
mod tests;
