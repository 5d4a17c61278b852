//! What makes two requests the same.
//!
//! Everything in a request shapes its answer unless this module says otherwise: fields are left out
//! by list, never taken in by list, so a field that nobody here has heard of keeps two requests
//! apart. Equivalent spellings are merged (key order, white space of JSON, a value written out that
//! is the documented default, `stop` as text or list, `max_tokens` and `max_completion_tokens`, one
//! text part and plain text). Invariant: equal [`Fingerprint`]s are equal requests of one scope;
//! within a [`Partition`] only the wording of the last question differs.
//!
//! The messages before the last are one [`ContextId`], a chain of hashes. A turn that was answered
//! from the cache links its own chain to that of the turn whose answer it got, so two conversations
//! that were given the same answer to the same question share what follows.

use blake3::Hasher;
use serde_json::{Map, Number, Value};

use crate::{ident::Namespace, wire::chat::ChatRequest};

use super::{
    question::{self, Asked, Block, only_text_part},
    surface::surface,
};

/// Whose entries a request may see. Made with a secret of the process, so it can't be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope([u8; 32]);

impl Scope {
    /// The scope of somebody with the identity `name` (a key, or a configured namespace).
    #[must_use]
    pub fn new(secret: &[u8; 32], kind: ScopeKind, name: &[u8]) -> Self {
        let mut hasher = Hasher::new_keyed(secret);
        hasher.update(&[kind as u8]);
        hasher.update(name);
        Self(hasher.finalize().into())
    }

    /// The part of this scope that a request names.
    #[must_use]
    pub fn within(self, namespace: &Namespace) -> Self {
        let mut hasher = Hasher::new_keyed(&self.0);
        hasher.update(namespace.as_str().as_bytes());
        Self(hasher.finalize().into())
    }

    /// A hash of bytes that means nothing outside this scope.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> [u8; 32] {
        blake3::keyed_hash(&self.0, bytes).into()
    }
}

/// What a scope is named by; keeps a key and a namespace of the same text apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ScopeKind {
    /// Nobody presented a key.
    Anonymous = 0,
    /// A key.
    Key = 1,
    /// A namespace that several clients share.
    Shared = 2,
}

/// The identity of a whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of these bytes, as read back from storage.
    #[must_use]
    pub const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for storage.
    #[must_use]
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// The first byte: as good as any for spreading fingerprints evenly, since they are hashes.
    #[must_use]
    pub const fn first(self) -> u8 {
        let [first, ..] = self.0;
        first
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = blake3::HexError;

    /// # Errors
    /// When the text is not 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(blake3::Hash::from_hex(text)?.into()))
    }
}

/// The identity of a request but for the wording of its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition([u8; 32]);

/// The identity of a request but for case, politeness and spelling of its question, which are the
/// same to anybody who answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Surface([u8; 32]);

/// The identity of a conversation up to some message, in one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContextId([u8; 32]);

impl ContextId {
    /// The conversation with these bytes, as read back from storage.
    #[must_use]
    pub const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for storage.
    #[must_use]
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// The conversation that goes on with this plain answer, as clients send it back.
    #[must_use]
    pub fn after(self, answer: &str) -> Self {
        let message = serde_json::json!({"role": "assistant", "content": answer});
        let mut canonical = Canonical::new();
        canonical.message(&message, None);
        self.then(&canonical.out)
    }

    fn then(self, message: &[u8]) -> Self {
        Self(blake3::keyed_hash(&self.0, message).into())
    }
}

/// A request's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Equal requests have equal ones.
    pub fingerprint: Fingerprint,
    /// Where neighbours are looked for.
    pub partition: Partition,
    /// The second exact key; `None` if only the very words will do.
    pub surface: Option<Surface>,
    /// The conversation, the last message included.
    pub context: ContextId,
    /// The wording that may vary; `None` if nothing may.
    pub question: Option<String>,
}

/// What a request's identity depends on besides the request.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Whose entries it may see.
    pub scope: Scope,
    /// Where it goes: the provider and model that a request of this name is answered by.
    pub target: &'a str,
    /// Whether every request belongs to the end user that it names, not only the personal ones.
    pub by_user: bool,
    /// The conversation that another one was found to be the same as.
    pub same_as: &'a dyn Fn(ContextId) -> Option<ContextId>,
}

impl std::fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// What can't shape an answer. Everything else can.
const WITHOUT_INFLUENCE: [&str; 9] = [
    "stream",
    "stream_options",
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// The identity of `request`, which ends in what was `asked`.
#[must_use]
pub fn identify(
    request: &ChatRequest,
    asked: Option<&Asked<'_>>,
    setting: &Setting<'_>,
) -> Identity {
    let scope = setting.scope;
    let mut canonical = Canonical::new();
    canonical.text(setting.target);
    let fields = request.fields();
    canonical.fields(fields);

    let messages = request.messages();
    let (last, history) = match messages.split_last() {
        Some((last, history)) => (Some(last), history),
        None => (None, messages),
    };
    let mut context = ContextId(scope.digest(b"conversation"));
    for message in history {
        let mut turn = Canonical::new();
        turn.message(message, None);
        canonical.is_exact &= turn.is_exact;
        context = context.then(&turn.out);
        if message.get("role").is_some_and(|role| role == "assistant") {
            context = (setting.same_as)(context).unwrap_or(context);
        }
    }
    canonical.out.push(b'M');
    canonical.out.extend_from_slice(&context.0);
    let parts = asked.and_then(|asked| asked.parts.as_ref());
    if let Some(last) = last {
        let mut turn = Canonical::new();
        turn.message(last, None);
        context = context.then(&turn.out);
        canonical.message(last, parts);
    }
    if let Some(user) = end_user(fields, asked, setting.by_user) {
        canonical.out.push(b'U');
        canonical.text(user);
        context = ContextId(Scope(context.0).digest(user.as_bytes()));
    }
    if !canonical.is_exact {
        canonical.out.push(b'R');
        canonical.text(&String::from_utf8_lossy(request.raw()));
    }
    let partition = scope.digest(&canonical.out);
    let within = Scope(partition);
    let fingerprint = parts.map_or(partition, |parts| within.digest(&wording(parts)));
    let surface = parts
        .and_then(|parts| surface(&parts.question))
        .map(|surface| Surface(within.digest(format!("surface {surface}").as_bytes())));
    Identity {
        fingerprint: Fingerprint(fingerprint),
        partition: Partition(partition),
        surface,
        context,
        question: parts.map(|parts| parts.question.clone()),
    }
}

/// The end user, if the request names one and belongs to that person.
fn end_user<'a>(
    fields: &'a Map<String, Value>,
    asked: Option<&Asked<'_>>,
    always: bool,
) -> Option<&'a str> {
    let user = ["safety_identifier", "user"]
        .iter()
        .find_map(|name| fields.get(*name).and_then(Value::as_str))?;
    (always || asked.is_some_and(|asked| is_personal(asked.gist()))).then_some(user)
}

fn is_personal(text: &str) -> bool {
    const OWN: [&str; 8] = ["my", "mine", "me", "our", "ours", "us", "myself", "i'm"];
    const BEFORE_I: [&str; 8] = ["am", "did", "have", "was", "had", "will", "were", "should"];
    const AFTER_I: [&str; 6] = ["am", "have", "had", "was", "owe", "own"];
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .collect();
    words.iter().any(|word| OWN.contains(word))
        || words.windows(2).any(|pair| match pair {
            [before, "i"] => BEFORE_I.contains(before),
            ["i", after] => AFTER_I.contains(after),
            _ => false,
        })
}

fn shapes_the_answer(key: &str, value: &Value, fields: &Map<String, Value>) -> bool {
    !(value.is_null()
        || key == "model"
        || key == "messages"
        || WITHOUT_INFLUENCE.contains(&key)
        || is_documented_default(key, value, fields))
}

/// Whether leaving the field out would mean the same.
/// Source: <https://platform.openai.com/docs/api-reference/chat/create> (seen 2026-11).
fn is_documented_default(key: &str, value: &Value, fields: &Map<String, Value>) -> bool {
    let number = |default: f64| value.as_f64() == Some(default);
    let is_empty = || {
        value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
    };
    match key {
        "temperature" | "top_p" | "n" => number(1.0),
        "presence_penalty" | "frequency_penalty" => number(0.0),
        "logprobs" => value == false,
        "parallel_tool_calls" => value == true,
        "tool_choice" => {
            let has_tools = fields
                .get("tools")
                .and_then(Value::as_array)
                .is_some_and(|t| !t.is_empty());
            value == if has_tools { "auto" } else { "none" }
        }
        "stop" | "tools" | "functions" | "logit_bias" => is_empty(),
        "modalities" => value
            .as_array()
            .is_some_and(|list| matches!(list.as_slice(), [one] if one == "text")),
        "response_format" => value
            .as_object()
            .is_some_and(|f| f.len() == 1 && f.get("type").is_some_and(|t| t == "text")),
        _ => false,
    }
}

fn merged_name<'a>(key: &'a str, fields: &Map<String, Value>) -> &'a str {
    if key == "max_tokens" && !fields.contains_key("max_completion_tokens") {
        "max_completion_tokens"
    } else {
        key
    }
}

/// The question's blocks byte for byte, each with its length; the rest of the text is in the partition.
fn wording(parts: &question::Parts<'_>) -> Vec<u8> {
    let mut canonical = Canonical::new();
    for block in &parts.blocks {
        if let Block::Question(text) = block {
            canonical.text(text);
        }
    }
    canonical.out
}

/// Writes values so that different ones are different bytes: every text carries its length, every
/// list and object its end. Keys are sorted, numbers reduced (`1.0` is `1`).
struct Canonical {
    out: Vec<u8>,
    /// Whether every number was read without loss. Whole numbers of more than 64 bits are not.
    is_exact: bool,
}

impl Canonical {
    fn new() -> Self {
        Self {
            out: Vec::with_capacity(512),
            is_exact: true,
        }
    }

    /// The fields beside the messages that shape the answer.
    fn fields(&mut self, fields: &Map<String, Value>) {
        let mut keys: Vec<(&str, &Value)> = fields
            .iter()
            .filter(|(key, value)| shapes_the_answer(key, value, fields))
            .map(|(key, value)| (merged_name(key, fields), value))
            .collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in keys {
            self.text(key);
            match (key, value) {
                ("stop", Value::String(_)) => {
                    self.out.push(b'[');
                    self.value(value);
                    self.out.push(b']');
                }
                _ => self.value(value),
            }
        }
    }

    fn message(&mut self, message: &Value, parts: Option<&question::Parts<'_>>) {
        let Some(fields) = message.as_object() else {
            return self.value(message);
        };
        let says_nothing =
            |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        self.out.push(b'{');
        for (key, value) in fields.iter().filter(|(_, value)| !says_nothing(value)) {
            self.text(key);
            match (parts, only_text_part(value)) {
                (Some(parts), _) if key == "content" => self.matter(parts),
                (_, Some(text)) if key == "content" => self.text(text),
                _ => self.value(value),
            }
        }
        self.out.push(b'}');
    }

    fn matter(&mut self, parts: &question::Parts<'_>) {
        self.out.push(b'(');
        for block in &parts.blocks {
            match block {
                Block::Matter(text) => self.text(text),
                Block::Question(_) => self.out.push(b'?'),
            }
        }
        self.out.push(b')');
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push(b'0'),
            Value::Bool(false) => self.out.push(b'f'),
            Value::Bool(true) => self.out.push(b't'),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.out.push(b'[');
                items.iter().for_each(|item| self.value(item));
                self.out.push(b']');
            }
            Value::Object(fields) => {
                self.out.push(b'{');
                // Sorted: a map of serde_json is, unless its `preserve_order` is switched on.
                for (key, value) in fields {
                    self.text(key);
                    self.value(value);
                }
                self.out.push(b'}');
            }
        }
    }

    fn number(&mut self, number: &Number) {
        /// Above it, neighbouring whole numbers are one `f64`.
        const EXACT: f64 = (1_u64 << 53) as f64;
        self.out.push(b'n');
        if let Some(real) = number.as_f64().filter(|_| number.is_f64()) {
            self.is_exact &= real.abs() < EXACT;
            self.text(&real.to_string());
        } else {
            self.text(&number.to_string());
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push(b's');
        self.out
            .extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests;
