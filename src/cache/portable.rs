//! Entries as lines of JSON, to move them from one gateway to another.
//!
//! An export is a header and a line for each entry. It holds no vectors: those of another encoder would
//! be of no use, so whoever reads it makes them anew. Identities are hashes keyed with the secret of
//! scopes, so the header says which secret that was, by a hash of it. Invariant: a line that is read
//! back gives the entry that was written, or an error that says why it can't be one.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    disk::Record,
    entry::{Entry, PROMPT},
    mirror,
};
use crate::{
    clock::UnixMillis,
    ident::{InvalidName, ModelId, Namespace, ProviderName, Tag},
    inert,
    units::Usd,
    wire::answer::Answer,
};

/// The form of the lines below. A reader refuses what it does not know; the first form lacks `pinned` and
/// `took`.
const VERSION: u32 = 2;

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The form of the lines that follow.
    refrain_cache: u32,
    /// Names the secret that their identities are keyed with, without telling it.
    secret: String,
}

impl Header {
    /// The header of what is keyed with the secret of this mark.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self {
            refrain_cache: VERSION,
            secret: secret.to_owned(),
        }
    }

    /// Whether the lines that follow can be used where the secret has this mark.
    ///
    /// # Errors
    /// [`Unreadable`], with what to do.
    pub fn fits(&self, secret: &str) -> Result<(), Unreadable> {
        if !(1..=VERSION).contains(&self.refrain_cache) {
            return Err(Unreadable(format!(
                "the export is of form {}; this gateway reads forms 1 to {VERSION}",
                self.refrain_cache
            )));
        }
        if self.secret != secret {
            return Err(Unreadable(
                "the export comes from a gateway with another secret, so nobody here could find its \
                 entries; configure the same `cache.secret_env` in both gateways and export again"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// The line, its end included.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        ended(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Why a line is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl From<serde_json::Error> for Unreadable {
    /// With the column; the line is the file's, which serde can't know.
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let what = text
            .rsplit_once(" at line ")
            .map_or(&*text, |(what, _)| what);
        Self(match error.column() {
            0 => what.to_owned(),
            column => format!("{what} (column {column})"),
        })
    }
}

impl From<InvalidName> for Unreadable {
    fn from(error: InvalidName) -> Self {
        Self(error.0)
    }
}

/// 32 bytes as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hex([u8; 32]);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let hash = blake3::Hash::from_hex(text);
        let hash = hash.map_err(|_| D::Error::custom("an identity is 64 hexadecimal digits"))?;
        Ok(Self(hash.into()))
    }
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPrice {
    input: f64,
    output: f64,
}

/// An entry as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    fingerprint: Hex,
    context: Hex,
    scope: Hex,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    surface: Option<Hex>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    #[serde(default)]
    has_matter: bool,
    prompt: String,
    answer: Box<RawValue>,
    /// Its `usage`, where the gateway has counted for the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counted: Option<Box<RawValue>>,
    provider: String,
    model: String,
    asked_model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<WrittenPrice>,
    /// In milliseconds since 1970.
    stored: u64,
    /// In milliseconds.
    ttl: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    generation: u64,
    #[serde(default)]
    uses: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    /// In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    took: Option<u64>,
}

/// The line of an entry, its end included. `None` never happens for an entry with an answer.
#[must_use]
pub fn line(entry: &Entry) -> Option<Vec<u8>> {
    let record = mirror::record(entry, None);
    let raw = |json: &str| serde_json::from_str::<Box<RawValue>>(json).ok();
    let written = Written {
        fingerprint: Hex(record.fingerprint),
        context: Hex(record.context),
        scope: Hex(record.scope),
        partition: record.partition.map(Hex),
        surface: record.surface.map(Hex),
        namespace: record.namespace,
        question: record.question,
        has_matter: record.has_matter,
        prompt: record.prompt,
        answer: raw(std::str::from_utf8(&record.written).ok()?)?,
        counted: record.counted.and_then(|counted| raw(&counted)),
        provider: record.provider,
        model: record.model,
        asked_model: record.asked_model,
        price: (record.price).map(|(input, output)| WrittenPrice { input, output }),
        stored: record.stored_unix_ms,
        ttl: record.ttl_ms,
        tags: record.tags,
        generation: record.generation,
        uses: record.uses,
        pinned: record.pinned,
        took: record.took_ms,
    };
    // Whoever looks at an export does so on a terminal.
    let line = serde_json::to_string(&written).ok()?;
    Some(ended(inert::json(&line).into_owned().into_bytes()))
}

/// The entry of a line, whose vector will have so many numbers.
///
/// # Errors
/// [`Unreadable`] if it can't be one.
pub fn entry(line: &[u8], now: UnixMillis, dimension: usize) -> Result<Entry, Unreadable> {
    let mut written: Written = serde_json::from_slice(line)?;
    check(&written)?;
    let answer = Answer::read(written.answer.get().as_bytes())
        .map_err(|error| Unreadable(format!("`answer`: {error}")))?;
    let usage = answer.usage();
    written
        .prompt
        .truncate(written.prompt.floor_char_boundary(PROMPT));
    let record = Record {
        fingerprint: written.fingerprint.0,
        partition: written.partition.map(|partition| partition.0),
        surface: written.surface.map(|surface| surface.0),
        context: written.context.0,
        scope: written.scope.0,
        namespace: written.namespace,
        question: written.question,
        vector: None,
        // Written anew: an answer holds neither white space nor an id of its own.
        written: serde_json::to_vec(&answer)?.into_boxed_slice().into(),
        provider: written.provider,
        model: written.model,
        asked_model: written.asked_model,
        usage: usage.map(|usage| (usage.input.0, usage.output.0)),
        counted: written.counted.map(|counted| counted.get().to_owned()),
        price: written.price.map(|price| (price.input, price.output)),
        stored_unix_ms: written.stored,
        ttl_ms: written.ttl,
        tags: written.tags,
        generation: written.generation,
        uses: written.uses,
        has_matter: written.has_matter,
        prompt: written.prompt,
        pinned: written.pinned,
        took_ms: written.took,
    };
    let read = mirror::entry(record, now, dimension).map(|(entry, _)| entry);
    read.ok_or_else(|| Unreadable("`stored` lies in the future; is a clock wrong?".to_owned()))
}

/// Says what is wrong where [`mirror::entry`] would only say that something is.
fn check(written: &Written) -> Result<(), Unreadable> {
    ProviderName::new(&written.provider)?;
    ModelId::new(&written.model)?;
    if !written.namespace.is_empty() {
        Namespace::new(&written.namespace)?;
    }
    for tag in &written.tags {
        Tag::new(tag)?;
    }
    let is_amount = |amount| Usd::new(amount).is_some();
    if (written.price).is_some_and(|price| !(is_amount(price.input) && is_amount(price.output))) {
        return Err(Unreadable("`price` is not negative".to_owned()));
    }
    if (written.counted.as_ref()).is_some_and(|counted| !counted.get().starts_with('{')) {
        return Err(Unreadable("`counted` is not a `usage` object".to_owned()));
    }
    if written.question.is_some() != written.partition.is_some() {
        let message = "`question` and `partition` go together: both, or neither";
        return Err(Unreadable(message.to_owned()));
    }
    Ok(())
}

fn ended(mut line: Vec<u8>) -> Vec<u8> {
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::entry::tests::{entry as sample, numbered};

    const NOW: UnixMillis = UnixMillis(2_000_000_000_000);
    const ANSWER: &str = r#"{"model":"m","choices":[{"index":0,"message":{"content":"a"},"logprobs":null,"finish_reason":"stop"}]}"#;

    fn plain() -> Record {
        let mut record = mirror::record(&sample(numbered(1), 0), None);
        record.written = ANSWER.as_bytes().into();
        record.usage = None;
        record
    }

    fn written(record: Record) -> String {
        let (entry, _) = mirror::entry(record, NOW, 2).unwrap();
        String::from_utf8(line(&entry).unwrap()).unwrap()
    }

    fn key() -> impl Strategy<Value = [u8; 32]> {
        any::<[u8; 32]>()
    }

    prop_compose! {
        fn records()(
            hashes in (key(), key(), key(), prop::option::of(key())),
            question in prop::option::of((key(), any::<String>())),
            has_matter in any::<bool>(),
            said in any::<String>(),
            tokens in prop::option::of((0_u64..1 << 40, 0_u64..1 << 40)),
            counted in any::<bool>(),
            price in prop::option::of((0_u32..100_000, 0_u32..100_000)),
            names in ("[a-z]{1,8}", "[a-z/-]{1,8}[a-z]", any::<String>(), "[a-z]{0,8}"),
            times in (0..NOW.0, any::<u64>(), any::<u64>(), any::<u32>()),
            tags in prop::collection::vec("[a-z:]{1,8}", 0..4),
            prompt in "\\PC{0,64}",
            pinned in any::<bool>(),
            took_ms in prop::option::of(any::<u64>()),
        ) -> Record {
            let mut answer: serde_json::Value = serde_json::from_str(ANSWER).unwrap();
            answer["choices"][0]["message"]["content"] = said.into();
            if let Some((input, output)) = tokens {
                answer["usage"] = serde_json::json!({"prompt_tokens": input, "completion_tokens": output});
            }
            let answer = Answer::from_value(answer).unwrap();
            let (fingerprint, context, scope, surface) = hashes;
            let (provider, model, asked_model, namespace) = names;
            let (stored_unix_ms, ttl_ms, generation, uses) = times;
            Record {
                fingerprint, context, scope, surface, namespace, provider, asked_model,
                stored_unix_ms, ttl_ms, generation, tags, prompt, pinned, took_ms,
                model: format!("m{}", model.replace("..", "-")),
                partition: question.as_ref().map(|(partition, _)| *partition),
                has_matter: has_matter && question.is_some(),
                question: question.map(|(_, text)| text),
                vector: None,
                written: serde_json::to_vec(&answer).unwrap().into(),
                usage: tokens,
                counted: counted.then(|| "{\"prompt_tokens\":3}".to_owned()),
                price: price.map(|(input, output)| (f64::from(input) / 64.0, f64::from(output) / 64.0)),
                uses: uses.into(),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_what_was_written(record in records()) {
            let (before, _) = mirror::entry(record.clone(), NOW, 2).unwrap();
            let line = line(&before).unwrap();
            // A line that does nothing but be read.
            let text = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
            prop_assert!(!text.contains(inert::acts));
            let after = entry(&line, NOW, 2).unwrap();
            prop_assert_eq!(mirror::record(&after, None), record);
        }

        #[test]
        fn no_bytes_make_it_panic(line in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
            let _ = entry(&line, NOW, 2);
            let whole = written(plain());
            let half = &whole.as_bytes()[..cut.index(whole.len() - 2)];
            prop_assert!(entry(half, NOW, 2).is_err());
        }
    }

    #[test]
    fn what_is_no_entry_is_refused_with_the_reason() {
        let whole = written(plain());
        let refused = |from: &str, to: &str| {
            assert!(whole.contains(from), "{whole}");
            let changed = whole.replacen(from, to, 1);
            entry(changed.as_bytes(), NOW, 2).unwrap_err().0
        };
        for (from, to, says) in [
            (
                "\"stored\":1000",
                "\"stored\":2000000300001",
                "`stored` lies in the future",
            ),
            ("\"stored\":1000", "\"stored\":-1", "invalid value"),
            (
                "\"provider\":\"p\"",
                "\"provider\":\"p/q\"",
                "a provider's name is",
            ),
            (
                "\"model\":\"m\",\"asked",
                "\"model\":\"a?b\",\"asked",
                "a model's name is",
            ),
            (
                "\"uses\":0",
                "\"uses\":0,\"price\":{\"input\":-1,\"output\":0}",
                "`price`",
            ),
            ("\"uses\":0", "\"uses\":0,\"tags\":[\"a,b\"]", "a tag is"),
            (
                "\"uses\":0",
                "\"uses\":0,\"namespace\":\"a b\"",
                "a namespace is",
            ),
            ("\"uses\":0", "\"uses\":0,\"counted\":5", "`counted` is not"),
            (
                "\"uses\":0",
                "\"uses\":0,\"question\":\"what?\"",
                "go together",
            ),
            (
                "\"uses\":0",
                "\"uses\":0,\"vektor\":1",
                "unknown field `vektor`",
            ),
            (
                "\"choices\":[{",
                "\"choices\":[],\"x\":[{",
                "`answer`: JSON without",
            ),
            (
                "\"fingerprint\":\"",
                "\"fingerprint\":\"z",
                "64 hexadecimal digits",
            ),
        ] {
            let message = refused(from, to);
            assert!(message.contains(says), "{message}");
            assert!(!message.contains("at line"), "{message}");
        }
    }

    #[test]
    fn an_answer_loses_the_id_that_somebody_has_added() {
        let line = written(plain()).replacen("\"choices\"", "\"id\":\"x\",\"choices\"", 1);
        let read = entry(line.as_bytes(), NOW, 2).unwrap();
        assert_eq!(&*read.written, ANSWER.as_bytes());
    }

    #[test]
    fn a_header_fits_its_own_secret_and_form_only() {
        let header = Header::new("00ff");
        let read: Header = serde_json::from_slice(&header.line()).unwrap();
        assert_eq!(read, header);
        assert_eq!(read.fits("00ff"), Ok(()));
        assert!(
            read.fits("00fe")
                .unwrap_err()
                .0
                .contains("cache.secret_env")
        );
        let of_form = |form: u32| -> Header {
            let line = format!("{{\"refrain_cache\":{form},\"secret\":\"00ff\"}}");
            serde_json::from_str(&line).unwrap()
        };
        assert_eq!(of_form(1).fits("00ff"), Ok(()));
        for unknown in [0, 3] {
            let why = of_form(unknown).fits("00ff").unwrap_err().0;
            assert!(
                why.contains(&format!(
                    "of form {unknown}; this gateway reads forms 1 to 2"
                )),
                "{why}"
            );
        }
    }
}
