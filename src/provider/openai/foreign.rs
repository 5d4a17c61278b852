//! Requests that came in another interface, as servers of OpenAI's take them.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/create>,
//! <https://platform.openai.com/docs/guides/reasoning> (seen 2026-11).

use crate::{
    config::Compat,
    wire::{
        chat::{ChatRequest, Edit},
        native::Interface,
    },
};

/// Anthropic's blocks of thought: of use to Anthropic only, who made them.
const THINKING: &str = "messages[].thinking_blocks";
/// What the model thought before, in a field of other servers'.
const REASONING: &str = "messages[].reasoning_content";
const EFFORT: &str = "reasoning_effort";
/// Google's, of use to Gemini only.
const GOOGLES: [&str; 2] = ["safety_settings", "media_resolution"];
/// Taken by most servers, but not by OpenAI.
const TOP_K: &str = "top_k";

/// What is changed in requests of other interfaces.
#[derive(Debug)]
pub(super) struct Foreign {
    thinking: Edit,
    effort: Edit,
    /// Advice that is not followed, by the names of its fields.
    ignored: Vec<(&'static str, Edit)>,
    /// Where the old name is refused by newer models.
    max_tokens: Option<Edit>,
    /// What OpenAI itself refuses, and servers that only speak its dialect may know.
    unknown: Vec<Edit>,
}

impl Foreign {
    /// For a server that differs so from OpenAI.
    ///
    /// # Errors
    /// If an edit can't be made.
    pub(super) fn new(compat: &Compat) -> Result<Self, &'static str> {
        let knows_new_name = compat.interfaces.contains(&Interface::Responses);
        let top_k = knows_new_name.then_some(TOP_K);
        let ignored = GOOGLES.into_iter().chain(top_k);
        let ignored = ignored.map(|field| Ok((field, Edit::drop(field)?)));
        let rename = || Edit::rename("max_tokens", "max_completion_tokens");
        Ok(Self {
            thinking: Edit::drop(THINKING)?,
            effort: Edit::drop(EFFORT)?,
            ignored: ignored.collect::<Result<_, &'static str>>()?,
            max_tokens: knows_new_name.then(rename).transpose()?,
            unknown: if knows_new_name {
                vec![Edit::drop(REASONING)?, Edit::drop("top_k")?]
            } else {
                Vec::new()
            },
        })
    }

    /// What is changed in `request`, which goes to `model`.
    pub(super) fn edits_for(&self, request: &ChatRequest, model: &str) -> Vec<&Edit> {
        if request.interface().is_none() {
            return Vec::new();
        }
        let effort = request.advice().contains(&EFFORT) && !thinks(model);
        let mut edits = vec![&self.thinking];
        edits.extend(effort.then_some(&self.effort));
        let ignored = self.ignored.iter();
        let ignored = ignored.filter(|(field, _)| request.advice().contains(field));
        edits.extend(ignored.map(|(_, edit)| edit));
        edits.extend(&self.max_tokens);
        edits.extend(&self.unknown);
        edits
    }

    /// Takes out of what was `dropped` what no client misses.
    pub(super) fn forget(&self, dropped: &mut Vec<String>) {
        dropped.retain(|field| field != THINKING && field != REASONING);
    }
}

/// Whether a model takes `reasoning_effort`, by its name.
fn thinks(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let mut letters = name.bytes();
    let is_o = letters.next() == Some(b'o') && letters.next().is_some_and(|b| b.is_ascii_digit());
    let is_gpt = |version: &str| {
        let number: String = version.chars().take_while(char::is_ascii_digit).collect();
        number.parse().is_ok_and(|number: u32| number >= 5) && !version.contains("chat")
    };
    is_o || name.starts_with("gpt-oss") || name.strip_prefix("gpt-").is_some_and(is_gpt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_think_are_known_by_their_names() {
        for model in [
            "o3-mini",
            "openai/o1",
            "gpt-5",
            "gpt-5.2-codex",
            "gpt-6-mini",
            "gpt-oss-20b",
        ] {
            assert!(thinks(model), "{model}");
        }
        for model in [
            "gpt-4o",
            "gpt-4.1",
            "gpt-5-chat-latest",
            "olmo",
            "llama3",
            "",
            "gpt-",
        ] {
            assert!(!thinks(model), "{model}");
        }
    }
}
