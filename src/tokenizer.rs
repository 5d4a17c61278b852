//! Counts tokens: exactly for OpenAI's models, between two numbers for others.
//!
//! [`bound`] is an upper bound for every model that takes no tokenizer, so that a short prompt costs
//! nothing; [`prompt`] counts message by message. Splitting and merging are our own (`split`,
//! `vocabulary`): several times as fast as the crate that has the tables, and equal to it by property
//! test. The tables are loaded at the first use, which takes most of a second: call [`load`] at the start.

mod class;
mod cut;
mod encoding;
mod family;
mod media;
mod prompt;
mod split;
mod tools;
mod vocabulary;

use std::{iter::Sum, ops::Add};

use serde_json::{Value, json};

use self::{encoding::Encoding, prompt::Meter};
pub use self::{
    family::Family,
    prompt::{Prompt, bound, prompt},
};
use crate::{config::ProviderKind, units::Tokens, wire::answer::Answer};

/// A number of tokens that is not always known: it lies between two numbers, which may be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Count {
    /// No fewer than these, of usual text.
    pub least: Tokens,
    /// No more than these, of usual text.
    pub most: Tokens,
}

impl Count {
    const fn exactly(tokens: u64) -> Self {
        Self::between(tokens, tokens)
    }

    const fn between(least: u64, most: u64) -> Self {
        Self {
            least: Tokens(least),
            most: Tokens(most),
        }
    }

    /// As many at most, but perhaps none.
    const fn or_none(self) -> Self {
        Self {
            least: Tokens(0),
            most: self.most,
        }
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            least: Tokens(self.least.0.saturating_add(other.least.0)),
            most: Tokens(self.most.0.saturating_add(other.most.0)),
        }
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::add)
    }
}

/// Loads the tables; takes most of a second of processor time, so call it off the async workers.
pub fn load() {
    Encoding::O200k.load();
    Encoding::Cl100k.load();
}

/// The count of an answer that came without one, in the shape of `usage`.
///
/// As GPT-4o counts, for all models; of what is not known, the least.
#[must_use]
pub fn usage(messages: &[Value], answer: &Answer) -> Value {
    let meter = Meter::Of(Family::of(ProviderKind::OpenAi, "gpt-4o"));
    let asked: Count = messages.iter().map(|message| meter.message(message)).sum();
    let prompt = (asked + meter.priming()).least.0;
    let of_field = |(key, value): (&String, &Value)| match value {
        _ if key == "role" => Count::default(),
        Value::Null => Count::default(),
        Value::String(text) => meter.text(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => meter.json(value),
    };
    let messages = answer
        .choices
        .iter()
        .flat_map(|choice| choice.message.iter());
    let written = messages.map(of_field).sum::<Count>().least.0;
    json!({"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written})
}

#[cfg(test)]
mod tests;
