//! A request of which something is left out, because it is too long for a model.
//!
//! What is left out is decided elsewhere; here it is taken from the bytes and from the fields alike.
//! Invariant: a message that is not cut keeps its bytes, and so does every other field of the body.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, value::RawValue};

use super::{ChatRequest, Origin, body::write_object, write_json};
use crate::wire::strict::TopLevel;

/// Something that is left out of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// A whole message.
    Message(usize),
    /// Some of a text.
    Text {
        /// The message's position.
        message: usize,
        /// The text's position among the parts of the content; 0 where the content is a string.
        part: usize,
        /// What is there instead.
        shorter: String,
    },
}

impl Cut {
    /// The position of the message that is cut.
    #[must_use]
    pub fn message(&self) -> usize {
        match self {
            Self::Message(message) | Self::Text { message, .. } => *message,
        }
    }
}

/// Texts by their position in a message.
type Texts<'c> = BTreeMap<usize, &'c str>;

/// What becomes of a message.
#[derive(Clone)]
enum Left<'c> {
    Nothing,
    /// All of it, with these texts in the place of its own.
    With(Texts<'c>),
}

impl ChatRequest {
    /// The request without what these cuts leave out. Every other field of a message that is cut stays.
    ///
    /// A cut of a message or text that is not there changes nothing. At least one message has to stay.
    #[must_use]
    pub fn shortened(&self, cuts: &[Cut]) -> Self {
        let left = self.left_by(cuts);
        let Some(raw) = self.raw_of(&left).filter(|_| !cuts.is_empty()) else {
            return self.clone();
        };
        let messages = self.messages().iter().zip(&left);
        let messages = messages.filter_map(|(message, left)| match left {
            Left::Nothing => None,
            Left::With(texts) => Some(with_texts(message, texts)),
        });
        let mut messages = Some(Value::Array(messages.collect()));
        let fields = self.fields.iter().map(|(name, value)| {
            let new = (name == MESSAGES).then(|| messages.take()).flatten();
            (name.clone(), new.unwrap_or_else(|| value.clone()))
        });
        Self {
            raw: raw.into(),
            fields: fields.collect(),
            edited: self.edited,
            model: self.model.clone(),
            delivery: self.delivery,
            drops_unsupported: self.drops_unsupported,
            // What the client wrote is longer.
            origin: self.origin.as_ref().map(|origin| {
                Arc::new(Origin {
                    native: None,
                    interface: origin.interface,
                    only: origin.only.clone(),
                    advice: origin.advice.clone(),
                    apart: origin.apart.clone(),
                })
            }),
        }
    }

    /// What becomes of each message.
    fn left_by<'c>(&self, cuts: &'c [Cut]) -> Vec<Left<'c>> {
        let mut left = vec![Left::With(Texts::new()); self.messages().len()];
        for cut in cuts {
            match (cut, left.get_mut(cut.message())) {
                (Cut::Message(_), Some(left)) => *left = Left::Nothing,
                (Cut::Text { part, shorter, .. }, Some(Left::With(texts))) => {
                    texts.insert(*part, shorter);
                }
                (_, None) | (Cut::Text { .. }, Some(Left::Nothing)) => {}
            }
        }
        left
    }

    /// The body; `None` if it can't be read, as it could when it came.
    fn raw_of(&self, left: &[Left<'_>]) -> Option<Vec<u8>> {
        let TopLevel::<&RawValue>(fields) = serde_json::from_slice(&self.raw).ok()?;
        let at = fields.iter().position(|(name, _)| name == MESSAGES)?;
        let messages: Vec<&RawValue> = serde_json::from_str(fields.get(at)?.1.get()).ok()?;
        let mut out = Vec::with_capacity(self.raw.len());
        write_object(&mut out, &fields, |out, name, value| {
            if name == MESSAGES {
                write_messages(out, &messages, left);
            } else {
                out.extend_from_slice(value.get().as_bytes());
            }
        });
        Some(out)
    }
}

const MESSAGES: &str = "messages";
const CONTENT: &str = "content";
const TEXT: &str = "text";

/// The message with these texts in the place of its own.
fn with_texts(message: &Value, texts: &Texts<'_>) -> Value {
    let mut message = message.clone();
    match message.get_mut(CONTENT) {
        Some(content @ Value::String(_)) => replace(content, texts, 0),
        Some(Value::Array(parts)) => {
            for (position, part) in parts.iter_mut().enumerate() {
                if let Some(text) = part.get_mut(TEXT) {
                    replace(text, texts, position);
                }
            }
        }
        None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {}
    }
    message
}

fn replace(value: &mut Value, texts: &Texts<'_>, part: usize) {
    if let (Value::String(text), Some(shorter)) = (value, texts.get(&part)) {
        *text = (*shorter).to_owned();
    }
}

fn write_messages(out: &mut Vec<u8>, messages: &[&RawValue], left: &[Left<'_>]) {
    let kept = messages
        .iter()
        .zip(left)
        .filter_map(|(message, left)| match left {
            Left::Nothing => None,
            Left::With(texts) => Some((message, texts)),
        });
    write_list(out, kept, |out, (message, texts)| {
        if texts.is_empty() {
            out.extend_from_slice(message.get().as_bytes());
        } else {
            write_with(out, message, CONTENT, |out, content| {
                write_content(out, content, texts);
            });
        }
    });
}

fn write_content(out: &mut Vec<u8>, content: &RawValue, texts: &Texts<'_>) {
    // Only a list is read as one: to refuse a long text as a list costs more than to read it.
    if content.get().starts_with('[')
        && let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(content.get())
    {
        write_list(
            out,
            parts.iter().enumerate(),
            |out, (position, part)| match texts.get(&position) {
                None => out.extend_from_slice(part.get().as_bytes()),
                shorter @ Some(_) => write_with(out, part, TEXT, |out, text| {
                    write_text(out, text, shorter);
                }),
            },
        );
    } else {
        write_text(out, content, texts.get(&0));
    }
}

/// Writes a string, or what there is in its place. What is no string stays as it is.
fn write_text(out: &mut Vec<u8>, text: &RawValue, shorter: Option<&&str>) {
    match shorter {
        Some(shorter) if text.get().starts_with('"') => write_json(out, *shorter),
        Some(_) | None => out.extend_from_slice(text.get().as_bytes()),
    }
}

/// Writes an object, the field `name` as `write` does. What is no object stays as it is.
fn write_with(
    out: &mut Vec<u8>,
    object: &RawValue,
    name: &str,
    mut write: impl FnMut(&mut Vec<u8>, &RawValue),
) {
    let is_object = object.get().starts_with('{');
    let fields = is_object.then(|| serde_json::from_str(object.get()));
    let Some(Ok(TopLevel::<&RawValue>(fields))) = fields else {
        out.extend_from_slice(object.get().as_bytes());
        return;
    };
    write_object(out, &fields, |out, other, value| {
        if other == name {
            write(out, value);
        } else {
            out.extend_from_slice(value.get().as_bytes());
        }
    });
}

fn write_list<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}
