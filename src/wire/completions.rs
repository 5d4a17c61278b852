//! The interface before chat, `/v1/completions`: a text is gone on with.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/completions/create>, OpenAI's Python types
//! (`openai.types.completion_create_params`), version 3 (seen 2026-11).
//!
//! A request is read once ([`read`]) and put in one of two ways. Where the model's provider has completions, they are
//! asked for in the client's own words ([`Inbound::continued`]); such an answer goes on with the text, which no chat
//! does, so it never serves a chat, nor a chat it. Everywhere else each prompt is a chat request of its own, the
//! prompt being the user's message ([`Inbound::mapped`]), and what answers that chat request answers the prompt too.
//! Invariant: a field is carried over, or named as what only completions have; none is left out in silence.

use bytes::Bytes;
use serde_json::{Map, Value};

mod logprobs;
mod translate;
mod writer;

pub use self::{
    logprobs::from_legacy,
    writer::{Form, Telling},
};
use super::{chat::Invalid, native, object};

/// More prompts than this are not asked as chat requests for one request.
pub const MOST_MAPPED: usize = 128;
/// More prompts than this are not read: each is worth a call, and some memory.
const MOST_PROMPTS: usize = 2048;
/// The longest answer where the request says nothing, in tokens: this interface's default, other than chat's.
pub const MAX_TOKENS: u64 = 16;
/// What is gone on with where the request has no prompt: the token between documents.
const NO_PROMPT: &str = "<|endoftext|>";
/// The field of a chat request that says: its messages are texts to be gone on with. Keeps it apart from every chat.
pub(in crate::wire) const CONTINUES: &str = "prompt";

/// A request that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// The client's words, the gateway's own controls taken out.
    body: Bytes,
    fields: Map<String, Value>,
    model: String,
    prompts: Prompts,
    form: Form,
    echo: bool,
    logprobs: Option<u64>,
    /// Answers to each prompt.
    n: u64,
}

/// What is to be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Prompts {
    /// Nothing: a document begins.
    Missing,
    /// At least one text.
    Texts(Vec<String>),
    /// At least one text as the model's own tokens, of which each has at least one; how many.
    Tokens(Vec<usize>),
}

/// Reads a request.
///
/// # Errors
/// [`Invalid`], naming the field.
pub fn read(body: &Bytes) -> Result<Inbound, Invalid> {
    let fields = object::read(body)?;
    let model = match fields.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model.clone(),
        None | Some(Value::Null) => return Err(Invalid::at("model", "you must provide a `model`")),
        Some(_) => return Err(wrong("model", "a non-empty string")),
    };
    match fields.get("suffix") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(_) => return Err(wrong("suffix", "a string")),
    }
    let n = count(&fields, "n", 1, 128)?.unwrap_or(1);
    let best_of = count(&fields, "best_of", 1, 128)?;
    if best_of.is_some_and(|best_of| best_of < n) {
        let message = format!("`best_of` must be at least `n`, which is {n}");
        return Err(Invalid::at("best_of", message));
    }
    count(&fields, "max_tokens", 0, u64::from(u32::MAX))?;
    let stream = flag(&fields, "stream")?;
    Ok(Inbound {
        model,
        prompts: prompts(fields.get("prompt"))?,
        form: form(&fields, stream)?,
        echo: flag(&fields, "echo")?,
        logprobs: count(&fields, "logprobs", 0, 128)?,
        n,
        body: native::without_controls(body, &fields),
        fields,
    })
}

impl Inbound {
    /// The model as the client calls it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How the client wants the answer.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Tells the chat answers to [`Inbound::mapped`], each by the number of its prompt.
    #[must_use]
    pub fn telling_mapped(&self) -> Telling {
        let echoes = match &self.prompts {
            Prompts::Texts(texts) if self.echo => texts.clone(),
            Prompts::Texts(_) | Prompts::Tokens(_) | Prompts::Missing => Vec::new(),
        };
        Telling::new(self.form, self.n, echoes)
    }

    /// Tells an answer to [`Inbound::continued`] that is not in the provider's own words.
    #[must_use]
    pub fn telling_continued(&self) -> Telling {
        // Whatever the provider numbers so: all is of one answer.
        Telling::new(self.form, u64::MAX, Vec::new())
    }
}

fn wrong(param: &str, wanted: &str) -> Invalid {
    Invalid::at(param, format!("`{param}` must be {wanted}"))
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(wrong(name, "true or false")),
    }
}

fn count(
    fields: &Map<String, Value>,
    name: &str,
    least: u64,
    most: u64,
) -> Result<Option<u64>, Invalid> {
    let Some(value) = fields.get(name).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let count = value
        .as_u64()
        .filter(|count| (least..=most).contains(count));
    let rule = format!("a whole number from {least} to {most}");
    count.map(Some).ok_or_else(|| wrong(name, &rule))
}

fn form(fields: &Map<String, Value>, stream: bool) -> Result<Form, Invalid> {
    let options = match fields.get("stream_options") {
        None | Some(Value::Null) => None,
        Some(Value::Object(options)) => Some(options),
        Some(_) => return Err(wrong("stream_options", "an object")),
    };
    let usage = match options.and_then(|options| options.get("include_usage")) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(usage)) => *usage,
        Some(_) => return Err(wrong("stream_options.include_usage", "true or false")),
    };
    match (stream, options) {
        (true, _) => Ok(Form::Stream { usage }),
        (false, None) => Ok(Form::Whole),
        (false, Some(_)) => Err(Invalid::at(
            "stream_options",
            "`stream_options` is for streams only; send `stream: true`, or leave it out",
        )),
    }
}

fn prompts(prompt: Option<&Value>) -> Result<Prompts, Invalid> {
    const WANTED: &str =
        "a string, an array of strings, an array of tokens, or an array of arrays of tokens";
    let list = match prompt {
        None | Some(Value::Null) => return Ok(Prompts::Missing),
        Some(Value::String(text)) => return Ok(Prompts::Texts(vec![text.clone()])),
        Some(Value::Array(list)) => list,
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err(wrong("prompt", WANTED));
        }
    };
    if list.len() > MOST_PROMPTS && !list.first().is_some_and(Value::is_number) {
        let rule = format!("an array of at most {MOST_PROMPTS} prompts");
        return Err(wrong("prompt", &rule));
    }
    let all = |read: fn(&str, &Value) -> Result<usize, Invalid>| {
        let numbered = list.iter().enumerate();
        let read = numbered.map(|(place, item)| read(&format!("prompt[{place}]"), item));
        read.collect::<Result<Vec<usize>, Invalid>>()
    };
    match list.first() {
        None => Err(Invalid::at(
            "prompt",
            "`prompt` is an empty array; send at least one prompt",
        )),
        Some(Value::String(_)) => {
            let text = |(place, item): (usize, &Value)| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => {
                    Err(wrong(&format!("prompt[{place}]"), "a string, as the first"))
                }
            };
            let texts: Result<_, _> = list.iter().enumerate().map(text).collect();
            Ok(Prompts::Texts(texts?))
        }
        Some(Value::Number(_)) => {
            all(token)?;
            Ok(Prompts::Tokens(vec![list.len()]))
        }
        Some(Value::Array(_)) => Ok(Prompts::Tokens(all(tokens)?)),
        Some(Value::Null | Value::Bool(_) | Value::Object(_)) => Err(wrong("prompt[0]", WANTED)),
    }
}

/// Checks that this is a token.
fn token(at: &str, item: &Value) -> Result<usize, Invalid> {
    let token = item.as_u64().and_then(|token| u32::try_from(token).ok());
    token
        .map(|_| 1)
        .ok_or_else(|| wrong(at, "a token, a whole number"))
}

/// How many tokens this list has.
fn tokens(at: &str, item: &Value) -> Result<usize, Invalid> {
    let Value::Array(list) = item else {
        return Err(wrong(at, "an array of tokens, as the first"));
    };
    if list.is_empty() {
        return Err(wrong(at, "an array of at least one token"));
    }
    for (place, item) in list.iter().enumerate() {
        token(&format!("{at}[{place}]"), item)?;
    }
    Ok(list.len())
}

#[cfg(test)]
mod tests;
