//! Tokens as the interface counts them.

use serde_json::{Value, json};

/// The `usage` of a response from that of a chat answer; `null` if it says nothing.
pub(super) fn of_chat(usage: Option<&Value>) -> Value {
    let count = |path: &str| usage.and_then(|usage| usage.pointer(path)?.as_u64());
    let (Some(input), Some(output)) = (count("/prompt_tokens"), count("/completion_tokens")) else {
        return Value::Null;
    };
    let some = |path: &str| count(path).unwrap_or(0);
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cache_write_tokens": some("/prompt_tokens_details/cache_creation_tokens"),
            "cached_tokens": some("/prompt_tokens_details/cached_tokens"),
        },
        "output_tokens": output,
        "output_tokens_details": {
            "reasoning_tokens": some("/completion_tokens_details/reasoning_tokens"),
        },
        "total_tokens": input.saturating_add(output),
    })
}
