//! What a client hears of a chat answer, step by step, for whoever tells it in another interface's form.
//!
//! [`Hearing`] reads the chunks of a stream, [`of_answer`] gives the same steps of a whole answer, and a
//! [`Writer`] tells them in its own form, so a stream and a whole answer can't differ.

use serde_json::{Map, Value};

use super::{answer::Answer, error_body::ErrorObject, sse};

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The answer begins. Comes once, before anything else.
    Begin {
        /// The answer's id (`chatcmpl-…`).
        id: String,
        /// The model, as the provider names it.
        model: String,
        /// Unix time, in seconds.
        created: u64,
    },
    /// Something is said.
    Say {
        /// In which of several answers, from 0.
        choice: u64,
        /// What.
        what: What,
    },
    /// The tokens: OpenAI's `usage` object. Comes last, if it comes.
    Usage(Value),
}

/// Something that is said.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A piece of text, not empty, with OpenAI's objects for the probabilities of its tokens.
    Text {
        /// The text.
        text: String,
        /// `logprobs.content`.
        logprobs: Vec<Value>,
    },
    /// A piece of thought, not empty.
    Reasoning(String),
    /// Anthropic's blocks of thought, whole and signed (`thinking_blocks`); what they say came as
    /// [`What::Reasoning`] before, unless they are redacted.
    Thinking(Vec<Value>),
    /// A piece of a refusal, not empty.
    Refusal(String),
    /// A call of a tool begins.
    Call {
        /// Its number among the calls of this answer, from 0.
        call: u64,
        /// Its id; may be empty.
        id: String,
        /// The tool.
        name: String,
        /// More fields of the call, such as `extra_content`.
        extra: Map<String, Value>,
    },
    /// More arguments of a call, not empty.
    Arguments {
        /// The number of the call.
        call: u64,
        /// JSON, cut anywhere.
        text: String,
    },
    /// Another field of the message, such as `annotations`.
    Extra(String, Value),
    /// The answer ends: `stop`, `length`, `tool_calls`, `content_filter`, ….
    Finish(String),
}

/// Tells an answer in the form of another interface.
pub trait Writer: Send {
    /// Takes in one step.
    fn hear(&mut self, heard: Heard);

    /// The stream is whole: writes its end.
    fn end(&mut self);

    /// The stream breaks: writes the error as this interface has it. `status` is the HTTP status that the error
    /// would have had before the stream began. May be the first thing that is written.
    fn fail(&mut self, status: u16, error: &ErrorObject);

    /// The bytes of the stream that were written since the last time.
    fn take(&mut self) -> Vec<u8>;

    /// All that was heard, as the body of an answer that is no stream.
    fn whole(&mut self) -> Vec<u8>;
}

/// Reads the chunks of one stream.
#[derive(Debug, Default)]
pub struct Hearing {
    begun: bool,
    over: bool,
    /// The calls that have begun: choice and number.
    calls: Vec<(u64, u64)>,
}

impl Hearing {
    /// The steps in a run of whole events. What is no chunk is left out: a provider's stream was checked
    /// before it came here.
    pub fn events(&mut self, run: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for data in sse::data(run) {
            self.over |= sse::is_done(data);
            if let Ok(Value::Object(chunk)) = serde_json::from_slice(data) {
                self.chunk(chunk, &mut heard);
            }
        }
        heard
    }

    /// Whether the end of the stream was among them.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn chunk(&mut self, mut chunk: Map<String, Value>, heard: &mut Vec<Heard>) {
        if !self.begun {
            self.begun = true;
            let text = |name: &str| chunk.get(name).and_then(Value::as_str).unwrap_or_default();
            heard.push(Heard::Begin {
                id: text("id").to_owned(),
                model: text("model").to_owned(),
                created: chunk.get("created").and_then(Value::as_u64).unwrap_or(0),
            });
        }
        let usage = chunk.remove("usage").filter(Value::is_object);
        if let Some(Value::Array(choices)) = chunk.remove("choices") {
            for choice in choices {
                if let Value::Object(choice) = choice {
                    self.choice(choice, heard);
                }
            }
        }
        heard.extend(usage.map(Heard::Usage));
    }

    fn choice(&mut self, mut fields: Map<String, Value>, heard: &mut Vec<Heard>) {
        let choice = fields.get("index").and_then(Value::as_u64).unwrap_or(0);
        let logprobs = logprobs(fields.remove("logprobs"));
        if let Some(Value::Object(delta)) = fields.remove("delta") {
            self.message(choice, delta, logprobs, heard);
        }
        if let Some(Value::String(reason)) = fields.remove("finish_reason") {
            let what = What::Finish(reason);
            heard.push(Heard::Say { choice, what });
        }
    }

    fn message(
        &mut self,
        choice: u64,
        message: Map<String, Value>,
        mut logprobs: Vec<Value>,
        heard: &mut Vec<Heard>,
    ) {
        let mut calls = Vec::new();
        // Thoughts come first, whatever the order of the fields.
        let mut thoughts = Vec::new();
        let mut rest = Vec::new();
        for (key, value) in message {
            match (key.as_str(), value) {
                ("role", _) | (_, Value::Null) => {}
                (_, Value::String(text)) if text.is_empty() => {}
                ("content", Value::String(text)) => rest.push(What::Text {
                    text,
                    logprobs: std::mem::take(&mut logprobs),
                }),
                // One of the two names is enough.
                ("reasoning_content" | "reasoning", Value::String(text)) => {
                    if thoughts.is_empty() {
                        thoughts.push(What::Reasoning(text));
                    }
                }
                ("thinking_blocks", Value::Array(blocks)) if !blocks.is_empty() => {
                    rest.insert(0, What::Thinking(blocks));
                }
                ("refusal", Value::String(text)) => rest.push(What::Refusal(text)),
                ("tool_calls", Value::Array(list)) => calls = list,
                (_, value) => rest.push(What::Extra(key, value)),
            }
        }
        let said = thoughts.into_iter().chain(rest);
        heard.extend(said.map(|what| Heard::Say { choice, what }));
        for (position, call) in (0..).zip(calls) {
            if let Value::Object(call) = call {
                self.call(choice, position, call, heard);
            }
        }
    }

    fn call(
        &mut self,
        choice: u64,
        position: u64,
        mut fields: Map<String, Value>,
        heard: &mut Vec<Heard>,
    ) {
        let number = fields.remove("index").and_then(|index| index.as_u64());
        let call = number.unwrap_or(position);
        let text = |of: &mut Map<String, Value>, name: &str| match of.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let id = text(&mut fields, "id");
        let mut function = match fields.remove("function") {
            Some(Value::Object(function)) => function,
            _ => Map::new(),
        };
        let (name, arguments) = (
            text(&mut function, "name"),
            text(&mut function, "arguments"),
        );
        if !self.calls.contains(&(choice, call)) {
            self.calls.push((choice, call));
            fields.remove("type");
            let what = What::Call {
                call,
                id,
                name,
                extra: fields,
            };
            heard.push(Heard::Say { choice, what });
        }
        if !arguments.is_empty() {
            let what = What::Arguments {
                call,
                text: arguments,
            };
            heard.push(Heard::Say { choice, what });
        }
    }
}

fn logprobs(logprobs: Option<Value>) -> Vec<Value> {
    match logprobs {
        Some(Value::Object(mut fields)) => match fields.remove("content") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The steps of a whole answer with this id, made at that Unix time.
#[must_use]
pub fn of_answer(answer: Answer, id: &str, created: u64) -> Vec<Heard> {
    let mut heard = vec![Heard::Begin {
        id: id.to_owned(),
        model: answer.model,
        created,
    }];
    let mut hearing = Hearing {
        begun: true,
        ..Hearing::default()
    };
    for choice in answer.choices {
        let index = choice.index;
        hearing.message(index, choice.message, logprobs(choice.logprobs), &mut heard);
        let reason = choice.finish_reason.unwrap_or_else(|| "stop".to_owned());
        heard.push(Heard::Say {
            choice: index,
            what: What::Finish(reason),
        });
    }
    heard.extend(answer.usage.map(Heard::Usage));
    heard
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::chunk;

    /// Pieces put together.
    fn joined(heard: Vec<Heard>) -> Vec<Heard> {
        let mut all: Vec<Heard> = Vec::new();
        for step in heard {
            let Heard::Say { choice, what } = step else {
                all.push(step);
                continue;
            };
            if let Some(Heard::Say {
                choice: last,
                what: known,
            }) = all.last_mut()
                && *last == choice
            {
                match (known, &what) {
                    (What::Text { text, .. }, What::Text { text: more, .. })
                    | (What::Reasoning(text), What::Reasoning(more))
                    | (What::Refusal(text), What::Refusal(more)) => {
                        text.push_str(more);
                        continue;
                    }
                    (
                        What::Arguments { call, text },
                        What::Arguments {
                            call: same,
                            text: more,
                        },
                    ) if call == same => {
                        text.push_str(more);
                        continue;
                    }
                    _ => {}
                }
            }
            all.push(Heard::Say { choice, what });
        }
        all
    }

    #[test]
    fn a_stream_and_a_whole_answer_say_the_same() {
        let answer = Answer::read(
            br#"{"model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"let me see, this one is not easy at all","thinking_blocks":[{"type":"thinking","thinking":"x","signature":"s"}],"content":"The answer is forty-two, as everybody knows.","refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":""},"extra_content":{"google":1}}]},"finish_reason":"tool_calls"},{"index":1,"message":{"role":"assistant","refusal":"no"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        )
        .unwrap();
        let stream = chunk::split(&answer, "chatcmpl-1", 9, true);
        let streamed = Hearing::default().events(&stream);
        let mut streamed = joined(streamed);
        let mut whole = joined(of_answer(answer, "chatcmpl-1", 9));
        // Blocks of thought are told when they are whole.
        let key = |step: &Heard| format!("{step:?}");
        streamed.sort_by_key(key);
        whole.sort_by_key(key);
        assert_eq!(streamed, whole);
        insta::assert_debug_snapshot!(whole.len(), @"11");
    }

    #[test]
    fn servers_that_repeat_the_head_of_a_call_begin_it_once() {
        let mut hearing = Hearing::default();
        let heard = hearing.events(
            b"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"}\"}}]}}]}\n\ndata: [DONE]\n\n",
        );
        let begun = heard.iter().filter(|step| {
            matches!(
                step,
                Heard::Say {
                    what: What::Call { .. },
                    ..
                }
            )
        });
        assert_eq!(begun.count(), 1);
        assert_eq!(heard.len(), 4);
    }
}
