//! Finding a kept answer, and delivering it.

use std::{sync::Arc, time::Duration};

use super::{
    Gateway, replay,
    reply::{Facts, Reply, Tier},
};
use crate::{
    cache::{entry::Entry, store::RawKey},
    clock::Moment,
    embed::Embedding,
    policy::{
        admit::{Verdict, admit},
        cacheable::Plan,
        identity::{Fingerprint, Identity},
        wording::Wording,
    },
    telemetry::ledger::Way,
    wire::{
        chat::{ChatRequest, Delivery},
        controls::Controls,
    },
};

/// Neighbours that are looked at: the nearest may be vetoed.
const CANDIDATES: usize = 4;

/// What looking for a kept answer ended in.
pub(super) enum Lookup {
    Hit(Arc<Entry>, Tier),
    Miss {
        reason: Option<&'static str>,
        embedding: Option<Embedding>,
    },
}

impl Gateway {
    /// A hit by the very bytes of the body, without reading them.
    pub(super) fn identical(&self, raw: &RawKey, received: Moment) -> Option<Reply> {
        let alias = self.store.alias(raw)?;
        let (entry, tier) = match (self.fresh(&alias.fingerprint, None), alias.paraphrase_of) {
            (Some(entry), _) => (entry, Tier::Exact),
            (None, Some(fingerprint)) => {
                let entry = self.fresh(&fingerprint, None)?;
                (
                    entry,
                    Tier::Semantic {
                        similarity: None,
                        fingerprint,
                    },
                )
            }
            (None, None) => return None,
        };
        // Counting its tokens takes the request.
        if replay::lacks_usage(&entry, alias.delivery) {
            return None;
        }
        Some(self.serve(&entry, tier, alias.delivery, received))
    }

    pub(super) async fn look_up(
        &self,
        identity: &Identity,
        plan: &Plan,
        controls: &Controls,
    ) -> Lookup {
        if let Some(entry) = self.fresh(&identity.fingerprint, controls.max_age) {
            return Lookup::Hit(entry, Tier::Exact);
        }
        let miss = |reason, embedding| Lookup::Miss { reason, embedding };
        if let Err(ineligible) = plan.semantic {
            return miss(Some(ineligible.as_str()), None);
        }
        let (Some(encoder), Some(question)) = (&self.encoder, &identity.question) else {
            return miss(None, None);
        };
        if !self.store.has_neighbours(identity.partition) {
            return miss(None, None);
        }
        let embedding = match encoder.embed(question).await {
            Ok(embedding) => embedding,
            Err(error) => return miss(Some(error.reason()), None),
        };
        let neighbours = self
            .store
            .neighbours(identity.partition, &embedding, CANDIDATES);
        let threshold = controls.threshold.unwrap_or(self.settings.threshold);
        let candidates = neighbours
            .iter()
            .map(|near| (near.similarity, &*near.wording));
        match admit(&Wording::of(question), threshold, candidates) {
            Verdict::Miss(reason) => miss(Some(reason.as_str()), Some(embedding)),
            Verdict::Hit(place) => {
                let near = neighbours.get(place);
                let entry = near.and_then(|near| self.fresh(&near.fingerprint, controls.max_age));
                match (near, entry) {
                    (Some(near), Some(entry)) => {
                        let similarity = Some(near.similarity);
                        let fingerprint = near.fingerprint;
                        Lookup::Hit(
                            entry,
                            Tier::Semantic {
                                similarity,
                                fingerprint,
                            },
                        )
                    }
                    _ => miss(Some("expired"), Some(embedding)),
                }
            }
        }
    }

    pub(super) fn fresh(
        &self,
        fingerprint: &Fingerprint,
        max_age: Option<Duration>,
    ) -> Option<Arc<Entry>> {
        let entry = self.store.get(fingerprint)?;
        let now = self.clock.now();
        if !entry.is_fresh(now, None) {
            self.store.remove(fingerprint);
        }
        entry.is_fresh(now, max_age).then_some(entry)
    }

    pub(super) async fn hit(
        &self,
        entry: &Arc<Entry>,
        tier: Tier,
        request: &Arc<ChatRequest>,
        received: Moment,
    ) -> Reply {
        let delivery = request.delivery();
        if replay::lacks_usage(entry, delivery) {
            let (entry, request) = (Arc::clone(entry), Arc::clone(request));
            let count = tokio::task::spawn_blocking(move || replay::count_tokens(&entry, &request));
            if count.await.is_err() {
                tracing::error!("counting tokens failed");
            }
        }
        self.serve(entry, tier, delivery, received)
    }

    fn serve(&self, entry: &Entry, tier: Tier, delivery: Delivery, received: Moment) -> Reply {
        let way = if tier.is_semantic() {
            Way::Semantic
        } else {
            Way::Exact
        };
        self.ledger.count(way);
        let saved = entry.cost();
        self.ledger.save(entry.tokens(), saved);
        let now = self.clock.now();
        let facts = Facts {
            age: Some(now.since(entry.stored)),
            similarity: tier.similarity(),
            provider: Some(entry.provider.clone()),
            model: Some(entry.model.clone()),
            saved,
            ..Facts::new(way, None, received)
        };
        let created = self.clock.unix_seconds();
        Reply {
            body: replay::render(entry, delivery, created),
            headers: http::HeaderMap::new(),
            facts,
        }
    }
}
