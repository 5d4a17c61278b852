//! Reads what Ollama says, whole or line by line.
//!
//! | a line | is told as |
//! |---|---|
//! | `message.thinking` | thought |
//! | `message.content`, with `logprobs` | text |
//! | `message.tool_calls` | calls, each whole |
//! | `message.images` | nothing; broken where they are all of the answer |
//! | `done` without any `message` before | broken: there is no answer |
//! | `done`, `done_reason` `stop` or none | the end |
//! | … `length` | the end, for want of room |
//! | … anything else (`load`, `unload`) | broken: there is no answer |
//! | `prompt_eval_count`, `eval_count` | the tokens |
//! | `error` | an error |
//!
//! A whole answer is one such line. A prompt that was read before has no `prompt_eval_count` with older
//! servers; it is counted as 0 then, and if `eval_count` is missing too there is no count at all.

use std::collections::HashSet;

use serde_json::{Map, Value, json, value::RawValue};

use super::{
    failure::reported,
    wire::{ChatResponse, Logprob, SaidCall},
};
use crate::{
    provider::dialect::{Broken, Reader},
    wire::said::{Counts, Event, Finish, Said},
};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: bool,
    done: bool,
    /// The ids of calls so far.
    ids: HashSet<String>,
    /// Whether there was a message, even an empty one.
    heard: bool,
    /// Whether any of it was text or a call.
    spoke: bool,
    /// Whether any of it was images.
    drew: bool,
}

impl Reader for Lines {
    fn whole(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        self.event(body, told)?;
        self.end(told)
    }

    fn event(&mut self, data: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        let line: ChatResponse = serde_json::from_slice(data)
            .map_err(|error| Broken::Unreadable(format!("no answer of Ollama's: {error}")))?;
        if let Some(error) = line.error.filter(|error| !error.is_null()) {
            return Err(Broken::Reported(reported(&error)));
        }
        if self.done {
            return Err(Broken::Unreadable("it went on after its end".to_owned()));
        }
        if !self.begun {
            self.begun = true;
            told.push(Event::Begin {
                id: None,
                model: line.model,
            });
        }
        if let Some(message) = line.message {
            self.heard = true;
            self.drew |= message.images.is_some_and(|images| !images.is_empty());
            let thinking = message.thinking.filter(|text| !text.is_empty());
            let text = message.content.unwrap_or_default();
            let calls = message.tool_calls.unwrap_or_default();
            self.spoke |= !(text.is_empty() && calls.is_empty());
            // Tokens of thoughts and calls have probabilities too, but no place for them.
            let about_text = !text.is_empty() || (thinking.is_none() && calls.is_empty());
            let logprobs = line
                .logprobs
                .filter(|list| about_text && !list.is_empty())
                .map(|list| list.into_iter().map(|it| logprob(it, true)).collect());
            told.extend(thinking.map(|text| say(Said::Reasoning(text))));
            if !text.is_empty() || logprobs.is_some() {
                told.push(say(Said::Text { text, logprobs }));
            }
            for call in calls {
                let call = self.call(call)?;
                told.push(say(call));
            }
        }
        if line.done {
            self.done = true;
            let finish = match line.done_reason.as_deref() {
                None | Some("" | "stop") => Finish::Stop,
                Some("length") => Finish::Length,
                Some(other) => {
                    let why = format!("it ended for another reason: {}", other.escape_debug());
                    return Err(Broken::Unreadable(why));
                }
            };
            if !self.heard {
                return Err(Broken::Unreadable(
                    "it ended without a `message`".to_owned(),
                ));
            }
            if self.drew && !self.spoke {
                let why = "it answered with `images` and no text";
                return Err(Broken::Unreadable(why.to_owned()));
            }
            if line.prompt_eval_count.is_some() || line.eval_count.is_some() {
                let prompt = line.prompt_eval_count.unwrap_or(0);
                let cached = line.prompt_eval_cached_count;
                told.push(Event::Usage(Counts {
                    prompt,
                    completion: line.eval_count.unwrap_or(0),
                    cached: cached.map(|cached| cached.min(prompt)),
                    ..Counts::default()
                }));
            }
            told.push(say(Said::Finish(finish)));
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.done
    }

    fn end(&mut self, _told: &mut Vec<Event>) -> Result<(), Broken> {
        if self.done {
            return Ok(());
        }
        Err(Broken::Unreadable("it ended before `done`".to_owned()))
    }
}

impl Lines {
    fn call(&mut self, call: SaidCall) -> Result<Said, Broken> {
        if call.function.name.is_empty() {
            return Err(Broken::Unreadable("a call without a name".to_owned()));
        }
        // Clients tell calls apart by their ids.
        let id = call
            .id
            .filter(|id| !id.is_empty() && !self.ids.contains(id));
        self.ids.extend(id.clone());
        let arguments = call.function.arguments;
        let arguments = arguments.as_deref().map_or("null", RawValue::get);
        let arguments = match serde_json::from_str(arguments) {
            Ok(Value::Null) => "{}".to_owned(),
            Ok(Value::String(text)) => text,
            Ok(_) | Err(_) => arguments.to_owned(),
        };
        Ok(Said::Call {
            id,
            name: call.function.name,
            arguments,
            extra: Map::new(),
        })
    }
}

fn say(said: Said) -> Event {
    Event::Say { choice: 0, said }
}

/// As OpenAI has it: with the bytes, and with the others at its place.
fn logprob(token: Logprob, with_others: bool) -> Value {
    let bytes = token
        .bytes
        .unwrap_or_else(|| token.token.as_bytes().to_vec());
    let mut fields = Map::from_iter([
        ("token".to_owned(), json!(token.token)),
        ("logprob".to_owned(), json!(token.logprob)),
        ("bytes".to_owned(), json!(bytes)),
    ]);
    if with_others {
        let others = token.top_logprobs.unwrap_or_default();
        let others: Vec<Value> = others.into_iter().map(|it| logprob(it, false)).collect();
        fields.insert("top_logprobs".to_owned(), json!(others));
    }
    Value::Object(fields)
}
