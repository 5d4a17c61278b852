//! What Anthropic says, event by event.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/streaming>, `…/handling-stop-reasons`
//! (seen 2026-11). A whole answer is read as the stream that would have told it.
//!
//! | state | event | what is told; next state |
//! |---|---|---|
//! | waiting | `message_start` | id, model, tokens; speaking |
//! | speaking | `content_block_start` | a call, a first piece of text or thought; the block is open |
//! | speaking | `content_block_delta` | a piece of the open block |
//! | speaking | `content_block_stop` | a thought with its signature; no block is open |
//! | speaking | `message_delta` | tokens; why it ends is remembered |
//! | speaking | `message_stop` after a reason | tokens, the end; ended |
//! | any | `error` | broken |
//! | any | `ping`, unknown | nothing |
//! | any other | any other | broken |
//!
//! | `stop_reason` | `finish_reason` |
//! |---|---|
//! | `end_turn`, `stop_sequence`, `pause_turn` | `stop` |
//! | `tool_use` | `tool_calls`; `stop` where the call was the answer itself |
//! | `max_tokens`, `model_context_window_exceeded`, unknown ones | `length`: not known to be complete |
//! | `refusal` | `content_filter`, the explanation as `refusal` |

use serde_json::{Map, Value, json};

use super::{
    failure::{failure, reported},
    wire::{Answer, Delta, End, Event as Sent, Head, Said as Block, Tokens},
};
use crate::{
    provider::dialect::{Broken, Reader},
    wire::said::{Counts, Event, Finish, Said},
};

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Reading {
    /// The tool whose input is the text of the answer.
    answer_tool: Option<String>,
    state: State,
    open: Option<(u64, Open)>,
    tokens: Tokens,
    finish: Option<Finish>,
    called: bool,
    /// Whether there was a block of one of Anthropic's own tools.
    at_work: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Speaking,
    Ended,
}

/// The block that is being told.
#[derive(Debug)]
enum Open {
    Text,
    Thought {
        thinking: String,
        signature: String,
    },
    /// A call, or the answer in place of one; with its input, for as long as no piece of it came.
    Input {
        is_answer: bool,
        input: Option<Map<String, Value>>,
    },
    Other,
}

impl Reading {
    pub(super) fn new(answer_tool: Option<String>) -> Self {
        Self {
            answer_tool,
            state: State::Waiting,
            open: None,
            tokens: Tokens::default(),
            finish: None,
            called: false,
            at_work: false,
        }
    }

    fn begin(&mut self, head: Head, told: &mut Vec<Event>) -> Result<(), Broken> {
        if self.state != State::Waiting {
            return Err(unreadable("a second `message_start`"));
        }
        self.state = State::Speaking;
        told.push(Event::Begin {
            id: head.id,
            model: head.model,
        });
        self.count(head.usage, told);
        Ok(())
    }

    fn start(&mut self, index: u64, block: Block, told: &mut Vec<Event>) -> Result<(), Broken> {
        if self.state != State::Speaking || self.open.is_some() {
            return Err(unreadable("a `content_block_start` out of place"));
        }
        let open = match block {
            Block::Text { text } => {
                say_some(Said::text(text), told);
                Open::Text
            }
            Block::Thinking {
                thinking,
                signature,
            } => {
                say_some(Said::Reasoning(thinking.clone()), told);
                Open::Thought {
                    thinking,
                    signature,
                }
            }
            Block::RedactedThinking { data } => {
                say(
                    thought(&json!({"type": "redacted_thinking", "data": data})),
                    told,
                );
                Open::Other
            }
            Block::ToolUse { name, .. } if name.is_empty() => {
                return Err(unreadable("a `tool_use` without a name"));
            }
            Block::ToolUse { id, name, input } => {
                let is_answer = self.answer_tool.as_ref() == Some(&name);
                if !is_answer {
                    self.called = true;
                    let call = Said::Call {
                        id: Some(id).filter(|id| !id.is_empty()),
                        name,
                        arguments: String::new(),
                        extra: Map::new(),
                    };
                    say(call, told);
                }
                Open::Input {
                    is_answer,
                    input: Some(input.unwrap_or_default()),
                }
            }
            Block::Other => {
                self.at_work = true;
                Open::Other
            }
        };
        self.open = Some((index, open));
        Ok(())
    }

    fn go_on(&mut self, index: u64, delta: Delta, told: &mut Vec<Event>) -> Result<(), Broken> {
        let Some((_, open)) = self.open.as_mut().filter(|(open, _)| *open == index) else {
            return Err(unreadable(
                "a `content_block_delta` of a block that is not open",
            ));
        };
        match (open, delta) {
            (Open::Text, Delta::Text { text }) => say_some(Said::text(text), told),
            (Open::Thought { thinking, .. }, Delta::Thinking { thinking: more }) => {
                thinking.push_str(&more);
                say_some(Said::Reasoning(more), told);
            }
            (Open::Thought { signature, .. }, Delta::Signature { signature: more }) => {
                signature.push_str(&more);
            }
            (Open::Input { is_answer, input }, Delta::InputJson { partial_json }) => {
                if !partial_json.is_empty() {
                    *input = None;
                    say(piece_of(*is_answer, partial_json), told);
                }
            }
            (Open::Other, _) | (_, Delta::Other) => {}
            (Open::Text | Open::Thought { .. } | Open::Input { .. }, _) => {
                return Err(unreadable(
                    "a `content_block_delta` of another kind than its block",
                ));
            }
        }
        Ok(())
    }

    fn stop(&mut self, index: u64, told: &mut Vec<Event>) -> Result<(), Broken> {
        let Some((_, open)) = self.open.take_if(|(open, _)| *open == index) else {
            return Err(unreadable(
                "a `content_block_stop` of a block that is not open",
            ));
        };
        match open {
            // Without a signature it can't be given back.
            Open::Thought {
                thinking,
                signature,
            } if !signature.is_empty() => {
                let block = json!({
                    "type": "thinking", "thinking": thinking, "signature": signature,
                });
                say(thought(&block), told);
            }
            Open::Input {
                is_answer,
                input: Some(input),
            } => say(piece_of(is_answer, Value::Object(input).to_string()), told),
            Open::Text | Open::Thought { .. } | Open::Input { .. } | Open::Other => {}
        }
        Ok(())
    }

    fn close(
        &mut self,
        end: End,
        usage: Option<Tokens>,
        told: &mut Vec<Event>,
    ) -> Result<(), Broken> {
        if self.state != State::Speaking {
            return Err(unreadable("a `message_delta` out of place"));
        }
        self.count(usage, told);
        if let Some(reason) = end.stop_reason {
            self.finish = Some(self.finish_of(&reason));
            let why = end.stop_details.and_then(|details| details.explanation);
            if let Some(why) = why.filter(|why| reason == "refusal" && !why.is_empty()) {
                say(Said::Refusal(why), told);
            }
        }
        Ok(())
    }

    fn finish_of(&self, reason: &str) -> Finish {
        match reason {
            "end_turn" | "stop_sequence" | "pause_turn" => Finish::Stop,
            "tool_use" if self.called => Finish::ToolCalls,
            "tool_use" => Finish::Stop,
            "refusal" => Finish::ContentFilter,
            _ => Finish::Length,
        }
    }

    fn finish(&mut self, told: &mut Vec<Event>) -> Result<(), Broken> {
        let Some(finish) = self.finish.filter(|_| self.state == State::Speaking) else {
            return Err(unreadable("a `message_stop` without a `stop_reason`"));
        };
        if self.open.is_some() {
            return Err(unreadable("a `message_stop` inside a block"));
        }
        self.state = State::Ended;
        say(Said::Finish(finish), told);
        Ok(())
    }

    /// Takes in a count; Anthropic's are of all so far, and without the cached ones.
    fn count(&mut self, usage: Option<Tokens>, told: &mut Vec<Event>) {
        let Some(usage) = usage else { return };
        let now = &mut self.tokens;
        for (known, new) in [
            (&mut now.input_tokens, usage.input_tokens),
            (&mut now.output_tokens, usage.output_tokens),
            (
                &mut now.cache_read_input_tokens,
                usage.cache_read_input_tokens,
            ),
            (
                &mut now.cache_creation_input_tokens,
                usage.cache_creation_input_tokens,
            ),
        ] {
            *known = new.or(*known);
        }
        now.output_tokens_details = usage.output_tokens_details.or(now.output_tokens_details);
        let (read, written) = (now.cache_read_input_tokens, now.cache_creation_input_tokens);
        let fresh = now.input_tokens.unwrap_or(0);
        told.push(Event::Usage(Counts {
            prompt: fresh
                .saturating_add(read.unwrap_or(0))
                .saturating_add(written.unwrap_or(0)),
            completion: now.output_tokens.unwrap_or(0),
            cached: read,
            cache_written: written,
            reasoning: now
                .output_tokens_details
                .and_then(|details| details.thinking_tokens),
        }));
    }
}

impl Reader for Reading {
    fn whole(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        let answer: Answer = match serde_json::from_slice(body) {
            Ok(answer) => answer,
            Err(error) => {
                let body = serde_json::from_slice(body).ok();
                return Err(match body.and_then(reported) {
                    Some(failure) => Broken::Reported(failure),
                    None => unreadable(&format!("not a message: {error}")),
                });
            }
        };
        self.begin(answer.head, told)?;
        for (index, block) in (0..).zip(answer.content) {
            self.start(index, block, told)?;
            self.stop(index, told)?;
        }
        self.close(answer.end, None, told)?;
        self.finish(told)
    }

    fn event(&mut self, data: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        let event = serde_json::from_slice(data)
            .map_err(|error| unreadable(&format!("not an event of a message: {error}")))?;
        match event {
            Sent::Error { error } => Err(Broken::Reported(failure(None, error))),
            Sent::Other => Ok(()),
            _ if self.state == State::Ended => Err(unreadable("an event after `message_stop`")),
            Sent::MessageStart { message } => self.begin(message, told),
            Sent::ContentBlockStart {
                index,
                content_block,
            } => self.start(index, content_block, told),
            Sent::ContentBlockDelta { index, delta } => self.go_on(index, delta, told),
            Sent::ContentBlockStop { index } => self.stop(index, told),
            Sent::MessageDelta { delta, usage } => self.close(delta, usage, told),
            Sent::MessageStop => self.finish(told),
        }
    }

    fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    fn is_at_work(&self) -> bool {
        self.at_work
    }

    fn end(&mut self, _told: &mut Vec<Event>) -> Result<(), Broken> {
        if self.state == State::Ended {
            Ok(())
        } else {
            Err(unreadable("a stream without `message_stop`"))
        }
    }
}

fn unreadable(what: &str) -> Broken {
    Broken::Unreadable(what.to_owned())
}

fn say(said: Said, told: &mut Vec<Event>) {
    told.push(Event::Say { choice: 0, said });
}

/// Says it, unless it is empty.
fn say_some(said: Said, told: &mut Vec<Event>) {
    if said.is_something() {
        say(said, told);
    }
}

fn piece_of(is_answer: bool, json: String) -> Said {
    if is_answer {
        Said::text(json)
    } else {
        Said::Arguments(json)
    }
}

fn thought(block: &Value) -> Said {
    let blocks = json!([block]);
    Said::Extra(Map::from_iter([("thinking_blocks".to_owned(), blocks)]))
}
