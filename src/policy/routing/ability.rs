//! What a request needs of a model beside words.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create> (seen 2026-11). What is not said
//! as documented there needs nothing here: whoever is asked will say what is wrong with it.

use std::fmt;

use serde_json::{Map, Value};

use crate::{units::words, wire::chat::ChatRequest};

/// Something that a request may need and not every model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ability {
    /// Images in messages.
    Images,
    /// Audio in messages, or as the answer.
    Audio,
    /// Files in messages.
    Files,
    /// Tools that may be called.
    Tools,
    /// An answer in the form of a JSON schema.
    JsonSchema,
}

words! {
    /// All, by their names in the file.
    pub Ability {
        Images = "images",
        Audio = "audio",
        Files = "files",
        Tools = "tools",
        JsonSchema = "json_schema",
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Abilities(u8);

impl Abilities {
    /// This set, and `ability`.
    #[must_use]
    pub const fn with(self, ability: Ability) -> Self {
        Self(self.0 | 1 << ability as u8)
    }

    /// Whether `ability` is in the set.
    #[must_use]
    pub const fn has(self, ability: Ability) -> bool {
        self.0 & 1 << ability as u8 != 0
    }

    /// The first of these that `others` lacks.
    #[must_use]
    pub fn first_not_in(self, others: Self) -> Option<Ability> {
        let mut all = Ability::NAMES.iter().map(|(_, ability)| *ability);
        all.find(|ability| self.has(*ability) && !others.has(*ability))
    }
}

/// What `request` needs, its history included: a model has to take all of it.
#[must_use]
pub fn needed(request: &ChatRequest) -> Abilities {
    let of_fields = of_fields(request.fields());
    let messages = request.messages().iter().filter_map(Value::as_object);
    messages.fold(of_fields, of_message)
}

fn of_fields(fields: &Map<String, Value>) -> Abilities {
    let mut needed = Abilities::default();
    if ["tools", "functions"]
        .iter()
        .any(|name| is_list(fields.get(*name)))
    {
        needed = needed.with(Ability::Tools);
    }
    let modalities = fields.get("modalities").and_then(Value::as_array);
    if is_said(fields.get("audio"))
        || modalities.is_some_and(|list| list.iter().any(|kind| kind == "audio"))
    {
        needed = needed.with(Ability::Audio);
    }
    let format = fields.get("response_format");
    if kind(format) == Some("json_schema") {
        needed = needed.with(Ability::JsonSchema);
    }
    needed
}

fn of_message(mut needed: Abilities, message: &Map<String, Value>) -> Abilities {
    let role = message.get("role").and_then(Value::as_str);
    if matches!(role, Some("tool" | "function"))
        || is_list(message.get("tool_calls"))
        || is_said(message.get("function_call"))
    {
        needed = needed.with(Ability::Tools);
    }
    // An earlier spoken answer, by its id.
    if is_said(message.get("audio")) {
        needed = needed.with(Ability::Audio);
    }
    let parts = message.get("content").and_then(Value::as_array);
    for part in parts.into_iter().flatten() {
        needed = match kind(Some(part)) {
            Some("image_url") => needed.with(Ability::Images),
            Some("input_audio") => needed.with(Ability::Audio),
            Some("file") => needed.with(Ability::Files),
            Some(_) | None => needed,
        };
    }
    needed
}

fn kind(value: Option<&Value>) -> Option<&str> {
    value?.get("type")?.as_str()
}

fn is_said(value: Option<&Value>) -> bool {
    value.is_some_and(Value::is_object)
}

fn is_list(value: Option<&Value>) -> bool {
    let list = value.and_then(Value::as_array);
    list.is_some_and(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::wire::controls::Controls;

    fn names(abilities: Abilities) -> Vec<&'static str> {
        let all = Ability::NAMES.iter();
        all.filter(|(_, ability)| abilities.has(*ability))
            .map(|(name, _)| *name)
            .collect()
    }

    /// What is needed by a request of these fields.
    fn of(fields: &Value) -> Vec<&'static str> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Sing."}]});
        let body_fields = body.as_object_mut().unwrap();
        body_fields.extend(fields.as_object().unwrap().clone());
        let body = Bytes::from(body.to_string());
        names(needed(
            &ChatRequest::parse(body, &mut Controls::default()).unwrap(),
        ))
    }

    fn of_parts(parts: &Value) -> Vec<&'static str> {
        of(&json!({"messages": [{"role": "user", "content": parts}]}))
    }

    #[test]
    fn names_are_those_of_the_file() {
        for (name, ability) in Ability::NAMES {
            assert_eq!(ability.as_str(), name);
            assert_eq!(ability.to_string(), name);
        }
    }

    #[test]
    fn words_need_nothing() {
        assert!(of(&json!({})).is_empty());
        assert!(
            of(&json!({
                "tools": [], "functions": [], "tool_choice": "none", "modalities": ["text"],
                "audio": null, "response_format": {"type": "json_object"},
            }))
            .is_empty()
        );
        assert!(of_parts(&json!([{"type": "text", "text": "image_url"}])).is_empty());
        let history = json!({"messages": [
            {"role": "user", "content": "Which crab is blue?"},
            {"role": "assistant", "content": "Some are.", "tool_calls": [], "function_call": null, "audio": null},
            {"role": "user", "content": "Which?"},
        ]});
        assert!(of(&history).is_empty());
    }

    #[test]
    fn parts_need_their_kind() {
        let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
        let audio =
            json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
        let file = json!({"type": "file", "file": {"file_id": "file-1"}});
        assert_eq!(of_parts(&json!([image])), ["images"]);
        assert_eq!(of_parts(&json!([audio])), ["audio"]);
        assert_eq!(of_parts(&json!([file])), ["files"]);
        assert_eq!(
            of_parts(&json!([file, image, audio])),
            ["images", "audio", "files"]
        );
        let earlier = json!({"messages": [
            {"role": "user", "content": [image]},
            {"role": "assistant", "content": "A crab."},
            {"role": "user", "content": "Of which kind?"},
        ]});
        assert_eq!(of(&earlier), ["images"]);
    }

    #[test]
    fn fields_need_what_they_ask_for() {
        let tool = json!({"type": "function", "function": {"name": "weigh"}});
        assert_eq!(of(&json!({"tools": [tool]})), ["tools"]);
        assert_eq!(of(&json!({"functions": [{"name": "weigh"}]})), ["tools"]);
        let voice = json!({"voice": "alloy", "format": "wav"});
        assert_eq!(of(&json!({"modalities": ["text", "audio"]})), ["audio"]);
        assert_eq!(of(&json!({"audio": voice})), ["audio"]);
        let schema = json!({"type": "json_schema", "json_schema": {"name": "crab", "schema": {}}});
        assert_eq!(of(&json!({"response_format": schema})), ["json_schema"]);
    }

    #[test]
    fn tools_that_were_used_need_tools() {
        let call =
            json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        for message in [
            json!({"role": "assistant", "tool_calls": [call]}),
            json!({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}),
            json!({"role": "tool", "tool_call_id": "c1", "content": "7"}),
            json!({"role": "function", "name": "f", "content": "7"}),
        ] {
            let user = json!({"role": "user", "content": "How heavy?"});
            assert_eq!(of(&json!({"messages": [user, message]})), ["tools"]);
        }
        let spoken = json!([
            {"role": "user", "content": "Say it."},
            {"role": "assistant", "audio": {"id": "audio_1"}},
            {"role": "user", "content": "Again."},
        ]);
        assert_eq!(of(&json!({"messages": spoken})), ["audio"]);
    }

    fn odd() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            proptest::sample::select(vec!["audio", "json_schema", "image_url", "tool", ""])
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let key = proptest::sample::select(vec!["type", "role", "content", "x"]);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..4).prop_map(|fields| {
                    let named = fields
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value));
                    Value::Object(named.collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn odd_values_are_no_trouble(value in odd()) {
            for name in ["tools", "functions", "modalities", "audio", "response_format"] {
                of_fields(&Map::from_iter([(name.to_owned(), value.clone())]));
            }
            for name in ["role", "content", "tool_calls", "function_call", "audio"] {
                let message = Map::from_iter([(name.to_owned(), value.clone())]);
                of_message(Abilities::default(), &message);
            }
        }
    }
}
