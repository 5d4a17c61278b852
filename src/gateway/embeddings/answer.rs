//! What a client gets: vectors from the cache and from whoever was asked, in the order of the items.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use super::{
    Known,
    ask::{Answered, Job},
};
use crate::{
    cache::vectors::Kept,
    error::Error,
    gateway::{
        Gateway, off_the_workers,
        reply::{Facts, Reply, ReplyBody, Tier},
    },
    units::{Tokens, Usd},
    wire::{
        answer::Usage,
        embeddings::{Embeddings, EmbeddingsRequest},
    },
};

impl Gateway {
    /// The answer to a request of which all was known.
    pub(super) async fn known(
        &self,
        request: &EmbeddingsRequest,
        known: &Known,
        facts: Facts,
    ) -> Result<Reply, Error> {
        let all: Vec<Arc<Kept>> = known.iter().flatten().cloned().collect();
        self.ledger.count(facts.way);
        let now = self.clock.unix();
        let oldest = all.iter().map(|kept| now.since(kept.origin.stored)).max();
        let origin = all.first().map(|kept| &kept.origin);
        let facts = Facts {
            age: oldest,
            tier: Some(Tier::Exact),
            provider: origin.map(|origin| origin.provider.clone()),
            model: origin.map(|origin| origin.model.clone()),
            saved: self.save(&all),
            ..facts
        };
        let body = written(request, all).await?;
        Ok(reply(body, HeaderMap::new(), facts))
    }

    /// The answer of which some, or nothing, was known.
    pub(super) async fn joined(
        &self,
        job: &Job,
        first: &[usize],
        known: &Known,
        fetched: Fetched,
        facts: Facts,
    ) -> Result<Reply, Error> {
        let Fetched {
            answers,
            cost,
            attempts,
            is_alone,
        } = fetched;
        let known: Known = if is_alone {
            vec![None; known.len()]
        } else {
            known.clone()
        };
        let mut facts = Facts {
            cost,
            attempts,
            stored: !answers.is_empty() && answers.iter().all(|answered| answered.is_kept),
            items: (facts.items).map(|(_, all)| (known.iter().flatten().count(), all)),
            ..facts
        };
        if let Some(last) = answers.last() {
            facts.provider = Some(last.source.provider.clone());
            facts.model = Some(last.source.model.clone());
        }
        let hits: Vec<Arc<Kept>> = known.iter().flatten().cloned().collect();
        if !hits.is_empty() {
            facts.saved = self.save(&hits);
        }
        let headers = (answers.last()).map(|last| last.headers.clone());
        let headers = headers.unwrap_or_default();
        // The only answer to all that was asked stays as it is.
        if let [only] = answers.as_slice()
            && only.places.len() == known.len()
            && !only.body.is_empty()
        {
            return Ok(reply(only.body.clone(), headers, facts));
        }
        let mut fresh: HashMap<usize, Arc<Kept>> = HashMap::new();
        for answered in answers {
            let vectors = answered.vectors.unwrap_or_default();
            fresh.extend(answered.places.into_iter().zip(vectors));
        }
        let all = known.into_iter().zip(first);
        let all = all.filter_map(|(known, first)| known.or_else(|| fresh.get(first).cloned()));
        let body = written(&job.request, all.collect()).await?;
        Ok(reply(body, headers, facts))
    }

    /// Adds to the ledger what these vectors have saved.
    fn save(&self, known: &[Arc<Kept>]) -> Option<Usd> {
        let tokens: Option<Vec<Tokens>> = known.iter().map(|kept| kept.tokens).collect();
        let used = tokens.map(|tokens| reading(tokens.into_iter()));
        let price = known.first().and_then(|kept| kept.origin.price).zip(used);
        let saved = price.map(|(price, used)| price.of(used.input, used.output));
        self.ledger.save(used, saved);
        saved
    }
}

/// What was fetched for a request.
pub(super) struct Fetched {
    answers: Vec<Answered>,
    cost: Option<Usd>,
    attempts: u32,
    /// Whether nothing of the cache goes with it.
    is_alone: bool,
}

impl Fetched {
    /// Of these answers, and others `before` them that are of no use.
    pub(super) fn new(answers: Vec<Answered>, before: &[Answered]) -> Self {
        let all = || before.iter().chain(&answers);
        let costs = all().map(|answered| answered.cost);
        let costs = costs.reduce(|one, other| Some(one? + other?));
        let attempts = all().map(|answered| answered.source.attempts);
        Self {
            cost: costs.flatten(),
            attempts: attempts.fold(0, u32::saturating_add),
            answers,
            is_alone: false,
        }
    }

    /// The same, and nothing of the cache with it.
    pub(super) fn alone(self) -> Self {
        Self {
            is_alone: true,
            ..self
        }
    }
}

/// What it is to read so much.
pub(super) fn reading(tokens: impl Iterator<Item = Tokens>) -> Usage {
    // A provider that reports nonsense must not end the request.
    let sum = tokens.fold(0_u64, |sum, tokens| sum.saturating_add(tokens.0));
    Usage {
        input: Tokens(sum),
        output: Tokens(0),
    }
}

/// The body with these vectors, of which each is said to take the tokens that it took.
async fn written(request: &EmbeddingsRequest, vectors: Vec<Arc<Kept>>) -> Result<Bytes, Error> {
    /// As many numbers are written in less than a millisecond.
    const FEW: usize = 8192;
    let format = request.format();
    let size: usize = vectors.iter().map(|kept| kept.vector.dimension()).sum();
    let write = move || {
        let named = vectors.first().map(|kept| kept.origin.named.to_string());
        let tokens = vectors.iter().filter_map(|kept| kept.tokens);
        let all = Embeddings {
            model: named.unwrap_or_default(),
            tokens: Some(reading(tokens).input),
            vectors: vectors.iter().map(|kept| kept.vector.clone()).collect(),
        };
        Bytes::from(all.to_json(format))
    };
    if size <= FEW {
        return Ok(write());
    }
    let failed = || Error::Internal("writing vectors failed".to_owned());
    off_the_workers(write).await.ok_or_else(failed)
}

fn reply(body: Bytes, headers: HeaderMap, facts: Facts) -> Reply {
    Reply {
        body: ReplyBody::Json(body),
        native: None,
        headers,
        facts,
    }
}
