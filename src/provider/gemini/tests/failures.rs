//! Errors.

use super::*;

fn told(status: u16, body: &Value) -> String {
    let failure = failure::read_failure(status, body.to_string().as_bytes());
    let error = failure
        .error
        .map(|error| serde_json::to_string(&error).unwrap());
    let wait = failure.retry_after.map(|wait| format!(" after {wait:?}"));
    format!(
        "{}{} {}",
        failure.status,
        wait.unwrap_or_default(),
        error.unwrap_or_default()
    )
}

fn error(code: u16, status: &str, message: &str, details: &Value) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
}

#[test]
fn every_kind() {
    let info = |reason: &str| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]);
    let wait = json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "x"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"},
    ]);
    let none = json!([]);
    let table = [
        told(
            400,
            &error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                &info("API_KEY_INVALID"),
            ),
        ),
        told(
            400,
            &error(
                400,
                "INVALID_ARGUMENT",
                "API Key not found.",
                &info("API_KEY_INVALID"),
            ),
        ),
        told(
            400,
            &error(
                400,
                "FAILED_PRECONDITION",
                "User location is not supported for the API use.",
                &none,
            ),
        ),
        told(
            400,
            &error(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                &none,
            ),
        ),
        told(
            400,
            &error(
                400,
                "INVALID_ARGUMENT",
                "Multiple candidates is not enabled for this model",
                &none,
            ),
        ),
        told(
            403,
            &error(
                403,
                "PERMISSION_DENIED",
                "Your API key was reported as leaked.",
                &none,
            ),
        ),
        told(
            404,
            &error(
                404,
                "NOT_FOUND",
                "models/x is not found for API version v1beta",
                &none,
            ),
        ),
        told(
            429,
            &error(
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota.",
                &wait,
            ),
        ),
        told(
            429,
            &json!([error(429, "RESOURCE_EXHAUSTED", "In a list.", &none)]),
        ),
        told(
            499,
            &error(499, "CANCELLED", "The operation was cancelled.", &none),
        ),
        told(
            500,
            &error(500, "INTERNAL", "An internal error has occurred.", &none),
        ),
        told(
            503,
            &error(503, "UNAVAILABLE", "The model is overloaded.", &none),
        ),
        told(504, &error(504, "DEADLINE_EXCEEDED", "Too late.", &none)),
        told(400, &json!({"error": {"message": 5, "details": "?"}})),
        told(502, &json!({"error": "busy"})),
        told(502, &json!({"other": 1})),
    ];
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn what_is_not_json_keeps_its_status() {
    let failure = failure::read_failure(502, b"<html>Bad Gateway</html>");
    assert_eq!((failure.status, failure.error), (502, None));
}

#[test]
fn an_impossible_wait_is_no_wait() {
    for delay in ["NaNs", "-1s", "infs", "17", "s", ""] {
        let body = error(429, "X", "m", &json!([{"retryDelay": delay}]));
        assert!(!told(429, &body).contains("after"), "{delay}");
    }
    let long = error(429, "X", "m", &json!([{"retryDelay": "99999999999s"}]));
    assert!(told(429, &long).contains("86400s"));
}

#[test]
fn only_what_waiting_mends_is_waited_for() {
    let wait = json!([{"retryDelay": "3s"}]);
    for (status, waits) in [
        (400, false),
        (403, false),
        (404, false),
        (429, true),
        (500, false),
        (503, true),
    ] {
        let body = error(status, "X", "m", &wait);
        assert_eq!(told(status, &body).contains("after 3s"), waits, "{status}");
    }
}
