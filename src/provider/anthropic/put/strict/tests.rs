//! Schemas with and without a strict form.

use serde_json::{Value, json};

use super::*;

fn fitted(schema: Value) -> Option<Value> {
    let schema: Map<String, Value> = serde_json::from_value(schema).unwrap();
    Room::new().answer(&schema).map(Value::Object)
}

#[test]
fn constraints_become_words() {
    insta::assert_json_snapshot!(fitted(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bird",
        "description": "A bird.",
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
            "name": {"type": "string", "pattern": "^[A-Z]", "default": "Stork"},
            "seen": {"type": "string", "format": "date"},
            "when": {"type": "string", "format": "cron"},
            "eggs": {"type": "array", "items": {"type": "number", "multipleOf": 2}, "minItems": 2},
            "song": {"type": "array", "items": {"const": "la"}, "minItems": 0},
            "kind": {"oneOf": [{"enum": ["a", 1, null]}, {"type": "boolean"}], "description": "Which."},
            "sure": {"type": ["string", "integer", "null"], "minLength": 2, "minimum": 3, "description": "How."},
            "only": {"type": ["null"]},
            "none": {"allOf": [{"$ref": "#/definitions/empty"}], "default": {}, "description": "Nothing."},
            "said": {"properties": {"x": {"type": "null"}}, "anyOf": [{"required": ["x"]}]},
        },
        "required": ["age", "gone"],
        "additionalProperties": true,
        "minProperties": 1,
        "definitions": {"empty": {"type": "object", "additionalProperties": false}},
    })));
}

#[test]
fn a_reference_at_the_root_keeps_its_definitions() {
    insta::assert_json_snapshot!(fitted(json!({
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}, "required": ["b"]},
            "b": {"type": "string"},
        },
    })));
}

#[test]
fn what_would_come_to_mean_something_else_has_no_strict_form() {
    let schemas = [
        json!({}),
        json!({"type": "object"}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "null"}}),
        json!({"type": "object", "patternProperties": {"a": {"type": "null"}}, "additionalProperties": false}),
        json!({"type": "object", "properties": {"a": true}}),
        json!({"type": "object", "properties": []}),
        json!({"type": "array"}),
        json!({"type": "array", "items": [{"type": "null"}]}),
        json!({"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "null"}}),
        json!({"type": "any"}),
        json!({"type": 1}),
        json!({"type": []}),
        json!({"enum": [{}]}),
        json!({"enum": []}),
        json!({"const": []}),
        json!({"anyOf": []}),
        json!({"anyOf": [{"type": "null"}, {}]}),
        json!({"allOf": [{"type": "null"}, {"type": "null"}]}),
        json!({"$ref": "#"}),
        json!({"$ref": "#/$defs/gone"}),
        json!({"$ref": "#/properties/a"}),
        json!({"$ref": "https://birds.example/bird.json"}),
        json!({"$ref": 1}),
        json!({"$defs": [], "type": "null"}),
        json!({"type": "null", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
        json!({"type": "null", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}),
    ];
    for schema in schemas {
        assert_eq!(fitted(schema.clone()), None, "{schema}");
    }
}

#[test]
fn large_schemas_take_no_longer_than_they_are() {
    let kinds: Vec<&str> = ["string", "null"]
        .into_iter()
        .cycle()
        .take(20_000)
        .collect();
    let text = "a".repeat(20_000);
    assert!(fitted(json!({"type": kinds, "default": text})).is_some());
    let chain = |length: usize| {
        let link = |number: usize| json!({"$ref": format!("#/$defs/d{}", number + 1)});
        let mut defs: Map<String, Value> = (0..length)
            .map(|number| (format!("d{number}"), link(number)))
            .collect();
        defs.insert(format!("d{length}"), json!({"type": "null"}));
        json!({"$ref": "#/$defs/d0", "$defs": defs})
    };
    assert!(fitted(chain(499)).is_some());
    assert!(fitted(chain(20_000)).is_none());
}

#[test]
fn a_request_has_so_much_room() {
    let either = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
    let with = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
        let properties: Map<String, Value> = names
            .iter()
            .map(|name| (name.clone(), either.clone()))
            .collect();
        json!({"type": "object", "properties": properties, "required": names})
    };
    let mut room = Room::new();
    assert!(room.answer(with(10).as_object().unwrap()).is_some());
    assert!(room.tool(with(7).as_object().unwrap()).is_none());
    assert!(room.tool(with(6).as_object().unwrap()).is_some());
    assert!(room.tool(with(1).as_object().unwrap()).is_none());
    for _ in 0..19 {
        assert!(
            room.tool(json!({"type": "null"}).as_object().unwrap())
                .is_some()
        );
    }
    assert!(
        room.tool(json!({"type": "null"}).as_object().unwrap())
            .is_none()
    );
}
