use serde_json::json;

use super::*;

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

#[test]
fn what_explodes_is_cut() {
    // Each definition refers to every other one.
    let names: Vec<String> = (0..40).map(|name| format!("D{name}")).collect();
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!({"$ref": format!("#/$defs/{name}")})))
        .collect();
    let definition = json!({"type": "object", "properties": properties});
    let definitions: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), definition.clone()))
        .collect();
    let schema = json!({"type": "object", "properties": properties, "$defs": definitions});
    assert!(nodes(&answer(schema)) <= MOST_NODES as usize);

    // Alternatives of alternatives.
    let mut alternatives = json!({"type": "string"});
    for level in 0..60 {
        alternatives = json!({"anyOf": [alternatives, {"type": "object", "properties": {level.to_string(): alternatives}}]});
        if alternatives.to_string().len() > 200_000 {
            break;
        }
    }
    assert!(nodes(&answer(alternatives)) <= MOST_NODES as usize);

    let mut deep = json!({"type": "string"});
    for _ in 0..110 {
        deep = json!({"type": "array", "items": {"allOf": [deep]}});
    }
    assert!(nodes(&answer(deep)) < 60);
}

#[test]
fn what_is_long_is_not_copied_often() {
    // One long description, list of values, or list of names, and a thousand references to it.
    let long = "x".repeat(100_000);
    let many: Vec<String> = (0..10_000).map(|value| format!("v{value}")).collect();
    for definition in [
        json!({"type": "string", "description": long}),
        json!({"type": "string", "enum": many}),
        json!({"type": "object", "properties": {"v1": {"type": "string"}}, "required": many}),
        json!({"anyOf": [{"type": "string"}, {"type": "number"}], "description": long}),
    ] {
        let properties: Map<String, Value> = (0..1_000)
            .map(|name| (format!("p{name}"), json!({"$ref": "#/$defs/Long"})))
            .collect();
        let schema =
            json!({"type": "object", "properties": properties, "$defs": {"Long": definition}});
        assert!(answer(schema).to_string().len() < 2_000_000);
    }
    // Alternatives in each of many members, all of which hold.
    let member = json!({"anyOf": [{"minLength": 1}, {"maxLength": 2}], "description": long});
    let schema = json!({"allOf": vec![member; 200]});
    assert!(answer(schema).to_string().len() < 2_000_000);
}

#[test]
fn all_tools_together_have_an_end() {
    let properties: Map<String, Value> = (0..4_000)
        .map(|name| (format!("p{name}"), json!({"type": "string"})))
        .collect();
    let Value::Object(schema) = json!({"type": "object", "properties": properties}) else {
        panic!("an object");
    };
    let mut budget = Budget::new();
    let sizes: Vec<usize> = (0..20)
        .map(|_| of_answer(&schema, &mut budget).properties.len())
        .collect();
    assert_eq!(sizes[0], 4_000);
    assert_eq!(sizes.last(), Some(&0));
}

fn nodes(schema: &Value) -> usize {
    let properties = schema["properties"].as_object();
    let below = properties.into_iter().flat_map(Map::values);
    let below = below.chain(schema["anyOf"].as_array().into_iter().flatten());
    1 + below.chain(schema.get("items")).map(nodes).sum::<usize>()
}

#[test]
fn objects_of_any_names_are_told_in_json_schema() {
    let told = |schema: Value| {
        let Value::Object(schema) = schema else {
            panic!("a schema is an object");
        };
        as_json(&of_answer(&schema, &mut Budget::new()))
    };
    assert_eq!(
        told(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
        None
    );
    assert_eq!(
        told(
            json!({"type": "object", "additionalProperties": {"type": ["integer", "null"], "minimum": 1}})
        ),
        Some(
            json!({"type": "object", "additionalProperties": {"type": ["integer", "null"], "minimum": 1}})
        )
    );
    assert_eq!(
        told(json!({
            "type": "object", "title": "T", "required": ["a", "go"],
            "properties": {
                "a": {"enum": ["x", null], "description": "D"},
                "go": {"type": "object", "properties": {}, "additionalProperties": false},
                "list": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 2},
                "at": {"type": "string", "format": "date-time", "maxLength": 30},
                "one": {"anyOf": [{"type": "number", "maximum": 2.5}, {"type": "boolean"}]},
            },
        })),
        Some(json!({
            "type": "object", "title": "T", "required": ["a", "go"],
            "propertyOrdering": ["a", "go", "list", "at", "one"],
            "properties": {
                "a": {"description": "D", "anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]},
                "go": {"type": "object", "additionalProperties": false},
                "list": {
                    "type": "array", "minItems": 1, "maxItems": 2,
                    "items": {"type": "object", "additionalProperties": true},
                },
                "at": {"type": "string", "format": "date-time"},
                "one": {"anyOf": [{"type": "number", "maximum": 2.5}, {"type": "boolean"}]},
            },
        }))
    );
    let takes = |schema: &Value, json| {
        let parameters = of_arguments(schema.as_object().unwrap(), json, &mut Budget::new());
        matches!(parameters, Parameters::Json(_))
    };
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    assert!(takes(&map, true) && !takes(&map, false));
    assert!(!takes(&json!({"type": "object"}), true));
    let nested = json!({"type": "object", "properties": {"a": {"type": "object"}}});
    assert!(takes(&nested, true));
}
