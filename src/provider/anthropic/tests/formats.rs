//! JSON, of a schema or any.

use serde_json::{Value, json};

use super::{sent, sent_to};

fn form(schema: Value) -> Value {
    json!({"response_format": {"type": "json_schema", "json_schema": {
        "name": "bird", "description": "A bird.", "schema": schema, "strict": true,
    }}})
}

fn bird() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "In Latin."},
            "seen": {"type": "string", "format": "date-time"},
            "ring": {"type": "string", "format": "x-ring"},
            "wings": {"anyOf": [{"$ref": "#/$defs/wings"}, {"type": "null"}]},
            "sex": {"type": ["string", "null"], "enum": ["m", "f", null]},
            "eggs": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 9},
        },
        "required": ["name", "seen", "ring", "wings", "sex", "eggs"],
        "additionalProperties": false,
        "$defs": {"wings": {"type": "object", "properties": {"span": {"type": "number"}},
            "required": ["span"], "additionalProperties": false}},
    })
}

#[test]
fn any_json() {
    insta::assert_json_snapshot!(sent(json!({
        "response_format": {"type": "json_object"},
        "messages": [
            {"role": "system", "content": "You know birds."},
            {"role": "user", "content": "A stork as JSON."},
        ],
    })));
}

#[test]
fn json_of_a_schema() {
    insta::assert_json_snapshot!(sent(form(bird())));
}

#[test]
fn json_of_a_schema_from_an_old_model_is_a_tool() {
    let tools = json!([{"type": "function", "function": {"name": "json"}}]);
    let with = |more: Value| {
        let mut fields =
            form(json!({"type": "object", "properties": {"name": {"type": "string"}}}));
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        sent_to("claude-3-5-sonnet-latest", fields)
    };
    insta::assert_json_snapshot!(json!({
        "alone": with(json!({})),
        "beside others": with(json!({"tools": tools})),
        "others must not be called": with(json!({"tools": tools, "tool_choice": "none"})),
        "another must be called": with(json!({"tools": tools, "tool_choice": "required"})),
        "thinking gives way": sent_to("claude-sonnet-4-0", {
            let mut fields = form(json!({"type": "object", "properties": {}}));
            fields["reasoning_effort"] = json!("high");
            fields
        }),
    }));
}

#[test]
fn json_of_a_schema_without_strict_form_is_told() {
    let schemas = [
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": {"child": {"$ref": "#"}}}),
        json!({"type": "object", "properties": {"a": {}}}),
        json!({"type": "array", "items": [{"type": "string"}]}),
        json!({"$ref": "#/$defs/node", "$defs": {
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/list"}}},
            "list": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        }}),
    ];
    let told = schemas.map(|schema| {
        let sent = sent(form(schema));
        assert!(sent.get("output_config").is_none());
        assert!(sent.get("tools").is_none());
        sent["system"][0]["text"].as_str().unwrap().to_owned()
    });
    insta::assert_snapshot!(told.join("\n---\n"));
}

#[test]
fn there_is_room_for_so_many_optional_properties() {
    let with = |count: usize| {
        let properties: serde_json::Map<String, Value> = (0..count)
            .map(|number| (format!("p{number}"), json!({"type": "string"})))
            .collect();
        let sent = sent(form(json!({"type": "object", "properties": properties})));
        sent.get("output_config").is_some()
    };
    assert!(with(24));
    assert!(!with(25));
}

#[test]
fn the_form_and_tools_go_together() {
    let mut fields = form(bird());
    fields["tools"] = json!([{"type": "function", "function": {"name": "look"}}]);
    fields["tool_choice"] = json!("required");
    fields["reasoning_effort"] = json!("low");
    let sent = sent_to("claude-opus-4-8", fields);
    assert_eq!(sent["output_config"]["format"]["type"], "json_schema");
    assert_eq!(sent["output_config"]["effort"], "low");
    assert_eq!(sent["tool_choice"], json!({"type": "any"}));
    assert!(sent.get("thinking").is_none());
}
