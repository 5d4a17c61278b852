//! Schemas that are rewritten, and the laws of both forms.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn object(schema: Value) -> Map<String, Value> {
    serde_json::from_value(schema).unwrap()
}

#[test]
fn a_schema_that_is_fine_stays() {
    let schema = json!({
        "type": "object",
        "description": "A bird.",
        "properties": {
            "name": {"type": ["string", "null"], "minLength": 1, "pattern": "^[A-Z]", "default": null},
            "wings": {"anyOf": [{"$ref": "#/$defs/wing"}, {"type": "null"}]},
            "required": {"type": "boolean"},
            "type": {"enum": ["a", {"b": 1}]},
            "more": true,
        },
        "required": ["name"],
        "additionalProperties": false,
        "$defs": {"wing": {"type": "object", "x-own": [1]}},
    });
    assert_eq!(rewritten(&object(schema.clone())), object(schema));
    assert_eq!(rewritten(&Map::new()), object(json!({"type": "object"})));
}

#[test]
fn combinations_at_the_top_become_one_object() {
    insta::assert_json_snapshot!(rewritten(&object(json!({
        "description": "Where to look.",
        "properties": {"at": {"type": "string"}},
        "required": ["at"],
        "oneOf": [
            {"properties": {"nest": {"type": "string"}, "at": {"type": "null"}}, "required": ["nest", "day"]},
            {"$ref": "#/$defs/sky"},
            {"$ref": "#/nowhere"},
        ],
        "allOf": [{"properties": {"day": {"type": "string"}}, "required": ["day"]}],
        "$defs": {"sky": {"type": "object", "properties": {"height": {"type": "number"}}, "required": ["height", "day"]}},
    }))));
}

#[test]
fn older_drafts_and_mistakes_are_mended() {
    insta::assert_json_snapshot!(rewritten(&object(json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "$id": "not a uri",
        "title": 7,
        "type": "object",
        "properties": {
            "pair": {"type": "array", "items": [{"type": "string"}, {"type": "any"}], "additionalItems": false},
            "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false},
            "name": {"type": "string", "required": true, "minLength": "1", "maxLength": -1, "enum": "a"},
            "kind": {"type": ["any", "string", "string"], "multipleOf": 0, "properties": []},
            "none": null,
            "two words": {"type": "string"},
            "ünïcode": {"type": "string"},
        },
        "required": ["age", "two words", "age", 1],
        "anyOf": [],
        "additionalProperties": "no",
    }))));
}

#[test]
fn long_lists_take_no_longer_than_they_are() {
    let names: Vec<String> = (0..20_000).map(|number| format!("p{number}")).collect();
    let long = json!({"required": names, "anyOf": [{"required": names}, {"required": names}]});
    assert_eq!(
        rewritten(&object(long))["required"]
            .as_array()
            .unwrap()
            .len(),
        20_000
    );
}

/// Something like a schema, mostly wrong.
fn nearly() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z ]{0,7}".prop_map(Value::from),
        prop::sample::select(&["object", "array", "string", "#/$defs/a", "#/definitions/a"][..])
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(
            &[
                "type",
                "properties",
                "required",
                "items",
                "anyOf",
                "oneOf",
                "allOf",
                "$defs",
                "$ref",
                "enum",
                "minimum",
                "exclusiveMinimum",
                "additionalProperties",
                "format",
                "description",
                "a",
                "definitions",
                "additionalItems",
                "prefixItems",
                "not",
            ][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_an_object_and_stays_one(schema in nearly()) {
        if let Value::Object(schema) = schema {
            let once = rewritten(&schema);
            prop_assert_eq!(&once["type"], "object");
            for key in ["anyOf", "oneOf", "allOf", "$schema", "$id"] {
                prop_assert!(!once.contains_key(key));
            }
            prop_assert_eq!(rewritten(&once), once);
        }
    }

    #[test]
    fn strict_forms_are_closed(schema in nearly()) {
        fn check(value: &Value) -> bool {
            match value {
                Value::Object(fields) => {
                    let open = fields.get("properties").is_some_and(Value::is_object)
                        && fields.get("additionalProperties") != Some(&Value::Bool(false))
                        && fields.get("type").is_some_and(|kind| kind == "object");
                    !open && fields.values().all(check)
                }
                Value::Array(list) => list.iter().all(check),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            }
        }
        if let Value::Object(schema) = schema
            && let Some(fitted) = super::super::strict::Room::new().answer(&schema)
        {
            prop_assert!(check(&Value::Object(fitted)));
        }
    }
}
