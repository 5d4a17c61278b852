use serde_json::{Value, json};

use super::*;
use crate::wire::{chat::ChatRequest, controls::Controls};

pub(super) mod counters;
mod golden;
mod laws;

/// What each message costs beside its texts.
const OVERHEAD: u64 = 4;
/// What tools and the like cost.
const FIXED: Tokens = Tokens(7);

fn request(messages: &[Value]) -> ChatRequest {
    let body = json!({"model": "m", "messages": messages}).to_string();
    ChatRequest::parse(body.into(), &mut Controls::default()).unwrap()
}

/// The tokens of each message: its texts, its calls, 85 for an image.
fn tokens(messages: &[Value], counter: &dyn Counter) -> Vec<Tokens> {
    let of = |message: &Value| {
        let content = &message["content"];
        let parts = content.as_array().into_iter().flatten();
        let parts = parts.map(|part| match part["text"].as_str() {
            Some(text) => counter.count(text).0,
            None => 85,
        });
        let alone = content.as_str().map_or(0, |text| counter.count(text).0);
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls = calls.map(|call| counter.count(&call.to_string()).0);
        Tokens(OVERHEAD + alone + parts.sum::<u64>() + calls.sum::<u64>())
    };
    messages.iter().map(of).collect()
}

fn total(messages: &[Value], counter: &dyn Counter) -> u64 {
    let tokens = tokens(messages, counter);
    FIXED.0 + tokens.iter().map(|tokens| tokens.0).sum::<u64>()
}

fn fitted(messages: &[Value], budget: u64, counter: &dyn Counter) -> Result<Fitted, TooLong> {
    let tokens = tokens(messages, counter);
    fit(messages, &tokens, FIXED, Tokens(budget), counter)
}

/// Positions of the messages that are not dropped.
fn kept(messages: &[Value], cuts: &[Cut]) -> Vec<usize> {
    (0..messages.len())
        .filter(|position| !cuts.contains(&Cut::Message(*position)))
        .collect()
}
