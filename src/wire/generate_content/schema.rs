//! Google's subset of OpenAPI's schemas as JSON Schema.
//!
//! Source: `Schema` at <https://ai.google.dev/api/caching> (seen 2026-11). Types are in upper case there,
//! `nullable` is a field, and whole numbers may be texts.

use serde_json::{Map, Value, json};

use super::fields::{Fields, Place, invalid, whole};
use crate::wire::chat::Invalid;

/// Schemas in schemas, and no further.
const DEEPEST: u32 = 64;

/// `place` as JSON Schema. What it knows besides is kept as it is.
///
/// # Errors
/// [`Invalid`] if it is no schema.
pub(super) fn json_schema(place: &Place<'_>) -> Result<Map<String, Value>, Invalid> {
    convert(place, 0)
}

fn convert(place: &Place<'_>, depth: u32) -> Result<Map<String, Value>, Invalid> {
    if depth > DEEPEST {
        return Err(invalid(&*place.at, "has too many schemas within schemas"));
    }
    let mut fields = Fields::of(&place.at, place.value)?;
    let mut schema = Map::new();
    let nullable = fields.flag("nullable")?.unwrap_or(false);
    let kind = fields.take("type").map(|place| kind(&place)).transpose()?;
    match kind.flatten() {
        Some(Value::String(kind)) if nullable => {
            schema.insert("type".to_owned(), json!([kind, "null"]));
        }
        Some(kind) => {
            schema.insert("type".to_owned(), kind);
        }
        None => {}
    }
    let order = order(&fields.list("propertyOrdering"))?;
    let before = fields.at().len() + 1;
    for place in fields.rest() {
        let name = place.at.get(before..).unwrap_or_default().to_owned();
        let (name, value) = keyword(&name, &place, &order, depth)?;
        schema.insert(name, value);
    }
    if nullable
        && let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.iter().any(Value::is_null)
    {
        values.push(Value::Null);
    }
    if nullable
        && !schema.contains_key("type")
        && let Some(Value::Array(choices)) = schema.get_mut("anyOf")
    {
        choices.push(json!({"type": "null"}));
    }
    Ok(schema)
}

/// JSON Schema's name and value of one field.
fn keyword(
    written: &str,
    place: &Place<'_>,
    order: &[&str],
    depth: u32,
) -> Result<(String, Value), Invalid> {
    let inner = |place: &Place<'_>| convert(place, depth + 1).map(Value::Object);
    let value = place.value;
    let (name, value) = match (written, value) {
        ("anyOf" | "any_of", Value::Array(_)) => {
            let choices = place.clone().items();
            let choices: Result<Vec<Value>, _> = choices.iter().map(inner).collect();
            ("anyOf", Value::Array(choices?))
        }
        ("items", Value::Object(_)) => ("items", inner(place)?),
        ("additionalProperties" | "additional_properties", Value::Object(_)) => {
            ("additionalProperties", inner(place)?)
        }
        ("additionalProperties" | "additional_properties", _) => {
            ("additionalProperties", value.clone())
        }
        ("properties", Value::Object(properties)) => {
            let mut names: Vec<&String> = properties.keys().collect();
            let rank = |name: &&String| order.iter().position(|first| first == *name);
            names.sort_by_key(|name| rank(name).unwrap_or(usize::MAX));
            let mut converted = Map::new();
            for name in names {
                let Some(value) = properties.get(name) else {
                    continue;
                };
                let at = format!("{}.{name}", place.at);
                converted.insert(name.clone(), inner(&Place { at, value })?);
            }
            ("properties", Value::Object(converted))
        }
        ("defs" | "$defs", Value::Object(defs)) => {
            let mut converted = Map::new();
            for (name, value) in defs {
                let at = format!("{}.{name}", place.at);
                converted.insert(name.clone(), inner(&Place { at, value })?);
            }
            ("$defs", Value::Object(converted))
        }
        ("ref" | "$ref", _) => ("$ref", value.clone()),
        ("example", _) => ("examples", json!([value])),
        ("minItems" | "min_items", _) => ("minItems", number(value)),
        ("maxItems" | "max_items", _) => ("maxItems", number(value)),
        ("minLength" | "min_length", _) => ("minLength", number(value)),
        ("maxLength" | "max_length", _) => ("maxLength", number(value)),
        ("minProperties" | "min_properties", _) => ("minProperties", number(value)),
        ("maxProperties" | "max_properties", _) => ("maxProperties", number(value)),
        _ => (written, value.clone()),
    };
    Ok((name.to_owned(), value))
}

fn order<'v>(places: &[Place<'v>]) -> Result<Vec<&'v str>, Invalid> {
    places.iter().map(Place::text).collect()
}

fn number(value: &Value) -> Value {
    whole(value).map_or_else(|| value.clone(), Value::from)
}

/// The type in lower case; `None` if it is left open.
fn kind(place: &Place<'_>) -> Result<Option<Value>, Invalid> {
    let lower = |text: &str| text.to_ascii_lowercase();
    match place.value {
        Value::String(text) if text == "TYPE_UNSPECIFIED" => Ok(None),
        Value::String(text) => Ok(Some(json!(lower(text)))),
        Value::Array(list) => {
            let kinds = list.iter().map(|kind| kind.as_str().map(lower));
            let kinds: Option<Vec<String>> = kinds.collect();
            let kinds = kinds.ok_or_else(|| invalid(&*place.at, "must name types"))?;
            Ok(Some(json!(kinds)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err(invalid(&*place.at, "must be the name of a type"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &Value) -> Result<Value, Invalid> {
        let at = "s".to_owned();
        json_schema(&Place { at, value }).map(Value::Object)
    }

    #[test]
    fn a_schema_of_everything() {
        let schema = json!({
            "type": "OBJECT", "title": "T", "description": "d", "property_ordering": ["b", "a"],
            "properties": {
                "a": {"type": "STRING", "nullable": true, "enum": ["x"], "format": "enum"},
                "b": {"type": "ARRAY", "minItems": "1", "max_items": 3, "items": {"type": "INTEGER", "format": "int32"}},
                "min_items": {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": true},
                "type": {"type": "TYPE_UNSPECIFIED", "example": 7, "default": null},
            },
            "required": ["a"], "additionalProperties": false,
        });
        insta::assert_json_snapshot!(read(&schema).unwrap(), @r#"
        {
          "type": "object",
          "title": "T",
          "description": "d",
          "properties": {
            "b": {
              "type": "array",
              "minItems": 1,
              "maxItems": 3,
              "items": {
                "type": "integer",
                "format": "int32"
              }
            },
            "a": {
              "type": [
                "string",
                "null"
              ],
              "enum": [
                "x",
                null
              ],
              "format": "enum"
            },
            "min_items": {
              "anyOf": [
                {
                  "type": "number"
                },
                {
                  "type": "boolean"
                },
                {
                  "type": "null"
                }
              ]
            },
            "type": {
              "examples": [
                7
              ]
            }
          },
          "required": [
            "a"
          ],
          "additionalProperties": false
        }
        "#);
    }

    #[test]
    fn what_is_no_schema_is_named() {
        for (schema, at) in [
            (json!(1), "s"),
            (json!({"type": 1}), "s.type"),
            (json!({"properties": {"a": []}}), "s.properties.a"),
            (json!({"items": {"nullable": 1}}), "s.items.nullable"),
            (json!({"anyOf": [7]}), "s.anyOf[0]"),
        ] {
            assert_eq!(read(&schema).unwrap_err().param.as_deref(), Some(at));
        }
        let mut deep = json!({"type": "STRING"});
        for _ in 0..100 {
            deep = json!({"type": "ARRAY", "items": deep});
        }
        assert!(read(&deep).is_err());
    }
}
