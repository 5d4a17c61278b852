//! What a response repeats of its request.

use serde_json::{Map, Value, json};

/// The fields of a request that its response repeats, with what is meant where nothing is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Echo(pub(super) Map<String, Value>);

impl Echo {
    pub(super) fn of(fields: &Map<String, Value>) -> Self {
        let said = |name: &str, default: Value| {
            let value = fields.get(name).filter(|value| !value.is_null());
            (name.to_owned(), value.cloned().unwrap_or(default))
        };
        let inside = |name: &str, inner: &str| {
            let value = fields.get(name).and_then(|value| value.get(inner));
            value.cloned().unwrap_or(Value::Null)
        };
        let mut text = Map::new();
        let format = inside("text", "format");
        let format = if format.is_null() {
            json!({"type": "text"})
        } else {
            format
        };
        text.insert("format".into(), format);
        let verbosity = inside("text", "verbosity");
        if !verbosity.is_null() {
            text.insert("verbosity".into(), verbosity);
        }
        let effort = inside("reasoning", "effort");
        let reasoning = json!({"effort": effort, "summary": inside("reasoning", "summary")});
        let (name, tools) = said("tools", json!([]));
        Self(Map::from_iter([
            said("instructions", Value::Null),
            said("max_output_tokens", Value::Null),
            said("max_tool_calls", Value::Null),
            said("parallel_tool_calls", json!(true)),
            said("previous_response_id", Value::Null),
            said("prompt_cache_key", Value::Null),
            ("reasoning".to_owned(), reasoning),
            said("safety_identifier", Value::Null),
            said("store", json!(true)),
            said("temperature", json!(1.0)),
            ("text".to_owned(), Value::Object(text)),
            said("tool_choice", json!("auto")),
            (name, filled(tools)),
            said("top_logprobs", json!(0)),
            said("top_p", json!(1.0)),
            said("truncation", json!("disabled")),
            said("user", Value::Null),
            said("metadata", json!({})),
        ]))
    }
}

/// Function tools with all the fields that they have in responses.
fn filled(tools: Value) -> Value {
    let Value::Array(mut tools) = tools else {
        return tools;
    };
    for tool in tools.iter_mut().filter_map(Value::as_object_mut) {
        if tool.get("type").is_some_and(|kind| kind == "function") {
            for (name, default) in [
                ("description", Value::Null),
                ("parameters", Value::Null),
                ("strict", json!(false)),
            ] {
                let value = tool.entry(name).or_insert(Value::Null);
                if value.is_null() {
                    *value = default;
                }
            }
        }
    }
    Value::Array(tools)
}
