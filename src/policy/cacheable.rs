//! Whether a request may be answered from the cache, and its answer kept.
//!
//! It does not look at answers (`policy::storable` does) and knows nothing of entries. Invariant: a
//! request of which there is any doubt is served by the exact tier at most.

use std::{collections::HashSet, time::Duration};

use serde_json::Value;

use crate::wire::{chat::ChatRequest, controls::Controls};

use self::volatile::is_volatile;
use super::{
    language::{MOST_FRAGMENTED, fragmentation},
    question::{self, Asked, Unreadable},
};

pub mod embeddings;
mod volatile;

/// What the configuration says about the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Whether there is a cache at all.
    pub enabled: bool,
    /// Whether there is an encoder, and so a semantic tier.
    pub semantic: bool,
    /// How long answers are kept.
    pub ttl: Duration,
    /// How long answers to questions about the present are kept.
    pub volatile_ttl: Duration,
    /// Words and phrases, in lower case, that tell such questions beside the built-in ones.
    pub volatile_patterns: Vec<String>,
    /// What may be done with answers whose time is over.
    pub stale: Stale,
}

/// For how long after its time an answer may still be given (RFC 5861).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stale {
    /// At once, while a fresh one is asked for in the background.
    pub while_revalidate: Duration,
    /// When no provider has an answer.
    pub if_error: Duration,
}

impl Stale {
    /// How long stale answers are worth keeping.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.while_revalidate.max(self.if_error)
    }
}

/// What is configured for the client, task or model of a request, where it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exception {
    /// Whether the cache is used.
    pub enabled: Option<bool>,
    /// How long answers are kept.
    pub ttl: Option<Duration>,
}

/// What may be done for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Whether the cache may answer.
    pub lookup: bool,
    /// For how long the answer may be kept, if at all.
    pub keep: Option<Duration>,
    /// Whether a question of the same meaning may answer, or be answered; the reason if not.
    pub semantic: Result<(), Ineligible>,
    /// What may be done with an answer whose time is over.
    pub stale: Stale,
}

/// Why the cache is not touched at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// `cache.enabled = false`.
    Disabled,
    /// The request says neither to look up nor to store.
    OptOut,
    /// The answer is searched for on the web at the moment of asking.
    LiveSearch,
    /// The request asks for what only its own interface has, such as tools that run at the provider.
    Untranslated,
    /// The answer is sound, which refers to data that expires at the provider.
    Audio,
}

impl Bypass {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Disabled,
        Self::OptOut,
        Self::LiveSearch,
        Self::Untranslated,
        Self::Audio,
    ];

    /// The word for header, metric and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::OptOut => "opt_out",
            Self::LiveSearch => "live_search",
            Self::Untranslated => "untranslated",
            Self::Audio => "audio",
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Disabled => "The cache is switched off for this request.",
            Self::OptOut => "The request asks neither to look up nor to keep an answer.",
            Self::LiveSearch => "The answer is searched for on the web at the moment of asking.",
            Self::Untranslated => {
                "The request asks for what only its own interface has, such as tools that run at the provider."
            }
            Self::Audio => {
                "The answer is sound, which refers to data that expires at the provider."
            }
        }
    }
}

/// Why only an equal request may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ineligible {
    /// `cache.semantic = false`.
    Off,
    /// The last message is not a user's text: a tool's result, an image, several parts.
    NotText,
    /// A tool call of the history has no result.
    OpenToolCall,
    /// More than one choice is asked for.
    Choices,
    /// Token probabilities are asked for.
    Logprobs,
    /// A long text without a short instruction at its start or end.
    TooLong,
    /// The encoder does not know the script.
    NotLatin,
    /// Characters that can't be seen.
    HiddenCharacters,
    /// The encoder has to cut most of its words into pieces, of which it knows little.
    Fragmented,
    /// The answer depends on the moment of asking.
    Volatile,
}

impl Ineligible {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Off,
        Self::NotText,
        Self::OpenToolCall,
        Self::Choices,
        Self::Logprobs,
        Self::TooLong,
        Self::NotLatin,
        Self::HiddenCharacters,
        Self::Fragmented,
        Self::Volatile,
    ];

    /// The word for header, metric and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "semantic_off",
            Self::NotText => "not_text",
            Self::OpenToolCall => "open_tool_call",
            Self::Choices => "choices",
            Self::Logprobs => "logprobs",
            Self::TooLong => "too_long",
            Self::NotLatin => "not_latin",
            Self::HiddenCharacters => "hidden_characters",
            Self::Fragmented => "fragmented",
            Self::Volatile => "volatile",
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Off => "Questions are not compared by meaning here: the semantic cache is off.",
            Self::NotText => {
                "The last message is not a user's plain text, so only an equal request may answer."
            }
            Self::OpenToolCall => {
                "A tool call in the conversation has no result yet, so only an equal request may answer."
            }
            Self::Choices => {
                "More than one choice is asked for, so only an equal request may answer."
            }
            Self::Logprobs => {
                "Token probabilities are asked for, so only an equal request may answer."
            }
            Self::TooLong => {
                "The text is long and has no short instruction at its start or end, so only an equal \
                 request may answer."
            }
            Self::NotLatin => {
                "The encoder does not know this writing system, so only an equal request may answer."
            }
            Self::HiddenCharacters => {
                "The question has characters that can't be seen, or letters of two scripts in one \
                 word, so only an equal request may answer."
            }
            Self::Fragmented => {
                "Most words of the question are unknown to the encoder, so only an equal request may answer."
            }
            Self::Volatile => {
                "The answer depends on the moment of asking, so only an equal request may answer."
            }
        }
    }
}

/// What may be done for `request`, which ends in what was `asked`.
///
/// # Errors
/// The reason to leave the cache alone.
pub fn plan(
    request: &ChatRequest,
    asked: Option<&Asked<'_>>,
    controls: &Controls,
    rules: &Rules,
    exception: Exception,
) -> Result<Plan, Bypass> {
    let fields = request.fields();
    if !(rules.enabled && exception.enabled.unwrap_or(true)) {
        return Err(Bypass::Disabled);
    }
    if controls.no_cache && controls.no_store {
        return Err(Bypass::OptOut);
    }
    if fields
        .get("web_search_options")
        .is_some_and(|options| !options.is_null())
    {
        return Err(Bypass::LiveSearch);
    }
    if !request.only_native().is_empty() {
        return Err(Bypass::Untranslated);
    }
    let modalities = fields.get("modalities").and_then(Value::as_array);
    if modalities.is_some_and(|list| list.iter().any(|modality| modality == "audio")) {
        return Err(Bypass::Audio);
    }
    let volatile = asked.is_some_and(|asked| is_volatile(asked.gist(), &rules.volatile_patterns));
    let most = exception.ttl.unwrap_or(rules.ttl);
    let usual = if volatile {
        rules.volatile_ttl.min(most)
    } else {
        most
    };
    let ttl = controls.ttl.map_or(usual, |asked| asked.min(most));
    Ok(Plan {
        lookup: !controls.no_cache,
        keep: (!controls.no_store && !ttl.is_zero()).then_some(ttl),
        semantic: match asked {
            _ if !rules.semantic => Err(Ineligible::Off),
            None => Err(Ineligible::NotText),
            Some(_) if volatile => Err(Ineligible::Volatile),
            Some(asked) => eligible(request, asked),
        },
        stale: Stale {
            while_revalidate: (rules.stale.while_revalidate)
                .max(controls.max_stale.unwrap_or_default()),
            if_error: (rules.stale.if_error).max(controls.stale_if_error.unwrap_or_default()),
        },
    })
}

fn eligible(request: &ChatRequest, asked: &Asked<'_>) -> Result<(), Ineligible> {
    let fields = request.fields();
    if fields.get("n").and_then(Value::as_u64).unwrap_or(1) != 1 {
        return Err(Ineligible::Choices);
    }
    if fields.get("logprobs").is_some_and(|asked| asked == true) {
        return Err(Ineligible::Logprobs);
    }
    if has_open_call(request.messages()) {
        return Err(Ineligible::OpenToolCall);
    }
    let parts = asked.parts.as_ref().ok_or(Ineligible::TooLong)?;
    question::readable(&parts.question).map_err(|unreadable| match unreadable {
        Unreadable::NotLatin => Ineligible::NotLatin,
        Unreadable::HiddenCharacters => Ineligible::HiddenCharacters,
    })?;
    if fragmentation(&parts.question) > MOST_FRAGMENTED {
        return Err(Ineligible::Fragmented);
    }
    Ok(())
}

/// Whether some tool call has no result among the messages.
fn has_open_call(messages: &[Value]) -> bool {
    let results: HashSet<&str> = messages
        .iter()
        .filter_map(|message| message.get("tool_call_id").and_then(Value::as_str))
        .collect();
    messages
        .iter()
        .filter_map(|message| message.get("tool_calls").and_then(Value::as_array))
        .flatten()
        .any(|call| {
            let id = call.get("id").and_then(Value::as_str);
            !id.is_some_and(|id| results.contains(id))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    fn rules() -> Rules {
        Rules {
            enabled: true,
            semantic: true,
            ttl: Duration::from_secs(100),
            volatile_ttl: Duration::from_secs(10),
            volatile_patterns: vec!["on call".to_owned()],
            stale: Stale::default(),
        }
    }

    fn check(fields: Value, controls: &Controls) -> Result<Plan, Bypass> {
        check_with(fields, controls, Exception::default())
    }

    fn check_with(
        fields: Value,
        controls: &Controls,
        exception: Exception,
    ) -> Result<Plan, Bypass> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "How many planets are there?"}]});
        let Value::Object(fields) = fields else {
            panic!("fields are an object")
        };
        body.as_object_mut().unwrap().extend(fields);
        let request =
            ChatRequest::parse(Bytes::from(body.to_string()), &mut Controls::default()).unwrap();
        plan(
            &request,
            Asked::of(&request).as_ref(),
            controls,
            &rules(),
            exception,
        )
    }

    fn semantic(fields: Value) -> Result<(), Ineligible> {
        check(fields, &Controls::default()).unwrap().semantic
    }

    fn asking(text: &str) -> Value {
        json!({"messages": [{"role": "user", "content": text}]})
    }

    #[test]
    fn says_why_not() {
        assert_eq!(semantic(json!({})), Ok(()));
        assert_eq!(semantic(json!({"n": 2})), Err(Ineligible::Choices));
        assert_eq!(
            semantic(json!({"logprobs": true})),
            Err(Ineligible::Logprobs)
        );
        assert_eq!(
            semantic(asking("What's the weather in Rome?")),
            Err(Ineligible::Volatile)
        );
        assert_eq!(
            semantic(asking("Who is on call?")),
            Err(Ineligible::Volatile)
        );
        assert_eq!(semantic(asking("Who reacts on calls?")), Ok(()));
        assert_eq!(
            semantic(asking("Какая столица Франции?")),
            Err(Ineligible::NotLatin)
        );
        assert_eq!(
            semantic(asking("turn o\u{200b}ff")),
            Err(Ineligible::HiddenCharacters)
        );
        assert_eq!(
            semantic(asking(&"word ".repeat(200))),
            Err(Ineligible::TooLong)
        );
        assert_eq!(
            semantic(asking(
                "decode dGhpcyBpcyBhIHRlc3Q= qxzvkjw zxqpwvbn kqxjzw"
            )),
            Err(Ineligible::Fragmented)
        );
        let call = json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]});
        let result = json!({"role": "tool", "tool_call_id": "c", "content": "1"});
        let user = json!({"role": "user", "content": "and then what happens?"});
        assert_eq!(
            semantic(json!({"messages": [call, result]})),
            Err(Ineligible::NotText)
        );
        assert_eq!(
            semantic(json!({"messages": [call, user]})),
            Err(Ineligible::OpenToolCall)
        );
        assert_eq!(semantic(json!({"messages": [call, result, user]})), Ok(()));
    }

    #[test]
    fn an_exception_goes_before_the_rule() {
        let ask = |exception, ttl: Option<u64>| {
            let ttl = ttl.map(Duration::from_secs);
            let controls = Controls {
                ttl,
                ..Controls::default()
            };
            check_with(json!({}), &controls, exception)
        };
        let longer = Exception {
            ttl: Some(Duration::from_secs(500)),
            enabled: None,
        };
        let kept = |plan: Result<Plan, Bypass>| plan.unwrap().keep.unwrap().as_secs();
        assert_eq!(kept(ask(longer, None)), 500);
        assert_eq!(kept(ask(longer, Some(300))), 300);
        assert_eq!(kept(ask(longer, Some(3000))), 500);
        let off = Exception {
            ttl: None,
            enabled: Some(false),
        };
        assert_eq!(ask(off, None), Err(Bypass::Disabled));
    }

    #[test]
    fn the_request_decides_on_lookup_and_storing() {
        let of = |controls: Controls| check(json!({}), &controls);
        let no_cache = of(Controls {
            no_cache: true,
            ..Controls::default()
        })
        .unwrap();
        assert!(!no_cache.lookup && no_cache.keep.is_some());
        let no_store = of(Controls {
            no_store: true,
            ..Controls::default()
        })
        .unwrap();
        assert!(no_store.lookup && no_store.keep.is_none());
        let neither = Controls {
            no_cache: true,
            no_store: true,
            ..Controls::default()
        };
        assert_eq!(of(neither), Err(Bypass::OptOut));
        let ttl = |seconds| Controls {
            ttl: Some(Duration::from_secs(seconds)),
            ..Controls::default()
        };
        assert_eq!(of(ttl(0)).unwrap().keep, None);
        assert_eq!(of(ttl(5)).unwrap().keep, Some(Duration::from_secs(5)));
        assert_eq!(of(ttl(5000)).unwrap().keep, Some(rules().ttl));
        let volatile = check(asking("What is the latest news?"), &Controls::default()).unwrap();
        assert_eq!(volatile.keep, Some(rules().volatile_ttl));
        assert_eq!(
            check(json!({"web_search_options": {}}), &Controls::default()),
            Err(Bypass::LiveSearch)
        );
    }
}
