use serde_json::json;

use super::*;

mod bounds;
mod properties;

fn answer(schema: Value) -> Value {
    let Value::Object(schema) = schema else {
        panic!("a schema is an object");
    };
    serde_json::to_value(of_answer(&schema, &mut Budget::new())).unwrap()
}

fn arguments(schema: Value) -> Value {
    let Value::Object(schema) = schema else {
        panic!("a schema is an object");
    };
    match of_arguments(&schema, false, &mut Budget::new()) {
        Parameters::Schema(schema) => serde_json::to_value(schema).unwrap(),
        Parameters::Json(json) => json,
    }
}

#[track_caller]
fn check(schema: Value, expected: Value) {
    assert_eq!([answer(schema)], [ordered(expected)]);
}

/// The same with the order of properties said wherever there are several.
fn ordered(mut schema: Value) -> Value {
    match &mut schema {
        Value::Array(list) => list
            .iter_mut()
            .for_each(|item| *item = ordered(item.take())),
        Value::Object(fields) => {
            fields
                .values_mut()
                .for_each(|value| *value = ordered(value.take()));
            let names: Vec<Value> = match fields.get("properties") {
                Some(Value::Object(properties)) => {
                    properties.keys().map(|name| json!(name)).collect()
                }
                _ => Vec::new(),
            };
            if names.len() > 1 {
                fields.insert("propertyOrdering".to_owned(), names.into());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}

/// How many schemas there are in `schema`.
fn nodes(schema: &Value) -> usize {
    let properties = schema["properties"].as_object();
    let below = properties.into_iter().flat_map(Map::values);
    let below = below.chain(schema["anyOf"].as_array().into_iter().flatten());
    1 + below.chain(schema.get("items")).map(nodes).sum::<usize>()
}

#[test]
fn types_and_null() {
    check(json!({"type": "string"}), json!({"type": "STRING"}));
    check(
        json!({"type": ["integer", "null"]}),
        json!({"type": "INTEGER", "nullable": true}),
    );
    check(
        json!({"type": ["string", "integer"], "minimum": 1, "minLength": 2}),
        json!({"anyOf": [{"type": "STRING", "minLength": 2}, {"type": "INTEGER", "minimum": 1}]}),
    );
    check(
        json!({"type": "boolean", "nullable": true}),
        json!({"type": "BOOLEAN", "nullable": true}),
    );
    check(
        json!({"type": "null"}),
        json!({"type": "STRING", "nullable": true, "description": "Always null."}),
    );
    check(
        json!({"type": "martian"}),
        json!({"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}, {"type": "BOOLEAN"}, {"type": "OBJECT"}]}),
    );
}

#[test]
fn types_that_are_implied() {
    let kind = |schema: Value| answer(schema)["type"].clone();
    assert_eq!(kind(json!({"properties": {}})), "OBJECT");
    assert_eq!(kind(json!({"items": {}})), "ARRAY");
    assert_eq!(kind(json!({"minimum": 1})), "NUMBER");
    assert_eq!(kind(json!({"pattern": "a"})), "STRING");
    assert_eq!(kind(json!({"enum": ["a"]})), "STRING");
    assert_eq!(kind(json!({"const": 1})), "INTEGER");
    assert_eq!(kind(json!({"const": 1.5})), "NUMBER");
    assert_eq!(kind(json!({"const": true})), "BOOLEAN");
}

#[test]
fn values() {
    check(
        json!({"enum": ["a", "", "b", null, "a"]}),
        json!({"type": "STRING", "nullable": true, "enum": ["a", "b"], "description": "May be empty."}),
    );
    check(
        json!({"type": "integer", "enum": [1, 2], "description": "Which."}),
        json!({"type": "INTEGER", "description": "Which. One of 1, 2."}),
    );
    check(
        json!({"const": "only"}),
        json!({"type": "STRING", "enum": ["only"]}),
    );
    check(
        json!({"enum": ["auto", 5]}),
        json!({"anyOf": [
            {"type": "STRING", "enum": ["auto"]}, {"type": "INTEGER", "description": "Always 5."},
        ]}),
    );
    check(
        json!({"const": null}),
        json!({"type": "STRING", "nullable": true, "description": "Always null."}),
    );
    check(
        json!({"type": "string", "enum": []}),
        json!({"type": "STRING"}),
    );
    check(
        json!({"type": "string", "enum": [1]}),
        json!({"type": "STRING"}),
    );
}

#[test]
fn bounds_and_formats() {
    check(
        json!({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10, "format": "int32", "multipleOf": 2}),
        json!({"type": "INTEGER", "minimum": 1, "maximum": 9, "format": "int32"}),
    );
    check(
        json!({"type": "number", "exclusiveMinimum": 0.5, "maximum": 9, "format": "decimal"}),
        json!({"type": "NUMBER", "minimum": 0.5, "maximum": 9}),
    );
    check(
        json!({"type": "integer", "minimum": 3, "exclusiveMinimum": true}),
        json!({"type": "INTEGER", "minimum": 3}),
    );
    check(
        json!({"type": "string", "format": "uuid", "pattern": "^(?!x)", "maxLength": 5_000_000_000_u64}),
        json!({"type": "STRING"}),
    );
    check(
        json!({"type": "string", "format": "date-time", "pattern": "^\\d+$", "minLength": 1}),
        json!({"type": "STRING", "format": "date-time", "pattern": "^\\d+$", "minLength": 1}),
    );
    check(
        json!({"type": "string", "pattern": "(a)\\1"}),
        json!({"type": "STRING"}),
    );
}

#[test]
fn arrays() {
    let any = json!({"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}, {"type": "BOOLEAN"}, {"type": "OBJECT"}]});
    check(
        json!({"type": "array"}),
        json!({"type": "ARRAY", "items": any}),
    );
    check(
        json!({"type": "array", "items": true}),
        json!({"type": "ARRAY", "items": any}),
    );
    check(
        json!({"type": "array", "items": {"type": "string"}, "maxItems": 3, "uniqueItems": true}),
        json!({"type": "ARRAY", "items": {"type": "STRING"}, "maxItems": 3}),
    );
    let pair = json!({
        "type": "ARRAY", "items": {"anyOf": [{"type": "NUMBER"}, {"type": "STRING"}]},
        "minItems": 3, "maxItems": 3,
    });
    let places = json!([{"type": "number"}, {"type": "string"}, {"type": "number"}]);
    check(
        json!({"type": "array", "prefixItems": places}),
        pair.clone(),
    );
    check(json!({"type": "array", "items": places}), pair);
}

#[test]
fn objects() {
    check(json!({"type": "object"}), json!({"type": "OBJECT"}));
    check(
        json!({
            "$schema": "x", "$id": "y", "title": "T", "type": "object", "default": {}, "examples": [{}],
            "properties": {"b": {"type": "string", "default": "x"}, "a": {"type": "string"}, "c": true},
            "required": ["b", "a", "b", "missing"], "additionalProperties": false,
            "patternProperties": {"^x": {}}, "propertyNames": {"pattern": "a"}, "if": {}, "then": {},
            "x-order": 1, "dependentRequired": {}, "unevaluatedProperties": false,
        }),
        json!({
            "type": "OBJECT", "title": "T",
            "properties": {
                "b": {"type": "STRING"}, "a": {"type": "STRING"},
                "c": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}, {"type": "BOOLEAN"}, {"type": "OBJECT"}]},
            },
            "required": ["b", "a"], "propertyOrdering": ["b", "a", "c"],
        }),
    );
    check(
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        json!({"type": "OBJECT"}),
    );
}

#[test]
fn alternatives() {
    check(
        json!({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "A name."}),
        json!({"type": "STRING", "nullable": true, "description": "A name."}),
    );
    check(
        json!({"oneOf": [{"type": "string", "description": "Mine."}, {"type": "number"}, {"type": "null"}], "description": "Ours."}),
        json!({"anyOf": [
            {"type": "STRING", "nullable": true, "description": "Mine."},
            {"type": "NUMBER", "nullable": true, "description": "Ours."},
        ]}),
    );
    check(
        json!({"anyOf": [{"const": "a"}, {"const": "b"}, {"enum": ["b", "c"]}]}),
        json!({"type": "STRING", "enum": ["a", "b", "c"]}),
    );
    check(
        json!({"anyOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "number"}, {"type": "string"}]}),
        json!({"anyOf": [{"type": "STRING", "nullable": true}, {"type": "NUMBER", "nullable": true}]}),
    );
    check(
        json!({"anyOf": [{"type": "null"}]}),
        json!({"type": "STRING", "nullable": true, "description": "Always null."}),
    );
    // Alternatives that only require this or that leave what stands beside them.
    check(
        json!({
            "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        }),
        json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}}}),
    );
    check(
        json!({
            "type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"],
            "oneOf": [
                {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"properties": {"b": {"type": "string"}}},
            ],
        }),
        json!({"anyOf": [
            {
                "type": "OBJECT", "properties": {"a": {"type": "STRING"}, "kind": {"type": "STRING"}},
                "required": ["a", "kind"], "propertyOrdering": ["a", "kind"],
            },
            {
                "type": "OBJECT", "properties": {"b": {"type": "STRING"}, "kind": {"type": "STRING"}},
                "required": ["kind"],
            },
        ]}),
    );
}

#[test]
fn all_of_and_references() {
    check(
        json!({
            "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}],
            "properties": {"a": {"description": "Better said."}},
            "$defs": {"Base": {"type": "object", "properties": {"a": {"type": "string", "description": "A."}}, "required": ["a"]}},
        }),
        json!({
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING", "description": "Better said."}, "b": {"type": "INTEGER"}},
            "required": ["a", "b"], "propertyOrdering": ["a", "b"],
        }),
    );
    check(
        json!({"$ref": "#/definitions/X", "description": "Outer.", "definitions": {"X": {"type": "string", "description": "Inner."}}}),
        json!({"type": "STRING", "description": "Outer."}),
    );
    check(
        json!({"type": "object", "properties": {"x": {"$ref": "https://example.com/x"}, "y": {"$ref": "#/$defs/none"}}}),
        json!({"type": "OBJECT", "properties": {
            "x": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}, {"type": "BOOLEAN"}, {"type": "OBJECT"}]},
            "y": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}, {"type": "BOOLEAN"}, {"type": "OBJECT"}]},
        }}),
    );
}

#[test]
fn recursion_is_cut() {
    let told = answer(json!({
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {
            "value": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        }}},
    }));
    let deepest = &told["properties"]["children"]["items"]["properties"]["children"]["items"];
    assert_eq!(deepest, &json!({"type": "OBJECT"}));
    // References that lead nowhere but to themselves.
    let any = answer(json!({"$ref": "#"}));
    assert_eq!(any, json!({"type": "OBJECT"}));
    let ring = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}}});
    assert_eq!(answer(ring), json!({"type": "OBJECT"}));
}

#[test]
fn arguments_are_always_an_object() {
    assert_eq!(
        arguments(json!({"type": "object", "properties": {}})),
        json!({"type": "OBJECT"})
    );
    assert_eq!(
        arguments(json!({"type": "object", "nullable": true})),
        json!({"type": "OBJECT"})
    );
    assert_eq!(
        arguments(json!({"type": "object", "anyOf": [
            {"properties": {"a": {"type": "string"}, "c": {"type": "string"}}, "required": ["a", "c"]},
            {"properties": {"b": {"type": "string"}, "c": {"type": "string"}}, "required": ["b", "c"]},
        ]})),
        ordered(json!({
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING"}, "c": {"type": "STRING"}, "b": {"type": "STRING"}},
            "required": ["c"],
        }))
    );
}
