//! JSON Schemas that bind the model's words: `output_config.format`, and tools with `strict`.
//!
//! Rewritten as `transform_schema` of the official Python package does (2.12, seen 2026-11), which is the
//! list of what the grammar compiler takes, with its limits from
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>:
//!
//! | keyword | becomes |
//! |---|---|
//! | `type`, `properties`, `required`, `items`, `anyOf`, `enum` and `const` of plain values, `$ref` and `$defs`, `title`, `description` | itself |
//! | `oneOf`, a list of types | `anyOf` |
//! | `definitions` | `$defs` |
//! | `allOf` of one | that one |
//! | `additionalProperties` | `false` |
//! | `minItems` of 0 or 1; `format` that is known | itself |
//! | all other constraints (`minimum`, `pattern`, `default`, …) | words in the description |
//!
//! A schema that would come to mean something else has no strict form: open objects (a map, `{}`), tuples,
//! recursion, references to elsewhere, real `allOf`s.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// The most properties that may be missing, over all strict schemas of a request.
const MOST_OPTIONAL: usize = 24;
/// The most properties that may be of several types, over all strict schemas of a request.
const MOST_UNIONS: usize = 16;
/// The most definitions in one schema that are looked at: more are more than the compiler takes.
const MOST_DEFINITIONS: usize = 500;
/// The most tools with `strict`.
const MOST_TOOLS: usize = 20;

const KINDS: [&str; 7] = [
    "object", "array", "string", "integer", "number", "boolean", "null",
];
const FORMATS: [&str; 10] = [
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
];

/// What the strict schemas of a request may still need.
#[derive(Debug)]
pub(super) struct Room {
    optional: usize,
    unions: usize,
    tools: usize,
}

impl Room {
    pub(super) const fn new() -> Self {
        Self {
            optional: MOST_OPTIONAL,
            unions: MOST_UNIONS,
            tools: MOST_TOOLS,
        }
    }

    /// The strict form of an answer's `schema`, if it has one and there is room for it.
    pub(super) fn answer(&mut self, schema: &Map<String, Value>) -> Option<Map<String, Value>> {
        let (fitted, optional, unions) = fit(schema)?;
        let (optional, unions) = (
            self.optional.checked_sub(optional)?,
            self.unions.checked_sub(unions)?,
        );
        (self.optional, self.unions) = (optional, unions);
        Some(fitted)
    }

    /// The strict form of a tool's `schema`, if it has one and there is room for it.
    pub(super) fn tool(&mut self, schema: &Map<String, Value>) -> Option<Map<String, Value>> {
        let tools = self.tools.checked_sub(1)?;
        let fitted = self.answer(schema)?;
        self.tools = tools;
        Some(fitted)
    }
}

/// The strict form of `schema`, with the numbers of its optional properties and unions.
fn fit(schema: &Map<String, Value>) -> Option<(Map<String, Value>, usize, usize)> {
    let mut body = schema.clone();
    let mut defs = Map::new();
    for place in ["$defs", "definitions"] {
        match body.remove(place) {
            None => {}
            Some(Value::Object(more)) => defs.extend(more),
            Some(_) => return None,
        }
    }
    if defs.len() > MOST_DEFINITIONS || recurs(&defs) {
        return None;
    }
    let mut fitting = Fitting {
        names: defs.keys().cloned().collect(),
        optional: 0,
        unions: 0,
    };
    let mut fitted = fitting.object(body)?;
    if !defs.is_empty() {
        let mut kept = Map::new();
        for (name, schema) in defs {
            let fitted = fitting.schema(schema)?;
            kept.insert(name, fitted.into());
        }
        fitted.insert("$defs".to_owned(), kept.into());
    }
    Some((fitted, fitting.optional, fitting.unions))
}

/// The name that a reference into `$defs` has.
fn target(reference: &str) -> Option<&str> {
    let name = reference
        .strip_prefix("#/$defs/")
        .or_else(|| reference.strip_prefix("#/definitions/"));
    name.filter(|name| !name.contains(['/', '~', '%']))
}

/// Whether a definition leads back to itself.
fn recurs(defs: &Map<String, Value>) -> bool {
    fn leads<'v>(value: &'v Value, to: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    to.extend(target(reference));
                }
                fields.values().for_each(|value| leads(value, to));
            }
            Value::Array(list) => list.iter().for_each(|value| leads(value, to)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut open: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, schema) in defs {
        let mut to = BTreeSet::new();
        leads(schema, &mut to);
        open.insert(name, to);
    }
    // What leads nowhere is taken away until nothing is left, or a ring is.
    loop {
        let before = open.len();
        let left: BTreeSet<&str> = open.keys().copied().collect();
        open.retain(|_, to| to.iter().any(|name| left.contains(name)));
        if open.len() == before {
            return !open.is_empty();
        }
    }
}

struct Fitting {
    names: BTreeSet<String>,
    optional: usize,
    unions: usize,
}

impl Fitting {
    fn schema(&mut self, schema: Value) -> Option<Map<String, Value>> {
        match schema {
            Value::Object(schema) => self.object(schema),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        }
    }

    fn object(&mut self, mut left: Map<String, Value>) -> Option<Map<String, Value>> {
        for noise in ["$schema", "$id", "$comment"] {
            left.remove(noise);
        }
        if let Some(reference) = left.get("$ref") {
            let name = target(reference.as_str()?)?;
            let known = self.names.contains(name);
            return known
                .then(|| Map::from_iter([("$ref".to_owned(), format!("#/$defs/{name}").into())]));
        }
        let mut out = Map::new();
        let description = words(left.remove("description"));
        if let Some(title) = words(left.remove("title")) {
            out.insert("title".to_owned(), title.into());
        }
        self.kind(&mut left, &mut out)?;
        if let Some(reference) = out.remove("$ref") {
            // Nothing may stand beside a reference.
            return Some(Map::from_iter([("$ref".to_owned(), reference)]));
        }
        let constraints: Vec<String> = left
            .iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        let constraints =
            (!constraints.is_empty()).then(|| format!("{{{}}}", constraints.join(", ")));
        let own = words(out.remove("description"));
        let texts: Vec<String> = [description, own, constraints]
            .into_iter()
            .flatten()
            .collect();
        if !texts.is_empty() {
            out.insert("description".to_owned(), texts.join("\n\n").into());
        }
        Some(out)
    }

    /// Moves what says of which kind a value is from `left` to `out`.
    fn kind(&mut self, left: &mut Map<String, Value>, out: &mut Map<String, Value>) -> Option<()> {
        if literals(left, out) {
            left.remove("type");
            return Some(());
        }
        let kind = left.remove("type").or_else(|| {
            let implied = [("properties", "object"), ("items", "array")];
            let implied = implied.iter().find(|(key, _)| left.contains_key(*key));
            implied.map(|(_, kind)| json!(kind))
        });
        match kind {
            Some(Value::String(kind)) => self.one(&kind, left, out),
            Some(Value::Array(kinds)) => {
                let mut known: Vec<&str> = Vec::new();
                for kind in &kinds {
                    let kind = kind.as_str().filter(|kind| KINDS.contains(kind))?;
                    if !known.contains(&kind) {
                        known.push(kind);
                    }
                }
                let kinds = known;
                if let [kind] = kinds[..] {
                    return self.one(kind, left, out);
                }
                let shared = std::mem::take(left);
                let variants = kinds.into_iter().map(|kind| {
                    let mut variant = relevant(kind, &shared);
                    variant.insert("type".to_owned(), kind.into());
                    Value::Object(variant)
                });
                let variants: Vec<Value> = variants.collect();
                self.union(variants, out)
            }
            Some(_) => None,
            None => {
                for key in ["anyOf", "oneOf"] {
                    if let Some(Value::Array(variants)) = left.remove(key) {
                        return self.union(variants, out);
                    }
                }
                let Some(Value::Array(mut all)) = left.remove("allOf") else {
                    return None;
                };
                let only = all.pop().filter(|_| all.is_empty())?;
                out.extend(self.schema(only)?);
                Some(())
            }
        }
    }

    fn union(&mut self, variants: Vec<Value>, out: &mut Map<String, Value>) -> Option<()> {
        let fitted = variants
            .into_iter()
            .map(|variant| self.schema(variant).map(Value::Object));
        let fitted = fitted.collect::<Option<Vec<Value>>>()?;
        if fitted.is_empty() {
            return None;
        }
        self.unions += usize::from(fitted.len() > 1);
        out.insert("anyOf".to_owned(), fitted.into());
        Some(())
    }

    fn one(
        &mut self,
        kind: &str,
        left: &mut Map<String, Value>,
        out: &mut Map<String, Value>,
    ) -> Option<()> {
        match kind {
            "object" => self.properties(left, out)?,
            "array" => {
                if left.contains_key("prefixItems") {
                    return None;
                }
                let items = self.schema(left.remove("items")?)?;
                out.insert("items".to_owned(), items.into());
                if left
                    .get("minItems")
                    .is_some_and(|least| least == 0 || least == 1)
                {
                    out.extend(left.remove_entry("minItems"));
                }
            }
            "string" => {
                let format = left.get("format").and_then(Value::as_str);
                if format.is_some_and(|format| FORMATS.contains(&format)) {
                    out.extend(left.remove_entry("format"));
                }
            }
            "integer" | "number" | "boolean" | "null" => {}
            _ => return None,
        }
        out.insert("type".to_owned(), kind.into());
        Some(())
    }

    fn properties(
        &mut self,
        left: &mut Map<String, Value>,
        out: &mut Map<String, Value>,
    ) -> Option<()> {
        let more = left.remove("additionalProperties");
        let properties = match left.remove("properties") {
            None => Map::new(),
            Some(Value::Object(properties)) => properties,
            Some(_) => return None,
        };
        let is_map = left.contains_key("patternProperties")
            || matches!(more, Some(Value::Object(_)))
            || (properties.is_empty() && more != Some(Value::Bool(false)));
        if is_map {
            return None;
        }
        let required: Vec<Value> = match left.remove("required") {
            Some(Value::Array(names)) => names,
            _ => Vec::new(),
        };
        let is_there = |name: &&Value| {
            name.as_str()
                .is_some_and(|name| properties.contains_key(name))
        };
        let required: Vec<Value> = required.iter().filter(is_there).cloned().collect();
        self.optional += properties.len().saturating_sub(required.len());
        let mut fitted = Map::new();
        for (name, schema) in properties {
            let schema = self.schema(schema)?;
            fitted.insert(name, schema.into());
        }
        out.insert("properties".to_owned(), fitted.into());
        out.insert("required".to_owned(), required.into());
        out.insert("additionalProperties".to_owned(), false.into());
        Some(())
    }
}

/// Moves `enum` or `const` of plain values, which say it all.
fn literals(left: &mut Map<String, Value>, out: &mut Map<String, Value>) -> bool {
    let plain = |value: &Value| !(value.is_object() || value.is_array());
    let listed = matches!(left.get("enum"), Some(Value::Array(list))
        if !list.is_empty() && list.iter().all(plain));
    if listed {
        out.extend(left.remove_entry("enum"));
    }
    if left.get("const").is_some_and(plain) {
        out.extend(left.remove_entry("const"));
        return true;
    }
    listed
}

/// What of `shared` says something about values of this kind.
fn relevant(kind: &str, shared: &Map<String, Value>) -> Map<String, Value> {
    let of = |key: &str| match key {
        "properties"
        | "required"
        | "additionalProperties"
        | "patternProperties"
        | "propertyNames"
        | "minProperties"
        | "maxProperties" => "object",
        "items" | "prefixItems" | "contains" | "minItems" | "maxItems" | "uniqueItems" => "array",
        "format" | "pattern" | "minLength" | "maxLength" => "string",
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => "number",
        _ => "",
    };
    let fits = |key: &str| match of(key) {
        "" => kind != "null",
        "number" => matches!(kind, "number" | "integer"),
        other => other == kind,
    };
    let kept = shared.iter().filter(|(key, _)| fits(key));
    kept.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn words(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
