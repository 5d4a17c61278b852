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
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ident::Namespace, wire::chat::ChatRequest};

use self::canonical::Canonical;
use super::{
    question::{self, Asked, Block},
    surface::surface,
};

mod canonical;

/// Whose entries a request may see. Made with a secret of the process, so it can't be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

macro_rules! stored {
    ($($name:ident),*) => {$(
        impl $name {
            /// What has these bytes, as read back from storage.
            #[must_use]
            pub const fn of(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes, for storage.
            #[must_use]
            pub const fn bytes(self) -> [u8; 32] {
                self.0
            }
        }
    )*};
}
stored!(Scope, Fingerprint, Partition, Surface, ContextId);

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
    /// Whether the question may be spelled otherwise.
    pub by_surface: bool,
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
    if request.continues() {
        // No chat request can say so, whatever its fields are.
        canonical.text("continues");
    }
    if let Some(apart) = request.apart() {
        // No field begins with this letter.
        canonical.out.push(b'A');
        canonical.object(apart);
    }
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
    if request.drops_unsupported() {
        canonical.out.push(b'D');
    }
    if !canonical.is_exact {
        canonical.out.push(b'R');
        canonical.text(&String::from_utf8_lossy(request.raw()));
    }
    let partition = scope.digest(&canonical.out);
    let within = Scope(partition);
    let fingerprint = parts.map_or(partition, |parts| within.digest(&wording(parts)));
    let surface = parts
        .filter(|_| setting.by_surface)
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
    // In the languages of Latin script that are spoken most, too.
    const OWN: [&str; 38] = [
        "my", "mine", "me", "our", "ours", "us", "myself", "i'm", "i've", "ich", "mir", "mich",
        "mein", "meine", "meinen", "meinem", "meiner", "meines", "unser", "unsere", "je", "moi",
        "mon", "ma", "mes", "notre", "nos", "mi", "mis", "nuestro", "nuestra", "mio", "mia", "mie",
        "meu", "minha", "mijn", "ik",
    ];
    /// "When do I get paid"; but "how do I" is mostly about anybody.
    const BEFORE_DO_I: [&str; 5] = ["what", "when", "where", "which", "who"];
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
        || words
            .windows(3)
            .any(|three| matches!(three, [before, "do", "i"] if BEFORE_DO_I.contains(before)))
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

#[cfg(test)]
mod tests;
