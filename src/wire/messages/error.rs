//! Anthropic's error body, `{"type": "error", "error": {"type", "message"}, "request_id"}`.
//!
//! Source: <https://platform.claude.com/docs/en/api/errors> (seen 2026-11).

use serde_json::json;

use crate::wire::error_body::ErrorObject;

/// The body of an error that goes with this HTTP status.
#[must_use]
pub fn error_body(status: u16, error: &ErrorObject, request_id: Option<&str>) -> Vec<u8> {
    let kind = match status {
        400 | 405 | 406 | 408 | 409 | 411 | 415 | 422 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 | 410 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        // A provider that breaks off its stream says why; clients that see these come back later.
        _ => match error.code.as_deref() {
            Some("overloaded_error") => "overloaded_error",
            Some("rate_limit_error" | "rate_limit_exceeded") => "rate_limit_error",
            _ => "api_error",
        },
    };
    let mut body = json!({
        "type": "error",
        "error": {"type": kind, "message": error.message},
    });
    if let (Some(id), Some(fields)) = (request_id, body.as_object_mut()) {
        fields.insert("request_id".to_owned(), json!(id));
    }
    body.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_in_anthropics_shape() {
        let error = ErrorObject {
            message: "no".into(),
            kind: Some("invalid_request_error".into()),
            param: Some("model".into()),
            code: Some("model_not_found".into()),
        };
        let body = String::from_utf8(error_body(404, &error, Some("req_1"))).unwrap();
        insta::assert_snapshot!(body, @r#"{"type":"error","error":{"type":"not_found_error","message":"no"},"request_id":"req_1"}"#);
        let body = String::from_utf8(error_body(502, &error, None)).unwrap();
        insta::assert_snapshot!(body, @r#"{"type":"error","error":{"type":"api_error","message":"no"}}"#);
    }

    #[test]
    fn what_breaks_a_stream_is_named_as_its_provider_does() {
        for (code, kind) in [
            ("overloaded_error", "overloaded_error"),
            ("rate_limit_exceeded", "rate_limit_error"),
            ("upstream_error", "api_error"),
        ] {
            let error = ErrorObject {
                message: "no".into(),
                kind: None,
                param: None,
                code: Some(code.into()),
            };
            let body: serde_json::Value =
                serde_json::from_slice(&error_body(502, &error, None)).unwrap();
            assert_eq!(body["error"]["type"], kind);
        }
    }
}
