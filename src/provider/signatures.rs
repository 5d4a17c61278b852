//! What providers want back word for word with a tool call, and clients lose: Gemini's thought
//! signatures, Anthropic's thinking blocks.
//!
//! Kept in memory for half an hour by the id of the call, so that the next turn can have them again.
//! Invariant: they come back only to the scope that they were made for, to a call with the same id, tool
//! and arguments.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use serde_json::{Map, Value};

use crate::{
    policy::identity::Scope,
    wire::{
        ask::{Ask, Turn},
        said::{Event, Said},
    },
};

/// How long they are kept: the time that the tools of one turn take.
const KEPT: Duration = Duration::from_secs(30 * 60);
/// How much is kept, in bytes.
const MOST_BYTES: u64 = 16 << 20;
/// The memory; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Signatures(Cache<[u8; 32], Arc<Signed>>);

/// What belongs to one call.
#[derive(Debug, Default, Clone)]
struct Signed {
    /// The call's own `extra_content`.
    extra_content: Option<Value>,
    /// The message's `thinking_blocks`.
    thinking: Vec<Value>,
}

impl Signed {
    fn weight(&self) -> u32 {
        let text = |value: &Value| value.to_string().len();
        let bytes = self.extra_content.as_ref().map_or(0, text)
            + self.thinking.iter().map(text).sum::<usize>();
        u32::try_from(bytes + 128).unwrap_or(u32::MAX)
    }
}

impl Signatures {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(MOST_BYTES)
            .weigher(|_, signed: &Arc<Signed>| signed.weight())
            .time_to_live(KEPT);
        Self(cache.build())
    }

    /// Gives the calls in `ask` back what they had, where the client has not sent it.
    pub(super) fn restore(&self, scope: Option<Scope>, ask: &mut Ask) {
        let Some(scope) = scope else { return };
        for turn in &mut ask.turns {
            let Turn::Assistant(assistant) = turn else {
                continue;
            };
            for call in &mut assistant.calls {
                let Some(signed) = self
                    .0
                    .get(&key(scope, &call.id, &call.name, &call.arguments))
                else {
                    continue;
                };
                if let Some(extra) = &signed.extra_content {
                    let entry = call.extra.entry("extra_content");
                    entry.or_insert_with(|| extra.clone());
                }
                if assistant.thinking.is_empty() {
                    assistant.thinking.clone_from(&signed.thinking);
                }
            }
        }
    }

    /// Listens to one answer.
    pub(super) fn listener(&self, scope: Option<Scope>) -> Listener {
        Listener {
            scope,
            memory: self.clone(),
            choices: Vec::new(),
        }
    }
}

/// Collects what one answer signs, and keeps it at the end of each choice.
#[derive(Debug)]
pub(super) struct Listener {
    scope: Option<Scope>,
    memory: Signatures,
    choices: Vec<(u64, Heard)>,
}

#[derive(Debug, Default)]
struct Heard {
    calls: Vec<(String, String, String, Option<Value>)>,
    thinking: Vec<Value>,
}

impl Listener {
    pub(super) fn hear(&mut self, event: &Event) {
        let Event::Say { choice, said } = event else {
            return;
        };
        let place = self.choices.iter().position(|(known, _)| known == choice);
        let heard = match place.and_then(|place| self.choices.get_mut(place)) {
            Some((_, heard)) => heard,
            None if matches!(said, Said::Call { .. } | Said::Extra(_)) => {
                self.choices.push((*choice, Heard::default()));
                return self.hear(event);
            }
            None => return,
        };
        match said {
            Said::Call {
                id: Some(id),
                name,
                arguments,
                extra,
            } => {
                let extra = extra.get("extra_content").cloned();
                heard
                    .calls
                    .push((id.clone(), name.clone(), arguments.clone(), extra));
            }
            Said::Arguments(more) => {
                if let Some((_, _, arguments, _)) = heard.calls.last_mut() {
                    arguments.push_str(more);
                }
            }
            Said::Extra(fields) => heard.thinking.extend(thinking_of(fields)),
            Said::Finish(_) => {
                if let Some(scope) = self.scope {
                    heard.keep(scope, &self.memory);
                }
            }
            Said::Text { .. }
            | Said::Reasoning(_)
            | Said::Refusal(_)
            | Said::Call { id: None, .. } => {}
        }
    }
}

impl Heard {
    fn keep(&mut self, scope: Scope, memory: &Signatures) {
        let thinking = std::mem::take(&mut self.thinking);
        for (id, name, arguments, extra_content) in self.calls.drain(..) {
            if extra_content.is_some() || !thinking.is_empty() {
                let signed = Signed {
                    extra_content,
                    thinking: thinking.clone(),
                };
                memory
                    .0
                    .insert(key(scope, &id, &name, &arguments), Arc::new(signed));
            }
        }
    }
}

fn thinking_of(fields: &Map<String, Value>) -> Vec<Value> {
    let blocks = fields.get("thinking_blocks").and_then(Value::as_array);
    blocks.cloned().unwrap_or_default()
}

/// Arguments count by what they say: clients write them anew.
fn key(scope: Scope, id: &str, name: &str, arguments: &str) -> [u8; 32] {
    let arguments = match serde_json::from_str::<Value>(arguments) {
        Ok(mut value) => {
            value.sort_all_objects();
            value.to_string()
        }
        Err(_) if arguments.trim().is_empty() => "{}".to_owned(),
        Err(_) => arguments.to_owned(),
    };
    let mut hasher = blake3::Hasher::new_keyed(&scope.bytes());
    for text in [id, name, &arguments] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
