//! Probabilities of tokens, as this interface and as chat has them.
//!
//! Here they are four lists beside each other, there one object for each token. The first token of a text has none
//! (`null`) where the prompt is told too.

use serde_json::{Map, Value, json};

/// The lists, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Lists {
    tokens: Vec<Value>,
    token_logprobs: Vec<Value>,
    top_logprobs: Vec<Value>,
    text_offset: Vec<u64>,
}

impl Lists {
    /// Takes in chat's objects for tokens that begin `offset` characters into the text.
    pub(super) fn extend(&mut self, objects: &[Value], mut offset: u64) {
        for object in objects {
            let token = object.get("token").and_then(Value::as_str).unwrap_or("");
            let logprob = object.get("logprob").unwrap_or(&Value::Null);
            let others = object.get("top_logprobs").and_then(Value::as_array);
            self.tokens.push(token.into());
            self.token_logprobs.push(logprob.clone());
            self.top_logprobs.push(top(token, logprob, others));
            self.text_offset.push(offset);
            offset = offset.saturating_add(characters(token));
        }
    }

    /// The `logprobs` object; `null` if no token is known.
    pub(super) fn to_json(&self) -> Value {
        if self.tokens.is_empty() {
            return Value::Null;
        }
        let has_top = self.top_logprobs.iter().any(|top| !top.is_null());
        json!({
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": has_top.then_some(&self.top_logprobs),
            "text_offset": self.text_offset,
        })
    }
}

/// The likeliest tokens of one place. The one that was taken is among them, likely or not.
fn top(token: &str, logprob: &Value, others: Option<&Vec<Value>>) -> Value {
    let others = others.filter(|others| !others.is_empty());
    let Some(others) = others else {
        return Value::Null;
    };
    let mut top = Map::new();
    for other in others {
        if let Some(token) = other.get("token").and_then(Value::as_str) {
            let logprob = other.get("logprob").cloned().unwrap_or_default();
            top.insert(token.to_owned(), logprob);
        }
    }
    if !top.contains_key(token) {
        top.insert(token.to_owned(), logprob.clone());
    }
    Value::Object(top)
}

/// Offsets count characters, not bytes.
pub(super) fn characters(text: &str) -> u64 {
    text.chars().count() as u64
}

/// A choice's `logprobs` object as chat's list of objects; `None` if there is nothing to say.
#[must_use]
pub fn from_legacy(logprobs: &Value) -> Option<Vec<Value>> {
    let list = |name: &str| logprobs.get(name).and_then(Value::as_array);
    let of =
        |list: Option<&Vec<Value>>, place: usize| list.and_then(|list| list.get(place)).cloned();
    let tokens = list("tokens")?;
    let (own, top) = (list("token_logprobs"), list("top_logprobs"));
    let object = |(place, token): (usize, &Value)| {
        let others: Vec<Value> = match of(top, place) {
            Some(Value::Object(others)) => {
                let other = |(token, logprob)| json!({"token": token, "logprob": logprob});
                others.into_iter().map(other).collect()
            }
            _ => Vec::new(),
        };
        json!({"token": token, "logprob": of(own, place), "top_logprobs": others})
    };
    let objects: Vec<Value> = tokens.iter().enumerate().map(object).collect();
    (!objects.is_empty()).then_some(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let said = json!({
            "tokens": ["Grüß", " dich", "\n"],
            "token_logprobs": [null, -0.5, -2.0],
            "top_logprobs": [null, {" dich": -0.5, " Gott": -1.5}, {"!": -0.1, "\n": -2.0}],
            "text_offset": [0, 4, 9],
        });
        let objects = from_legacy(&said).unwrap();
        assert_eq!(objects[1]["top_logprobs"][1]["token"], " Gott");
        let mut lists = Lists::default();
        lists.extend(&objects[..1], 0);
        lists.extend(&objects[1..], 4);
        assert_eq!(lists.to_json(), said);
    }

    #[test]
    fn the_taken_token_is_among_the_likeliest() {
        let object = json!({"token": "b", "logprob": -3.0, "top_logprobs": [{"token": "a", "logprob": -0.1}]});
        let mut lists = Lists::default();
        lists.extend(&[object], 0);
        assert_eq!(
            lists.to_json()["top_logprobs"],
            json!([{"a": -0.1, "b": -3.0}])
        );
    }

    #[test]
    fn without_others_there_is_no_list_of_them() {
        let mut lists = Lists::default();
        assert_eq!(lists.to_json(), Value::Null);
        lists.extend(&[json!({"token": "b", "logprob": -3.0})], 7);
        assert_eq!(
            lists.to_json(),
            json!({"tokens": ["b"], "token_logprobs": [-3.0], "top_logprobs": null, "text_offset": [7]})
        );
        for nothing in [
            json!(null),
            json!({}),
            json!({"tokens": []}),
            json!({"tokens": 1}),
        ] {
            assert_eq!(from_legacy(&nothing), None);
        }
        // Lists of different lengths, as no server should send them.
        let odd = json!({"tokens": ["a", "b"], "token_logprobs": [-1.0]});
        assert_eq!(from_legacy(&odd).unwrap().len(), 2);
    }
}
