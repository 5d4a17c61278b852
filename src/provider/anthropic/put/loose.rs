//! JSON Schemas of tools, which inform the model and bind nothing.
//!
//! Anthropic takes draft 2020-12 and refuses a request in which any keyword is not of its type there, that
//! has `anyOf`, `oneOf` or `allOf` at the top, or a property whose name is not `[a-zA-Z0-9_.-]{1,64}`
//! (error messages of the API, seen 2026-11). What `OpenAI` takes beyond that is rewritten:
//!
//! | keyword | becomes |
//! |---|---|
//! | `anyOf`, `oneOf`, `allOf` at the top | their properties at the top; their words in the description |
//! | a property with another name, at the top | words in the description |
//! | `items` as a list (draft 7) | `prefixItems` |
//! | `exclusiveMinimum: true` (draft 4) | the number |
//! | `$schema`, `$id`, a keyword of a wrong type | nothing |

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// `schema` as Anthropic takes it.
pub(super) fn rewritten(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut schema = modern(schema);
    let mut told = Vec::new();
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(variants)) = schema.remove(key) {
            join(&mut schema, key, &variants);
            told.push(format!("{{{key}: {}}}", Value::Array(variants)));
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let (kept, named): (Map<_, _>, Map<_, _>) = std::mem::take(properties)
            .into_iter()
            .partition(|(name, _)| is_name(name));
        *properties = kept;
        if !named.is_empty() {
            told.push(format!("{{properties: {}}}", Value::Object(named)));
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str().is_some_and(is_name));
    }
    if !told.is_empty() {
        if let Some(Value::String(description)) = schema.remove("description") {
            told.insert(0, description);
        }
        schema.insert("description".to_owned(), told.join("\n\n").into());
    }
    schema.insert("type".to_owned(), json!("object"));
    schema
}

fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Takes the properties of `variants` into `schema`; required is what all of them require.
fn join(schema: &mut Map<String, Value>, key: &str, variants: &[Value]) {
    let names = |schema: &Map<String, Value>| -> BTreeSet<String> {
        let names = schema.get("required").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    let variants: Vec<&Map<String, Value>> = variants
        .iter()
        .filter_map(|variant| resolved(schema, variant))
        .collect();
    let needed = variants.iter().map(|variant| names(variant));
    let needed = needed.reduce(|all, more| {
        if key == "allOf" {
            &all | &more
        } else {
            &all & &more
        }
    });
    let found: Map<String, Value> = variants
        .iter()
        .filter_map(|variant| variant.get("properties")?.as_object())
        .flatten()
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect();
    let mut all = names(schema);
    all.extend(needed.unwrap_or_default());
    if let Value::Object(properties) = schema.entry("properties").or_insert_with(|| json!({})) {
        for (name, schema) in found {
            properties.entry(name).or_insert(schema);
        }
    }
    if !all.is_empty() {
        let all: Vec<Value> = all.into_iter().map(Value::from).collect();
        schema.insert("required".to_owned(), all.into());
    }
}

/// The schema that a variant is, or that it refers to.
fn resolved<'s>(
    schema: &'s Map<String, Value>,
    variant: &'s Value,
) -> Option<&'s Map<String, Value>> {
    let variant = variant.as_object()?;
    let Some(reference) = variant.get("$ref").and_then(Value::as_str) else {
        return Some(variant);
    };
    let (place, name) = reference.strip_prefix("#/")?.split_once('/')?;
    schema.get(place)?.get(name)?.as_object()
}

/// `schema` by the rules of draft 2020-12.
fn modern(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (key, value) in schema {
        if let Some(value) = keyword(key, value) {
            out.insert(key.clone(), value);
        }
    }
    if let Some(tuple @ Value::Array(_)) = schema.get("items") {
        out.extend(keyword("prefixItems", tuple).map(|items| ("prefixItems".to_owned(), items)));
        let rest = schema.get("additionalItems");
        out.extend(
            rest.and_then(|rest| keyword("items", rest))
                .map(|items| ("items".to_owned(), items)),
        );
    }
    for (exclusive, inclusive) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if schema.get(exclusive) == Some(&Value::Bool(true))
            && let Some(limit) = out.remove(inclusive)
        {
            out.insert(exclusive.to_owned(), limit);
        }
    }
    out
}

/// The value of a keyword, if it is one that it may have.
fn keyword(key: &str, value: &Value) -> Option<Value> {
    match key {
        "$schema" | "$id" | "additionalItems" => None,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            value.is_number().then(|| value.clone())
        }
        "multipleOf" => value
            .as_f64()
            .filter(|step| *step > 0.0)
            .map(|_| value.clone()),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            value.is_u64().then(|| value.clone())
        }
        "title" | "description" | "pattern" | "format" | "$ref" | "$comment" | "$anchor" => {
            value.is_string().then(|| value.clone())
        }
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => {
            value.is_boolean().then(|| value.clone())
        }
        "enum" | "examples" => value.is_array().then(|| value.clone()),
        "required" => {
            let mut known = BTreeSet::new();
            let names = value.as_array()?.iter().filter_map(Value::as_str);
            let names: Vec<&str> = names.filter(|name| known.insert(*name)).collect();
            Some(names.into())
        }
        "type" => types(value),
        "properties" | "$defs" | "definitions" | "patternProperties" | "dependentSchemas" => {
            let schemas = value.as_object()?.iter();
            let schemas =
                schemas.filter_map(|(name, schema)| Some((name.clone(), subschema(schema)?)));
            Some(Value::Object(schemas.collect()))
        }
        "items"
        | "additionalProperties"
        | "contains"
        | "propertyNames"
        | "not"
        | "if"
        | "then"
        | "else"
        | "unevaluatedItems"
        | "unevaluatedProperties" => subschema(value),
        "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
            let schemas: Vec<Value> = value.as_array()?.iter().filter_map(subschema).collect();
            (!schemas.is_empty()).then(|| schemas.into())
        }
        _ => Some(value.clone()),
    }
}

fn subschema(value: &Value) -> Option<Value> {
    match value {
        Value::Object(schema) => Some(modern(schema).into()),
        Value::Bool(_) => Some(value.clone()),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

fn types(value: &Value) -> Option<Value> {
    let known = |kind: &Value| {
        let kinds = [
            "object", "array", "string", "integer", "number", "boolean", "null",
        ];
        kind.as_str().is_some_and(|kind| kinds.contains(&kind))
    };
    match value {
        Value::Array(list) => {
            let mut kinds: Vec<Value> = Vec::new();
            for kind in list.iter().filter(|kind| known(kind)) {
                if !kinds.contains(kind) {
                    kinds.push(kind.clone());
                }
            }
            (!kinds.is_empty()).then(|| kinds.into())
        }
        Value::String(_) => known(value).then(|| value.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
