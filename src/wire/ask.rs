//! A chat request read in full, for providers that speak another dialect than OpenAI's.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create> (seen 2026-11). What only hints
//! at how to bill, keep or speed up an answer is left out; every other field is either a field here or
//! in [`Ask::rest`], so that none gets lost in silence. Invariants: tool results answer calls, names of
//! tools are unique, base64 can be read.

use serde_json::{Map, Value};

use super::chat::{ChatRequest, Delivery, WITHOUT_INFLUENCE};
use crate::units::words;

mod cannot;
mod content;
mod tools;
mod turns;

pub use self::{
    cannot::{Cannot, Unable},
    content::{Content, Part, Source},
    tools::{Format, Tool, ToolChoice},
    turns::{Assistant, Spoken, ToolCall, ToolResult, Turn, text_of},
};

/// What a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The conversation.
    pub turns: Vec<Turn>,
    /// The tools that may be called.
    pub tools: Vec<Tool>,
    /// Which of them must be.
    pub tool_choice: ToolChoice,
    /// Whether several may be called at once.
    pub parallel_calls: bool,
    /// The form of the answer.
    pub format: Format,
    /// How words are chosen.
    pub sampling: Sampling,
    /// How many answers are wanted; at least one.
    pub choices: u32,
    /// With probabilities of the tokens, and of so many others at each place.
    pub logprobs: Option<u8>,
    /// How hard to think.
    pub effort: Option<Effort>,
    /// The end user, in a form that names nobody to the provider's knowledge (`safety_identifier`,
    /// `user`).
    pub user: Option<String>,
    /// How the client wants the answer.
    pub delivery: Delivery,
    /// Fields that are not above, `null` ones left out: `top_k`, `thinking`, `verbosity`, ….
    pub rest: Map<String, Value>,
}

/// How words are chosen. What is not there is the provider's to choose.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// From 0 to 2.
    pub temperature: Option<f64>,
    /// From 0 to 1.
    pub top_p: Option<f64>,
    /// From -2 to 2, not 0.
    pub presence_penalty: Option<f64>,
    /// From -2 to 2, not 0.
    pub frequency_penalty: Option<f64>,
    /// For answers that can be had again.
    pub seed: Option<i64>,
    /// The longest answer, thinking included.
    pub max_tokens: Option<u64>,
    /// Texts that end the answer; none is empty.
    pub stop: Vec<String>,
}

/// How hard a model is to think before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "OpenAI's words, from least to most")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

words! {
    /// All, by the word that requests have for them.
    pub Effort {
        None = "none",
        Minimal = "minimal",
        Low = "low",
        Medium = "medium",
        High = "high",
        XHigh = "xhigh",
        Max = "max",
    }
}

/// What is read elsewhere, or only helps to be quick.
const ELSEWHERE: [&str; 3] = ["model", "messages", "prediction"];

/// The fields that are read here.
const READ: [&str; 18] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "n",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    "logit_bias",
    "modalities",
];

impl Ask {
    /// Reads `request` for a provider; `cannot` meets what no dialect but OpenAI's has.
    ///
    /// # Errors
    /// [`Unable`], naming the field.
    pub fn read(request: &ChatRequest, cannot: &mut Cannot) -> Result<Self, Unable> {
        let fields = request.fields();
        let (tools, tool_choice) = tools::tools(fields, cannot)?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        unspoken(fields, cannot)?;
        let rest = fields
            .iter()
            .filter(|(key, value)| !(value.is_null() || is_known(key)));
        Ok(Self {
            turns: turns::turns(request.messages(), cannot)?,
            tools,
            tool_choice,
            parallel_calls: fields.get("parallel_tool_calls") != Some(&Value::Bool(false)),
            format: tools::format(fields.get("response_format"))?,
            sampling: sampling(fields)?,
            choices: count(fields, "n")
                .and_then(|n| n.try_into().ok())
                .unwrap_or(1),
            logprobs: logprobs(fields)?,
            effort: effort(text("reasoning_effort"))?,
            user: text("safety_identifier")
                .or_else(|| text("user"))
                .map(str::to_owned),
            delivery: request.delivery(),
            rest: rest
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    }
}

/// Whether nothing is lost with this field of a request.
fn is_known(key: &str) -> bool {
    READ.contains(&key) || ELSEWHERE.contains(&key) || WITHOUT_INFLUENCE.contains(&key)
}

fn count(fields: &Map<String, Value>, name: &str) -> Option<u64> {
    fields.get(name).and_then(Value::as_u64)
}

/// What no other dialect has, unless it says nothing.
fn unspoken(fields: &Map<String, Value>, cannot: &mut Cannot) -> Result<(), Unable> {
    let bias = fields.get("logit_bias");
    if bias
        .and_then(Value::as_object)
        .is_some_and(|bias| !bias.is_empty())
    {
        cannot.carry("logit_bias", "has no way to weigh single tokens")?;
    }
    let modalities = fields.get("modalities").and_then(Value::as_array);
    if modalities.is_some_and(|list| list.iter().any(|kind| kind != "text")) {
        cannot.carry("modalities", "answers in text only")?;
    }
    Ok(())
}

fn sampling(fields: &Map<String, Value>) -> Result<Sampling, Unable> {
    let number = |name: &str| fields.get(name).and_then(Value::as_f64);
    let stop = match fields.get("stop") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            let texts: Option<Vec<String>> = texts.collect();
            texts.ok_or_else(not_stop)?
        }
        Some(_) => return Err(not_stop()),
    };
    if stop.iter().any(String::is_empty) {
        return Err(not_stop());
    }
    let seed = match fields.get("seed") {
        None | Some(Value::Null) => None,
        Some(seed) => {
            let message = "`seed` must be a whole number of 64 bits";
            let seed = seed
                .as_i64()
                .ok_or_else(|| Unable::invalid("seed", message))?;
            Some(seed)
        }
    };
    Ok(Sampling {
        temperature: number("temperature"),
        top_p: number("top_p"),
        presence_penalty: number("presence_penalty").filter(|penalty| *penalty != 0.0),
        frequency_penalty: number("frequency_penalty").filter(|penalty| *penalty != 0.0),
        seed,
        max_tokens: count(fields, "max_completion_tokens").or_else(|| count(fields, "max_tokens")),
        stop,
    })
}

fn not_stop() -> Unable {
    let message = "`stop` must be a text or a list of texts, none of them empty";
    Unable::invalid("stop", message)
}

fn logprobs(fields: &Map<String, Value>) -> Result<Option<u8>, Unable> {
    let top = count(fields, "top_logprobs").and_then(|top| u8::try_from(top).ok());
    match fields.get("logprobs") {
        Some(Value::Bool(true)) => Ok(Some(top.unwrap_or(0))),
        None | Some(Value::Null | Value::Bool(false)) => match top {
            None | Some(0) => Ok(None),
            Some(_) => {
                let message = "`top_logprobs` needs `logprobs: true`";
                Err(Unable::invalid("top_logprobs", message))
            }
        },
        Some(_) => Err(Unable::invalid(
            "logprobs",
            "`logprobs` must be true or false",
        )),
    }
}

fn effort(text: Option<&str>) -> Result<Option<Effort>, Unable> {
    let Some(text) = text else { return Ok(None) };
    let found = Effort::NAMES.iter().find(|(name, _)| *name == text);
    let Some((_, effort)) = found else {
        let message = "`reasoning_effort` must be none, minimal, low, medium, high, xhigh or max";
        return Err(Unable::invalid("reasoning_effort", message));
    };
    Ok(Some(*effort))
}

#[cfg(test)]
mod tests;
