//! Labelled prompts, written by hand, none of which is an example in `providers.toml`.

use std::{error::Error, fs, path::Path};

use refrain::wire::{chat::ChatRequest, controls::Controls};
use serde::Deserialize;
use serde_json::json;

/// What a prompt is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Choosing the method, its numbers, its words and the examples.
    Dev,
    /// The figures that are reported; nothing was chosen by it.
    Test,
}

/// A line of `prompts.jsonl`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    /// The name of the task.
    pub task: String,
    pub split: Split,
    pub prompt: String,
    /// A system prompt that goes before it.
    pub system: Option<String>,
    /// A document of so many KiB goes with it.
    pub pad_kb: Option<usize>,
}

/// The prompts of the repository.
pub fn read() -> Result<Vec<Labelled>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/routing/prompts.jsonl");
    let text = fs::read_to_string(path)?;
    let lines = text.lines().enumerate().map(|(at, line)| {
        serde_json::from_str(line)
            .map_err(|error| format!("prompts.jsonl:{}: {error}", at + 1).into())
    });
    lines.collect()
}

impl Labelled {
    /// What the user sends. Documents stand behind every other prompt, and before the rest.
    pub fn text(&self, number: usize) -> String {
        match self.pad_kb {
            None => self.prompt.clone(),
            Some(kb) if number.is_multiple_of(2) => {
                format!("{}\n\n{}", self.prompt, document(kb, number))
            }
            Some(kb) => format!("{}\n\n{}", document(kb, number), self.prompt),
        }
    }

    /// The request, as a client sends it; `number` is the prompt's place in the file.
    pub fn request(&self, number: usize) -> Result<ChatRequest, Box<dyn Error>> {
        let user = json!({"role": "user", "content": self.text(number)});
        let system =
            (self.system.as_ref()).map(|system| json!({"role": "system", "content": system}));
        let messages: Vec<_> = system.into_iter().chain([user]).collect();
        let body = json!({"model": "auto", "messages": messages}).to_string();
        Ok(ChatRequest::parse(body.into(), &mut Controls::default())?)
    }
}

/// Paragraphs of two to seven sentences of words about a small town.
fn document(kb: usize, seed: usize) -> String {
    const WORDS: &str = "the old harbour of a small town was built by railway company which needed coal \
        on ships after storm council voted new path canal residents protested parking report shows \
        costs rose while income fell members agreed date meeting moved because engineer was ill he \
        wrote letters to his sister about weather prices and people they had met during that long \
        winter committee will decide in spring whether bridge can be repaired or must be replaced \
        several houses were empty some families left others stayed and opened shops";
    let words: Vec<&str> = WORDS.split_ascii_whitespace().collect();
    let mut random = fastrand::Rng::with_seed(seed as u64);
    let mut text = String::new();
    while text.len() < kb * 1024 {
        for _ in 0..random.usize(2..8) {
            let sentence = (0..random.usize(6..20)).filter_map(|_| random.choice(&words).copied());
            let sentence = sentence.collect::<Vec<_>>().join(" ");
            let (first, rest) = sentence.split_at(1);
            text.push_str(&first.to_uppercase());
            text.push_str(rest);
            text.push_str(". ");
        }
        text.push_str("\n\n");
    }
    text
}
