//! Google's error body, `{"error": {"code", "message", "status"}}`.
//!
//! Source: <https://google.aip.dev/193>, <https://ai.google.dev/gemini-api/docs/troubleshooting> (seen 2026-11).

use serde_json::json;

use crate::wire::error_body::ErrorObject;

/// The body of an error that goes with this HTTP status.
#[must_use]
pub fn error_body(status: u16, error: &ErrorObject) -> Vec<u8> {
    let name = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 | 410 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    };
    let body = json!({"error": {"code": status, "message": error.message, "status": name}});
    body.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_in_googles_shape() {
        let error = ErrorObject {
            message: "no".into(),
            kind: None,
            param: None,
            code: None,
        };
        let body = String::from_utf8(error_body(429, &error)).unwrap();
        insta::assert_snapshot!(body, @r#"{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}"#);
    }
}
