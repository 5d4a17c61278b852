//! The same schema in Google's subset of JSON Schema, for what the subset of OpenAPI can't say:
//! objects with properties of any name.
//!
//! Source: <https://ai.google.dev/gemini-api/docs/structured-output#json_schema_support> (seen 2026-11).

use serde_json::{Map, Value, json};

use crate::provider::gemini::wire::{Additional, Kind, Schema};

/// Whether Google would refuse the schema as one of OpenAPI: it wants properties in each object.
pub(super) fn is_needed(schema: &Schema) -> bool {
    let is_free = schema.kind == Some(Kind::Object)
        && (schema.additional.is_some() || schema.properties.is_empty());
    let items = schema.items.as_deref();
    is_free
        || schema.any_of.iter().any(is_needed)
        || schema.properties.values().any(is_needed)
        || items.is_some_and(is_needed)
}

pub(super) fn json_schema(schema: &Schema) -> Value {
    let mut told = Map::new();
    if schema.nullable && !schema.values.is_empty() {
        // Google's `enum` is of texts and numbers.
        let plain = Schema {
            nullable: false,
            description: None,
            ..schema.clone()
        };
        if let Some(description) = &schema.description {
            told.insert("description".to_owned(), json!(description));
        }
        let any = json!([json_schema(&plain), {"type": "null"}]);
        told.insert("anyOf".to_owned(), any);
        return Value::Object(told);
    }
    let mut set = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
    if let Some(kind) = schema.kind {
        let name = name(kind);
        set(
            "type",
            if schema.nullable {
                json!([name, "null"])
            } else {
                json!(name)
            },
        );
    }
    if let Some(title) = &schema.title {
        set("title", json!(title));
    }
    if let Some(description) = &schema.description {
        set("description", json!(description));
    }
    if let Some(format) = &schema.format {
        set("format", json!(format));
    }
    if !schema.values.is_empty() {
        set("enum", json!(schema.values));
    }
    if let Some(minimum) = &schema.minimum {
        set("minimum", json!(minimum));
    }
    if let Some(maximum) = &schema.maximum {
        set("maximum", json!(maximum));
    }
    if let Some(items) = &schema.items {
        set("items", json_schema(items));
    }
    if let Some(least) = schema.min_items {
        set("minItems", json!(least));
    }
    if let Some(most) = schema.max_items {
        set("maxItems", json!(most));
    }
    if !schema.any_of.is_empty() {
        set("anyOf", schema.any_of.iter().map(json_schema).collect());
    }
    if schema.kind == Some(Kind::Object) {
        let properties = schema.properties.iter();
        let properties: Map<String, Value> = properties
            .map(|(name, property)| (name.clone(), json_schema(property)))
            .collect();
        let additional = match &schema.additional {
            Some(Additional::None) => Some(Value::Bool(false)),
            Some(Additional::Any) => Some(Value::Bool(true)),
            Some(Additional::Of(schema)) => Some(json_schema(schema)),
            None => properties.is_empty().then_some(Value::Bool(true)),
        };
        if !properties.is_empty() {
            set("properties", properties.into());
        }
        if let Some(additional) = additional {
            set("additionalProperties", additional);
        }
        if !schema.required.is_empty() {
            set("required", json!(schema.required));
        }
        if !schema.property_ordering.is_empty() {
            set("propertyOrdering", json!(schema.property_ordering));
        }
    }
    Value::Object(told)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Integer => "integer",
        Kind::Boolean => "boolean",
        Kind::Array => "array",
        Kind::Object => "object",
    }
}
