//! JSON read without tolerance for a field given twice, at any depth.
//!
//! RFC 8259 §4 leaves open which of two equal names counts. A gateway that takes the last and a
//! provider that takes the first would disagree on what was asked, and the cache would remember it.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// A value in which no object has a name twice.
pub(super) struct Strict(pub(super) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Strict, E> {
        Ok(Strict(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Strict, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = input.next_element()? {
            items.push(item);
        }
        Ok(Strict(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Strict, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Strict(value))) = input.next_entry::<String, Strict>()? {
            if fields.contains_key(&name) {
                let shown: String = name.chars().take(40).filter(|c| !c.is_control()).collect();
                return Err(A::Error::custom(format_args!(
                    "the field `{shown}` is given twice"
                )));
            }
            fields.insert(name, value);
        }
        Ok(Strict(Value::Object(fields)))
    }
}

/// The top level of an object: its fields in their order, each read as a `T`.
pub(super) struct TopLevel<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TopLevel<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = TopLevel<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some(field) = input.next_entry()? {
                    fields.push(field);
                }
                Ok(TopLevel(fields))
            }
        }
        input.deserialize_map(Fields(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Value> {
        serde_json::from_str::<Strict>(text)
            .ok()
            .map(|Strict(value)| value)
    }

    #[test]
    fn a_name_given_twice_is_refused_at_any_depth() {
        assert!(read(r#"{"a":1,"a":1}"#).is_none());
        assert!(read(r#"[{"b":{"a":1,"a":2}}]"#).is_none());
        assert!(read(r#"{"a":{"a":1},"b":{"a":1}}"#).is_some());
    }

    proptest! {
        #[test]
        fn reads_what_serde_reads(text in r#"[\[\]{}:,"a-c0-9.e\-tfnurls\\ ]{0,30}"#) {
            if let Some(value) = read(&text) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
            }
        }
    }
}
