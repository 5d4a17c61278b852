//! What a request says without asking for anything: fields of messages that come back from earlier
//! answers or that frameworks add, and parameters that say what holds anyhow. Such are left out in
//! silence by every dialect but OpenAI's; all others are refused, so that none gets lost.
//!
//! | field of a message | why it says nothing |
//! |---|---|
//! | `id`, `usage`, `type: "message"` | say what an earlier answer was, or cost |
//! | `extra_content` | Google's signatures; only Gemini reads them |
//! | `provider_specific_fields` | LiteLLM adds it to answers |
//! | `reasoning_details` | OpenRouter's form of thoughts, which are in `reasoning` too |
//! | `images: []` | OpenRouter and LiteLLM add it to answers without images |
//! | `cache_control` | a hint; Anthropic reads it |
//!
//! OpenAI's own echoes (`annotations`, `parsed`, `audio`) are known to [`Ask`](crate::wire::ask::Ask).

use serde_json::{Map, Value};

use crate::wire::ask::{Cannot, Spoken, Turn, Unable};

/// Fields of messages that say nothing to a model, whatever is in them.
const ECHOES: [&str; 6] = [
    "cache_control",
    "extra_content",
    "id",
    "provider_specific_fields",
    "reasoning_details",
    "usage",
];

/// Meets the fields of messages that no dialect but OpenAI's can carry.
///
/// # Errors
/// [`Unable::Unsupported`] for the first, unless such things are to be left out.
pub(super) fn refuse_unknown(turns: &[Turn], cannot: &mut Cannot) -> Result<(), Unable> {
    for turn in turns {
        let (at, extra) = match turn {
            Turn::System(Spoken { at, extra, .. }) | Turn::User(Spoken { at, extra, .. }) => {
                (at, extra)
            }
            Turn::Assistant(assistant) => (&assistant.at, &assistant.extra),
            Turn::Tool(result) => (&result.at, &result.extra),
        };
        for (name, _) in extra.iter().filter(|(name, value)| !is_echo(name, value)) {
            cannot.carry(format!("messages[{at}].{name}"), "has nothing like it")?;
        }
    }
    Ok(())
}

fn is_echo(name: &str, value: &Value) -> bool {
    match name {
        "images" => is_empty(value),
        "type" => value == "message",
        _ => value.is_null() || ECHOES.contains(&name),
    }
}

/// The client's mark for Anthropic's prompt cache on a whole message, as LiteLLM has it.
pub(super) fn cache_mark(extra: &Map<String, Value>) -> Option<&Value> {
    extra.get("cache_control").filter(|mark| mark.is_object())
}

/// The fields of [`Ask::rest`](crate::wire::ask::Ask::rest) that ask for something. `functions: []`, a `function_call` that leaves it to
/// the model or forbids it where there are none, and `verbosity: "medium"`, the default, do not.
pub(super) fn asking(rest: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let has_functions = rest.get("functions").is_some_and(|list| !is_empty(list));
    rest.iter()
        .filter(move |(name, value)| match (name.as_str(), value) {
            ("functions", list) => !is_empty(list),
            ("function_call", Value::String(choice)) => {
                has_functions || !matches!(choice.as_str(), "auto" | "none")
            }
            ("verbosity", Value::String(length)) => length != "medium",
            _ => true,
        })
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::wire::{ask::Ask, chat::ChatRequest, controls::Controls};

    /// What is refused of a conversation in which every message has these fields.
    fn refused(fields: &Value) -> Vec<String> {
        let mut messages = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Which crab is the largest?"},
            {"role": "assistant", "content": null,
             "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "the spider crab"},
        ]);
        for message in messages.as_array_mut().unwrap() {
            let message = message.as_object_mut().unwrap();
            message.extend(fields.as_object().unwrap().clone());
        }
        let body = Bytes::from(json!({"model": "m", "messages": messages}).to_string());
        let request = ChatRequest::parse(body, &mut Controls::default()).unwrap();
        let mut cannot = Cannot::new("p", true);
        let ask = Ask::read(&request, &mut cannot).unwrap();
        refuse_unknown(&ask.turns, &mut cannot).unwrap();
        let refused = refuse_unknown(&ask.turns, &mut Cannot::new("p", false));
        assert_eq!(refused.is_err(), !cannot.dropped().is_empty());
        cannot.dropped().to_vec()
    }

    #[test]
    fn what_comes_back_from_answers_says_nothing() {
        let echoes = json!({
            "id": "msg_1", "usage": {"total_tokens": 9}, "type": "message", "images": [],
            "extra_content": {"google": {"thought_signature": "c2ln"}},
            "provider_specific_fields": {"citations": null}, "reasoning_details": [{"text": "hm"}],
            "cache_control": {"type": "ephemeral"}, "annotations": [], "audio": null, "parsed": {"a": 1},
            "refusal": null, "timestamp": null, "function_call": null,
        });
        assert_eq!(refused(&echoes), Vec::<String>::new());
    }

    #[test]
    fn what_may_mean_something_is_named() {
        let all = |field: &str| -> Vec<String> {
            (0..4).map(|at| format!("messages[{at}].{field}")).collect()
        };
        for (field, value) in [
            ("timestamp", json!(1)),
            ("mood", json!("good")),
            ("images", json!(["aa"])),
            ("type", json!("function_call")),
            ("prefix", json!(true)),
            ("", json!(0)),
        ] {
            assert_eq!(
                refused(&json!({ field: value, "id": "7" })),
                all(field),
                "{field}"
            );
        }
    }

    #[test]
    fn parameters_that_say_what_holds_anyhow() {
        let left = |rest: Value| -> Vec<String> {
            let rest = rest.as_object().unwrap();
            asking(rest).map(|(name, _)| name.clone()).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(left(json!({"functions": []})), none);
        assert_eq!(
            left(json!({"functions": [], "function_call": "none"})),
            none
        );
        assert_eq!(
            left(json!({"function_call": "auto", "verbosity": "medium"})),
            none
        );
        let one = json!([{"name": "f"}]);
        assert_eq!(
            left(json!({"functions": one, "function_call": "none"})),
            ["functions", "function_call"]
        );
        assert_eq!(
            left(json!({"function_call": {"name": "f"}})),
            ["function_call"]
        );
        assert_eq!(
            left(json!({"verbosity": "low", "top_k": 1})),
            ["verbosity", "top_k"]
        );
        assert_eq!(left(json!({"functions": {}})), ["functions"]);
    }

    #[test]
    fn a_mark_is_an_object() {
        let mark = json!({"cache_control": {"type": "ephemeral"}});
        assert_eq!(
            cache_mark(mark.as_object().unwrap()),
            mark.get("cache_control")
        );
        let word = json!({"cache_control": "ephemeral"});
        assert_eq!(cache_mark(word.as_object().unwrap()), None);
    }
}
