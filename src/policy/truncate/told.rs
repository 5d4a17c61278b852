//! The window that a refusal tells of.

use crate::units::Tokens;

/// How providers begin and end it, in small letters; digits follow, or stand in between.
///
/// | who | in their words |
/// |---|---|
/// | OpenAI, DeepSeek, Mistral, vLLM | maximum context length is 8192 tokens |
/// | vLLM since 0.16 | the model's context length is only 4096 |
/// | llama.cpp | the available context size (4096 tokens) |
/// | Gemini | exceeds the maximum number of tokens allowed (1048576) |
/// | Anthropic | 210000 tokens > 200000 maximum |
/// | Ollama, as told here | this model's context holds 4096 tokens |
const BEFORE: [&str; 6] = [
    "maximum context length is ",
    "context length is only ",
    "available context size (",
    "number of tokens allowed (",
    " tokens > ",
    "context holds ",
];

/// How many tokens a provider takes, as it says itself when it refuses a prompt as too long.
#[must_use]
pub fn told_window(message: &str) -> Option<Tokens> {
    let message = message.to_lowercase();
    let after = |words: &str| message.split_once(words).map(|(_, after)| after);
    let number = |text: &str| {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text.get(..end)?.parse().ok().filter(|tokens| *tokens > 0)
    };
    let mut told = BEFORE.iter().filter_map(|words| number(after(words)?));
    told.next().map(Tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_providers_say() {
        for (message, told) in [
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
                Some(8192),
            ),
            (
                "The available context size (4096 tokens) is exceeded",
                Some(4096),
            ),
            (
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                Some(1_048_576),
            ),
            (
                "prompt is too long: 210000 tokens > 200000 maximum",
                Some(200_000),
            ),
            (
                "this model's context holds 4096 tokens; the messages have 9000 or more, by a rough estimate",
                Some(4096),
            ),
            ("maximum context length is 0 tokens", None),
            (
                "maximum context length is 99999999999999999999999 tokens",
                None,
            ),
            ("maximum context length is ", None),
            ("too many words", None),
            ("", None),
        ] {
            assert_eq!(told_window(message), told.map(Tokens), "{message}");
        }
    }
}
