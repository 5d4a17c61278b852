//! JSON Schema put into Google's subset of OpenAPI's schema object, which answers 400 to anything else.
//!
//! Sources: <https://ai.google.dev/api/caching#Schema> (seen 2026-11), and what users report Google to
//! refuse. Google's fields for JSON Schema (`parametersJsonSchema`, `responseJsonSchema`) also refuse
//! some of what is legal, and say so at no one place; so they are used only for objects that have no
//! properties or any, which Google refuses in the other, and get the schema that was made for it.
//!
//! | JSON Schema | becomes |
//! |---|---|
//! | `$ref` (a pointer into the schema) | what it points to; within itself only [`MOST_REPEATS`] times |
//! | `allOf`, keywords beside `$ref` or `anyOf` | one schema that has all of them; the outer ones win |
//! | `anyOf`, `oneOf` | `anyOf`, alone in its schema, as Google wants it |
//! | `type: [a, b]` | `anyOf` |
//! | `null` among types, alternatives or values; `nullable` | `nullable` |
//! | `const`, `enum` of strings | `enum` without empty strings |
//! | `const`, `enum` of other values | their type, and a sentence in `description` |
//! | `exclusiveMinimum`, `exclusiveMaximum` | `minimum`, `maximum` |
//! | `prefixItems`, a list as `items` | `items` with `anyOf` |
//! | `format` other than `date-time` | left out; for numbers also `float`, `double`, `int32`, `int64` |
//! | `pattern` that RE2 can't read | left out |
//! | no type at all, `true`, what can't be resolved | string, number, boolean or object |
//! | names in `required` without a property | left out |
//! | everything else | left out |
//!
//! Properties stand in the order of `required`, since requests are read without the order of keys.
//! Invariants: each schema has a type or alternatives, and never more than [`MOST_NODES`] are made.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::wire::{Additional, Kind, Parameters, Schema};

mod json;
mod keywords;
mod layers;

use self::layers::Layers;

/// The largest result, in schemas and the pieces that they are made of.
const MOST_NODES: u32 = 20_000;
/// The same for all schemas of a request together.
const MOST_NODES_TOGETHER: u32 = 100_000;
/// The deepest result.
const DEEPEST: usize = 24;
/// How often a reference may lead to itself.
const MOST_REPEATS: usize = 2;
/// The most alternatives of one schema.
const MOST_ALTERNATIVES: usize = 64;

/// How much may still be made for a request.
#[derive(Debug)]
pub(super) struct Budget(u32);

impl Budget {
    pub(super) fn new() -> Self {
        Self(MOST_NODES_TOGETHER)
    }
}

/// `schema` in JSON Schema, if the other way can't say it.
pub(super) fn as_json(schema: &Schema) -> Option<Value> {
    json::is_needed(schema).then(|| json::json_schema(schema))
}

/// The schema of an answer.
pub(super) fn of_answer(schema: &Map<String, Value>, budget: &mut Budget) -> Schema {
    convert(&Value::Object(schema.clone()), budget)
}

/// The schema of a tool's arguments: always an object, for Google takes nothing else. Alternatives at
/// the top become one object with the properties of all. In JSON Schema only if the model `takes_json`.
pub(super) fn of_arguments(
    schema: &Map<String, Value>,
    takes_json: bool,
    budget: &mut Budget,
) -> Parameters {
    let mut schema = convert(&Value::Object(schema.clone()), budget);
    if !schema.any_of.is_empty() {
        let mut merged = Schema::of(Kind::Object);
        let objects = schema
            .any_of
            .into_iter()
            .filter(|member| member.kind == Some(Kind::Object));
        for (place, member) in objects.enumerate() {
            merged.additional = merged.additional.or(member.additional);
            if place == 0 {
                merged.description = member.description;
                merged.required = member.required;
            } else {
                let required: HashSet<&String> = member.required.iter().collect();
                merged.required.retain(|name| required.contains(name));
            }
            for (name, property) in member.properties {
                merged.properties.entry(name).or_insert(property);
            }
        }
        schema = merged;
    }
    if schema.kind != Some(Kind::Object) {
        schema = Schema::of(Kind::Object);
    }
    schema.nullable = false;
    schema.property_ordering = schema.ordering();
    // A tool that takes nothing: Google's one object that may be empty.
    if schema.properties.is_empty() && !matches!(schema.additional, Some(Additional::Of(_))) {
        return Parameters::Schema(Box::new(schema));
    }
    let json = as_json(&schema).filter(|_| takes_json);
    json.map_or_else(|| Parameters::Schema(Box::new(schema)), Parameters::Json)
}

fn convert(root: &Value, budget: &mut Budget) -> Schema {
    let nodes = budget.0.min(MOST_NODES);
    let mut converter = Converter { root, nodes };
    let layers = converter.layers(&[root], &[]);
    let schema = converter.schema(layers, 0);
    budget.0 -= nodes - converter.nodes;
    schema
}

impl Schema {
    fn of(kind: Kind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::default()
        }
    }

    /// The client's order of properties, which Google would sort by name.
    fn ordering(&self) -> Vec<String> {
        if self.properties.len() < 2 {
            return Vec::new();
        }
        self.properties.keys().cloned().collect()
    }

    fn explain(&mut self, sentence: &str) {
        let description = self.description.get_or_insert_default();
        if !description.is_empty() {
            description.push(' ');
        }
        description.push_str(sentence);
    }
}

struct Converter<'a> {
    root: &'a Value,
    nodes: u32,
}

impl<'a> Converter<'a> {
    fn layers(&mut self, schemas: &[&'a Value], refs: &[&'a str]) -> Layers<'a> {
        let mut layers = Layers::new(refs);
        for schema in schemas {
            layers.add(self.root, schema, &mut self.nodes);
        }
        layers
    }

    /// One schema that has everything that the layers say.
    fn schema(&mut self, mut layers: Layers<'a>, depth: usize) -> Schema {
        self.nodes = self.nodes.saturating_sub(1);
        if self.nodes == 0 || depth > DEEPEST || layers.is_cut {
            let kinds = layers.kinds().unwrap_or_default();
            let kind = kinds.first().copied().unwrap_or(Kind::Object);
            let mut schema = Schema::of(kind);
            if kind == Kind::Array {
                schema.items = Some(Box::new(Schema::of(Kind::String)));
            }
            return schema;
        }
        if let Some(alternatives) = layers.take_alternatives() {
            return self.alternatives(&layers, alternatives, depth);
        }
        let values = layers.values();
        let nullable = layers.is_nullable() || values.iter().flatten().any(|v| v.is_null());
        let values: Option<Vec<&Value>> =
            values.map(|values| values.into_iter().filter(|v| !v.is_null()).collect());
        let kinds = match (layers.kinds(), &values) {
            (Some(kinds), Some(values)) => keywords::fitting(kinds, values),
            (Some(kinds), None) => kinds,
            (None, Some(values)) => keywords::kinds_of(values),
            (None, None) => layers.implied_kinds(),
        };
        let mut schemas: Vec<Schema> = Vec::with_capacity(kinds.len());
        for kind in kinds {
            schemas.push(self.single(&layers, kind, values.as_deref(), depth));
        }
        let nullable = nullable || schemas.is_empty();
        if schemas.is_empty() {
            schemas.push(null(&layers));
        }
        one_of(schemas, nullable)
    }

    fn alternatives(&mut self, outer: &Layers<'a>, members: &'a [Value], depth: usize) -> Schema {
        let mut nullable = outer.is_nullable();
        let mut schemas: Vec<Schema> = Vec::new();
        let says_more = members
            .iter()
            .any(|member| !layers::is_null(member) && layers::says_what_it_is(member));
        for member in members.iter().take(MOST_ALTERNATIVES) {
            if self.nodes == 0 {
                break;
            }
            if layers::is_null(member) {
                nullable = true;
            } else if says_more {
                let mut layers = self.layers(&[member], &outer.refs);
                layers.extend(outer, &mut self.nodes);
                let schema = self.schema(layers, depth + 1);
                nullable |= schema.nullable;
                let alternatives = if schema.any_of.is_empty() {
                    vec![schema]
                } else {
                    schema.any_of
                };
                for mut schema in alternatives {
                    nullable |= schema.nullable;
                    schema.nullable = false;
                    if !schemas.contains(&schema) {
                        schemas.push(schema);
                    }
                }
            }
        }
        if schemas.is_empty() && !says_more && nullable && outer.kinds().is_none() {
            return null(outer);
        }
        if schemas.is_empty() {
            let mut only = self.schema(outer.clone(), depth + 1);
            only.nullable |= nullable;
            for member in &mut only.any_of {
                member.nullable |= nullable;
            }
            only.nullable &= only.any_of.is_empty();
            return only;
        }
        keywords::join_enums(&mut schemas);
        one_of(schemas, nullable)
    }

    /// A schema of one type.
    fn single(
        &mut self,
        layers: &Layers<'a>,
        kind: Kind,
        values: Option<&[&Value]>,
        depth: usize,
    ) -> Schema {
        let mut schema = Schema::of(kind);
        schema.title = layers.text("title").map(str::to_owned);
        schema.description = layers.text("description").map(str::to_owned);
        match kind {
            Kind::String => keywords::string(&mut schema, layers),
            Kind::Number | Kind::Integer => keywords::number(&mut schema, layers),
            Kind::Array => self.array(&mut schema, layers, depth),
            Kind::Object => self.object(&mut schema, layers, depth),
            Kind::Boolean => {}
        }
        if let Some(values) = values {
            keywords::enumerate(&mut schema, values);
        }
        schema
    }

    fn array(&mut self, schema: &mut Schema, layers: &Layers<'a>, depth: usize) {
        let (tuple, items) = layers.items();
        let mut members: Vec<Schema> = Vec::new();
        for item in tuple.iter().take(MOST_ALTERNATIVES) {
            let item = self.layers(&[item], &layers.refs);
            let item = self.schema(item, depth + 1);
            let items = if item.any_of.is_empty() {
                vec![item]
            } else {
                item.any_of
            };
            for item in items {
                if !members.contains(&item) {
                    members.push(item);
                }
            }
        }
        let items = if members.is_empty() {
            let items = self.layers(&items, &layers.refs);
            self.schema(items, depth + 1)
        } else {
            one_of(members, false)
        };
        schema.items = Some(Box::new(items));
        schema.min_items = layers.count("minItems");
        schema.max_items = layers.count("maxItems");
        if !tuple.is_empty() && schema.max_items.is_none() {
            let length = u32::try_from(tuple.len()).ok();
            schema.min_items = schema.min_items.or(length);
            schema.max_items = length;
        }
    }

    fn object(&mut self, schema: &mut Schema, layers: &Layers<'a>, depth: usize) {
        for (name, property) in layers.properties() {
            if self.nodes == 0 {
                break;
            }
            let property = self.layers(&property, &layers.refs);
            let property = self.schema(property, depth + 1);
            schema.properties.insert(name.to_owned(), property);
        }
        let mut required = HashSet::new();
        for name in layers.required() {
            if schema.properties.contains_key(name) && required.insert(name) {
                schema.required.push(name.to_owned());
            }
        }
        schema.property_ordering = schema.ordering();
        schema.additional = match layers.additional() {
            Some(other @ Value::Object(fields)) if !fields.is_empty() => {
                let other = self.layers(&[other], &layers.refs);
                Some(Additional::Of(Box::new(self.schema(other, depth + 1))))
            }
            Some(Value::Bool(false)) => schema.properties.is_empty().then_some(Additional::None),
            Some(_) => Some(Additional::Any),
            None => schema.properties.is_empty().then_some(Additional::Any),
        };
    }
}

/// A string that can only be null: Google's own type for it is not known to all models.
fn null(layers: &Layers<'_>) -> Schema {
    let mut null = Schema::of(Kind::String);
    null.nullable = true;
    null.description = layers.text("description").map(str::to_owned);
    null.explain("Always null.");
    null
}

/// One schema for several: Google wants nothing beside `anyOf`.
fn one_of(mut schemas: Vec<Schema>, nullable: bool) -> Schema {
    for schema in &mut schemas {
        schema.nullable |= nullable;
    }
    if schemas.len() == 1
        && let Some(only) = schemas.pop()
    {
        return only;
    }
    Schema {
        any_of: schemas,
        ..Schema::default()
    }
}

#[cfg(test)]
mod tests;
