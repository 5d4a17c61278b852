//! Which answers may be kept.
//!
//! Only what a client would be glad to get again: finished, unfiltered, not cut off. Invariant: an
//! answer that names any other finish reason than these is never kept, so a reason that a provider
//! invents tomorrow is refused until somebody has thought about it.

use serde_json::Value;

use super::judge::is_apology;
use crate::wire::answer::{Answer, Choice};

/// Where an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// For equal requests and for questions of the same meaning.
    ExactAndSemantic,
    /// For equal requests only: it calls tools.
    ExactOnly,
}

/// Why an answer is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// Cut off by a limit of tokens.
    Truncated,
    /// Cut or emptied by a content filter, or a refusal.
    Filtered,
    /// Nothing was said.
    Empty,
    /// The text of an error, under a status of success.
    Apology,
    /// It did not say how it ended, or in an unknown way.
    Unfinished,
}

impl NotKept {
    /// The word for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Filtered => "filtered",
            Self::Empty => "empty",
            Self::Apology => "apology",
            Self::Unfinished => "unfinished",
        }
    }
}

/// Whether `answer` may be kept.
///
/// # Errors
/// The reason why not.
pub fn storable(answer: &Answer) -> Result<Keep, NotKept> {
    let mut keep = Keep::ExactAndSemantic;
    for choice in &answer.choices {
        if choice_keeps(choice)? == Keep::ExactOnly {
            keep = Keep::ExactOnly;
        }
    }
    if answer.choices.is_empty() {
        Err(NotKept::Empty)
    } else {
        Ok(keep)
    }
}

fn choice_keeps(choice: &Choice) -> Result<Keep, NotKept> {
    let text = |key: &str| {
        choice
            .message
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("")
            .trim()
    };
    let calls = choice.message.get("tool_calls").and_then(Value::as_array);
    let has_calls = calls.is_some_and(|calls| !calls.is_empty());
    let has_function = choice
        .message
        .get("function_call")
        .is_some_and(Value::is_object);
    if !text("refusal").is_empty() {
        return Err(NotKept::Filtered);
    }
    match choice.finish_reason.as_deref() {
        Some("stop") if has_calls || has_function => Ok(Keep::ExactOnly),
        Some("stop") if text("content").is_empty() => Err(NotKept::Empty),
        Some("stop") if is_apology(text("content")) => Err(NotKept::Apology),
        Some("stop") => Ok(Keep::ExactAndSemantic),
        Some("tool_calls")
            if calls.is_some_and(|calls| has_calls && calls.iter().all(is_complete)) =>
        {
            Ok(Keep::ExactOnly)
        }
        Some("function_call") if has_function => Ok(Keep::ExactOnly),
        Some("length") => Err(NotKept::Truncated),
        Some("content_filter") => Err(NotKept::Filtered),
        _ => Err(NotKept::Unfinished),
    }
}

/// A function call whose arguments are JSON; a cut one is not.
fn is_complete(call: &Value) -> bool {
    match call.get("function") {
        Some(function) => {
            let arguments = function
                .get("arguments")
                .and_then(Value::as_str)
                .unwrap_or("");
            let named = function
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|n| !n.is_empty());
            named && (arguments.is_empty() || serde_json::from_str::<Value>(arguments).is_ok())
        }
        None => call.get("custom").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(message: &Value, finish: Option<&str>) -> Result<Keep, NotKept> {
        let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": finish}]});
        storable(&Answer::read(body.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn only_finished_answers_are_kept() {
        let said = |text: &str| json!({"role": "assistant", "content": text});
        let call = |arguments: &str| {
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function",
                "function": {"name": "f", "arguments": arguments}}]})
        };
        assert_eq!(check(&said("hi"), Some("stop")), Ok(Keep::ExactAndSemantic));
        assert_eq!(check(&said(" "), Some("stop")), Err(NotKept::Empty));
        let sorry = said("An error occurred while processing your request.");
        assert_eq!(check(&sorry, Some("stop")), Err(NotKept::Apology));
        assert_eq!(check(&said("hi"), Some("length")), Err(NotKept::Truncated));
        assert_eq!(
            check(&said("hi"), Some("content_filter")),
            Err(NotKept::Filtered)
        );
        assert_eq!(check(&said("hi"), None), Err(NotKept::Unfinished));
        assert_eq!(check(&said("hi"), Some("error")), Err(NotKept::Unfinished));
        assert_eq!(check(&call("{}"), Some("tool_calls")), Ok(Keep::ExactOnly));
        assert_eq!(
            check(&call("{\"a\":"), Some("tool_calls")),
            Err(NotKept::Unfinished)
        );
        assert_eq!(
            check(&said("hi"), Some("tool_calls")),
            Err(NotKept::Unfinished)
        );
        let refused = json!({"role": "assistant", "content": null, "refusal": "I can't."});
        assert_eq!(check(&refused, Some("stop")), Err(NotKept::Filtered));
    }
}
