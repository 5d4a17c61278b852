//! References within a JSON Schema, replaced by what they name.
//!
//! Source: JSON Schema 2020-12 core §8.2.3, RFC 6901 (JSON Pointer).

use serde_json::{Map, Value, json};

/// How deep references are followed.
const DEEPEST: usize = 96;

/// How much may come from the references of one request, in values and bytes of text: definitions that
/// use each other twice double every time.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(4 << 20)
    }
}

/// A schema without references.
#[derive(Debug, PartialEq)]
pub(super) enum Inlined {
    /// All of it.
    Whole(Value),
    /// Some references lead back to where they stand, or unfold to too much; any object is in their place.
    Cut(Value),
}

/// Replaces the references within `schema`. One that leads nowhere is left out.
pub(super) fn inline(schema: &Value, budget: &mut Budget) -> Inlined {
    let mut inliner = Inliner {
        root: schema,
        open: Vec::new(),
        budget,
        cut: false,
    };
    let whole = inliner.unfold(schema, 0);
    if inliner.cut {
        Inlined::Cut(whole)
    } else {
        Inlined::Whole(whole)
    }
}

struct Inliner<'s, 'b> {
    root: &'s Value,
    /// The references that are being unfolded.
    open: Vec<&'s str>,
    budget: &'b mut Budget,
    cut: bool,
}

impl<'s> Inliner<'s, '_> {
    fn unfold(&mut self, schema: &'s Value, depth: usize) -> Value {
        if !(self.open.is_empty() || (depth <= DEEPEST && self.pay(cost(schema)))) {
            self.cut = true;
            return json!({"type": "object"});
        }
        match schema {
            Value::Array(list) => {
                let list = list.iter().map(|value| self.unfold(value, depth + 1));
                Value::Array(list.collect())
            }
            Value::Object(fields) => self.object(fields, depth),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                plain.clone()
            }
        }
    }

    fn object(&mut self, fields: &'s Map<String, Value>, depth: usize) -> Value {
        let name = fields.get("$ref").and_then(Value::as_str);
        let mut unfolded = Map::new();
        if let Some(name) = name {
            if self.open.contains(&name) {
                self.cut = true;
                unfolded.insert("type".to_owned(), json!("object"));
            } else if let Some(target) = self.target(name) {
                self.open.push(name);
                if let Value::Object(fields) = self.unfold(target, depth + 1) {
                    unfolded = fields;
                }
                self.open.pop();
                unfolded.remove("$defs");
                unfolded.remove("definitions");
            }
        }
        for (key, value) in fields {
            // Definitions are unfolded where they are used.
            let value = match key.as_str() {
                "$ref" if name.is_some() => continue,
                "$defs" | "definitions" if depth == 0 => value.clone(),
                _ => self.unfold(value, depth + 1),
            };
            unfolded.insert(key.clone(), value);
        }
        Value::Object(unfolded)
    }

    fn pay(&mut self, cost: usize) -> bool {
        let left = self.budget.0.checked_sub(cost);
        self.budget.0 = left.unwrap_or(0);
        left.is_some()
    }

    fn target(&self, name: &str) -> Option<&'s Value> {
        self.root.pointer(name.strip_prefix('#')?)
    }
}

/// What a value costs without those within.
fn cost(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len(),
        Value::Object(fields) => 1 + fields.keys().map(String::len).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inlined(schema: &Value) -> Inlined {
        inline(schema, &mut Budget::default())
    }

    #[test]
    fn references_are_replaced_and_what_stands_beside_them_stays() {
        let schema = json!({
            "type": "object",
            "properties": {
                "from": {"$ref": "#/$defs/place", "description": "where from"},
                "to": {"type": "array", "items": {"$ref": "#/$defs/place"}},
                "$ref": {"type": "string"},
            },
            "$defs": {
                "place": {"type": "object", "properties": {"zip": {"$ref": "#/$defs/a~1b"}}},
                "a/b": {"type": "string"},
            },
        });
        let Inlined::Whole(whole) = inlined(&schema) else {
            panic!("cut");
        };
        let place = json!({"type": "object", "properties": {"zip": {"type": "string"}}});
        assert_eq!(whole["properties"]["to"]["items"], place);
        assert_eq!(whole["properties"]["from"]["description"], "where from");
        assert_eq!(
            whole["properties"]["from"]["properties"],
            place["properties"]
        );
        assert_eq!(whole["properties"]["$ref"], json!({"type": "string"}));
    }

    #[test]
    fn what_contains_itself_is_cut() {
        for schema in [
            json!({"properties": {"next": {"$ref": "#"}}}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        ] {
            assert!(matches!(inlined(&schema), Inlined::Cut(_)), "{schema}");
        }
    }

    #[test]
    fn what_grows_without_bound_is_cut() {
        let mut defs = json!({"d0": {"type": "string"}});
        for number in 1..40 {
            let before = format!("#/$defs/d{}", number - 1);
            defs[format!("d{number}")] = json!({"anyOf": [{"$ref": before}, {"$ref": before}]});
        }
        let schema = json!({"$ref": "#/$defs/d39", "$defs": defs});
        assert!(matches!(inlined(&schema), Inlined::Cut(_)));
        let names = vec!["a name that is not short"; 10_000];
        let uses = vec![json!({"$ref": "#/$defs/long"}); 10_000];
        let schema = json!({"anyOf": uses, "$defs": {"long": {"enum": names}}});
        assert!(matches!(inlined(&schema), Inlined::Cut(_)));
    }

    #[test]
    fn a_large_schema_without_references_is_whole() {
        let schema = json!({"enum": vec!["a name that is not short"; 500_000]});
        assert!(matches!(inlined(&schema), Inlined::Whole(_)));
    }

    #[test]
    fn a_reference_to_elsewhere_is_left_out() {
        let schema = json!({"a": {"$ref": "https://example.com/s.json", "title": "t"}, "b": {"$ref": "#/no"}});
        assert_eq!(
            inlined(&schema),
            Inlined::Whole(json!({"a": {"title": "t"}, "b": {}}))
        );
    }

    proptest! {
        #[test]
        fn what_has_no_references_stays(names in prop::collection::vec("[a-z]{1,5}", 0..5)) {
            let mut properties = Map::new();
            for name in names {
                properties.insert(name, json!({"type": ["string", "null"], "enum": ["$ref"]}));
            }
            let schema = json!({"type": "object", "properties": properties});
            prop_assert_eq!(inlined(&schema), Inlined::Whole(schema.clone()));
        }
    }
}
