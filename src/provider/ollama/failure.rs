//! Ollama's errors: `{"error": "text"}`, with the status or as a line of the stream.
//!
//! | status | text | becomes |
//! |---|---|---|
//! | any | the prompt does not fit the context | 400 `context_length_exceeded` |
//! | any | model … not found | 404 `model_not_found` |
//! | 400 | … does not support tools, thinking | 400 with the field |
//! | any | the schema in `format` can't be used | 400 with the field |
//! | 401, 402, 403, 429, 503, other 4xx | | itself |
//! | 499, 5xx, in a stream | | 500 |
//!
//! Texts from `server/routes.go`, `server/sched.go`, `llm/llama_server.go` (seen 2026-11).

use serde_json::Value;

use crate::{provider::transport::Failure, wire::error_body::ErrorObject};

const INVALID: &str = "invalid_request_error";

/// Reads a body that came with a status of no success.
pub(super) fn read_failure(status: u16, body: &[u8]) -> Failure {
    let error = ErrorObject::read(body);
    match error {
        Some(error) => of_text(status, error.message),
        None => Failure {
            status: meant(status),
            error: None,
            retry_after: None,
        },
    }
}

/// What a line of a stream reports.
pub(super) fn reported(error: &Value) -> Failure {
    let nested = error.get("message").and_then(Value::as_str);
    let text = error.as_str().or(nested).unwrap_or_default();
    of_text(500, text.to_owned())
}

/// Status 499 is that of a request whose client left, which here is the gateway.
fn meant(status: u16) -> u16 {
    if status == 499 { 500 } else { status }
}

fn of_text(status: u16, message: String) -> Failure {
    let text = message.to_ascii_lowercase();
    let says = |words: &str| text.contains(words);
    let too_long = (says("context length") || says("context size") || says("context window"))
        && (says("exceed") || says("longer than") || says("too long") || says("too large"));
    let missing = text.starts_with("model ") && says("not found");
    let bad_schema =
        says("grammar") || says("json schema") || says("invalid format:") || says("json_schema");
    let (status, param, code) = if too_long {
        (400, Some("messages"), Some("context_length_exceeded"))
    } else if missing {
        (404, Some("model"), Some("model_not_found"))
    } else if bad_schema && matches!(status, 400 | 500) {
        (400, Some("response_format"), None)
    } else if says("does not support tools") {
        (status, Some("tools"), None)
    } else if says("does not support thinking") || says("think value") {
        (status, Some("reasoning_effort"), None)
    } else {
        (meant(status), None, None)
    };
    let kind = match status {
        429 => "rate_limit_error",
        400..=499 => INVALID,
        _ => "server_error",
    };
    Failure {
        status,
        error: Some(ErrorObject {
            message,
            kind: Some(kind.to_owned()),
            param: param.map(str::to_owned),
            code: code.map(str::to_owned),
        }),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_what_they_mean() {
        let cases: [(u16, &str); 16] = [
            (404, r#"{"error":"model 'qwen9' not found"}"#),
            (
                404,
                r#"{"error":"model \"qwen9\" not found, try pulling it first"}"#,
            ),
            (404, "404 page not found"),
            (
                400,
                r#"{"error":"the prompt is longer than the context length currently available to the model; shorten the prompt"}"#,
            ),
            (
                500,
                r#"{"error":"the request exceeds the available context size, try increasing it"}"#,
            ),
            (
                400,
                r#"{"error":"registry.ollama.ai/library/gemma3:1b does not support tools"}"#,
            ),
            (400, r#"{"error":"\"llama3.2\" does not support thinking"}"#),
            (
                400,
                r#"{"error":"think value \"high\" is not supported for this model"}"#,
            ),
            (
                500,
                r#"{"error":"failed to load model vocabulary required for format: invalid JSON schema in format"}"#,
            ),
            (
                400,
                r#"{"error":"option \"top_k\" must be of type integer"}"#,
            ),
            (
                500,
                r#"{"error":"model requires more system memory (9.0 GiB) than is available (4.2 GiB)"}"#,
            ),
            (
                503,
                r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#,
            ),
            (401, r#"{"error":"unauthorized"}"#),
            (
                429,
                r#"{"error":"you have reached your hourly usage limit"}"#,
            ),
            (499, r#"{"error":"request canceled"}"#),
            (502, "<html>bad gateway</html>"),
        ];
        let mut shown = String::new();
        for (status, body) in cases {
            let failure = read_failure(status, body.as_bytes());
            let error = failure.error.map(|error| {
                let field = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                [
                    field(error.kind),
                    field(error.param),
                    field(error.code),
                    error.message,
                ]
                .join(" | ")
            });
            shown += &format!(
                "{status} -> {} {}\n",
                failure.status,
                error.unwrap_or_default()
            );
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_line_of_a_stream_may_be_an_error() {
        let failure = reported(&Value::from(
            "an error was encountered while running the model",
        ));
        assert_eq!(failure.status, 500);
        let failure = reported(&serde_json::json!({"message": "model 'x' not found"}));
        assert_eq!(failure.status, 404);
        assert_eq!(reported(&Value::from(7)).error.unwrap().message, "");
    }
}
