//! An entry of the cache as it lies in the file: its fields, its vector.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::stored::{Key, Kind, Metrics, Stored, beginning};
use crate::{
    embed::{Embedding, EncoderId},
    telemetry::names,
};

/// One entry, as plain data: hashes, numbers, texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The identity of the request, and the key in the file.
    #[serde(skip)]
    pub fingerprint: Key,
    /// The identity of the request but for the wording of its question.
    pub partition: Option<Key>,
    /// The identity of the request in canonical spelling.
    pub surface: Option<Key>,
    /// The identity of the conversation that its answer continues.
    pub context: Key,
    /// Whose entry it is.
    pub scope: Key,
    /// The namespace that the request named; empty if none.
    pub namespace: String,
    /// The wording of the question, if it may be found by meaning.
    pub question: Option<String>,
    /// The vector of the question.
    pub vector: Option<PackedVector>,
    /// The answer as JSON.
    pub written: Bytes,
    /// Who gave it.
    pub provider: String,
    /// What the provider calls the model.
    pub model: String,
    /// What the client called the model.
    pub asked_model: String,
    /// Tokens read and written, if the provider counted them.
    pub usage: Option<(u64, u64)>,
    /// The `usage` that was counted here, as JSON.
    pub counted: Option<String>,
    /// US dollars per million tokens read and written.
    pub price: Option<(f64, f64)>,
    /// When it was stored, in milliseconds since 1970.
    pub stored_unix_ms: u64,
    /// How long it may be used from then on, in milliseconds.
    pub ttl_ms: u64,
    /// What it was labelled with.
    pub tags: Vec<String>,
    /// The generation of the cache that it belongs to.
    pub generation: u64,
    /// How often it has answered.
    pub uses: u64,
    /// Whether the prompt had matter beside its question.
    pub has_matter: bool,
    /// The beginning of the prompt, for removal by prefix.
    pub prompt: String,
    /// Whether an operator keeps it. Since version 2.
    pub pinned: bool,
    /// How long its provider took for it, in milliseconds. Since version 2.
    pub took_ms: Option<u64>,
}

impl Record {
    /// About how many bytes it takes while it waits to be written.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = [&self.namespace, &self.provider, &self.model];
        let more = [&self.asked_model, &self.prompt];
        let optional = [&self.question, &self.counted];
        let texts: usize = texts.into_iter().chain(more).map(String::len).sum();
        let optional: usize = optional.into_iter().flatten().map(String::len).sum();
        let tags: usize = self
            .tags
            .iter()
            .map(|tag| size_of::<String>() + tag.len())
            .sum();
        let vector = self
            .vector
            .as_ref()
            .map_or(0, |vector| vector.numbers.len());
        size_of::<Self>() + self.written.len() + texts + optional + tags + vector
    }
}

/// A unit vector in 16-bit fixed point, and the encoder that made it.
///
/// Half the size of floats. The steps of 2⁻¹⁵ move a cosine by about 10⁻⁵, a fiftieth of what
/// decisions notice; eight bits would move it by 10⁻³.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedVector {
    /// The beginning of the hash of the encoder's id.
    encoder: [u8; 8],
    /// Little-endian `i16`s, each component times 32,767.
    numbers: Bytes,
}

/// The factor of the fixed point; components of a unit vector are at most 1.
const UNIT: f32 = 32_767.0;

impl PackedVector {
    /// Packs a vector.
    #[must_use]
    pub fn new(embedding: &Embedding) -> Self {
        let mut numbers = Vec::with_capacity(embedding.as_slice().len() * 2);
        for component in embedding.as_slice() {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float casts to the nearest i16"
            )]
            let fixed = (component * UNIT).round() as i16;
            numbers.extend_from_slice(&fixed.to_le_bytes());
        }
        Self {
            encoder: encoder_tag(&embedding.encoder()),
            numbers: numbers.into(),
        }
    }

    /// The vector; `None` if another encoder made it, so that it has to be made anew.
    #[must_use]
    pub fn unpack(&self, encoder: &EncoderId) -> Option<Embedding> {
        if self.encoder != encoder_tag(encoder) {
            return None;
        }
        let (numbers, rest) = self.numbers.as_chunks::<2>();
        let components = numbers
            .iter()
            .map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / UNIT);
        rest.is_empty()
            .then(|| Embedding::new(encoder.clone(), components.collect()).ok())
            .flatten()
    }
}

fn encoder_tag(encoder: &EncoderId) -> [u8; 8] {
    beginning(blake3::hash(encoder.as_str().as_bytes()))
}

impl Stored for Record {
    const KIND: Kind = Kind {
        name: "cache",
        title: "the cache's file",
        table: "entries",
        metrics: Metrics {
            state: names::CACHE_DISK_STATE,
            bytes: names::CACHE_DISK_BYTES,
            failures: names::CACHE_DISK_FAILURES,
            dropped: names::CACHE_DISK_DROPPED,
        },
    };

    const VERSION: u8 = 2;

    fn key(&self) -> Key {
        self.fingerprint
    }

    fn size(&self) -> usize {
        Self::size(self)
    }

    fn write(&self) -> Option<Vec<u8>> {
        postcard::to_allocvec(self).ok()
    }

    fn read(key: Key, version: u8, fields: &[u8]) -> Option<Self> {
        /// The last two fields of what has none of them: not pinned, time unknown.
        const MISSING: [u8; 2] = [0, 0];
        let record: Self = match version {
            1 => postcard::from_bytes(&[fields, &MISSING].concat()).ok()?,
            _ => postcard::from_bytes(fields).ok()?,
        };
        Some(Self {
            fingerprint: key,
            ..record
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::disk::{
        stored::{Damaged, decode, encode, seal_as},
        tests::record,
    };

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let record = record(7);
        let value = encode(&record).unwrap();
        assert_eq!(decode(&record.fingerprint, &value), Ok(record.clone()));
        for at in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_eq!(
                decode::<Record>(&record.fingerprint, &flipped),
                Err(Damaged),
                "bit {at}"
            );
        }
        for length in 0..value.len() {
            assert_eq!(
                decode::<Record>(&record.fingerprint, &value[..length]),
                Err(Damaged)
            );
        }
    }

    #[test]
    fn a_value_under_anothers_key_is_damaged() {
        let value = encode(&record(1)).unwrap();
        assert_eq!(
            decode::<Record>(&record(2).fingerprint, &value),
            Err(Damaged)
        );
    }

    #[test]
    fn a_record_of_the_first_form_is_neither_pinned_nor_timed() {
        let new = Record {
            pinned: false,
            took_ms: None,
            ..record(3)
        };
        let mut fields = new.write().unwrap();
        fields.truncate(fields.len() - 2);
        let key = new.fingerprint;
        assert_eq!(decode(&key, &seal_as(1, &key, &fields)), Ok(new));
        // It is not read as another form, nor another form as it.
        assert_eq!(
            decode::<Record>(&key, &seal_as(2, &key, &fields)),
            Err(Damaged)
        );
        let next = encode(&record(3)).unwrap();
        assert_eq!(
            decode::<Record>(&key, &seal_as(3, &key, &next)),
            Err(Damaged)
        );
        let written = record(3);
        assert_eq!((written.pinned, written.took_ms), (true, Some(1_203)));
        assert_eq!(decode(&key, &next), Ok(written));
    }

    #[test]
    fn a_vector_of_another_encoder_is_not_unpacked() {
        let (ours, other) = (EncoderId::new("a"), EncoderId::new("b"));
        let embedding = Embedding::new(ours.clone(), vec![0.6, -0.8]).unwrap();
        let packed = PackedVector::new(&embedding);
        assert_eq!(packed.unpack(&other), None);
        assert!(packed.unpack(&ours).unwrap().cosine(&embedding) > 0.999_99);
    }

    fn unit_vector() -> impl Strategy<Value = Embedding> {
        let numbers = prop::collection::vec(-1.0_f32..1.0, 384);
        numbers.prop_filter_map("has a direction", |numbers| {
            Embedding::new(EncoderId::new("test"), numbers).ok()
        })
    }

    proptest! {
        #[test]
        fn packing_moves_no_cosine_noticeably(a in unit_vector(), b in unit_vector()) {
            let back = |vector| PackedVector::new(vector).unpack(&EncoderId::new("test")).unwrap();
            // Rounding errors of 384 components make 1.3e-5 of standard deviation, so this is eight of them.
            prop_assert!((back(&a).cosine(&back(&b)) - a.cosine(&b)).abs() < 1e-4);
            prop_assert!(back(&a).cosine(&a) > 0.999_99);
        }

        #[test]
        fn garbage_is_damaged_and_nothing_worse(key: Key, value: Vec<u8>, fields: Vec<u8>) {
            prop_assert_eq!(decode::<Record>(&key, &value), Err(Damaged));
            // Even with a right checksum, as a bug could write it.
            for version in 0..4 {
                let _any = decode::<Record>(&key, &seal_as(version, &key, &fields));
            }
        }
    }
}
