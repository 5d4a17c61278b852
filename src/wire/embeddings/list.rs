//! The answer: OpenAI's `list` of embeddings.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Vector, VectorFormat, write_json};
use crate::units::Tokens;

/// An answer as a provider of another dialect gives it: one vector for each item of the input, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// The model, as the provider names it.
    pub model: String,
    /// The vectors.
    pub vectors: Vec<Vector>,
    /// The tokens read; `None` if the provider does not count them.
    pub tokens: Option<Tokens>,
}

impl Embeddings {
    /// The `list` object that clients get. Tokens that nobody counted are 0.
    #[must_use]
    pub fn to_json(&self, format: VectorFormat) -> Vec<u8> {
        let tokens = self.tokens.unwrap_or(Tokens(0));
        write(&self.vectors, &self.model, tokens, format)
    }
}

/// The `list` object of these vectors.
#[must_use]
pub(super) fn write(
    vectors: &[Vector],
    model: &str,
    tokens: Tokens,
    format: VectorFormat,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(br#"{"object":"list","data":["#);
    for (index, vector) in vectors.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"object":"embedding","index":"#);
        write_json(&mut out, &index);
        out.extend_from_slice(br#","embedding":"#);
        vector.write(&mut out, format);
        out.push(b'}');
    }
    out.extend_from_slice(br#"],"model":"#);
    write_json(&mut out, model);
    out.extend_from_slice(br#","usage":{"prompt_tokens":"#);
    write_json(&mut out, &tokens.0);
    out.extend_from_slice(br#","total_tokens":"#);
    write_json(&mut out, &tokens.0);
    out.extend_from_slice(b"}}");
    out
}

/// What a `list` object says, as far as its parts can be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// The model, as the provider names it.
    pub model: String,
    /// The vectors, in the order of the input.
    pub vectors: Vec<Vector>,
}

impl List {
    /// Reads the answer to a request with `wanted` items. It goes by `index`, where all have one.
    ///
    /// # Errors
    /// What it has to be instead, when it can't be cut into the items' vectors.
    pub fn read(body: &[u8], wanted: usize) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Body<'b> {
            #[serde(borrow)]
            data: Vec<Datum<'b>>,
            #[serde(default)]
            model: Option<String>,
        }
        #[derive(Deserialize)]
        struct Datum<'b> {
            #[serde(borrow)]
            embedding: &'b RawValue,
            #[serde(default)]
            index: Option<usize>,
        }
        let body: Body<'_> = serde_json::from_slice(body)
            .map_err(|_| "JSON without a list of embeddings in `data`")?;
        if body.data.len() != wanted {
            return Err("not as many embeddings as there are items");
        }
        let has_places = body.data.iter().all(|datum| datum.index.is_some());
        let mut vectors: Vec<Option<Vector>> = vec![None; wanted];
        for (place, datum) in body.data.iter().enumerate() {
            let place = datum.index.filter(|_| has_places).unwrap_or(place);
            let free = vectors.get_mut(place).filter(|slot| slot.is_none());
            let slot = free.ok_or("embeddings with a wrong `index`")?;
            *slot = Some(Vector::read(datum.embedding.get()).ok_or("an embedding that is none")?);
        }
        let vectors: Option<Vec<Vector>> = vectors.into_iter().collect();
        Ok(Self {
            model: body.model.unwrap_or_default(),
            vectors: vectors.ok_or("embeddings with a wrong `index`")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_written_both_ways() {
        let answer = Embeddings {
            model: "e".into(),
            vectors: vec![Vector::of(&[0.5, -1.0]).unwrap()],
            tokens: Some(Tokens(3)),
        };
        let text = |format| String::from_utf8(answer.to_json(format)).unwrap();
        insta::assert_snapshot!(text(VectorFormat::Float), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
        insta::assert_snapshot!(text(VectorFormat::Base64), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
        let read = List::read(&answer.to_json(VectorFormat::Base64), 1).unwrap();
        assert_eq!((read.model.as_str(), read.vectors), ("e", answer.vectors));
    }

    #[test]
    fn the_order_is_that_of_the_indexes() {
        let list = |body: &str| List::read(body.as_bytes(), 2).map(|list| list.vectors);
        let both = [Vector::of(&[1.0]).unwrap(), Vector::of(&[2.0]).unwrap()];
        for body in [
            r#"{"data":[{"index":1,"embedding":[2]},{"embedding":[1],"index":0}]}"#,
            r#"{"data":[{"embedding":[1]},{"embedding":[2]}],"model":null}"#,
            r#"{"data":[{"embedding":[1]},{"index":0,"embedding":[2]}],"model":"m"}"#,
        ] {
            assert_eq!(list(body).unwrap(), both, "{body}");
        }
        for wrong in [
            "",
            "{}",
            r#"{"data":[{"embedding":[1]}]}"#,
            r#"{"data":[{"embedding":[1]},{"embedding":[2]},{"embedding":[3]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}"#,
            r#"{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[2]}]}"#,
            r#"{"data":[{"index":-1,"embedding":[1]},{"index":0,"embedding":[2]}]}"#,
            r#"{"data":[{"embedding":[1]},{"embedding":[]}]}"#,
            r#"{"data":[{"embedding":[1]},{"embedding":{"int8":[1]}}]}"#,
        ] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
    }
}
