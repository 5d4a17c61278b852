//! Chat answers told as one `text_completion`.
//!
//! Source: OpenAI's Python types (`openai.types.Completion`), version 3 (seen 2026-11). This interface has a place for
//! text only: thoughts are not told, a refusal is told as text, a call of a tool can't be.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::{Map, Value, json};

use super::logprobs::{Lists, characters};
use crate::wire::{
    error_body::{ErrorBody, ErrorObject},
    heard::{Heard, What, Writer},
    sse,
};

/// How a client wants the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object.
    Whole,
    /// Server-sent events.
    Stream {
        /// Whether one with the usage comes before the end.
        usage: bool,
    },
}

/// Tells the answers to the prompts of one request. Their choices are numbered through: `prompt * n + choice`.
#[derive(Debug)]
pub struct Telling {
    form: Form,
    /// Answers to each prompt.
    n: u64,
    /// What is told in front of the answers to each prompt; nothing if there are none.
    echoes: Vec<String>,
    head: Option<Head>,
    choices: BTreeMap<u64, Choice>,
    /// By prompt.
    usages: BTreeMap<u64, Value>,
    out: Vec<u8>,
}

#[derive(Debug)]
struct Head {
    id: String,
    model: String,
    created: u64,
}

#[derive(Debug, Default)]
struct Choice {
    /// Of a whole answer.
    text: String,
    logprobs: Lists,
    finish: Option<String>,
    /// How much text was told, in characters.
    told: u64,
}

impl Telling {
    pub(super) fn new(form: Form, n: u64, echoes: Vec<String>) -> Self {
        Self {
            form,
            n,
            echoes,
            head: None,
            choices: BTreeMap::new(),
            usages: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    /// Takes in one step of the answer to the prompt of this number, from 0.
    pub fn hear_of(&mut self, prompt: u64, heard: Heard) {
        match heard {
            Heard::Begin { id, model, created } => {
                self.head.get_or_insert_with(|| Head {
                    id: id_of(&id),
                    model,
                    created,
                });
            }
            Heard::Say { choice, what } => {
                // Another number would be that of another prompt's answer.
                if choice < self.n {
                    let index = prompt.saturating_mul(self.n).saturating_add(choice);
                    self.say(prompt, index, what);
                }
            }
            // Some servers count in every chunk: the last count is all.
            Heard::Usage(usage) => {
                self.usages.insert(prompt, usage);
            }
        }
    }

    fn say(&mut self, prompt: u64, index: u64, what: What) {
        if let Entry::Vacant(new) = self.choices.entry(index) {
            new.insert(Choice::default());
            let echo = usize::try_from(prompt)
                .ok()
                .and_then(|prompt| self.echoes.get(prompt));
            if let Some(echo) = echo.filter(|echo| !echo.is_empty()).cloned() {
                self.text(index, &echo, &[]);
            }
        }
        match what {
            What::Text { text, logprobs } => self.text(index, &text, &logprobs),
            What::Refusal(text) => self.text(index, &text, &[]),
            What::Finish(reason) => self.finish(index, &reason),
            What::Reasoning(_)
            | What::Thinking(_)
            | What::Call { .. }
            | What::Arguments { .. }
            | What::Extra(..) => {}
        }
    }

    fn text(&mut self, index: u64, text: &str, logprobs: &[Value]) {
        let choice = self.choices.entry(index).or_default();
        let offset = choice.told;
        choice.told = offset.saturating_add(characters(text));
        match self.form {
            Form::Whole => {
                choice.text.push_str(text);
                choice.logprobs.extend(logprobs, offset);
            }
            Form::Stream { .. } => {
                let mut lists = Lists::default();
                lists.extend(logprobs, offset);
                self.chunk(&json!([choice_object(text, index, &lists, None)]), None);
            }
        }
    }

    fn finish(&mut self, index: u64, reason: &str) {
        let reason = match reason {
            "length" | "content_filter" => reason,
            // `stop`, and what this interface has no word for.
            _ => "stop",
        };
        let choice = self.choices.entry(index).or_default();
        if choice.finish.is_some() {
            return;
        }
        choice.finish = Some(reason.to_owned());
        if self.form != Form::Whole {
            let ended = choice_object("", index, &Lists::default(), Some(reason));
            self.chunk(&json!([ended]), None);
        }
    }

    fn chunk(&mut self, choices: &Value, usage: Option<&Value>) {
        let mut chunk = self.object(choices);
        // Where it is wanted, all chunks but the last have an empty one.
        if self.form == (Form::Stream { usage: true }) {
            chunk.insert("usage".into(), usage.cloned().unwrap_or_default());
        }
        sse::write_event(&mut self.out, Value::Object(chunk).to_string().as_bytes());
    }

    /// That of all prompts together.
    fn usage(&mut self) -> Option<Value> {
        let usages = std::mem::take(&mut self.usages).into_values();
        usages.reduce(|mut sum, usage| {
            add(&mut sum, usage);
            sum
        })
    }

    fn object(&self, choices: &Value) -> Map<String, Value> {
        let head = self.head.as_ref();
        Map::from_iter([
            ("id".to_owned(), head.map_or("", |head| &head.id).into()),
            ("object".to_owned(), "text_completion".into()),
            (
                "created".to_owned(),
                head.map_or(0, |head| head.created).into(),
            ),
            (
                "model".to_owned(),
                head.map_or("", |head| &head.model).into(),
            ),
            ("choices".to_owned(), choices.clone()),
        ])
    }
}

impl Writer for Telling {
    fn hear(&mut self, heard: Heard) {
        self.hear_of(0, heard);
    }

    fn end(&mut self) {
        if self.form == (Form::Stream { usage: true })
            && let Some(usage) = self.usage()
        {
            self.chunk(&json!([]), Some(&usage));
        }
        self.out.extend_from_slice(sse::DONE);
    }

    fn fail(&mut self, _status: u16, error: &ErrorObject) {
        let error = error.clone();
        // Text always can be written.
        let body = serde_json::to_vec(&ErrorBody { error }).unwrap_or_default();
        sse::write_event(&mut self.out, &body);
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn whole(&mut self) -> Vec<u8> {
        let choices = self.choices.iter().map(|(index, choice)| {
            let finish = choice.finish.as_deref().unwrap_or("stop");
            choice_object(&choice.text, *index, &choice.logprobs, Some(finish))
        });
        let mut object = self.object(&choices.collect());
        object.extend(self.usage().map(|usage| ("usage".to_owned(), usage)));
        Value::Object(object).to_string().into_bytes()
    }
}

fn choice_object(text: &str, index: u64, logprobs: &Lists, finish: Option<&str>) -> Value {
    json!({
        "text": text, "index": index, "logprobs": logprobs.to_json(), "finish_reason": finish,
    })
}

/// The id of a completion whose chat answer has this one.
fn id_of(chat: &str) -> String {
    let own = chat.strip_prefix("chatcmpl-").unwrap_or(chat);
    if own.starts_with("cmpl-") {
        own.to_owned()
    } else {
        format!("cmpl-{own}")
    }
}

/// Adds every number in `more` to that in `sum`.
fn add(sum: &mut Value, more: Value) {
    match (sum, more) {
        (Value::Object(sum), Value::Object(more)) => {
            for (name, value) in more {
                match sum.get_mut(&name) {
                    Some(known) => add(known, value),
                    None => {
                        sum.insert(name, value);
                    }
                }
            }
        }
        (sum @ Value::Number(_), Value::Number(more)) => {
            if let (Some(a), Some(b)) = (sum.as_u64(), more.as_u64()) {
                *sum = a.saturating_add(b).into();
            }
        }
        (sum @ Value::Null, more) => *sum = more,
        _ => {}
    }
}
