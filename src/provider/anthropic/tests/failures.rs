//! Errors, in OpenAI's words.

use serde_json::{Value, json};

use super::{super::failure::read_failure, streamed, whole};

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
    for body in [
        "",
        "<html>",
        "{}",
        "[]",
        "null",
        r#""text""#,
        r#"{"error": null}"#,
        r#"{"error": ["a", "b"]}"#,
        r#"{"message": 5}"#,
        "\u{0}",
    ] {
        let failure = read_failure(529, body.as_bytes());
        assert_eq!(failure.status, 503, "{body}");
        assert_eq!(failure.error, None, "{body}");
        assert_eq!(read_failure(502, body.as_bytes()).status, 502);
    }
}

#[test]
fn errors_that_are_wrapped_otherwise_are_unwrapped() {
    let message = |body: Value| {
        let error = read_failure(400, body.to_string().as_bytes()).error;
        error.map(|error| error.message)
    };
    let bodies = [
        json!({"error": {"type": "invalid_request_error", "message": "no"}}),
        json!([{"error": {"type": "invalid_request_error", "message": "no"}}]),
        json!({"error": "no"}),
        json!([{"error": "no"}]),
        json!({"message": "no"}),
        json!({"error": null, "message": "no"}),
        json!({"error": {"message": "no", "type": null}}),
    ];
    for body in bodies {
        assert_eq!(message(body.clone()).as_deref(), Some("no"), "{body}");
    }
}

#[test]
fn a_call_that_was_cancelled_on_the_way_came_too_late() {
    let body = json!({"error": {"type": "api_error", "message": "cancelled"}}).to_string();
    for body in [body.as_str(), ""] {
        assert_eq!(read_failure(499, body.as_bytes()).status, 504, "{body}");
    }
}

#[test]
fn an_error_in_place_of_an_answer_is_reported_however_it_is_wrapped() {
    let error = json!({"type": "overloaded_error", "message": "busy"});
    for body in [json!({"error": error}), json!([{"error": error}])] {
        let broken = whole(None, &body).unwrap_err();
        assert!(
            broken.starts_with("reported 503") && broken.contains("busy"),
            "{broken}"
        );
    }
    let text = whole(None, &json!({"error": "busy"})).unwrap_err();
    assert!(
        text.starts_with("reported 500") && text.contains("busy"),
        "{text}"
    );
    let event = streamed(None, &[json!({"type": "error", "error": "busy"})]).unwrap_err();
    assert!(
        event.starts_with("reported 500") && event.contains("busy"),
        "{event}"
    );
}
