//! A request in Anthropic's dialect.
//!
//! What has no place there is refused: `seed`, `logprobs`, penalties, sound, names of speakers. `user` is
//! `metadata.user_id`; `top_k`, `thinking` and `cache_control` at the top are Anthropic's own and go
//! through.

use serde_json::Value;

use super::{
    abilities::Abilities,
    wire::{Block, Metadata, OutputConfig, Request, Source},
};
use crate::{
    provider::echoes,
    wire::{
        ask::{Ask, Cannot, Unable},
        chat::Delivery,
    },
};

mod caching;
mod content;
mod ids;
mod loose;
mod strict;
mod thinking;
mod tools;
mod turns;

use self::{
    thinking::{Plan, sampling},
    tools::Tools,
    turns::{Manner, Turns},
};

pub(super) use self::tools::answer_tool;

/// The header for files by id (<https://platform.claude.com/docs/en/build-with-claude/files>).
const FILES: &str = "files-api-2025-04-14";
/// The header for `thinking.block_binding` (official types, 2.12).
const BINDING: &str = "thinking-binding-controls-2026-08-01";
/// The longest `metadata.user_id`, in characters.
const LONGEST_USER: usize = 256;
/// The fields of [`Ask::rest`] that have a place.
const TAKEN: [&str; 3] = ["cache_control", "thinking", "top_k"];

/// A request, and the values that it needs in `anthropic-beta`.
#[derive(Debug)]
pub(super) struct Put<'a> {
    pub(super) request: Request<'a>,
    pub(super) betas: Vec<&'static str>,
}

/// Puts `ask` to `model`. With `caching`, what is long is marked for the prompt cache.
pub(super) fn put<'a>(
    ask: &'a Ask,
    model: &'a str,
    caching: bool,
    cannot: &mut Cannot,
) -> Result<Put<'a>, Unable> {
    let abilities = Abilities::of(model);
    refuse(ask, cannot)?;
    let tools = Tools::put(ask, &abilities, cannot)?;
    let mut plan = Plan::of(ask, &abilities, tools.is_forced(), cannot)?;
    let chosen = sampling(ask, &abilities, plan.is_on, cannot)?;
    let manner = Manner {
        thoughts: plan.is_on,
        prefill: abilities.prefill,
    };
    let mut turns = Turns::put(&ask.turns, manner, cannot)?;
    turns.system.extend(tools.instruction.map(Block::text));
    let mut betas = Vec::new();
    if has_files(&turns) {
        betas.push(FILES);
    }
    if turns.has_thoughts && abilities.bound_thoughts {
        betas.push(BINDING);
        plan.drop_unbound();
    }
    let config = OutputConfig {
        effort: plan.effort,
        format: tools.format,
    };
    let user = ask.user.as_deref();
    let user = user.filter(|user| !user.is_empty() && user.chars().count() <= LONGEST_USER);
    let mut request = Request {
        model,
        max_tokens: plan.max_tokens(ask, &abilities),
        system: turns.system,
        messages: turns.messages,
        tools: tools.tools,
        tool_choice: tools.choice,
        thinking: plan.object,
        output_config: (config.effort.is_some() || config.format.is_some()).then_some(config),
        temperature: chosen.temperature,
        top_p: chosen.top_p,
        top_k: chosen.top_k,
        stop_sequences: stops(ask, cannot)?,
        metadata: user.map(|user_id| Metadata { user_id }),
        cache_control: ask
            .rest
            .get("cache_control")
            .filter(|mark| mark.is_object()),
        stream: ask.delivery != Delivery::Json,
    };
    if caching {
        caching::mark(&mut request);
    }
    caching::limit(&mut request);
    Ok(Put { request, betas })
}

/// Refuses what has no place.
fn refuse(ask: &Ask, cannot: &mut Cannot) -> Result<(), Unable> {
    let sampling = &ask.sampling;
    let absent = [
        (
            "presence_penalty",
            sampling.presence_penalty.is_some(),
            "has no penalties",
        ),
        (
            "frequency_penalty",
            sampling.frequency_penalty.is_some(),
            "has no penalties",
        ),
        ("seed", sampling.seed.is_some(), "has no seed"),
        (
            "logprobs",
            ask.logprobs.is_some(),
            "tells no probabilities of tokens",
        ),
    ];
    for (param, is_there, lacks) in absent {
        if is_there {
            cannot.carry(param, lacks)?;
        }
    }
    let rest = echoes::asking(&ask.rest);
    cannot
        .carry_rest(rest.filter(|(field, _): &(&String, &Value)| !TAKEN.contains(&field.as_str())))
}

fn stops<'a>(ask: &'a Ask, cannot: &mut Cannot) -> Result<Vec<&'a str>, Unable> {
    let (stops, blank): (Vec<&str>, Vec<&str>) = ask
        .sampling
        .stop
        .iter()
        .map(String::as_str)
        .partition(|stop| !stop.trim().is_empty());
    if !blank.is_empty() {
        cannot.carry("stop", "does not stop at white space alone")?;
    }
    Ok(stops)
}

fn has_files(turns: &Turns<'_>) -> bool {
    fn is_file(block: &Block<'_>) -> bool {
        match block {
            Block::Image { source, .. } | Block::Document { source, .. } => {
                matches!(source, Source::File { .. })
            }
            Block::ToolResult { content, .. } => content.iter().any(is_file),
            Block::Text { .. } | Block::ToolUse { .. } | Block::Thought(_) => false,
        }
    }
    turns
        .messages
        .iter()
        .flat_map(|message| &message.content)
        .any(is_file)
}
