//! Errors, in OpenAI's words.

use serde_json::json;

use super::super::failure::read_failure;

#[test]
fn every_error_of_the_documentation() {
    let errors = [
        (
            400,
            "invalid_request_error",
            "messages.0: all messages must have non-empty content",
        ),
        (
            400,
            "invalid_request_error",
            "max_tokens: 99999 > 64000, which is the maximum",
        ),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 250000 tokens > 200000 maximum",
        ),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
        ),
        (401, "authentication_error", "invalid x-api-key"),
        (402, "billing_error", "Check your payment method."),
        (
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        (404, "not_found_error", "model: claude-9"),
        (413, "request_too_large", "Request exceeds the maximum size"),
        (
            429,
            "rate_limit_error",
            "This request would exceed your rate limit.",
        ),
        (500, "api_error", "Internal server error"),
        (504, "timeout_error", "Request timed out"),
        (529, "overloaded_error", "Overloaded"),
        (418, "teapot_error", ""),
    ];
    let lines = errors.map(|(status, kind, message)| {
        let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        let failure = read_failure(status, body.to_string().as_bytes());
        format!("{status} {} {}", failure.status, serde_json::to_string(&failure.error).unwrap())
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_no_error_of_anthropics() {
    for body in ["", "<html>", "{}", "null", r#"{"error": "text"}"#, "\u{0}"] {
        let failure = read_failure(529, body.as_bytes());
        assert_eq!(failure.status, 503, "{body}");
        assert_eq!(failure.error, None, "{body}");
        assert_eq!(read_failure(502, body.as_bytes()).status, 502);
    }
}
