//! What can't be told whole, or not in OpenAPI's subset.

use serde_json::json;

use super::*;

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
