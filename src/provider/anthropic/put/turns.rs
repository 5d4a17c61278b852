//! The conversation: instructions to the top, turns that take turns, results before words.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages> (seen 2026-11). Anthropic refuses empty
//! texts, a conversation that does not begin with the user, results that do not come first in the turn
//! after their calls; newer models refuse one that ends with the model.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    super::wire::{Block, Message, Role},
    content::{Speaker, block},
    ids::Ids,
};
use crate::{
    provider::echoes::{self, cache_mark},
    wire::ask::{Assistant, Cannot, Part, Spoken, ToolResult, Turn, Unable},
};

/// Stands before a conversation that begins with the assistant.
const BEGIN: &str = "(The conversation begins with the assistant.)";
/// Stands behind one that ends with it, where the model can't go on with its own words.
const GO_ON: &str = "(Go on.)";

/// How turns are put.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether the model is given its earlier thoughts.
    pub(super) thoughts: bool,
    /// Whether it can go on with its own words at the end.
    pub(super) prefill: bool,
}

/// The instructions and the turns of a conversation.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) messages: Vec<Message<'a>>,
    /// Whether thoughts are among them.
    pub(super) has_thoughts: bool,
}

impl<'a> Turns<'a> {
    pub(super) fn put(
        turns: &'a [Turn],
        manner: Manner,
        cannot: &mut Cannot,
    ) -> Result<Self, Unable> {
        echoes::refuse_unknown(turns, cannot)?;
        let mut put = Self::default();
        let mut ids = Ids::default();
        for turn in turns {
            match turn {
                Turn::System(spoken) => {
                    put.system.extend(said(spoken, Speaker::System, cannot)?);
                }
                Turn::User(spoken) => {
                    put.say(Role::User, said(spoken, Speaker::User, cannot)?);
                }
                Turn::Assistant(assistant) => {
                    let said = put.assistant(assistant, manner, &mut ids, cannot)?;
                    put.say(Role::Assistant, said);
                }
                Turn::Tool(result) => {
                    let result = tool_result(result, &ids, cannot)?;
                    put.say(Role::User, vec![result]);
                }
            }
        }
        // Instructions alone are all that there is to answer.
        if put.messages.is_empty() {
            let instructions = std::mem::take(&mut put.system);
            put.say(Role::User, instructions);
        }
        if put.messages.is_empty() {
            let message = "`messages` needs a message that is not empty";
            return Err(Unable::invalid("messages", message));
        }
        put.borders(manner);
        Ok(put)
    }

    /// Adds blocks to the turn of `role`, which is a new one if another spoke last.
    fn say(&mut self, role: Role, blocks: Vec<Block<'a>>) {
        if blocks.is_empty() {
            return;
        }
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.content.extend(blocks),
            _ => self.messages.push(Message {
                role,
                content: blocks,
            }),
        }
    }

    fn assistant(
        &mut self,
        assistant: &'a Assistant,
        manner: Manner,
        ids: &mut Ids<'a>,
        cannot: &mut Cannot,
    ) -> Result<Vec<Block<'a>>, Unable> {
        let mut said = Vec::new();
        if manner.thoughts {
            said.extend(thoughts(assistant).map(Block::Thought));
            self.has_thoughts |= !said.is_empty();
        }
        said.extend(blocks(&assistant.parts, Speaker::Assistant, cannot)?);
        ids.turn();
        for call in &assistant.calls {
            said.push(Block::ToolUse {
                id: ids.call(&call.id),
                name: &call.name,
                input: call.arguments_object(),
            });
        }
        // A turn of thoughts alone is refused.
        if said.iter().all(|block| matches!(block, Block::Thought(_))) {
            said.clear();
        }
        mark_last(&mut said, &assistant.extra);
        Ok(said)
    }

    /// Sees to the first and the last turn.
    fn borders(&mut self, manner: Manner) {
        if self
            .messages
            .first()
            .is_some_and(|first| first.role == Role::Assistant)
        {
            let begin = Message {
                role: Role::User,
                content: vec![Block::text(BEGIN)],
            };
            self.messages.insert(0, begin);
        }
        let Some(last) = self.messages.last_mut() else {
            return;
        };
        if last.role == Role::Assistant && !manner.prefill {
            self.say(Role::User, vec![Block::text(GO_ON)]);
        } else if last.role == Role::Assistant
            && let Some(Block::Text { text, .. }) = last.content.last_mut()
        {
            // White space at the very end is refused.
            let end = text.trim_end().len();
            match text {
                Cow::Borrowed(text) => *text = text.get(..end).unwrap_or_default(),
                Cow::Owned(text) => text.truncate(end),
            }
        }
    }
}

fn said<'a>(
    spoken: &'a Spoken,
    speaker: Speaker,
    cannot: &mut Cannot,
) -> Result<Vec<Block<'a>>, Unable> {
    let mut blocks = blocks(&spoken.parts, speaker, cannot)?;
    mark_last(&mut blocks, &spoken.extra);
    Ok(blocks)
}

/// Puts the mark of a message on the last of its blocks that can have one.
fn mark_last<'a>(blocks: &mut [Block<'a>], extra: &'a Map<String, Value>) {
    let slot = blocks.iter_mut().rev().find_map(Block::mark);
    if let (Some(slot), Some(mark)) = (slot, cache_mark(extra)) {
        slot.get_or_insert(Cow::Borrowed(mark));
    }
}

fn blocks<'a>(
    parts: &'a [Part],
    speaker: Speaker,
    cannot: &mut Cannot,
) -> Result<Vec<Block<'a>>, Unable> {
    let blocks = parts.iter().map(|part| block(part, speaker, cannot));
    blocks.filter_map(Result::transpose).collect()
}

/// The thoughts that came from Anthropic, and can go back there.
pub(super) fn thoughts(assistant: &Assistant) -> impl Iterator<Item = &Value> {
    assistant.thinking.iter().filter(|block| {
        let has = |field: &str| block.get(field).is_some_and(Value::is_string);
        let is_signed = || block.get("signature").and_then(Value::as_str) != Some("");
        match block.get("type").and_then(Value::as_str) {
            Some("thinking") => has("thinking") && has("signature") && is_signed(),
            Some("redacted_thinking") => has("data"),
            Some(_) | None => false,
        }
    })
}

fn tool_result<'a>(
    result: &'a ToolResult,
    ids: &Ids<'a>,
    cannot: &mut Cannot,
) -> Result<Block<'a>, Unable> {
    let mark = result
        .parts
        .iter()
        .rev()
        .find_map(|part| part.cache_control.as_ref())
        .or_else(|| cache_mark(&result.extra));
    Ok(Block::ToolResult {
        tool_use_id: ids.result(&result.call_id),
        content: blocks(&result.parts, Speaker::Tool, cannot)?,
        cache_control: mark.map(Cow::Borrowed),
    })
}
