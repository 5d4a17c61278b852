//! Entries to records of the disk and back.
//!
//! What can't be read back as what it was (a name that is no name any more, a time that lies in the
//! future) is left out: an entry less is a miss, an entry that is not what it was may be a wrong answer.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use serde_json::Value;

use super::{
    disk::{PackedVector, Record},
    entry::{Entry, Question, Use},
};
use crate::{
    clock::UnixMillis,
    embed::Embedding,
    ident::{ModelId, Namespace, ProviderName, Tag},
    policy::{
        identity::{ContextId, Fingerprint, Partition, Scope, Surface},
        wording::Wording,
    },
    units::{Price, Tokens, Usd},
    wire::answer::Usage,
};

/// How far in the future an entry may have been stored, by a clock that was set back since.
const LEAP: Duration = Duration::from_secs(300);

/// The record of an entry.
#[must_use]
pub fn record(entry: &Entry, embedding: Option<&Embedding>) -> Record {
    let question = entry.question.as_ref();
    Record {
        fingerprint: entry.fingerprint.bytes(),
        partition: question.map(|question| question.partition.bytes()),
        surface: entry.surface.map(Surface::bytes),
        context: entry.context.bytes(),
        scope: entry.scope.bytes(),
        namespace: (entry.namespace.as_ref()).map_or_else(String::new, Namespace::to_string),
        question: question.map(|question| question.text.to_string()),
        vector: embedding.map(PackedVector::new),
        written: entry.written.clone(),
        provider: entry.provider.to_string(),
        model: entry.model.to_string(),
        asked_model: entry.asked_model.to_string(),
        usage: entry.usage.map(|usage| (usage.input.0, usage.output.0)),
        counted: entry.counted.get().map(ToString::to_string),
        price: entry
            .price
            .map(|price| (price.input.get(), price.output.get())),
        stored_unix_ms: entry.stored.0,
        ttl_ms: millis(entry.ttl),
        tags: entry.tags.iter().map(Tag::to_string).collect(),
        generation: entry.generation,
        uses: entry.use_of.count().into(),
        has_matter: question.is_some_and(|question| question.has_matter),
        prompt: entry.prompt.to_string(),
        pinned: entry.is_pinned(),
        took_ms: entry.took.map(millis),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The entry of a record, and its vector, which has or will have so many numbers. `None` if it can't
/// be what it was.
#[must_use]
pub fn entry(
    record: Record,
    now: UnixMillis,
    dimension: usize,
) -> Option<(Entry, Option<PackedVector>)> {
    let stored = UnixMillis(record.stored_unix_ms);
    if stored.since(now) > LEAP {
        return None;
    }
    let question = match (record.partition, record.question) {
        (Some(partition), Some(text)) => Some(Question {
            partition: Partition::of(partition),
            has_matter: record.has_matter,
            wording: Arc::new(Wording::of(&text)),
            text: text.into(),
            dimension,
        }),
        _ => None,
    };
    let price = record.price.map(|(input, output)| {
        Some(Price {
            input: Usd::new(input)?,
            output: Usd::new(output)?,
        })
    });
    let counted: Option<Value> = record
        .counted
        .and_then(|counted| serde_json::from_str(&counted).ok());
    let tags: Result<Box<[Tag]>, _> = record.tags.iter().map(|tag| Tag::new(tag)).collect();
    let namespace = Some(record.namespace).filter(|namespace| !namespace.is_empty());
    let entry = Entry {
        fingerprint: Fingerprint::of(record.fingerprint),
        scope: Scope::of(record.scope),
        context: ContextId::of(record.context),
        surface: record.surface.map(Surface::of),
        question,
        written: record.written,
        prompt: record.prompt.into(),
        asked_model: record.asked_model.into(),
        provider: ProviderName::new(&record.provider).ok()?,
        model: ModelId::new(&record.model).ok()?,
        namespace: namespace
            .map(|name| Namespace::new(&name))
            .transpose()
            .ok()?,
        tags: tags.ok()?,
        usage: record.usage.map(|(input, output)| Usage {
            input: Tokens(input),
            output: Tokens(output),
        }),
        counted: counted.map_or_else(OnceLock::new, OnceLock::from),
        price: match price {
            Some(price) => Some(price?),
            None => None,
        },
        stored: stored.min(now),
        ttl: Duration::from_millis(record.ttl_ms),
        generation: record.generation,
        use_of: Use::of(u32::try_from(record.uses).unwrap_or(u32::MAX)),
        took: record.took_ms.map(Duration::from_millis),
        pinned: AtomicBool::new(record.pinned),
    };
    entry.answer().is_some().then_some((entry, record.vector))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::entry::tests::{entry as sample, numbered},
        embed::EncoderId,
    };

    fn kept() -> Record {
        let mut record = record(&sample(numbered(1), 0), None);
        record.written = br#"{"model":"m","choices":[{"index":0,"message":{"content":"a"}}]}"#
            .as_slice()
            .into();
        record.tags = vec!["faq".to_owned()];
        record.namespace = "docs".to_owned();
        record.partition = Some([2; 32]);
        record.question = Some("What do crabs eat?".to_owned());
        record.surface = Some([3; 32]);
        record.price = Some((1.0, 2.0));
        record.counted = Some("{\"prompt_tokens\":3}".to_owned());
        (record.pinned, record.took_ms) = (true, Some(1_500));
        let embedding = Embedding::new(EncoderId::new("e"), vec![0.6, 0.8]).unwrap();
        record.vector = Some(PackedVector::new(&embedding));
        record
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let record_before = kept();
        let (entry, vector) = entry(record_before.clone(), UnixMillis(2_000), 2).unwrap();
        let mut record_after = record(&entry, None);
        record_after.vector = vector;
        assert_eq!(record_after, record_before);
    }

    #[test]
    fn what_can_not_be_what_it_was_is_left_out() {
        let read = |change: &dyn Fn(&mut Record), now| {
            let mut record = kept();
            change(&mut record);
            entry(record, UnixMillis(now), 2)
        };
        assert!(read(&|_| (), 2_000).is_some());
        // Stored by a clock that is set back since.
        let stored = |time: u64| read(&move |record| record.stored_unix_ms = time, 2_000);
        assert!(stored(2_000 + 300_001).is_none());
        let (early, _) = stored(2_000 + 300_000).unwrap();
        assert_eq!(early.stored, UnixMillis(2_000), "never younger than new");
        assert!(read(&|record| record.provider = "a/b".to_owned(), 2_000).is_none());
        assert!(read(&|record| record.tags.push("a,b".to_owned()), 2_000).is_none());
        assert!(read(&|record| record.price = Some((f64::NAN, 1.0)), 2_000).is_none());
        assert!(read(&|record| record.written = "<html>".into(), 2_000).is_none());
    }
}
