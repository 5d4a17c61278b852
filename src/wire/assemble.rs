//! The chunks of a stream put together to an answer.
//!
//! Deltas merge as the official clients merge them: text is appended, lists with an `index` merge
//! item by item, what identifies (role, id, type, name) is set. Nothing is invented: a stream that
//! has no `[DONE]` or holds anything unreadable is no answer.

use serde_json::{Map, Value};

use super::{
    answer::{Answer, Choice},
    error_body::ErrorObject,
    sse,
};

/// Why a stream is no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// An event is not JSON, or not a chunk.
    #[error("an event that is no chunk")]
    NotAChunk,
    /// The provider reported an error inside the stream.
    #[error("an error event: {0}")]
    Failed(String),
    /// The end is missing.
    #[error("no end")]
    NoEnd,
    /// Nothing was said.
    #[error("no choices")]
    Empty,
}

/// The answer of a whole stream, from its first event to `[DONE]`.
///
/// # Errors
/// [`Incomplete`] for everything that is not one whole answer.
pub fn assemble(stream: &[u8]) -> Result<Answer, Incomplete> {
    let mut answer = Answer {
        model: String::new(),
        choices: Vec::new(),
        usage: None,
        extra: Map::new(),
    };
    let mut ended = false;
    for data in sse::data(stream) {
        if sse::is_done(data) {
            ended = true;
            break;
        }
        if !data.trim_ascii().is_empty() {
            let chunk = serde_json::from_slice(data).map_err(|_| Incomplete::NotAChunk)?;
            add_chunk(&mut answer, chunk)?;
        }
    }
    if !ended {
        return Err(Incomplete::NoEnd);
    }
    if answer.choices.is_empty() {
        return Err(Incomplete::Empty);
    }
    for choice in &mut answer.choices {
        strip_call_indexes(&mut choice.message);
    }
    Ok(answer)
}

fn add_chunk(answer: &mut Answer, chunk: Value) -> Result<(), Incomplete> {
    if let Some(error) = ErrorObject::from_value(&chunk) {
        return Err(Incomplete::Failed(error.message));
    }
    let Value::Object(fields) = chunk else {
        return Err(Incomplete::NotAChunk);
    };
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("id" | "object" | "created", _) => {}
            ("choices", Value::Array(choices)) => {
                for choice in choices {
                    add_choice(&mut answer.choices, choice)?;
                }
            }
            ("model", Value::String(model)) => {
                if answer.model.is_empty() {
                    answer.model = model;
                }
            }
            ("choices" | "model", _) => return Err(Incomplete::NotAChunk),
            ("usage", Value::Null) => {}
            ("usage", usage) => answer.usage = Some(usage),
            // Padding against traffic analysis: of the delivery, not of the answer.
            ("obfuscation", _) => {}
            (_, value) => drop(answer.extra.insert(key, value)),
        }
    }
    Ok(())
}

fn add_choice(choices: &mut Vec<Choice>, choice: Value) -> Result<(), Incomplete> {
    let Value::Object(fields) = choice else {
        return Err(Incomplete::NotAChunk);
    };
    let index = fields.get("index").and_then(Value::as_u64).unwrap_or(0);
    let known = choices.iter().position(|known| known.index == index);
    let position = known.unwrap_or_else(|| {
        choices.push(Choice {
            index,
            ..Choice::default()
        });
        choices.len() - 1
    });
    let Some(choice) = choices.get_mut(position) else {
        return Err(Incomplete::NotAChunk);
    };
    for (key, value) in fields {
        match (key.as_str(), value) {
            // A `message` would stand beside the one that is put together.
            ("index" | "message", _) | ("delta" | "logprobs" | "finish_reason", Value::Null) => {}
            ("delta", Value::Object(delta)) => merge(&mut choice.message, delta),
            ("finish_reason", Value::String(reason)) => choice.finish_reason = Some(reason),
            ("delta" | "finish_reason", _) => return Err(Incomplete::NotAChunk),
            ("logprobs", more) => match &mut choice.logprobs {
                Some(known) => merge_value("", known, more),
                none => *none = Some(more),
            },
            (_, value) => drop(choice.extra.insert(key, value)),
        }
    }
    Ok(())
}

fn merge(into: &mut Map<String, Value>, delta: Map<String, Value>) {
    for (key, value) in delta {
        match into.get_mut(&key) {
            Some(known) => merge_value(&key, known, value),
            None => drop(into.insert(key, value)),
        }
    }
}

fn merge_value(key: &str, known: &mut Value, more: Value) {
    match (known, more) {
        (_, Value::Null) => {}
        (Value::String(known), Value::String(more)) => {
            if matches!(key, "role" | "id" | "type" | "name") {
                if !more.is_empty() {
                    *known = more;
                }
            } else {
                known.push_str(&more);
            }
        }
        (Value::Object(known), Value::Object(more)) => merge(known, more),
        (Value::Array(known), Value::Array(more)) => {
            for item in more {
                let same = place_of(known, &item).and_then(|place| known.get_mut(place));
                match same {
                    Some(old) => merge_value("", old, item),
                    None => known.push(item),
                }
            }
        }
        (known, more) => *known = more,
    }
}

/// Where the item with the same `index` is: last, mostly, or at that very place.
fn place_of(known: &[Value], item: &Value) -> Option<usize> {
    /// In longer lists only those two places are looked at, so that no stream takes long to merge.
    const MOST_SEARCHED: usize = 1024;
    let index = item.get("index")?;
    let is_same = |place: &usize| known.get(*place).and_then(|old| old.get("index")) == Some(index);
    let number = index
        .as_u64()
        .and_then(|number| usize::try_from(number).ok());
    let likely = [known.len().checked_sub(1), number];
    let likely = likely.into_iter().flatten().find(is_same);
    likely.or_else(|| (0..known.len().min(MOST_SEARCHED)).find(is_same))
}

/// A tool call of a delta has an `index`, one of a message has none.
fn strip_call_indexes(message: &mut Map<String, Value>) {
    let Some(Value::Array(calls)) = message.get_mut("tool_calls") else {
        return;
    };
    calls.sort_by_key(|call| call.get("index").and_then(Value::as_u64));
    for call in calls.iter_mut().filter_map(Value::as_object_mut) {
        call.remove("index");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(events: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for event in events {
            sse::write_event(&mut out, event.as_bytes());
        }
        out
    }

    #[test]
    fn merges_as_the_official_clients_do() {
        let answer = assemble(&stream(&[
            r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"obfuscation":"xx"}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"lo","reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
            "[DONE]",
        ]))
        .unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&answer).unwrap());
    }

    #[test]
    fn refuses_what_is_not_whole() {
        let refused = |events: &[&str]| assemble(&stream(events)).unwrap_err();
        assert_eq!(
            refused(&[r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#]),
            Incomplete::NoEnd
        );
        assert_eq!(refused(&["[DONE]"]), Incomplete::Empty);
        assert_eq!(refused(&["<html>", "[DONE]"]), Incomplete::NotAChunk);
        assert_eq!(
            refused(&[r#"{"error":{"message":"overloaded"}}"#, "[DONE]"]),
            Incomplete::Failed("overloaded".into())
        );
    }
}
