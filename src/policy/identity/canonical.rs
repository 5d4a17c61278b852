//! Requests as bytes: equal ones for equivalent spellings, different ones for anything else.

use serde_json::{Map, Number, Value};

use crate::{
    policy::question::{self, Block, only_text_part},
    wire::chat::WITHOUT_INFLUENCE,
};

/// Whether a value, among the fields of its request, says what leaving it out would mean.
type IsDefault = fn(&Value, &Map<String, Value>) -> bool;

/// Source: <https://platform.openai.com/docs/api-reference/chat/create> (seen 2026-11).
///
/// `temperature` and `top_p` are not among them: other providers have other defaults for these.
pub(super) const DEFAULTS: [(&str, IsDefault); 12] = [
    ("n", |value, _| value.as_f64() == Some(1.0)),
    ("presence_penalty", |value, _| value.as_f64() == Some(0.0)),
    ("frequency_penalty", |value, _| value.as_f64() == Some(0.0)),
    ("logprobs", |value, _| value == false),
    ("parallel_tool_calls", |value, _| value == true),
    ("tool_choice", |value, fields| {
        let tools = fields.get("tools").and_then(Value::as_array);
        let has_tools = tools.is_some_and(|tools| !tools.is_empty());
        value == if has_tools { "auto" } else { "none" }
    }),
    ("stop", |value, _| is_empty(value)),
    ("tools", |value, _| is_empty(value)),
    ("functions", |value, _| is_empty(value)),
    ("logit_bias", |value, _| is_empty(value)),
    ("modalities", |value, _| {
        let list = value.as_array().map(Vec::as_slice);
        matches!(list, Some([one]) if one == "text")
    }),
    ("response_format", |value, _| {
        value
            .as_object()
            .is_some_and(|f| f.len() == 1 && f.get("type").is_some_and(|t| t == "text"))
    }),
];

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

fn shapes_the_answer(key: &str, value: &Value, fields: &Map<String, Value>) -> bool {
    let is_default =
        (DEFAULTS.iter()).any(|(name, is_default)| *name == key && is_default(value, fields));
    !(value.is_null()
        || key == "model"
        || key == "messages"
        || WITHOUT_INFLUENCE.contains(&key)
        || is_default)
}

fn merged_name<'a>(key: &'a str, fields: &Map<String, Value>) -> &'a str {
    if key == "max_tokens" && !fields.contains_key("max_completion_tokens") {
        "max_completion_tokens"
    } else {
        key
    }
}

/// Fields by their names: a client may write them in any order.
fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    fields
}

/// Writes values so that different ones are different bytes: every text carries its length, every
/// list and object its end. Keys are sorted, numbers reduced (`1.0` is `1`).
pub(super) struct Canonical {
    pub(super) out: Vec<u8>,
    /// Whether every number was read without loss. Whole numbers of more than 64 bits are not.
    pub(super) is_exact: bool,
}

impl Canonical {
    pub(super) fn new() -> Self {
        Self {
            out: Vec::with_capacity(512),
            is_exact: true,
        }
    }

    /// The fields beside the messages that shape the answer.
    pub(super) fn fields(&mut self, fields: &Map<String, Value>) {
        let mut keys: Vec<(&str, &Value)> = fields
            .iter()
            .filter(|(key, value)| shapes_the_answer(key, value, fields))
            .map(|(key, value)| (merged_name(key, fields), value))
            .collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in keys {
            self.text(key);
            match (key, value) {
                ("stop", Value::String(_)) => {
                    self.out.push(b'[');
                    self.value(value);
                    self.out.push(b']');
                }
                _ => self.value(value),
            }
        }
    }

    pub(super) fn message(&mut self, message: &Value, parts: Option<&question::Parts<'_>>) {
        let Some(fields) = message.as_object() else {
            return self.value(message);
        };
        let says_nothing =
            |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        self.out.push(b'{');
        let said = sorted(fields).into_iter();
        for (key, value) in said.filter(|(_, value)| !says_nothing(value)) {
            self.text(key);
            match (parts, only_text_part(value)) {
                (Some(parts), _) if key == "content" => self.matter(parts),
                (_, Some(text)) if key == "content" => self.text(text),
                _ => self.value(value),
            }
        }
        self.out.push(b'}');
    }

    fn matter(&mut self, parts: &question::Parts<'_>) {
        self.out.push(b'(');
        for block in &parts.blocks {
            match block {
                Block::Matter(text) => self.text(text),
                Block::Question(_) => self.out.push(b'?'),
            }
        }
        self.out.push(b')');
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push(b'0'),
            Value::Bool(false) => self.out.push(b'f'),
            Value::Bool(true) => self.out.push(b't'),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.out.push(b'[');
                items.iter().for_each(|item| self.value(item));
                self.out.push(b']');
            }
            Value::Object(fields) => self.object(fields),
        }
    }

    pub(super) fn object(&mut self, fields: &Map<String, Value>) {
        self.out.push(b'{');
        for (key, value) in sorted(fields) {
            self.text(key);
            self.value(value);
        }
        self.out.push(b'}');
    }

    fn number(&mut self, number: &Number) {
        /// Above it, neighbouring whole numbers are one `f64`.
        const EXACT: f64 = (1_u64 << 53) as f64;
        self.out.push(b'n');
        if let Some(real) = number.as_f64().filter(|_| number.is_f64()) {
            self.is_exact &= real.abs() < EXACT;
            self.text(&real.to_string());
        } else {
            self.text(&number.to_string());
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.push(b's');
        self.out
            .extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.out.extend_from_slice(text.as_bytes());
    }
}
