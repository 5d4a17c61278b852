//! What servers with OpenAI's interface send when they refuse.
//!
//! Most send OpenAI's body. Others put the same fields at the top (Mistral, older vLLM), or send
//! what their web framework makes (`detail` of FastAPI, `message` of a proxy in front). Their words are
//! kept; only a prompt that is too long gets the code that clients look for.

use serde::Deserialize;
use serde_json::Value;

use crate::{provider::transport::Failure, wire::error_body::ErrorObject};

const TOO_LONG: &str = "context_length_exceeded";

/// How servers say that a prompt is too long, in small letters.
const SAY_TOO_LONG: [&str; 8] = [
    // OpenAI, DeepSeek, Mistral, OpenRouter, vLLM.
    "maximum context length",
    // vLLM since 0.16.
    "model's context length is only",
    // llama.cpp.
    "exceed_context_size_error",
    "available context size",
    // llama-cpp-python.
    "exceed context window",
    // LM Studio.
    "greater than the context length",
    "exceeds context length",
    "loaded with context length of only",
];

/// Reads the body of a refusal.
pub(super) fn read(status: u16, body: &[u8]) -> Failure {
    failure(status, ErrorObject::read(body).or_else(|| at_top(body)))
}

/// An error that came with a success: its code may be the status that it should have had.
pub(in crate::provider) fn reported(error: ErrorObject) -> Failure {
    let status = error.code.as_deref().and_then(|code| code.parse().ok());
    let status = status.filter(|status| (400..600).contains(status));
    failure(status.unwrap_or(502), Some(error))
}

fn failure(status: u16, error: Option<ErrorObject>) -> Failure {
    let mut failure = Failure {
        status,
        error,
        retry_after: None,
    };
    if let Some(error) = &mut failure.error
        && matches!(status, 400 | 413 | 422 | 500)
        && says_too_long(error)
    {
        // llama.cpp before 2025-10 calls it its own fault.
        if status == 500 {
            failure.status = 400;
        }
        // Some repeat the status here, or have numbers of their own.
        let is_number = |code: &String| code.bytes().all(|byte| byte.is_ascii_digit());
        if error.code.as_ref().is_none_or(is_number) {
            error.code = Some(TOO_LONG.to_owned());
        }
    }
    failure
}

fn says_too_long(error: &ErrorObject) -> bool {
    let texts = [Some(&error.message), error.kind.as_ref()];
    texts.into_iter().flatten().any(|text| {
        let text = text.to_lowercase();
        SAY_TOO_LONG.iter().any(|words| text.contains(words))
    })
}

/// An error whose fields are at the top of the body.
fn at_top(body: &[u8]) -> Option<ErrorObject> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return None;
    };
    let (message, param) = [fields.remove("message"), fields.remove("detail")]
        .into_iter()
        .flatten()
        .find_map(|words| words_of(&words))?;
    fields.insert("message".to_owned(), Value::String(message));
    let mut error = ErrorObject::deserialize(Value::Object(fields)).ok()?;
    error.param = error.param.or(param);
    Some(error)
}

/// What a `message` or a `detail` says, and about which field.
fn words_of(words: &Value) -> Option<(String, Option<String>)> {
    match words {
        Value::String(text) => Some((text.clone(), None)),
        // What pydantic objects to: `[{"loc": ["body", "seed"], "msg": "…"}, …]`.
        Value::Array(objections) => {
            let objection = objections.first()?;
            let message = objection.get("msg")?.as_str()?;
            let param = path(objection.get("loc"));
            let about = param.as_ref().map(|param| format!(": `{param}`"));
            Some((message.to_owned() + &about.unwrap_or_default(), param))
        }
        Value::Object(fields) => words_of(fields.get("detail")?),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `["body", "messages", 0, "name"]` as `messages[0].name`.
fn path(loc: Option<&Value>) -> Option<String> {
    let mut path = String::new();
    for step in loc?.as_array()?.iter().filter(|step| *step != "body") {
        match step {
            Value::String(name) if path.is_empty() => path.push_str(name),
            Value::String(name) => {
                path.push('.');
                path.push_str(name);
            }
            Value::Number(index) => path.push_str(&format!("[{index}]")),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        }
    }
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(status: u16, body: &str) -> String {
        let failure = read(status, body.as_bytes());
        let error = failure
            .error
            .map(|error| serde_json::to_string(&error).unwrap());
        format!(
            "{} {}",
            failure.status,
            error.as_deref().unwrap_or("no error body")
        )
    }

    #[test]
    fn what_servers_send() {
        let bodies = [
            (
                400,
                r#"{"error":{"message":"no","type":"t","param":"p","code":"c"}}"#,
            ),
            (
                422,
                r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":7}]},"type":"invalid_request_error","param":null,"code":null}"#,
            ),
            (
                422,
                r#"{"object":"error","message":"Bad order","type":"invalid_request_message_order","param":null,"code":"3230"}"#,
            ),
            (
                422,
                r#"{"detail":[{"loc":["body","messages",1,"tool","name"],"msg":"Field required","type":"missing"}]}"#,
            ),
            (404, r#"{"detail":"Not Found"}"#),
            (
                401,
                r#"{"statusCode":401,"message":"Unauthorized. Access token is missing."}"#,
            ),
            (400, r#"{"message":7,"detail":"seven"}"#),
            (400, r#"{"detail":[]}"#),
            (400, r#"{"message":null}"#),
            (400, "[1]"),
            (502, "<html>"),
        ];
        let report: Vec<String> = bodies
            .iter()
            .map(|(status, body)| shown(*status, body))
            .collect();
        insta::assert_snapshot!(report.join("\n"), @r#"
        400 {"message":"no","type":"t","param":"p","code":"c"}
        422 {"message":"Extra inputs are not permitted: `seed`","type":"invalid_request_error","param":"seed","code":null}
        422 {"message":"Bad order","type":"invalid_request_message_order","param":null,"code":"3230"}
        422 {"message":"Field required: `messages[1].tool.name`","type":null,"param":"messages[1].tool.name","code":null}
        404 {"message":"Not Found","type":null,"param":null,"code":null}
        401 {"message":"Unauthorized. Access token is missing.","type":null,"param":null,"code":null}
        400 {"message":"seven","type":null,"param":null,"code":null}
        400 no error body
        400 no error body
        400 no error body
        502 no error body
        "#);
    }

    #[test]
    fn a_prompt_that_is_too_long_has_one_code() {
        let bodies = [
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8 tokens.","code":"context_length_exceeded"}}"#,
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","param":null,"code":400}"#,
            ),
            (
                400,
                r#"{"error":{"message":"You passed 9 input tokens. However, the model's context length is only 8 tokens","type":"BadRequestError","param":"input_tokens","code":400}}"#,
            ),
            (
                500,
                r#"{"error":{"code":500,"message":"the request exceeds it","type":"exceed_context_size_error","n_ctx":8}}"#,
            ),
            (
                400,
                r#"{"object":"error","message":"Prompt contains 9 tokens, too large for model with 8 maximum context length","type":"invalid_request_prompt","code":"3051"}"#,
            ),
            (
                400,
                r#"{"error":"The number of tokens to keep is greater than the context length (9 >= 8)"}"#,
            ),
            // Another's word for it stays, and so does another matter.
            (
                400,
                r#"{"error":{"message":"over the maximum context length","code":"string_above_max_length"}}"#,
            ),
            (
                429,
                r#"{"error":{"message":"maximum context length","code":429}}"#,
            ),
            (500, r#"{"error":{"message":"out of memory","code":500}}"#),
        ];
        let report: Vec<String> = bodies
            .iter()
            .map(|(status, body)| shown(*status, body))
            .collect();
        insta::assert_snapshot!(report.join("\n"), @r#"
        400 {"message":"This model's maximum context length is 8 tokens.","type":null,"param":null,"code":"context_length_exceeded"}
        400 {"message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","param":null,"code":"context_length_exceeded"}
        400 {"message":"You passed 9 input tokens. However, the model's context length is only 8 tokens","type":"BadRequestError","param":"input_tokens","code":"context_length_exceeded"}
        400 {"message":"the request exceeds it","type":"exceed_context_size_error","param":null,"code":"context_length_exceeded"}
        400 {"message":"Prompt contains 9 tokens, too large for model with 8 maximum context length","type":"invalid_request_prompt","param":null,"code":"context_length_exceeded"}
        400 {"message":"The number of tokens to keep is greater than the context length (9 >= 8)","type":null,"param":null,"code":"context_length_exceeded"}
        400 {"message":"over the maximum context length","type":null,"param":null,"code":"string_above_max_length"}
        429 {"message":"maximum context length","type":null,"param":null,"code":"429"}
        500 {"message":"out of memory","type":null,"param":null,"code":"500"}
        "#);
    }

    proptest! {
        #[test]
        fn never_panics(status in 0_u16..700, body in any::<Vec<u8>>()) {
            let _ = read(status, &body);
        }

        #[test]
        fn never_panics_on_json(text in r#"[\[\]{}:,"0-9a-z]{0,40}"#, key in "message|detail|error") {
            let _ = read(400, format!(r#"{{"{key}":{text}}}"#).as_bytes());
        }
    }
}
