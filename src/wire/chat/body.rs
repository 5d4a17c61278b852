//! The body of a request as a provider gets it.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::{
    ChatRequest,
    edit::{Change, Edit},
    write_json,
};
use crate::wire::strict::TopLevel;

/// A body to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestBody {
    /// The JSON.
    pub bytes: Bytes,
    /// What the client wrote and an [`Edit`] left out, as paths (`logprobs`, `messages[].name`).
    pub dropped: Vec<String>,
}

/// The fields of an object in their order, with the bytes of their values.
type Fields<'r> = Vec<(String, &'r RawValue)>;

impl ChatRequest {
    /// The body for a provider that calls the model `model` and wants these edits, which are made one
    /// after another: the client's own bytes if they can stay. Otherwise only what has to change
    /// does; every other value keeps its bytes and its place.
    #[must_use]
    pub fn body_for(&self, model: &str, edits: &[&Edit]) -> RequestBody {
        // The first edit that changes anything finds the request as it is.
        let untouched = !self.edited
            && self.model == model
            && !edits.iter().any(|edit| self.is_touched_by(edit));
        if untouched {
            return self.unchanged();
        }
        let Ok(TopLevel::<&RawValue>(mut fields)) = serde_json::from_slice(&self.raw) else {
            return self.unchanged();
        };
        fields.retain(|(name, _)| self.fields.contains_key(name));
        let mut dropped = Vec::new();
        for edit in edits {
            make(edit, &mut fields, &mut dropped);
        }
        let messages = Messages::of(edits);
        let mut bytes = Vec::with_capacity(self.raw.len() + model.len());
        write_object(&mut bytes, &fields, |out, name, value| match name {
            "model" if self.model != model => write_json(out, model),
            "messages" => messages.write(out, value, self.messages(), &mut dropped),
            _ => out.extend_from_slice(value.get().as_bytes()),
        });
        RequestBody {
            bytes: bytes.into(),
            dropped,
        }
    }

    fn unchanged(&self) -> RequestBody {
        RequestBody {
            bytes: self.raw.clone(),
            dropped: Vec::new(),
        }
    }

    fn is_touched_by(&self, edit: &Edit) -> bool {
        let mut messages = self.messages().iter();
        match &edit.0 {
            Change::Drop(name) | Change::Rename { from: name, .. } => {
                self.fields.contains_key(name)
            }
            Change::DropInMessages(name) => messages.any(|message| message.get(name).is_some()),
            Change::DeveloperAsSystem => messages.any(is_of_developer),
        }
    }
}

fn make(edit: &Edit, fields: &mut Fields<'_>, dropped: &mut Vec<String>) {
    match &edit.0 {
        Change::Drop(name) => {
            for (_, value) in fields.extract_if(.., |(other, _)| other == name) {
                note(dropped, name.clone(), value);
            }
        }
        Change::Rename { from, to } => {
            let Some(old) = fields.iter().position(|(name, _)| name == from) else {
                return;
            };
            let new = fields.iter().position(|(name, _)| name == to);
            match new.map(|new| (new, fields.get(new))) {
                // `null` says the same as nothing, so it does not hide what the old name says.
                Some((new, Some((_, value)))) if is_null(value) => {
                    rename(fields, old, to);
                    fields.remove(new);
                }
                Some(_) => {
                    fields.remove(old);
                }
                None => rename(fields, old, to),
            }
        }
        Change::DropInMessages(_) | Change::DeveloperAsSystem => {}
    }
}

fn rename(fields: &mut Fields<'_>, at: usize, to: &str) {
    if let Some((name, _)) = fields.get_mut(at) {
        to.clone_into(name);
    }
}

/// Notes that a field is gone; one that said `null` is not missed.
fn note(dropped: &mut Vec<String>, path: String, value: &RawValue) {
    if !is_null(value) && !dropped.contains(&path) {
        dropped.push(path);
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// What is changed in the messages.
struct Messages<'e> {
    drop: Vec<&'e str>,
    developer_as_system: bool,
}

impl<'e> Messages<'e> {
    fn of(edits: &[&'e Edit]) -> Self {
        let drop = edits.iter().filter_map(|edit| match &edit.0 {
            Change::DropInMessages(name) => Some(name.as_str()),
            Change::Drop(_) | Change::Rename { .. } | Change::DeveloperAsSystem => None,
        });
        Self {
            drop: drop.collect(),
            developer_as_system: edits.iter().any(|edit| edit.0 == Change::DeveloperAsSystem),
        }
    }

    fn touches(&self, message: &Value) -> bool {
        (self.developer_as_system && is_of_developer(message))
            || self.drop.iter().any(|name| message.get(name).is_some())
    }

    /// Writes the list `raw`, of which `read` is what it says.
    fn write(&self, out: &mut Vec<u8>, raw: &RawValue, read: &[Value], dropped: &mut Vec<String>) {
        let list = if read.iter().any(|message| self.touches(message)) {
            serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default()
        } else {
            Vec::new()
        };
        if list.len() != read.len() {
            out.extend_from_slice(raw.get().as_bytes());
            return;
        }
        out.push(b'[');
        for (position, (raw, message)) in list.into_iter().zip(read).enumerate() {
            if position > 0 {
                out.push(b',');
            }
            match serde_json::from_str(raw.get()) {
                Ok(TopLevel::<&RawValue>(fields)) if self.touches(message) => {
                    self.write_one(out, fields, dropped);
                }
                _ => out.extend_from_slice(raw.get().as_bytes()),
            }
        }
        out.push(b']');
    }

    fn write_one(&self, out: &mut Vec<u8>, mut fields: Fields<'_>, dropped: &mut Vec<String>) {
        for (name, value) in fields.extract_if(.., |(name, _)| self.drop.contains(&name.as_str())) {
            note(dropped, format!("messages[].{name}"), value);
        }
        write_object(out, &fields, |out, name, value| {
            let is_developer = name == "role"
                && self.developer_as_system
                && serde_json::from_str::<String>(value.get()).is_ok_and(|role| role == DEVELOPER);
            if is_developer {
                write_json(out, "system");
            } else {
                out.extend_from_slice(value.get().as_bytes());
            }
        });
    }
}

const DEVELOPER: &str = "developer";

fn is_of_developer(message: &Value) -> bool {
    message.get("role").is_some_and(|role| role == DEVELOPER)
}

pub(in crate::wire) fn write_object(
    out: &mut Vec<u8>,
    fields: &[(String, &RawValue)],
    mut write: impl FnMut(&mut Vec<u8>, &str, &RawValue),
) {
    out.push(b'{');
    for (position, (name, value)) in fields.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_json(out, name);
        out.push(b':');
        write(out, name, value);
    }
    out.push(b'}');
}
