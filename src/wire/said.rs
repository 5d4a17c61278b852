//! What a model says, step by step, whatever dialect it came in; and the OpenAI stream or answer that
//! it makes.
//!
//! A dialect's reader gives [`Event`]s; [`Telling`] writes them as chunks. A whole answer is the same
//! events written and put together, so a stream and a whole answer can't differ.

use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    assemble::{Incomplete, assemble},
    chunk::Chunks,
};

/// One thing that a provider tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Its own id for the answer, and what it calls the model. Counts before the first [`Event::Say`].
    Begin {
        /// Its id for the answer.
        id: Option<String>,
        /// The model.
        model: Option<String>,
    },
    /// Something is said.
    Say {
        /// In which of several answers, from 0.
        choice: u64,
        /// What.
        said: Said,
    },
    /// The tokens so far; a later count replaces an earlier one.
    Usage(Counts),
}

/// Something that is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A piece of text, with the probabilities of its tokens (OpenAI's objects, under `logprobs.content`).
    Text {
        /// The text.
        text: String,
        /// Its tokens.
        logprobs: Option<Vec<Value>>,
    },
    /// A piece of thought.
    Reasoning(String),
    /// A piece of a refusal.
    Refusal(String),
    /// A call of a tool begins.
    Call {
        /// The call's id; one is made up if the provider has none.
        id: Option<String>,
        /// The tool.
        name: String,
        /// The arguments so far; all of them, where no [`Said::Arguments`] follows.
        arguments: String,
        /// More fields of the call, such as `extra_content`.
        extra: Map<String, Value>,
    },
    /// More arguments of the call that began last.
    Arguments(String),
    /// More fields of the message: lists are appended to, texts too, objects merged.
    Extra(Map<String, Value>),
    /// The answer is at its end.
    Finish(Finish),
}

impl Said {
    /// A text without probabilities.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            logprobs: None,
        }
    }

    /// Whether there is anything to hear: a client may be told that its answer has begun.
    #[must_use]
    pub fn is_something(&self) -> bool {
        match self {
            Self::Text { text, .. } | Self::Reasoning(text) | Self::Refusal(text) => {
                !text.is_empty()
            }
            Self::Call { .. } | Self::Arguments(_) | Self::Finish(_) => true,
            Self::Extra(fields) => !fields.is_empty(),
        }
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It is complete. Becomes `tool_calls` where tools were called.
    Stop,
    /// There was no more room.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// The provider held something back.
    ContentFilter,
}

impl Finish {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// Tokens, as OpenAI counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Read, those from and for the provider's prompt cache included.
    pub prompt: u64,
    /// Written, thoughts included.
    pub completion: u64,
    /// Of the read ones, those that came from the provider's prompt cache.
    pub cached: Option<u64>,
    /// Of the read ones, those that were written into it.
    pub cache_written: Option<u64>,
    /// Of the written ones, thoughts.
    pub reasoning: Option<u64>,
}

impl Counts {
    /// Both together, for several calls that make one answer.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let both = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            completion: self.completion.saturating_add(other.completion),
            cached: both(self.cached, other.cached),
            cache_written: both(self.cache_written, other.cache_written),
            reasoning: both(self.reasoning, other.reasoning),
        }
    }

    /// The `usage` object.
    #[must_use]
    pub fn to_json(self) -> Value {
        let total = self.prompt.saturating_add(self.completion);
        let mut usage = Map::from_iter([
            ("prompt_tokens".to_owned(), json!(self.prompt)),
            ("completion_tokens".to_owned(), json!(self.completion)),
            ("total_tokens".to_owned(), json!(total)),
        ]);
        if self.cached.is_some() || self.cache_written.is_some() {
            let mut details = Map::new();
            details.insert("cached_tokens".into(), json!(self.cached.unwrap_or(0)));
            if let Some(written) = self.cache_written {
                details.insert("cache_creation_tokens".into(), json!(written));
            }
            usage.insert("prompt_tokens_details".into(), Value::Object(details));
        }
        if let Some(reasoning) = self.reasoning {
            let details = json!({"reasoning_tokens": reasoning});
            usage.insert("completion_tokens_details".into(), details);
        }
        Value::Object(usage)
    }
}

/// An id for an answer to which its provider gives none.
#[must_use]
pub fn made_up_id() -> String {
    format!(
        "chatcmpl-{:016x}{:016x}",
        fastrand::u64(..),
        fastrand::u64(..)
    )
}

/// Writes events as the chunks of one OpenAI stream: one id, the role first, the usage last.
#[derive(Debug)]
pub struct Telling {
    id: String,
    model: String,
    created: u64,
    with_usage: bool,
    chunks: Option<Chunks>,
    choices: Vec<Choice>,
    usage: Option<Counts>,
}

#[derive(Debug, Default)]
struct Choice {
    begun: bool,
    calls: usize,
    finished: bool,
}

/// More choices than any request can ask for: a provider that numbers past it is not followed.
const MOST_CHOICES: u64 = 128;

impl Telling {
    /// A stream that is called `id` and is by `model`, unless the provider says otherwise; created at
    /// that Unix time, in seconds.
    #[must_use]
    pub fn new(id: String, model: &str, created: u64, with_usage: bool) -> Self {
        Self {
            id,
            model: model.to_owned(),
            created,
            with_usage,
            chunks: None,
            choices: Vec::new(),
            usage: None,
        }
    }

    /// Takes in one event.
    pub fn tell(&mut self, event: Event) {
        match event {
            Event::Begin { id, model } => {
                if self.chunks.is_none() {
                    if let Some(id) = id.filter(|id| !id.is_empty()) {
                        self.id = format!("chatcmpl-{id}");
                    }
                    self.model = model
                        .filter(|model| !model.is_empty())
                        .unwrap_or_else(|| std::mem::take(&mut self.model));
                }
            }
            Event::Usage(counts) => self.usage = Some(counts),
            Event::Say { choice, said } => self.say(choice, said),
        }
    }

    fn say(&mut self, index: u64, said: Said) {
        let place = usize::try_from(index.min(MOST_CHOICES)).unwrap_or_default();
        while self.choices.len() <= place {
            self.choices.push(Choice::default());
        }
        let Some(choice) = self.choices.get_mut(place) else {
            return;
        };
        if choice.finished {
            return;
        }
        let chunks = self.chunks.get_or_insert_with(|| {
            Chunks::new(
                &self.model,
                &Map::new(),
                &self.id,
                self.created,
                self.with_usage,
            )
        });
        if !choice.begun {
            choice.begun = true;
            // A text that never comes is `null`, one that does begins empty.
            let content = matches!(said, Said::Text { .. } | Said::Finish(_)).then_some("");
            let role = json!({"role": "assistant", "content": content, "refusal": null});
            chunks.delta(index, &role, None);
        }
        match said {
            Said::Text { text, logprobs } => {
                let logprobs = logprobs.map(|list| json!({"content": list, "refusal": null}));
                if !text.is_empty() || logprobs.is_some() {
                    chunks.delta(index, &json!({"content": text}), logprobs.as_ref());
                }
            }
            Said::Reasoning(text) if text.is_empty() => {}
            Said::Reasoning(text) => chunks.delta(index, &json!({"reasoning_content": text}), None),
            Said::Refusal(text) => chunks.delta(index, &json!({"refusal": text}), None),
            Said::Call {
                id,
                name,
                arguments,
                extra,
            } => {
                let id = id.unwrap_or_else(|| {
                    format!("call_{:016x}{:08x}", fastrand::u64(..), fastrand::u32(..))
                });
                let mut call = extra;
                call.insert("index".into(), json!(choice.calls));
                call.insert("id".into(), json!(id));
                call.insert("type".into(), json!("function"));
                call.insert(
                    "function".into(),
                    json!({"name": name, "arguments": arguments}),
                );
                choice.calls += 1;
                chunks.delta(index, &json!({"tool_calls": [call]}), None);
            }
            Said::Arguments(text) => {
                let call = json!({
                    "index": choice.calls.saturating_sub(1), "function": {"arguments": text},
                });
                chunks.delta(index, &json!({"tool_calls": [call]}), None);
            }
            Said::Extra(fields) => chunks.delta(index, &Value::Object(fields), None),
            Said::Finish(finish) => {
                let called = finish == Finish::Stop && choice.calls > 0;
                let finish = if called { Finish::ToolCalls } else { finish };
                choice.finished = true;
                chunks.finish(index, Some(finish.as_str()), &Map::new(), None);
            }
        }
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        self.chunks.as_mut().map(Chunks::take).unwrap_or_default()
    }

    /// Writes the end: the usage, if it is wanted, and `[DONE]`.
    pub fn end(&mut self) {
        if let Some(chunks) = &mut self.chunks {
            if self.with_usage {
                let usage = self.usage.map_or(Value::Null, Counts::to_json);
                chunks.usage(&usage);
            }
            chunks.done();
        }
    }

    /// Whether every answer that began came to its end, and one did.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }

    /// The whole answer of `events`, and its `chat.completion` object.
    ///
    /// # Errors
    /// [`Incomplete`] when nothing was said.
    pub fn whole(
        mut self,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(Answer, Vec<u8>), Incomplete> {
        self.with_usage = true;
        for event in events {
            self.tell(event);
        }
        self.end();
        let answer = assemble(&self.take())?;
        let json = answer.to_json(&self.id, self.created);
        Ok((answer, json))
    }
}

#[cfg(test)]
mod tests;
