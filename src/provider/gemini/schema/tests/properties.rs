//! What holds for every schema.

use proptest::prelude::*;

use super::*;

/// What Google's own types would say.
fn complain(schema: &Value) -> Result<(), String> {
    const FIELDS: [&str; 18] = [
        "type",
        "title",
        "description",
        "nullable",
        "format",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "propertyOrdering",
        "anyOf",
    ];
    let object = schema.as_object().ok_or("not an object")?;
    if let Some(field) = object
        .keys()
        .find(|field| !FIELDS.contains(&field.as_str()))
    {
        return Err(format!("field {field}"));
    }
    if let Some(members) = object.get("anyOf") {
        if object.len() > 1 {
            return Err("beside anyOf".to_owned());
        }
        let members = members.as_array().ok_or("anyOf")?;
        if members.len() < 2 || members.iter().any(|member| member.get("anyOf").is_some()) {
            return Err("anyOf of one, or in anyOf".to_owned());
        }
        return members.iter().try_for_each(complain);
    }
    let kind = object
        .get("type")
        .and_then(Value::as_str)
        .ok_or("no type")?;
    if !["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"].contains(&kind) {
        return Err(format!("type {kind}"));
    }
    let only = |field: &str, kinds: &[&str]| {
        if object.contains_key(field) && !kinds.contains(&kind) {
            return Err(format!("{field} in {kind}"));
        }
        Ok(())
    };
    only("enum", &["STRING"])?;
    only("pattern", &["STRING"])?;
    only("minimum", &["NUMBER", "INTEGER"])?;
    only("items", &["ARRAY"])?;
    only("properties", &["OBJECT"])?;
    only("required", &["OBJECT"])?;
    let values = object.get("enum").and_then(Value::as_array);
    if values.is_some_and(|values| values.iter().any(|v| v.as_str().is_none_or(str::is_empty))) {
        return Err("an empty value".to_owned());
    }
    if kind == "ARRAY" {
        complain(object.get("items").ok_or("no items")?)?;
    }
    let properties = object.get("properties").and_then(Value::as_object);
    for field in ["required", "propertyOrdering"] {
        let names = object.get(field).and_then(Value::as_array);
        for name in names.into_iter().flatten().filter_map(Value::as_str) {
            if properties.is_none_or(|properties| !properties.contains_key(name)) {
                return Err(format!("{field} {name}"));
            }
        }
    }
    properties
        .into_iter()
        .flat_map(Map::values)
        .try_for_each(complain)
}

/// The same of the subset of JSON Schema.
fn complain_of_json(schema: &Value) -> Result<(), String> {
    const FIELDS: [&str; 14] = [
        "type",
        "title",
        "description",
        "format",
        "enum",
        "minimum",
        "maximum",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "propertyOrdering",
        "anyOf",
    ];
    let object = schema.as_object().ok_or("not an object")?;
    let known =
        |field: &&String| FIELDS.contains(&field.as_str()) || *field == "additionalProperties";
    if let Some(field) = object.keys().find(|field| !known(field)) {
        return Err(format!("field {field}"));
    }
    if object.contains_key("type") == object.contains_key("anyOf") {
        return Err("neither type nor anyOf, or both".to_owned());
    }
    let properties = object.get("properties").and_then(Value::as_object);
    let members = object.get("anyOf").and_then(Value::as_array);
    let below = properties.into_iter().flat_map(Map::values);
    let below = below.chain(members.into_iter().flatten());
    let additional = object.get("additionalProperties");
    let additional = additional.filter(|schema| !schema.is_boolean());
    below
        .chain(object.get("items"))
        .chain(additional)
        .try_for_each(complain_of_json)
}

/// JSON that looks like a schema here and there.
fn schemas() -> impl Strategy<Value = Value> {
    let kind = || {
        prop::sample::select(vec![
            "string", "number", "integer", "boolean", "array", "object", "null", "x",
        ])
    };
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({})),
        Just(json!(null)),
        kind().prop_map(|kind| json!({"type": kind})),
        (kind(), kind()).prop_map(|(a, b)| json!({"type": [a, b], "nullable": true})),
        prop::sample::select(vec!["#", "#/$defs/A", "#/$defs/B", "#/properties/a", "x"])
            .prop_map(|target| json!({"$ref": target})),
        Just(json!({"enum": ["a", "", 1, 2.5, null, [], {}, true]})),
        Just(json!({"const": "c"})),
        Just(
            json!({"type": "integer", "exclusiveMinimum": i64::MAX, "minimum": 1e300, "enum": [1]})
        ),
        Just(json!({"type": "string", "format": "date", "pattern": "(?=a)", "minLength": -1})),
    ];
    leaf.prop_recursive(5, 60, 4, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let map = prop::collection::btree_map("[ab]", inner.clone(), 0..3);
        prop_oneof![
            list.clone().prop_map(|list| json!({"anyOf": list, "description": "d"})),
            list.clone().prop_map(|list| json!({"oneOf": list, "type": "object", "required": ["a"]})),
            list.clone().prop_map(|list| json!({"allOf": list})),
            list.prop_map(|list| json!({"type": ["array", "null"], "prefixItems": list})),
            inner.prop_map(|items| json!({"type": "array", "items": items, "minItems": 1})),
            (map, kind()).prop_map(|(map, kind)| json!({"type": kind, "properties": map, "required": ["a", "b", "c"], "additionalProperties": {"$ref": "#"}})),
        ]
    })
}

proptest! {
    #[test]
    fn every_schema_becomes_one_that_google_takes(root in schemas(), a in schemas(), b in schemas()) {
        let Value::Object(mut root) = json!({"allOf": [root]}) else {
            panic!("an object");
        };
        root.insert("$defs".to_owned(), json!({"A": a, "B": b}));
        let told = answer(Value::Object(root.clone()));
        prop_assert_eq!(complain(&told), Ok(()), "{}", told);
        prop_assert!(nodes(&told) <= MOST_NODES as usize);
        if let Some(json) = as_json(&of_answer(&root, &mut Budget::new())) {
            prop_assert_eq!(complain_of_json(&json), Ok(()), "{}", json);
        }
        let told = arguments(Value::Object(root));
        prop_assert_eq!(complain(&told), Ok(()), "{}", told);
        prop_assert_eq!(&told["type"], "OBJECT");
    }
}
