//! Text into vectors: the port that encoders implement and the words that go through it.
//!
//! An encoder turns one text into one [`Embedding`], quickly or not at all: it never makes a
//! request wait for longer than its deadline. It does not decide which text to embed, compare or
//! store vectors, or choose thresholds; `policy` and `cache` do.
//!
//! Invariant: every [`Embedding`] is a unit vector of finite numbers and knows its encoder, so
//! vectors of two encoders cannot be taken for comparable.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use crate::units::dot;

pub mod fastembed;
mod files;

/// Names one build of one encoder. Equal ids mean comparable vectors.
///
/// Two quantisations of one model are two encoders: their similarities differ.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EncoderId(Arc<str>);

impl EncoderId {
    /// The id with this text, as made by an encoder or read back from storage.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text, to be stored beside vectors.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EncoderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EncoderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A unit vector and the id of the encoder that made it. Clones share the numbers.
#[derive(Clone, PartialEq)]
pub struct Embedding {
    encoder: EncoderId,
    vector: Arc<[f32]>,
}

impl Embedding {
    /// The direction of `vector`; its length is set to 1.
    ///
    /// # Errors
    /// [`EmbedError::NotFinite`] if a number is not finite or all are zero: such a vector has no
    /// direction.
    pub fn new(encoder: EncoderId, mut vector: Vec<f32>) -> Result<Self, EmbedError> {
        let length = dot(&vector, &vector).sqrt();
        // Zero, subnormal, infinite and NaN lengths alike.
        if !length.is_normal() {
            return Err(EmbedError::NotFinite);
        }
        for number in &mut vector {
            *number /= length;
        }
        Ok(Self {
            encoder,
            vector: vector.into(),
        })
    }

    /// The numbers; the sum of their squares is 1.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.vector
    }

    /// The encoder that made this vector.
    #[must_use]
    pub fn encoder(&self) -> EncoderId {
        self.encoder.clone()
    }

    /// The cosine of the angle between both, −1 ..= 1.
    ///
    /// 0 for vectors of two encoders: they have nothing to do with each other.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.encoder != other.encoder {
            return 0.0;
        }
        dot(&self.vector, &other.vector).clamp(-1.0, 1.0)
    }
}

impl fmt::Debug for Embedding {
    /// Hundreds of numbers help nobody in a failed assertion.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedding")
            .field("encoder", &self.encoder)
            .field("dimension", &self.vector.len())
            .finish_non_exhaustive()
    }
}

/// Why a text has no vector. Every one of them means: serve the request without the semantic tier.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EmbedError {
    /// All encoder threads are busy and the queue before them is full.
    #[error("the embedding queue is full")]
    Saturated,
    /// No answer within the encoder's deadline.
    #[error("embedding took longer than its deadline")]
    Deadline,
    /// The encoder answered with an error; the text says which, and holds no part of the input.
    #[error("embedding failed: {0}")]
    Failed(String),
    /// The encoder's numbers are no direction.
    #[error("embedding gave a vector without a direction")]
    NotFinite,
}

impl EmbedError {
    /// The reason in stable words, for headers and metric labels.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Saturated => "embed_queue_full",
            Self::Deadline => "embed_deadline",
            Self::Failed(_) | Self::NotFinite => "embed_failed",
        }
    }

    /// Whether the same text may have its vector a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Saturated | Self::Deadline => true,
            Self::Failed(_) | Self::NotFinite => false,
        }
    }
}

/// Something that turns texts into vectors.
pub trait Embed: Send + Sync + fmt::Debug + 'static {
    /// Which encoder this is; the same for as long as the value lives.
    fn encoder(&self) -> EncoderId;

    /// How many numbers its vectors have.
    fn dimension(&self) -> usize;

    /// The vector of `text`. Text beyond the encoder's window is left out.
    ///
    /// Nothing is done before the future is polled, and dropping it withdraws the request.
    ///
    /// # Errors
    /// [`EmbedError`] says why there is no vector; never later than the encoder's own deadline.
    fn embed(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>>;

    /// The same for somebody who waits for as long as it takes.
    ///
    /// # Errors
    /// [`EmbedError`], but for time and room only where the encoder can't wait.
    fn embed_patiently(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        self.embed(text)
    }

    /// How many texts it computes at a time.
    fn threads(&self) -> usize {
        1
    }

    /// How much of `text` it would look at, and of how much; `None` if it does not count. Takes up to milliseconds: not
    /// for async workers.
    fn measure(&self, _text: &str) -> Option<Measure> {
        None
    }
}

/// A text beside an encoder's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The tokens of the text, with those that the encoder puts around each.
    pub tokens: usize,
    /// The most that it looks at.
    pub window: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(encoder: &str, vector: &[f32]) -> Embedding {
        Embedding::new(EncoderId::new(encoder), vector.to_vec()).unwrap()
    }

    #[test]
    fn a_vector_is_normalised_once() {
        let e = embedding("a", &[3.0, 4.0]);
        assert_eq!(e.as_slice(), [0.6, 0.8]);
    }

    #[test]
    fn a_vector_without_direction_is_refused() {
        for bad in [
            vec![],
            vec![0.0, 0.0],
            vec![f32::NAN, 1.0],
            vec![f32::INFINITY, 1.0],
        ] {
            let refused = Embedding::new(EncoderId::new("a"), bad);
            assert_eq!(refused, Err(EmbedError::NotFinite));
        }
    }

    #[test]
    fn cosine_covers_whole_blocks_and_the_rest() {
        let ones = vec![1.0; 37];
        let mut turned = ones.clone();
        *turned.last_mut().unwrap() = -1.0;
        let cosine = embedding("a", &ones).cosine(&embedding("a", &turned));
        assert!((cosine - 35.0 / 37.0).abs() < 1e-6, "{cosine}");
    }

    #[test]
    fn vectors_of_two_encoders_are_never_similar() {
        let cosine = embedding("a", &[1.0, 0.0]).cosine(&embedding("b", &[1.0, 0.0]));
        assert_eq!(cosine, 0.0);
    }
}
