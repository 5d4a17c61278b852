//! An encoder that computes each text once, so that one pack is replayed under many policies in the
//! time of one.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use futures_util::{StreamExt, future::BoxFuture, stream};

use crate::embed::{Embed, EmbedError, Embedding, EncoderId};

/// Texts that are with the encoder at the same time when many are learned.
const AT_ONCE: usize = 8;

/// An encoder with all that it has said.
#[derive(Debug)]
pub(super) struct Memo {
    encoder: Arc<dyn Embed>,
    known: RwLock<HashMap<String, Embedding>>,
}

impl Memo {
    pub(super) fn new(encoder: Arc<dyn Embed>) -> Self {
        Self {
            encoder,
            known: RwLock::default(),
        }
    }

    /// What was computed of `text`.
    pub(super) fn known(&self, text: &str) -> Option<Embedding> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(text).cloned()
    }

    /// Computes the vectors of `texts`, and tells `progress` after each how many there are.
    pub(super) async fn learn(
        &self,
        texts: impl Iterator<Item = String> + Send,
        mut progress: impl FnMut(usize),
    ) -> Result<(), EmbedError> {
        let learned = texts.map(|text| async move { self.compute(&text).await });
        let mut learned = stream::iter(learned).buffer_unordered(AT_ONCE);
        let mut count = 0;
        while let Some(result) = learned.next().await {
            result?;
            count += 1;
            progress(count);
        }
        Ok(())
    }

    async fn compute(&self, text: &str) -> Result<Embedding, EmbedError> {
        if let Some(embedding) = self.known(text) {
            return Ok(embedding);
        }
        let embedding = self.encoder.embed(text).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(text.to_owned(), embedding.clone());
        Ok(embedding)
    }
}

impl Embed for Memo {
    fn encoder(&self) -> EncoderId {
        self.encoder.encoder()
    }

    fn dimension(&self) -> usize {
        self.encoder.dimension()
    }

    fn embed(&self, text: &str) -> BoxFuture<'_, Result<Embedding, EmbedError>> {
        let text = text.to_owned();
        Box::pin(async move { self.compute(&text).await })
    }
}
