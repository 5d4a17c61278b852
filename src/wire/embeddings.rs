//! `POST /v1/embeddings`, asked and answered.
//!
//! A request is a list of items that can be asked apart ([`EmbeddingsRequest::part`]): the vector of one does not
//! depend on its neighbours. Source: <https://platform.openai.com/docs/api-reference/embeddings/create> (seen 2026-11).

mod list;
mod vector;

use bytes::Bytes;
use serde_json::{Map, Value};

pub use self::{
    list::{Embeddings, List},
    vector::Vector,
};
use super::{
    chat::{Invalid, take_controls, write_json},
    controls::Controls,
    object,
};
use crate::units::Tokens;

/// The most items of one request.
pub const MOST_INPUTS: usize = 2048;
/// The first number that no vocabulary has a token for, and that many servers can't hold.
const NO_TOKEN: u64 = 1 << 31;

/// What is to be embedded; not empty, and no item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Texts.
    Texts(Vec<String>),
    /// Texts as numbers of tokens, which only who made the tokens can read.
    Tokens(Vec<Vec<u32>>),
}

impl Input {
    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(lists) => lists.len(),
        }
    }

    /// Whether there is none; never, in a request that was understood.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items, in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let (texts, lists): (&[String], &[Vec<u32>]) = match self {
            Self::Texts(texts) => (texts, &[]),
            Self::Tokens(lists) => (&[], lists),
        };
        let texts = texts.iter().map(|text| Item::Text(text));
        texts.chain(lists.iter().map(|list| Item::Tokens(list)))
    }

    /// Those at these places, in this order.
    fn part(&self, places: &[usize]) -> Self {
        fn at<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
            let found = places.iter().filter_map(|place| all.get(*place));
            found.cloned().collect()
        }
        match self {
            Self::Texts(texts) => Self::Texts(at(texts, places)),
            Self::Tokens(lists) => Self::Tokens(at(lists, places)),
        }
    }
}

/// One of the things that are to be embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'r> {
    /// A text.
    Text(&'r str),
    /// Numbers of tokens.
    Tokens(&'r [u32]),
}

impl Item<'_> {
    /// How long it is beside others of its kind: bytes of a text, or tokens.
    #[must_use]
    pub fn weight(self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Tokens(list) => list.len() as u64,
        }
    }

    /// About how many tokens it has: four bytes of a text are one in English.
    #[must_use]
    pub fn estimate(self) -> Tokens {
        match self {
            Self::Text(text) => Tokens((text.len() as u64).div_ceil(4)),
            Self::Tokens(list) => Tokens(list.len() as u64),
        }
    }

    /// More tokens than it has, of whatever language: a token is two bytes or more on average, but for random letters.
    #[must_use]
    pub fn bound(self) -> Tokens {
        match self {
            Self::Text(text) => Tokens((text.len() as u64).div_ceil(2)),
            Self::Tokens(list) => Tokens(list.len() as u64),
        }
    }
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorFormat {
    /// As a list of numbers.
    Float,
    /// As base64 of 32-bit floats, little-endian.
    Base64,
}

/// A request that has been understood.
#[derive(Debug, Clone)]
pub struct EmbeddingsRequest {
    /// As the client wrote it, if it can go out so.
    raw: Option<Bytes>,
    /// All fields, with nothing in `input`.
    fields: Map<String, Value>,
    /// Whether the client wrote its only item without a list around it.
    is_bare: bool,
    drops_unsupported: bool,
    model: String,
    input: Input,
    format: VectorFormat,
    dimensions: Option<u32>,
}

impl EmbeddingsRequest {
    /// Understands a body, and takes the gateway's own controls out of it and into `controls`.
    ///
    /// # Errors
    /// [`Invalid`], with the field where there is one.
    pub fn parse(raw: Bytes, controls: &mut Controls) -> Result<Self, Invalid> {
        let mut fields = object::read(&raw)?;
        let edited = take_controls(&mut fields, controls)?;
        let model = match fields.get("model") {
            Some(Value::String(model)) if !model.is_empty() => model.clone(),
            _ => return Err(Invalid::at("model", "you must provide a `model`, a text")),
        };
        let format = match fields.get("encoding_format") {
            None | Some(Value::Null) => VectorFormat::Float,
            Some(word) => match word.as_str() {
                Some("float") => VectorFormat::Float,
                Some("base64") => VectorFormat::Base64,
                _ => {
                    let message = "`encoding_format` must be float or base64";
                    return Err(Invalid::at("encoding_format", message));
                }
            },
        };
        let dimensions = match fields.get("dimensions") {
            None | Some(Value::Null) => None,
            Some(number) => {
                let number = number
                    .as_u64()
                    .and_then(|number| u32::try_from(number).ok());
                let number = number.filter(|number| *number > 0).ok_or_else(|| {
                    Invalid::at("dimensions", "`dimensions` must be a whole number above 0")
                })?;
                Some(number)
            }
        };
        let written = fields.get_mut("input").map(Value::take);
        let is_bare = match &written {
            Some(Value::Array(list)) => list.iter().all(Value::is_number),
            _ => true,
        };
        Ok(Self {
            input: input(written.unwrap_or_default())?,
            raw: (!edited).then_some(raw),
            fields,
            is_bare,
            drops_unsupported: controls.drop_unsupported == Some(true),
            model,
            format,
            dimensions,
        })
    }

    /// The model as the client calls it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether what a provider can't do is left out, instead of refused.
    #[must_use]
    pub fn drops_unsupported(&self) -> bool {
        self.drops_unsupported
    }

    /// What is to be embedded.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// How the client wants the numbers.
    #[must_use]
    pub fn format(&self) -> VectorFormat {
        self.format
    }

    /// How long the vectors are to be; `None` for as long as the model makes them.
    #[must_use]
    pub fn dimensions(&self) -> Option<u32> {
        self.dimensions
    }

    /// The end user on whose behalf it is asked.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.fields.get("user").and_then(Value::as_str)
    }

    /// Fields that OpenAI's documentation does not have.
    pub fn unknown_fields(&self) -> impl Iterator<Item = (&String, &Value)> {
        const KNOWN: [&str; 5] = ["model", "input", "encoding_format", "dimensions", "user"];
        let mut fields = self.fields.iter().collect::<Vec<_>>();
        fields.retain(|(key, value)| !KNOWN.contains(&key.as_str()) && !value.is_null());
        fields.into_iter()
    }

    /// The same request for the items at these places only.
    #[must_use]
    pub fn part(&self, places: &[usize]) -> Self {
        Self {
            raw: None,
            fields: self.fields.clone(),
            is_bare: false,
            model: self.model.clone(),
            input: self.input.part(places),
            ..*self
        }
    }

    /// The body for a provider that calls the model `model`; the client's own bytes if they can stay.
    #[must_use]
    pub fn body_for(&self, model: &str) -> Bytes {
        if let Some(raw) = self.raw.as_ref().filter(|_| self.model == model) {
            return raw.clone();
        }
        let mut bytes = vec![b'{'];
        for (position, (name, value)) in self.fields.iter().enumerate() {
            if position > 0 {
                bytes.push(b',');
            }
            write_json(&mut bytes, name);
            bytes.push(b':');
            match (name.as_str(), &self.input) {
                ("model", _) => write_json(&mut bytes, model),
                ("input", Input::Texts(texts)) => write_items(&mut bytes, texts, self.is_bare),
                ("input", Input::Tokens(lists)) => write_items(&mut bytes, lists, self.is_bare),
                _ => write_json(&mut bytes, value),
            }
        }
        bytes.push(b'}');
        bytes.into()
    }
}

/// Appends items as JSON; the only one without a list around it if it `is_bare`.
fn write_items(out: &mut Vec<u8>, items: &[impl serde::Serialize], is_bare: bool) {
    match items {
        [only] if is_bare => write_json(out, only),
        several => write_json(out, several),
    }
}

fn input(input: Value) -> Result<Input, Invalid> {
    const AT: &str = "input";
    let rule = || {
        let message = "`input` must be a text, a list of texts, a list of tokens, or a list of \
                       lists of tokens, and nothing in it may be empty";
        Invalid::at(AT, message)
    };
    let list = match input {
        Value::String(text) if !text.is_empty() => return Ok(Input::Texts(vec![text])),
        Value::Array(list) => list,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(rule());
        }
    };
    match list.first() {
        None => Err(rule()),
        Some(Value::Number(_)) => Ok(Input::Tokens(vec![tokens(&list, AT)?])),
        Some(_) if list.len() > MOST_INPUTS => {
            let message = format!(
                "`input` has {} items; at most {MOST_INPUTS} go together",
                list.len()
            );
            Err(Invalid::at(AT, message))
        }
        Some(Value::Array(_)) => {
            let lists = list.iter().enumerate().map(|(place, item)| {
                let at = format!("input[{place}]");
                match item.as_array() {
                    Some(list) if list.is_empty() => Err(empty(&at)),
                    Some(list) => tokens(list, &at),
                    None => Err(mixed(&at, "lists of tokens", item)),
                }
            });
            Ok(Input::Tokens(lists.collect::<Result<_, _>>()?))
        }
        Some(_) => {
            let texts = list.into_iter().enumerate().map(|(place, item)| {
                let at = format!("input[{place}]");
                if let Value::String(text) = item {
                    if text.is_empty() {
                        Err(empty(&at))
                    } else {
                        Ok(text)
                    }
                } else {
                    Err(mixed(&at, "texts", &item))
                }
            });
            Ok(Input::Texts(texts.collect::<Result<_, _>>()?))
        }
    }
}

fn tokens(list: &[Value], at: &str) -> Result<Vec<u32>, Invalid> {
    let one = |(place, value): (usize, &Value)| {
        let token = value.as_u64().filter(|token| *token < NO_TOKEN);
        let token = token.and_then(|token| u32::try_from(token).ok());
        token.ok_or_else(|| {
            let message = "a token is a whole number from 0 to 2147483647, as its tokenizer \
                           numbers it";
            Invalid::at(format!("{at}[{place}]"), message)
        })
    };
    list.iter().enumerate().map(one).collect()
}

fn empty(at: &str) -> Invalid {
    Invalid::at(at, format!("`{at}` is empty, and nothing has no vector"))
}

fn mixed(at: &str, those: &str, other: &Value) -> Invalid {
    let found = match other {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let message = format!("`{at}` is {found}, in a list of {those}; send one kind at a time");
    Invalid::at(at, message)
}

/// The tokens that the `usage` of a provider's answer names.
///
/// # Errors
/// When `body` is no list of embeddings.
pub fn read_usage(body: &[u8]) -> Result<Option<Tokens>, &'static str> {
    #[derive(serde::Deserialize)]
    struct List {
        data: Vec<serde::de::IgnoredAny>,
        usage: Option<Usage>,
    }
    #[derive(serde::Deserialize)]
    struct Usage {
        prompt_tokens: Option<u64>,
        total_tokens: Option<u64>,
    }
    match serde_json::from_slice::<List>(body) {
        Ok(list) if !list.data.is_empty() => {
            let usage = list.usage;
            let tokens = usage.and_then(|usage| usage.prompt_tokens.or(usage.total_tokens));
            Ok(tokens.map(Tokens))
        }
        Ok(_) | Err(_) => Err("JSON without a list of embeddings in `data`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: &Value) -> Result<EmbeddingsRequest, Invalid> {
        EmbeddingsRequest::parse(body.to_string().into(), &mut Controls::default())
    }

    #[test]
    fn reads_texts_and_tokens() {
        let of = |input: Value| parse(&json!({"model": "m", "input": input})).map(|r| r.input);
        assert_eq!(of(json!("a")).unwrap(), Input::Texts(vec!["a".into()]));
        assert_eq!(
            of(json!(["a", "b"])).unwrap(),
            Input::Texts(vec!["a".into(), "b".into()])
        );
        assert_eq!(of(json!([1, 2])).unwrap(), Input::Tokens(vec![vec![1, 2]]));
        assert_eq!(
            of(json!([[1], [2, 3]])).unwrap(),
            Input::Tokens(vec![vec![1], vec![2, 3]])
        );
        for (wrong, at) in [
            (json!(null), "input"),
            (json!(""), "input"),
            (json!([]), "input"),
            (json!(7), "input"),
            (json!({}), "input"),
            (json!(["a", ""]), "input[1]"),
            (json!(["a", 1]), "input[1]"),
            (json!(["a", [1]]), "input[1]"),
            (json!([null, "a"]), "input[0]"),
            (json!([1, "a"]), "input[1]"),
            (json!([[]]), "input[0]"),
            (json!([[1], []]), "input[1]"),
            (json!([[1], "a"]), "input[1]"),
            (json!([[1, -1]]), "input[0][1]"),
            (json!([1.5]), "input[0]"),
            (json!([1, 2.0]), "input[1]"),
            (json!([1, 2_147_483_648_u64]), "input[1]"),
            (json!([[1], [1e30]]), "input[1][0]"),
            (json!(vec!["a"; 2049]), "input"),
            (json!(vec![[1]; 2049]), "input"),
        ] {
            let refused = of(wrong.clone()).unwrap_err();
            assert_eq!(refused.param.as_deref(), Some(at), "{wrong}");
        }
        // One list of tokens is one item, however long.
        assert!(of(json!(vec![7; 9000])).is_ok());
        assert!(of(json!(vec!["a"; 2048])).is_ok());
    }

    #[test]
    fn other_fields_are_checked() {
        for (field, value) in [
            ("model", json!("")),
            ("model", json!(null)),
            ("encoding_format", json!("hex")),
            ("dimensions", json!(0)),
            ("dimensions", json!(-3)),
            ("dimensions", json!("9")),
            ("drop_unsupported", json!("yes")),
        ] {
            let mut body = json!({"model": "m", "input": "a"});
            body[field] = value;
            assert_eq!(parse(&body).unwrap_err().param.as_deref(), Some(field));
        }
    }

    #[test]
    fn only_another_name_changes_the_body() {
        let raw = Bytes::from_static(b"{ \"model\": \"m\", \"input\": \"a\", \"x\": 1 }");
        let request = EmbeddingsRequest::parse(raw.clone(), &mut Controls::default()).unwrap();
        assert_eq!(request.body_for("m"), raw);
        let sent: Value = serde_json::from_slice(&request.body_for("n")).unwrap();
        assert_eq!(sent, json!({"model": "n", "input": "a", "x": 1}));
        assert_eq!(request.unknown_fields().count(), 1);
        let ours = json!({"model": "m", "input": "a", "drop_unsupported": true});
        let request = parse(&ours).unwrap();
        assert!(request.drops_unsupported());
        assert_eq!(request.body_for("m"), r#"{"model":"m","input":"a"}"#);
    }

    #[test]
    fn a_part_asks_for_some_of_the_items() {
        let body = json!({"model": "m", "input": ["a", "b", "c"], "dimensions": 3, "x": [1]});
        let part = parse(&body).unwrap().part(&[2, 0, 9]);
        let sent: Value = serde_json::from_slice(&part.body_for("m")).unwrap();
        let expected = json!({"model": "m", "input": ["c", "a"], "dimensions": 3, "x": [1]});
        assert_eq!(sent, expected);
        let body = json!({"model": "m", "input": [[1, 2], [3]]});
        let part = parse(&body).unwrap().part(&[1]);
        assert_eq!(part.body_for("n"), r#"{"model":"n","input":[[3]]}"#);
        assert_eq!(
            parse(&json!({"model": "m", "input": [1, 2]}))
                .unwrap()
                .body_for("n"),
            r#"{"model":"n","input":[1,2]}"#
        );
    }

    #[test]
    fn controls_in_the_body_are_the_gateways() {
        let body = json!({"model": "m", "input": "a", "refrain": {"ttl": 5, "no-cache": true}, "cache": {"namespace": "n"}});
        let mut controls = Controls::default();
        let request = EmbeddingsRequest::parse(body.to_string().into(), &mut controls).unwrap();
        assert!(controls.no_cache && controls.ttl.is_some() && controls.namespace.is_some());
        assert_eq!(request.body_for("m"), r#"{"model":"m","input":"a"}"#);
        assert_eq!(request.unknown_fields().count(), 0);
    }

    #[test]
    fn usage_is_read_from_a_list_only() {
        let answer = br#"{"object":"list","data":[{"embedding":[1]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
        assert_eq!(read_usage(answer), Ok(Some(Tokens(4))));
        assert_eq!(read_usage(br#"{"data":[{}]}"#), Ok(None));
        let total = br#"{"data":[{}],"usage":{"total_tokens":5}}"#;
        assert_eq!(read_usage(total), Ok(Some(Tokens(5))));
        for wrong in ["", "<html>", "{}", "{\"data\":[]}"] {
            assert!(read_usage(wrong.as_bytes()).is_err());
        }
    }
}
