//! Counts tokens as OpenAI's models do.
//!
//! Used where a provider left its count out. The tables are loaded at the first use, which takes a
//! few hundred milliseconds: call it off the async workers.

use serde_json::{Value, json};

use crate::wire::answer::Answer;

/// The count of an answer that came without one, in the shape of `usage`.
///
/// o200k_base for all models; three tokens for each message and three for the beginning of the
/// answer, as <https://developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken>
/// (seen 2026-11) counts them.
#[must_use]
pub fn usage(messages: &[Value], answer: &Answer) -> Value {
    let bpe = tiktoken_rs::o200k_base_singleton();
    let count = |text: &str| bpe.count_ordinary(text);
    let said = |message: &Value| -> usize {
        let content = match message.get("content") {
            Some(Value::String(text)) => count(text),
            Some(Value::Array(parts)) => parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .map(count)
                .sum(),
            _ => 0,
        };
        let name = message
            .get("name")
            .and_then(Value::as_str)
            .map_or(0, |name| 1 + count(name));
        3 + content + name + count(message.get("role").and_then(Value::as_str).unwrap_or(""))
    };
    let prompt = messages.iter().map(said).sum::<usize>() + 3;
    let written: usize = answer
        .choices
        .iter()
        .flat_map(|choice| choice.message.iter())
        .map(|(key, value)| match value {
            _ if key == "role" => 0,
            Value::String(text) => count(text),
            Value::Null => 0,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                count(&value.to_string())
            }
        })
        .sum();
    json!({"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_the_cookbook_does() {
        // The cookbook's own example counts 129 for six messages; these two are counted by hand with
        // the tokenizer of record: "You are terse." 4, "hello world" 2, roles 1 each.
        let messages = [
            json!({"role": "system", "content": "You are terse."}),
            json!({"role": "user", "content": "hello world"}),
        ];
        let answer = Answer::read(
            br#"{"choices":[{"message":{"role":"assistant","content":"hello world"}}]}"#,
        );
        assert_eq!(
            usage(&messages, &answer.unwrap()),
            json!({"prompt_tokens": 17, "completion_tokens": 2, "total_tokens": 19})
        );
    }
}
