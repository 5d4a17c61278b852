//! One block of an answer: what it says in all, and how much of that was told.

use serde_json::{Map, Value, json};

use super::json_end::JsonEnd;

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// Whether nothing is added to it any more.
    pub(super) is_closed: bool,
    /// Whether the stream has begun it.
    is_begun: bool,
    /// How many bytes of its text the stream has told.
    told: usize,
}

/// What a thought says behind what was signed of it: it is of the next block.
#[derive(Debug, PartialEq)]
pub(super) enum Rest {
    None,
    /// The stream can still tell it in a block of its own.
    Untold(String),
    /// The stream has told it in the same block.
    Told(String),
}

/// What a block is.
#[derive(Debug)]
pub(super) enum Kind {
    Text(String),
    Thinking {
        thinking: String,
        /// Empty if nobody signed it.
        signature: String,
    },
    Redacted(String),
    Call {
        /// Its number among the calls.
        call: u64,
        id: String,
        name: String,
        /// JSON, as far as it came.
        arguments: String,
        end: JsonEnd,
    },
}

impl Kind {
    pub(super) fn thinking(thinking: String, signature: String) -> Self {
        Self::Thinking {
            thinking,
            signature,
        }
    }

    pub(super) fn call(call: u64, id: String, name: String) -> Self {
        Self::Call {
            call,
            id,
            name,
            arguments: String::new(),
            end: JsonEnd::default(),
        }
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self, Self::Call { .. })
    }

    pub(super) fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking { .. })
    }

    pub(super) fn is_thought(&self) -> bool {
        matches!(self, Self::Thinking { .. } | Self::Redacted(_))
    }

    /// Whether more arguments may come.
    pub(super) fn is_call_without_end(&self) -> bool {
        matches!(self, Self::Call { end, .. } if !end.is_over())
    }

    /// What a stream tells bit by bit, and the field and the kind of the bits.
    fn text(&self) -> Option<(&str, &'static str, &'static str)> {
        match self {
            Self::Text(text) => Some((text, "text_delta", "text")),
            Self::Thinking { thinking, .. } => Some((thinking, "thinking_delta", "thinking")),
            Self::Call { arguments, .. } => Some((arguments, "input_json_delta", "partial_json")),
            Self::Redacted(_) => None,
        }
    }
}

impl Block {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            is_closed: false,
            is_begun: false,
            told: 0,
        }
    }

    pub(super) fn is_call(&self, number: u64) -> bool {
        matches!(self.kind, Kind::Call { call, .. } if call == number)
    }

    /// Adds to the arguments of a call. What comes behind their end says nothing.
    pub(super) fn arguments(&mut self, text: &str) {
        if let Kind::Call { arguments, end, .. } = &mut self.kind
            && !end.is_over()
        {
            arguments.push_str(text);
            end.read(text);
        }
    }

    /// Whether it is a thought that nobody signed.
    pub(super) fn is_unsigned(&self) -> bool {
        matches!(&self.kind, Kind::Thinking { signature, .. } if signature.is_empty())
    }

    pub(super) fn says(&self, text: &str) -> bool {
        matches!(&self.kind, Kind::Thinking { thinking, .. } if thinking == text)
    }

    /// Signs a thought, and closes it. `text` is what was signed.
    pub(super) fn sign(&mut self, text: &str, by: &str) -> Rest {
        self.is_closed = true;
        let Kind::Thinking {
            thinking,
            signature,
        } = &mut self.kind
        else {
            return Rest::None;
        };
        by.clone_into(signature);
        match thinking.strip_prefix(text) {
            _ if text.is_empty() => Rest::None,
            None | Some("") => Rest::None,
            Some(rest) if self.told > text.len() => Rest::Told(rest.to_owned()),
            Some(_) => Rest::Untold(thinking.split_off(text.len())),
        }
    }

    /// Tells what was not told yet, as the block number `index` of a stream.
    pub(super) fn tell(&mut self, index: usize, mut event: impl FnMut(&Value)) {
        if !self.is_begun {
            self.is_begun = true;
            let start = match &self.kind {
                Kind::Text(_) => json!({"type": "text", "text": ""}),
                Kind::Thinking { .. } => {
                    json!({"type": "thinking", "thinking": "", "signature": ""})
                }
                Kind::Redacted(_) => self.whole(),
                Kind::Call { id, name, .. } => {
                    json!({"type": "tool_use", "id": id, "name": name, "input": {}})
                }
            };
            event(&json!({"type": "content_block_start", "index": index, "content_block": start}));
        }
        let delta =
            |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        if let Some((text, kind, field)) = self.kind.text() {
            let more = text.get(self.told..).unwrap_or_default();
            if !more.is_empty() {
                event(&delta(json!({"type": kind, field: more})));
                self.told = text.len();
            }
        }
        if let Kind::Thinking { signature, .. } = &self.kind
            && self.is_closed
        {
            event(&delta(
                json!({"type": "signature_delta", "signature": signature}),
            ));
        }
    }

    /// All of it.
    pub(super) fn whole(&self) -> Value {
        match &self.kind {
            Kind::Text(text) => json!({"type": "text", "text": text}),
            Kind::Thinking {
                thinking,
                signature,
            } => json!({"type": "thinking", "thinking": thinking, "signature": signature}),
            Kind::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
            Kind::Call {
                id,
                name,
                arguments,
                ..
            } => json!({"type": "tool_use", "id": id, "name": name, "input": input(arguments)}),
        }
    }
}

/// What a model wrote as the arguments of a call. What is no object is wrapped, as Anthropic's documentation has
/// it for invalid JSON.
pub(super) fn input(arguments: &str) -> Map<String, Value> {
    if arguments.trim().is_empty() {
        return Map::new();
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(input)) => input,
        Ok(Value::Null) => Map::new(),
        Ok(_) | Err(_) => Map::from_iter([("INVALID_JSON".to_owned(), json!(arguments))]),
    }
}
