//! Google's JSON objects, whose fields may be written in camelCase or `snake_case`.
//!
//! Source: <https://protobuf.dev/programming-guides/json/> (seen 2026-11): a parser takes both, `null` is as good
//! as nothing, and a repeated field of one item may be that item.

use serde_json::Value;

use crate::wire::chat::Invalid;

/// The fields of one object. What is taken is read; the rest is unknown.
#[derive(Debug)]
pub(super) struct Fields<'v> {
    at: String,
    /// In camelCase, as the client wrote it, and the value.
    known: Vec<(String, &'v str, &'v Value)>,
}

/// A value and where it stands in the client's request.
#[derive(Debug, Clone)]
pub(super) struct Place<'v> {
    pub(super) at: String,
    pub(super) value: &'v Value,
}

pub(super) fn invalid(at: impl Into<String>, rule: &str) -> Invalid {
    let at = at.into();
    Invalid {
        message: format!("`{at}` {rule}"),
        param: Some(at),
    }
}

/// `name` below `at`.
pub(super) fn below(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut rises = false;
    for letter in name.chars() {
        match letter {
            '_' if !camel.is_empty() => rises = true,
            _ if rises => {
                camel.push(letter.to_ascii_uppercase());
                rises = false;
            }
            _ => camel.push(letter),
        }
    }
    camel
}

impl<'v> Fields<'v> {
    /// The fields of `value`.
    ///
    /// # Errors
    /// If it is no object, or has a field in both ways to write it.
    pub(super) fn of(at: &str, value: &'v Value) -> Result<Self, Invalid> {
        let Value::Object(object) = value else {
            let at = if at.is_empty() { "the body" } else { at };
            return Err(invalid(at, "must be an object"));
        };
        Self::of_object(at, object.iter())
    }

    pub(super) fn of_object(
        at: &str,
        object: impl Iterator<Item = (&'v String, &'v Value)>,
    ) -> Result<Self, Invalid> {
        let mut known: Vec<(String, &str, &Value)> = Vec::new();
        for (written, value) in object.filter(|(_, value)| !value.is_null()) {
            let name = camel(written);
            if known.iter().any(|(other, ..)| *other == name) {
                let rule = "is there twice, in camelCase and in snake_case";
                return Err(invalid(below(at, written), rule));
            }
            known.push((name, written, value));
        }
        Ok(Self {
            at: at.to_owned(),
            known,
        })
    }

    /// Where the object stands.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Where a field of it is to stand.
    pub(super) fn place_of(&self, name: &str) -> String {
        below(&self.at, name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Place<'v>> {
        let position = self.known.iter().position(|(known, ..)| known == name)?;
        let (_, written, value) = self.known.remove(position);
        let at = below(&self.at, written);
        Some(Place { at, value })
    }

    /// # Errors
    /// If it is no text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'v str>, Invalid> {
        self.take(name).map(|place| place.text()).transpose()
    }

    /// A text, and where it stands, or would.
    ///
    /// # Errors
    /// If it is no text.
    pub(super) fn text_at(&mut self, name: &str) -> Result<(String, Option<&'v str>), Invalid> {
        match self.take(name) {
            Some(place) => {
                let text = place.text()?;
                Ok((place.at, Some(text)))
            }
            None => Ok((self.place_of(name), None)),
        }
    }

    /// # Errors
    /// If it is neither true nor false.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Invalid> {
        let Some(Place { at, value }) = self.take(name) else {
            return Ok(None);
        };
        let flag = value.as_bool();
        flag.map(Some)
            .ok_or_else(|| invalid(at, "must be true or false"))
    }

    /// A finite number.
    ///
    /// # Errors
    /// If it is none, or outside of these bounds.
    pub(super) fn number(
        &mut self,
        name: &str,
        least: f64,
        most: f64,
    ) -> Result<Option<&'v Value>, Invalid> {
        let Some(Place { at, value }) = self.take(name) else {
            return Ok(None);
        };
        let fits = |number: f64| (least..=most).contains(&number);
        if value.as_f64().is_some_and(fits) {
            return Ok(Some(value));
        }
        let rule = format!("must be a number from {least} to {most}");
        Err(invalid(at, &rule))
    }

    /// A whole number, which may be written as a text.
    ///
    /// # Errors
    /// If it is none, or outside of these bounds.
    pub(super) fn whole(
        &mut self,
        name: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, Invalid> {
        let Some(Place { at, value }) = self.take(name) else {
            return Ok(None);
        };
        let number = whole(value).filter(|number| (least..=most).contains(number));
        let rule = || format!("must be a whole number from {least} to {most}");
        number.map(Some).ok_or_else(|| invalid(at, &rule()))
    }

    /// The items of a list; one item may stand for a list of it.
    pub(super) fn list(&mut self, name: &str) -> Vec<Place<'v>> {
        self.take(name).map_or_else(Vec::new, |place| place.items())
    }

    /// What was not taken.
    pub(super) fn rest(self) -> impl Iterator<Item = Place<'v>> {
        let at = self.at;
        self.known
            .into_iter()
            .map(move |(_, written, value)| Place {
                at: below(&at, written),
                value,
            })
    }
}

impl<'v> Place<'v> {
    /// # Errors
    /// If it is no text.
    pub(super) fn text(&self) -> Result<&'v str, Invalid> {
        let text = self.value.as_str();
        text.ok_or_else(|| invalid(&*self.at, "must be a string"))
    }

    /// The items of a list; one item may stand for a list of it.
    pub(super) fn items(self) -> Vec<Self> {
        let Value::Array(list) = self.value else {
            return vec![self];
        };
        let item = |(position, value)| Place {
            at: format!("{}[{position}]", self.at),
            value,
        };
        list.iter().enumerate().map(item).collect()
    }
}

/// A whole number, also `3.0` and `"3"`, as protobuf's JSON may have it.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            format!("{number:.0}").parse().ok()
        }),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_ways_to_write_a_name_are_one() {
        for (written, name) in [
            ("topP", "topP"),
            ("top_p", "topP"),
            ("response_json_schema", "responseJsonSchema"),
            ("_x", "_x"),
            ("a__b", "aB"),
            ("a_", "a"),
            ("", ""),
            ("größe_ä", "größeä"),
        ] {
            assert_eq!(camel(written), name);
        }
        let twice = json!({"top_p": 1, "topP": 1});
        let error = Fields::of("x", &twice).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("x.topP"));
        let null = json!({"top_p": null, "topP": 1});
        assert!(Fields::of("x", &null).unwrap().take("topP").is_some());
    }

    #[test]
    fn whole_numbers() {
        for (value, number) in [
            (json!(3), Some(3)),
            (json!("3"), Some(3)),
            (json!(3.0), Some(3)),
            (json!(-1), Some(-1)),
            (json!(3.5), None),
            (json!(1e300), None),
            (json!("x"), None),
            (json!(u64::MAX), None),
            (json!([3]), None),
        ] {
            assert_eq!(whole(&value), number, "{value}");
        }
    }
}
