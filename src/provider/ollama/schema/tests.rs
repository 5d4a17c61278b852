use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Budget;

fn parameters(schema: &Map<String, Value>) -> Map<String, Value> {
    super::parameters(schema, &mut Budget::default())
}

fn format(schema: &Map<String, Value>) -> Value {
    super::format(schema, &mut Budget::default())
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else {
        panic!("an object");
    };
    fields
}

#[test]
fn what_go_structs_refuse_or_forget_is_rewritten() {
    insta::assert_json_snapshot!(parameters(&object(json!({
        "type": "object",
        "properties": {
            "anything": true,
            "nothing": false,
            "untyped": {"type": 7, "description": ["a"], "enum": "x", "required": "y"},
            "kind": {"const": "crab"},
            "either": {"oneOf": [{"type": "string"}, {"type": "null"}, true]},
            "both": {"allOf": [{"$ref": "#/$defs/named"}, {"properties": {"age": {"type": "integer"}}, "required": ["age"]}]},
            "tree": {"$ref": "#/$defs/tree"},
            "list": {"type": "array", "items": {"$ref": "#/$defs/named"}},
            "any_list": {"type": "array", "items": true},
            "bounded": {"type": "string", "pattern": "^\\d+$", "maxLength": 5000, "format": "uri"},
            "wrong": {"type": "object", "properties": []},
        },
        "required": ["kind"],
        "additionalProperties": false,
        "$defs": {
            "named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}}},
        },
    }))));
}

#[test]
fn a_tool_without_parameters_has_properties() {
    for schema in [
        json!({"type": "object"}),
        json!({"type": "object", "properties": null}),
    ] {
        assert_eq!(
            Value::Object(parameters(&object(schema))),
            json!({"type": "object", "properties": {}})
        );
    }
}

#[test]
fn what_grammars_can_not_do_is_left_out() {
    insta::assert_json_snapshot!(format(&object(json!({
        "type": "object",
        "properties": {
            "anything": true,
            "described": {"description": "whatever you like"},
            "empty": {},
            "kept": {"type": "string", "pattern": "^[A-Z]{2,3}-[0-9]+\\.(a|b)$", "minLength": 2},
            "digits": {"type": "string", "pattern": "^\\d+$"},
            "unanchored": {"type": "string", "pattern": "crab"},
            "ahead": {"type": "string", "pattern": "^(?=x)y$"},
            "many": {"type": "array", "items": {"type": "string", "maxLength": 100_000}, "maxItems": 5000, "minItems": 1},
            "fraction": {"type": "integer", "minimum": 0.5, "maximum": 9},
            "choice": {"enum": []},
            "elsewhere": {"$ref": "https://example.com/schema.json"},
            "const": {"const": null},
            "map": {"type": "object", "additionalProperties": {"$ref": "#/definitions/n"}},
            "tuple": {"type": "array", "prefixItems": [{"type": "string"}, true], "items": false},
        },
        "definitions": {"n": {"type": "number"}},
    }))));
}

#[test]
fn a_schema_that_contains_itself_keeps_its_references() {
    insta::assert_json_snapshot!([
        format(&object(json!({
            "type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
        }))),
        format(&object(json!({
            "$ref": "#/$defs/node",
            "$defs": {"node": {"type": "object", "properties": {
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, "any": true,
                "lost": {"$ref": "#/$defs/node/properties/any"},
            }}},
        }))),
    ]);
}

/// Whether Ollama's Go structs can be read from it.
fn go_reads(property: &Value) -> bool {
    let Value::Object(fields) = property else {
        return false;
    };
    let texts = |value: &Value| {
        value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string))
    };
    fields.iter().all(|(key, value)| match key.as_str() {
        "type" => value.is_string() || texts(value),
        "description" => value.is_string(),
        "enum" => value.is_array(),
        "required" => texts(value),
        "anyOf" => value
            .as_array()
            .is_some_and(|list| list.iter().all(go_reads)),
        "properties" => value
            .as_object()
            .is_some_and(|map| map.values().all(go_reads)),
        _ => true,
    })
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!("#/$defs/a")),
        Just(json!("#")),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "$defs",
        "a",
        "enum",
        "const",
        "required",
        "description",
        "pattern",
        "maxItems",
        "additionalProperties",
        "definitions",
    ]);
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_becomes_one_that_is_read(schema in anything()) {
        let Value::Object(schema) = schema else { return Ok(()) };
        let tool = parameters(&schema);
        prop_assert!(go_reads(&Value::Object(tool.clone())), "{tool:?}");
        prop_assert!(tool["properties"].is_object());
        let _format = format(&schema);
    }

    #[test]
    fn a_plain_schema_stays_as_it_is(names in prop::collection::vec("[a-z]{1,6}", 1..5)) {
        let properties: Map<String, Value> = names
            .iter()
            .map(|name| (name.clone(), json!({"type": "string", "description": name})))
            .collect();
        let schema = object(json!({"type": "object", "properties": properties, "required": names}));
        prop_assert_eq!(&parameters(&schema), &schema);
        prop_assert_eq!(format(&schema), Value::Object(schema));
    }
}
