//! What a request for completions means as chat requests.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{CONTINUES, Inbound, MAX_TOKENS, MOST_MAPPED, NO_PROMPT, Prompts, wrong};
use crate::wire::{
    chat::{Invalid, WITHOUT_INFLUENCE},
    controls::Controls,
    native::{Interface, Native, Only, Translated},
};

/// What stands in front of the text that comes behind, where a text is to be filled in between. In plain words, as chat
/// models have no other way; those made for code are asked at a provider that has completions.
pub(super) const FILL_IN: &str = "Write the text that belongs between the user's message and the text below, so that \
    the three read as one. Answer with the missing text only: no quotes, no code fence, no comment, and nothing that \
    is there already.\n\nThe text below:\n";

/// Fields that chat requests have by the same name, with the same meaning.
const SAME: [&str; 11] = [
    "temperature",
    "top_p",
    "n",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    // Not OpenAI's, but of many servers in both interfaces.
    "top_k",
    "min_p",
    "repetition_penalty",
];

/// What is said in another way, or here.
const READ: [&str; 8] = [
    "model",
    "prompt",
    "suffix",
    "echo",
    "stream_options",
    "stream",
    "max_tokens",
    "logprobs",
];

impl Inbound {
    /// The request in the client's own words, for a provider that has completions: of one prompt, what it says can be
    /// kept. The chat request is what it is counted and told from others by; nobody is asked it.
    #[must_use]
    pub fn continued(self) -> Translated {
        let is_tokens = matches!(self.prompts, Prompts::Tokens(_));
        let texts = match self.prompts {
            Prompts::Missing => vec![NO_PROMPT.to_owned()],
            Prompts::Texts(texts) => texts,
            // As many tokens, for who counts them.
            Prompts::Tokens(lengths) => lengths.iter().map(|length| "a ".repeat(*length)).collect(),
        };
        let mut only = Vec::new();
        let mut lacks = |param: &str| {
            let (param, lacks) = (param.to_owned(), "has no completions".to_owned());
            only.push(Only { param, lacks });
        };
        if texts.len() > 1 || is_tokens {
            lacks("prompt");
        }
        let message = |text| json!({"role": "assistant", "content": text});
        let mut chat = Map::new();
        chat.insert("model".into(), self.model.into());
        chat.insert("messages".into(), texts.into_iter().map(message).collect());
        for (name, value) in self.fields {
            match name.as_str() {
                _ if value.is_null() => {}
                "model" | CONTINUES => {}
                // Only scores what is there: no chat request can say that.
                "max_tokens" if value == 0 => lacks("max_tokens"),
                "messages" => lacks("messages"),
                _ => {
                    chat.insert(name, value);
                }
            }
        }
        chat.insert(CONTINUES.into(), Value::Bool(true));
        Translated {
            chat,
            native: native(self.body),
            only,
            advice: Vec::new(),
            apart: Map::new(),
        }
    }

    /// A chat request for each prompt. The client's own words are sent to nobody: whoever answers one of these requests
    /// answers a chat.
    ///
    /// # Errors
    /// [`Invalid`] for what no chat can be asked: no prompt, an empty one, tokens of a vocabulary, more than [`MOST_MAPPED`]
    /// prompts.
    pub fn mapped(&self) -> Result<Vec<Translated>, Invalid> {
        let texts = match &self.prompts {
            Prompts::Texts(texts) => texts,
            Prompts::Missing => {
                return Err(Invalid::at(
                    "prompt",
                    "you must provide a `prompt` for this model",
                ));
            }
            Prompts::Tokens(_) => {
                return Err(Invalid::at(
                    "prompt",
                    "this model can't read a `prompt` of tokens, which are another one's; send text",
                ));
            }
        };
        if texts.len() > MOST_MAPPED {
            let rule = format!("an array of at most {MOST_MAPPED} prompts for this model");
            return Err(wrong("prompt", &rule));
        }
        let blank = texts.iter().position(|text| text.trim().is_empty());
        if let Some(place) = blank {
            let is_list = self.fields.get("prompt").is_some_and(Value::is_array);
            let param = if is_list {
                format!("prompt[{place}]")
            } else {
                "prompt".to_owned()
            };
            let message = format!("`{param}` has no text, which this model needs");
            return Err(Invalid::at(param, message));
        }
        let (shared, only) = self.as_chat()?;
        let suffix = self.fields.get("suffix").and_then(Value::as_str);
        let suffix = suffix.filter(|suffix| !suffix.is_empty());
        let translated =
            |text: &String| {
                let mut messages = Vec::with_capacity(2);
                messages.extend(suffix.map(
                    |suffix| json!({"role": "system", "content": format!("{FILL_IN}{suffix}")}),
                ));
                messages.push(json!({"role": "user", "content": text}));
                let mut chat = Map::new();
                chat.insert("model".into(), self.model.as_str().into());
                chat.insert("messages".into(), Value::Array(messages));
                chat.extend(shared.clone());
                Translated {
                    chat,
                    native: native(Bytes::new()),
                    only: only.clone(),
                    advice: Vec::new(),
                    apart: Map::new(),
                }
            };
        Ok(texts.iter().map(translated).collect())
    }

    /// What all prompts have in common, and what no chat request can say.
    fn as_chat(&self) -> Result<(Map<String, Value>, Vec<Only>), Invalid> {
        let mut chat = Map::new();
        let mut only = Vec::new();
        let mut lacks = |param: &str, lacks: &str| {
            let (param, lacks) = (param.to_owned(), lacks.to_owned());
            only.push(Only { param, lacks });
        };
        let said = self.fields.iter().filter(|(_, value)| !value.is_null());
        for (name, value) in said {
            let name = name.as_str();
            if name == "best_of" {
                if value.as_u64().is_some_and(|best_of| best_of > self.n) {
                    lacks(name, "gives every answer that it writes");
                }
            } else if SAME.contains(&name)
                || Controls::is_control_field(name, value)
                || is_hint(name)
            {
                chat.insert(name.to_owned(), value.clone());
            } else if !READ.contains(&name) {
                lacks(name, "has nothing like it in a chat");
            }
        }
        match self.fields.get("max_tokens").and_then(Value::as_u64) {
            Some(0) => lacks("max_tokens", "writes at least one token"),
            Some(most) => {
                chat.insert("max_tokens".into(), most.into());
            }
            None => {
                chat.insert("max_tokens".into(), MAX_TOKENS.into());
            }
        }
        if let Some(top) = self.logprobs {
            if top > 5 {
                return Err(wrong("logprobs", "a whole number from 0 to 5"));
            }
            chat.insert("logprobs".into(), true.into());
            if top > 0 {
                chat.insert("top_logprobs".into(), top.into());
            }
            if self.echo {
                lacks("logprobs", "has no probabilities of what it reads (`echo`)");
            }
        }
        if self.fields.get("stream") == Some(&Value::Bool(true)) {
            chat.insert("stream".into(), true.into());
            chat.insert("stream_options".into(), json!({"include_usage": true}));
        }
        Ok((chat, only))
    }
}

/// Whether a field of this name shapes no answer.
fn is_hint(name: &str) -> bool {
    WITHOUT_INFLUENCE.contains(&name) && !READ.contains(&name)
}

fn native(body: Bytes) -> Native {
    Native {
        interface: Interface::Completions,
        body,
        headers: HeaderMap::new(),
    }
}
