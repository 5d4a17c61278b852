//! An encoder whose similarities are chosen.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use refrain::embed::{Embed, EmbedError, Embedding, EncoderId};

/// Knows some texts by their cosine to a common direction, and no others.
#[derive(Debug)]
pub(crate) struct Angles {
    name: &'static str,
    cosines: HashMap<String, f32>,
    calls: AtomicUsize,
}

impl Angles {
    /// Texts with their cosines. A text of cosine 1 has exactly this similarity to each other one.
    pub(crate) fn of(cosines: &[(&str, f32)]) -> Arc<Self> {
        Self::named("angles", cosines)
    }

    /// The same under another encoder's name.
    pub(crate) fn named(name: &'static str, cosines: &[(&str, f32)]) -> Arc<Self> {
        let cosines = cosines
            .iter()
            .map(|(text, cosine)| ((*text).to_owned(), *cosine));
        Arc::new(Self {
            name,
            cosines: cosines.collect(),
            calls: AtomicUsize::new(0),
        })
    }

    /// How many texts were embedded.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Embed for Angles {
    fn encoder(&self) -> EncoderId {
        EncoderId::new(self.name)
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let vector = self
            .cosines
            .get(text)
            .map(|cosine| vec![*cosine, (1.0 - cosine * cosine).sqrt()]);
        let embedding = match vector {
            Some(vector) => Embedding::new(self.encoder(), vector),
            None => Err(EmbedError::Failed("a text without an angle".to_owned())),
        };
        Box::pin(async { embedding })
    }
}
