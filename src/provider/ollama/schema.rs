//! JSON Schemas as Ollama can take them.
//!
//! It reads the parameters of a tool into Go structs, which refuse other types and forget other keywords
//! (`api/types.go`, `ToolProperty`: `anyOf`, `type`, `items`, `description`, `enum`, `properties`,
//! `required`), and makes a grammar of `format` (llama.cpp, `json-schema-to-grammar.cpp`), which gives up on
//! what it does not know. Both seen 2026-11. What is weakened binds the model less than was asked; it is
//! never an error of the provider's.
//!
//! | keyword | in a tool | in `format` |
//! |---|---|---|
//! | `$ref` within the schema | replaced by what it names | the same, unless that contains itself |
//! | `$ref` within itself | any object | kept; `#` becomes a definition |
//! | `$ref` to elsewhere | any value | any value |
//! | a boolean, or no keyword that says what | any value | any value, spelled as all types |
//! | `oneOf` | `anyOf` | kept |
//! | `allOf` | merged | kept |
//! | `const` | `enum` of one | kept |
//! | `type`, `enum`, `required`, `description`, … of a wrong type | left out | left out |
//! | `pattern` | kept, not read | kept where grammars can do it |
//! | `minLength`, `maxItems`, … over 1000 | kept, not read | left out: grammars grow with them |
//! | anything else | kept, not read | kept |

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::references::{Budget, Inlined, inline};

/// Longest counted repetition that is put into a grammar; llama.cpp refuses 2000.
const MOST_REPETITIONS: u64 = 1000;

/// The parameters of a tool. `properties` is always there, as templates go through it.
pub(super) fn parameters(schema: &Map<String, Value>, budget: &mut Budget) -> Map<String, Value> {
    let schema = Value::Object(schema.clone());
    let inlined = match inline(&schema, budget) {
        Inlined::Whole(schema) | Inlined::Cut(schema) => schema,
    };
    let mut parameters = Map::new();
    if let Value::Object(fields) = for_tool(inlined) {
        parameters = fields;
    }
    parameters.remove("$defs");
    parameters.remove("definitions");
    parameters.insert("type".to_owned(), json!("object"));
    parameters.entry("properties").or_insert_with(|| json!({}));
    parameters
}

/// A schema as `format`.
pub(super) fn format(schema: &Map<String, Value>, budget: &mut Budget) -> Value {
    let mut schema = Value::Object(schema.clone());
    match inline(&schema, budget) {
        Inlined::Whole(mut whole) => {
            if let Some(fields) = whole.as_object_mut() {
                fields.remove("$defs");
                fields.remove("definitions");
            }
            for_grammar(whole, &BTreeSet::new())
        }
        // A grammar can contain itself, a tree can't.
        Inlined::Cut(_) => {
            let root = "#/$defs/schema_itself";
            let refers_to_root = name_root(&mut schema, root);
            let known = definitions(&schema);
            let mut schema = for_grammar(schema, &known);
            if refers_to_root {
                let mut take = |name| {
                    let fields = schema.as_object_mut()?;
                    fields.remove(name)
                };
                let defs = take("$defs").unwrap_or_else(|| json!({}));
                let definitions = take("definitions");
                let mut outer = Map::from_iter([("$ref".to_owned(), json!(root))]);
                outer.extend(definitions.map(|defs| ("definitions".to_owned(), defs)));
                if let Value::Object(mut defs) = defs {
                    defs.insert("schema_itself".to_owned(), schema);
                    outer.insert("$defs".to_owned(), Value::Object(defs));
                }
                schema = Value::Object(outer);
            }
            schema
        }
    }
}

/// Puts `root` in the place of every reference to the whole schema; whether there was one.
fn name_root(schema: &mut Value, root: &str) -> bool {
    match schema {
        Value::Object(fields) => {
            let mut named = false;
            for (key, value) in fields.iter_mut() {
                if key == "$ref" && value == "#" {
                    *value = json!(root);
                    named = true;
                } else {
                    named |= name_root(value, root);
                }
            }
            named
        }
        Value::Array(list) => list
            .iter_mut()
            .fold(false, |named, value| name_root(value, root) | named),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The references that lead somewhere.
fn definitions(schema: &Value) -> BTreeSet<String> {
    let mut known = BTreeSet::from(["#/$defs/schema_itself".to_owned()]);
    for place in ["$defs", "definitions"] {
        let defs = schema.get(place).and_then(Value::as_object);
        let names = defs.into_iter().flat_map(Map::keys);
        known.extend(names.map(|name| format!("#/{place}/{name}")));
    }
    known
}

/// The keywords whose value is a schema.
const ONE: [&str; 6] = ["items", "additionalProperties", "not", "if", "then", "else"];
/// … a list of schemas.
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// … schemas by name.
const MAPS: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// Removes the keywords that have values of a wrong type, and puts `change` to the schemas within.
fn tidy(fields: &mut Map<String, Value>, change: &dyn Fn(Value) -> Value) {
    let texts = |value: &Value| {
        let list = value.as_array();
        list.is_some_and(|list| list.iter().all(Value::is_string))
    };
    fields.retain(|key, value| match key.as_str() {
        "type" => value.is_string() || (texts(value) && !is_empty(value)),
        "description" | "title" | "format" | "pattern" | "$ref" => value.is_string(),
        "enum" => !is_empty(value) && value.is_array(),
        "required" => texts(value),
        key if LISTS.contains(&key) => value.is_array() && !is_empty(value),
        key if MAPS.contains(&key) => value.is_object(),
        _ => true,
    });
    for (key, value) in fields.iter_mut() {
        let key = key.as_str();
        if (LISTS.contains(&key) || key == "items")
            && let Some(list) = value.as_array_mut()
        {
            for item in list {
                *item = change(item.take());
            }
        } else if MAPS.contains(&key)
            && let Some(map) = value.as_object_mut()
        {
            for (_, item) in map.iter_mut() {
                *item = change(item.take());
            }
        } else if ONE.contains(&key) && (value.is_object() || key == "items") {
            *value = change(value.take());
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

fn for_tool(schema: Value) -> Value {
    let Value::Object(mut fields) = schema else {
        return json!({});
    };
    tidy(&mut fields, &for_tool);
    fields.remove("$ref");
    if let Some(Value::Array(parts)) = fields.remove("allOf") {
        for part in parts {
            merge(&mut fields, part);
        }
        if let Some(Value::Array(required)) = fields.get_mut("required") {
            let mut seen = BTreeSet::new();
            required.retain(|name| seen.insert(name.as_str().map(str::to_owned)));
        }
    }
    if let Some(Value::Array(mut choices)) = fields.remove("oneOf") {
        let any = fields.entry("anyOf").or_insert_with(|| json!([]));
        if let Value::Array(any) = any {
            any.append(&mut choices);
        }
    }
    if let Some(only) = fields.remove("const") {
        fields.entry("enum").or_insert_with(|| json!([only]));
    }
    Value::Object(fields)
}

/// Adds what `part` says to `fields`: properties and what is required of both, else the first.
fn merge(fields: &mut Map<String, Value>, part: Value) {
    let Value::Object(part) = part else { return };
    for (key, value) in part {
        match (fields.get_mut(&key), value) {
            (None, value) => {
                fields.insert(key, value);
            }
            (Some(Value::Object(mine)), Value::Object(theirs)) if key == "properties" => {
                for (name, property) in theirs {
                    mine.entry(name).or_insert(property);
                }
            }
            (Some(Value::Array(mine)), Value::Array(theirs)) if key == "required" => {
                mine.extend(theirs);
            }
            (Some(_), _) => {}
        }
    }
}

fn any_value() -> Value {
    json!({"type": ["object", "array", "string", "number", "boolean", "null"]})
}

fn for_grammar(schema: Value, known: &BTreeSet<String>) -> Value {
    let Value::Object(mut fields) = schema else {
        return any_value();
    };
    tidy(&mut fields, &|schema| for_grammar(schema, known));
    fields.retain(|key, value| match key.as_str() {
        "$ref" => value.as_str().is_some_and(|name| known.contains(name)),
        "pattern" => value.as_str().is_some_and(grammar_can),
        "minLength" | "maxLength" | "minItems" | "maxItems" => value
            .as_u64()
            .is_some_and(|count| count <= MOST_REPETITIONS),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_i64(),
        _ => true,
    });
    const SAYING: [&str; 10] = [
        "type",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "properties",
        "items",
        "prefixItems",
        "$ref",
    ];
    if !SAYING.iter().any(|key| fields.contains_key(*key)) {
        let mut any = any_value();
        if let (Some(any), Some(description)) = (any.as_object_mut(), fields.remove("description"))
        {
            any.insert("description".to_owned(), description);
        }
        return any;
    }
    Value::Object(fields)
}

/// Whether a grammar can be made of a regular expression: from `^` to `$`, and nothing but what
/// llama.cpp's converter knows.
fn grammar_can(pattern: &str) -> bool {
    let inner = pattern
        .strip_prefix('^')
        .and_then(|rest| rest.strip_suffix('$'));
    let Some(inner) = inner else { return false };
    let mut chars = inner.chars().peekable();
    let mut digits = 0;
    while let Some(c) = chars.next() {
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        let fits = match c {
            '\\' => chars.next().is_some_and(|c| ".[]()|{}*+?^$".contains(c)),
            '(' => chars.peek() != Some(&'?'),
            '^' | '$' | '"' => false,
            _ => (' '..='~').contains(&c),
        };
        // A count of four digits is past what a grammar may repeat.
        if !fits || digits > 3 {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
