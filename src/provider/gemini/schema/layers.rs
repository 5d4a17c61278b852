//! Schemas that all hold at once, looked at as one: a schema, what it refers to, the members of its
//! `allOf`. Nothing is copied, so schemas that refer to each other a lot cost no more than they show.
//!
//! Invariant: following references ends, whatever they form.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::MOST_REPEATS;
use crate::provider::gemini::wire::Kind;

/// How many references deep one schema may be.
const MOST_REFS: usize = 128;
/// How deep `allOf` and references may be nested before there is a schema.
const DEEPEST: usize = 64;

/// Schemas that all hold; what comes first wins.
#[derive(Debug, Clone)]
pub(super) struct Layers<'a> {
    layers: Vec<Layer<'a>>,
    /// The references that were followed to get here.
    pub(super) refs: Vec<&'a str>,
    /// Whether something was left out for being too deep or too large.
    pub(super) is_cut: bool,
    weight: u32,
}

#[derive(Debug, Clone, Copy)]
struct Layer<'a> {
    schema: &'a Map<String, Value>,
    /// Whether its alternatives were taken.
    taken: bool,
}

impl<'a> Layers<'a> {
    pub(super) fn new(refs: &[&'a str]) -> Self {
        Self {
            layers: Vec::new(),
            refs: refs.to_vec(),
            is_cut: false,
            weight: 0,
        }
    }

    /// Adds `schema` and all that it is made of, taking each from `nodes`.
    pub(super) fn add(&mut self, root: &'a Value, schema: &'a Value, nodes: &mut u32) {
        self.add_at(root, schema, nodes, 0);
    }

    fn add_at(&mut self, root: &'a Value, schema: &'a Value, nodes: &mut u32, depth: usize) {
        // `true` and `false` say nothing that Google could be told.
        let Value::Object(schema) = schema else {
            return;
        };
        let weight = weight(schema);
        *nodes = nodes.saturating_sub(weight);
        self.weight = self.weight.saturating_add(weight);
        self.layers.push(Layer {
            schema,
            taken: false,
        });
        if *nodes == 0 || depth > DEEPEST {
            self.is_cut = true;
            return;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let repeats = self.refs.iter().filter(|known| **known == target).count();
            let found = target
                .strip_prefix('#')
                .and_then(|pointer| root.pointer(pointer));
            if repeats >= MOST_REPEATS || self.refs.len() >= MOST_REFS {
                self.is_cut = true;
                if let Some(Value::Object(schema)) = found {
                    self.layers.push(Layer {
                        schema,
                        taken: false,
                    });
                }
                return;
            }
            if let Some(found) = found {
                self.refs.push(target);
                self.add_at(root, found, nodes, depth + 1);
            }
        }
        for member in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.add_at(root, member, nodes, depth + 1);
        }
    }

    /// What holds besides; costs as much again.
    pub(super) fn extend(&mut self, others: &Self, nodes: &mut u32) {
        *nodes = nodes.saturating_sub(others.weight);
        self.weight = self.weight.saturating_add(others.weight);
        self.layers.extend(&others.layers);
        self.is_cut |= others.is_cut;
    }

    /// The members of the first `anyOf` or `oneOf` that was not taken yet.
    pub(super) fn take_alternatives(&mut self) -> Option<&'a [Value]> {
        self.layers
            .iter_mut()
            .filter(|layer| !layer.taken)
            .find_map(|layer| {
                let list = ["anyOf", "oneOf"]
                    .into_iter()
                    .find_map(|key| layer.schema.get(key).and_then(Value::as_array))
                    .filter(|list| !list.is_empty())?;
                layer.taken = true;
                Some(list.as_slice())
            })
    }

    fn values_of(&self, key: &str) -> impl Iterator<Item = &'a Value> {
        self.layers
            .iter()
            .filter_map(move |layer| layer.schema.get(key))
    }

    /// The first text of that name.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        let mut texts = self.values_of(key).filter_map(Value::as_str);
        texts.find(|text| !text.is_empty())
    }

    /// The first number of that name.
    pub(super) fn number(&self, key: &str) -> Option<&'a serde_json::Number> {
        self.values_of(key).find_map(|value| match value {
            Value::Number(number) => Some(number),
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        })
    }

    /// The first count of that name.
    pub(super) fn count(&self, key: &str) -> Option<u32> {
        let mut counts = self.values_of(key).filter_map(Value::as_u64);
        counts.next().and_then(|count| count.try_into().ok())
    }

    fn declared(&self) -> Option<Vec<&'a str>> {
        self.values_of("type").find_map(|value| match value {
            Value::String(kind) => Some(vec![kind.as_str()]),
            Value::Array(kinds) => Some(kinds.iter().filter_map(Value::as_str).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        })
    }

    /// The declared types without `null`; `None` if none is declared that JSON Schema knows.
    pub(super) fn kinds(&self) -> Option<Vec<Kind>> {
        let declared = self.declared()?;
        let mut kinds: Vec<Kind> = Vec::new();
        for kind in declared.iter().filter_map(|name| kind(name)) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let is_null = declared.iter().any(|name| is_null_name(name));
        (!kinds.is_empty() || is_null).then_some(kinds)
    }

    /// Whether `null` is among the types.
    pub(super) fn is_nullable(&self) -> bool {
        let declared = self.declared();
        let among_types = declared.is_some_and(|names| names.iter().any(|name| is_null_name(name)));
        among_types || self.values_of("nullable").any(|value| value == true)
    }

    /// What types the keywords speak of, where none is declared.
    pub(super) fn implied_kinds(&self) -> Vec<Kind> {
        const IMPLIED: [(Kind, &[&str]); 4] = [
            (
                Kind::Object,
                &["properties", "required", "additionalProperties"],
            ),
            (Kind::Array, &["items", "prefixItems", "minItems"]),
            (
                Kind::Number,
                &["minimum", "maximum", "exclusiveMinimum", "multipleOf"],
            ),
            (
                Kind::String,
                &["minLength", "maxLength", "pattern", "format"],
            ),
        ];
        let has = |key: &str| self.values_of(key).next().is_some();
        let implied = IMPLIED
            .iter()
            .find(|(_, keys)| keys.iter().any(|key| has(key)));
        match implied {
            Some((kind, _)) => vec![*kind],
            None => vec![Kind::String, Kind::Number, Kind::Boolean, Kind::Object],
        }
    }

    /// The only values that are allowed.
    pub(super) fn values(&self) -> Option<Vec<&'a Value>> {
        self.layers.iter().find_map(|layer| {
            if let Some(only) = layer.schema.get("const") {
                return Some(vec![only]);
            }
            let list = layer.schema.get("enum").and_then(Value::as_array)?;
            (!list.is_empty()).then(|| list.iter().collect())
        })
    }

    /// The schemas of a tuple's places, and those of all other items.
    pub(super) fn items(&self) -> (&'a [Value], Vec<&'a Value>) {
        let lists = ["prefixItems", "items"];
        let tuple = lists
            .into_iter()
            .find_map(|key| self.values_of(key).find_map(Value::as_array));
        let items = self.values_of("items").filter(|items| items.is_object());
        (tuple.map_or(&[], Vec::as_slice), items.collect())
    }

    /// The properties by name, each with all that is said of it.
    pub(super) fn properties(&self) -> IndexMap<&'a str, Vec<&'a Value>> {
        let mut properties: IndexMap<&str, Vec<&Value>> = IndexMap::new();
        for (name, property) in self
            .values_of("properties")
            .filter_map(Value::as_object)
            .flatten()
        {
            properties.entry(name).or_default().push(property);
        }
        properties
    }

    /// The names of required properties.
    pub(super) fn required(&self) -> impl Iterator<Item = &'a str> {
        let lists = self.values_of("required").filter_map(Value::as_array);
        lists.flatten().filter_map(Value::as_str)
    }

    /// What is said of properties of other names.
    pub(super) fn additional(&self) -> Option<&'a Value> {
        self.values_of("additionalProperties").next()
    }
}

/// What it costs to look at a schema once, without what is in it: lists and texts can be long, and be
/// referred to often.
fn weight(schema: &Map<String, Value>) -> u32 {
    let parts = schema.values().map(|value| match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() / 64,
        Value::Array(list) => list.len() / 8,
        Value::Object(object) => object.len() / 8,
    });
    let weight = 1 + schema.len() / 8 + parts.sum::<usize>();
    u32::try_from(weight).unwrap_or(u32::MAX)
}

fn kind(name: &str) -> Option<Kind> {
    const KINDS: [(&str, Kind); 6] = [
        ("string", Kind::String),
        ("number", Kind::Number),
        ("integer", Kind::Integer),
        ("boolean", Kind::Boolean),
        ("array", Kind::Array),
        ("object", Kind::Object),
    ];
    let mut known = KINDS.iter();
    let (_, kind) = known.find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    Some(*kind)
}

fn is_null_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("null")
}

/// Whether a schema allows nothing but `null`.
pub(super) fn is_null(schema: &Value) -> bool {
    let only = |value: &Value, is_null: fn(&Value) -> bool| match value {
        Value::Array(list) => list.len() == 1 && list.iter().all(is_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            is_null(value)
        }
    };
    let named: fn(&Value) -> bool = |value| value.as_str().is_some_and(is_null_name);
    let is_type = schema.get("type").is_some_and(|kind| only(kind, named));
    let values = ["const", "enum"]
        .into_iter()
        .find_map(|key| schema.get(key));
    is_type || values.is_some_and(|values| only(values, Value::is_null))
}

/// Whether an alternative does more than to require or forbid what stands beside it.
pub(super) fn says_what_it_is(schema: &Value) -> bool {
    const CONDITIONS: [&str; 9] = [
        "required",
        "not",
        "if",
        "then",
        "else",
        "title",
        "description",
        "$comment",
        "dependentRequired",
    ];
    schema
        .as_object()
        .is_some_and(|schema| schema.keys().any(|key| !CONDITIONS.contains(&key.as_str())))
}
