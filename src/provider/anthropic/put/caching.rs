//! Marks for Anthropic's prompt cache.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/prompt-caching> (seen 2026-11). A mark
//! says: keep everything up to here, in the order tools, instructions, turns. What is kept costs a quarter
//! more once and a tenth from then on. Nothing shorter than 512 to 4096 tokens, by model, is kept; hence
//! [`LEAST_BYTES`], which is that much in English. A request has at most [`MOST_MARKS`].

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::super::wire::{Block, Mark, Request, Role, Source};

/// The most marks that a request may have.
const MOST_MARKS: usize = 4;
/// What is worth keeping, in bytes.
const LEAST_BYTES: usize = 16 << 10;

/// Marks what is long and will come again, if the client marks nothing: the tools and the instructions, and
/// in a conversation that has gone on for a while, its last turn.
pub(super) fn mark(request: &mut Request<'_>) {
    if request.cache_control.is_some() || marks(request).iter().any(|mark| mark.is_some()) {
        return;
    }
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.description.map_or(0, str::len) + json_bytes(&tool.input_schema));
    let stable = tools.sum::<usize>() + request.system.iter().map(block_bytes).sum::<usize>();
    if stable >= LEAST_BYTES {
        let last_tool = request.tools.last_mut().map(|tool| &mut tool.cache_control);
        let last_system = request.system.last_mut().and_then(Block::mark);
        for slot in [last_tool, last_system].into_iter().flatten() {
            *slot = Some(Cow::Owned(json!({"type": "ephemeral"})));
        }
    }
    let goes_on = request
        .messages
        .iter()
        .any(|message| message.role == Role::Assistant);
    let turns = request.messages.iter().flat_map(|message| &message.content);
    if goes_on
        && stable + turns.map(block_bytes).sum::<usize>() >= LEAST_BYTES
        && let Some(last) = request
            .messages
            .last_mut()
            .filter(|last| last.role == Role::User)
        && let Some(slot) = last.content.last_mut().and_then(Block::mark)
    {
        *slot = Some(Cow::Owned(json!({"type": "ephemeral"})));
    }
}

/// Takes away the first of more marks than a request may have: later ones cover more.
pub(super) fn limit(request: &mut Request<'_>) {
    let most = MOST_MARKS - usize::from(request.cache_control.is_some());
    let mut marks = marks(request);
    marks.retain(|mark| mark.is_some());
    let surplus = marks.len().saturating_sub(most);
    for mark in marks.into_iter().take(surplus) {
        *mark = None;
    }
}

/// All places for marks, in Anthropic's order.
fn marks<'r, 'a>(request: &'r mut Request<'a>) -> Vec<&'r mut Mark<'a>> {
    let tools = request.tools.iter_mut().map(|tool| &mut tool.cache_control);
    let system = request.system.iter_mut().filter_map(Block::mark);
    let turns = request
        .messages
        .iter_mut()
        .flat_map(|message| &mut message.content);
    tools
        .chain(system)
        .chain(turns.filter_map(Block::mark))
        .collect()
}

/// About how long a block is, in bytes: what is in base64 or elsewhere does not count.
fn block_bytes(block: &Block<'_>) -> usize {
    match block {
        Block::Text { text, .. } => text.len(),
        Block::Document {
            source: Source::Text { data, .. },
            ..
        } => data.len(),
        Block::ToolUse { input, .. } => json_bytes(input),
        Block::ToolResult { content, .. } => content.iter().map(block_bytes).sum(),
        Block::Image { .. } | Block::Document { .. } | Block::Thought(_) => 0,
    }
}

fn json_bytes(fields: &Map<String, Value>) -> usize {
    serde_json::to_string(fields).map_or(0, |text| text.len())
}
