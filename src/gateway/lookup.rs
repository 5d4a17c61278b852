//! Finding a kept answer, and delivering it.

use std::{sync::Arc, time::Duration};

use super::{
    Gateway,
    learn::Near,
    replay,
    reply::{Facts, Reply, Tier},
};
use crate::{
    cache::{
        entry::{Entry, Freshness},
        pointer::{Alias, Paraphrase, RawKey, Receipt},
    },
    clock::Moment,
    embed::Embedding,
    policy::{
        admit::{Kind, Pair, Score, Verdict, admit, shortlist},
        cacheable::Plan,
        identity::{Fingerprint, Identity, Scope},
        learn::{Admitted, Class, Source},
        wording::Wording,
    },
    telemetry::ledger::Way,
    units::Admission,
    wire::chat::{ChatRequest, Delivery},
};

/// Neighbours that are looked at: the nearest may be vetoed.
const CANDIDATES: usize = 4;

/// What looking for a kept answer ended in.
pub(super) enum Lookup {
    Hit(Found),
    Miss(Missed),
}

/// A kept answer.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) entry: Arc<Entry>,
    pub(super) tier: Tier,
    /// Since when it is no longer fresh.
    pub(super) stale: Option<Duration>,
    /// Why it was admitted, if it was found by meaning.
    pub(super) near: Option<Near>,
}

/// What a request demands of an entry.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) max_age: Option<Duration>,
    pub(super) admission: Admission,
    pub(super) class: Class,
}

/// Nothing that may answer at once.
#[derive(Debug, Default)]
pub(super) struct Missed {
    pub(super) reason: Option<&'static str>,
    pub(super) embedding: Option<Embedding>,
    /// What may answer if nobody else can.
    pub(super) stale: Option<Found>,
    /// The nearest neighbour, whose answer tells something beside the fresh one.
    pub(super) near: Option<(Near, Source)>,
}

impl Missed {
    pub(super) fn because(reason: &'static str) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }
}

/// Who is to be given a kept answer, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipient {
    pub(super) own: Scope,
    pub(super) delivery: Delivery,
    pub(super) received: Moment,
}

impl Gateway {
    /// A hit by the very bytes of the body, without reading them.
    pub(super) fn identical(&self, raw: &RawKey, own: Scope, received: Moment) -> Option<Reply> {
        let alias = self.store.alias(raw)?;
        let exact = self
            .fresh(&alias.fingerprint)
            .map(|entry| (entry, Tier::Exact));
        let (entry, tier) = exact.or_else(|| {
            let Paraphrase {
                fingerprint,
                similarity,
            } = alias.paraphrase_of?;
            let tier = similarity.map_or(Tier::Surface, Tier::Semantic);
            Some((self.fresh(&fingerprint)?, tier))
        })?;
        // Counting its tokens takes the request.
        if replay::lacks_usage(&entry, alias.delivery) {
            return None;
        }
        let found = Found {
            entry,
            tier,
            stale: None,
            near: None,
        };
        let recipient = Recipient {
            own,
            delivery: alias.delivery,
            received,
        };
        Some(self.serve(&found, recipient))
    }

    pub(super) async fn look_up(&self, identity: &Identity, plan: &Plan, terms: Terms) -> Lookup {
        let mut missed = Missed::default();
        let by_surface = || {
            let fingerprint = self.store.by_surface(&identity.surface?)?;
            (plan.semantic.is_ok() && fingerprint != identity.fingerprint).then_some(fingerprint)
        };
        let exact = Some((identity.fingerprint, Tier::Exact));
        for (fingerprint, tier) in exact
            .into_iter()
            .chain(by_surface().map(|f| (f, Tier::Surface)))
        {
            let Some((entry, freshness)) = self.find(&fingerprint, terms.max_age) else {
                continue;
            };
            let stale = match freshness {
                Freshness::Fresh => None,
                Freshness::Stale(since) => Some(since),
                Freshness::Dead => continue,
            };
            let found = Found {
                entry,
                tier,
                stale,
                near: None,
            };
            match stale {
                None => return Lookup::Hit(found),
                Some(since) if since < plan.stale.while_revalidate => return Lookup::Hit(found),
                Some(since) if since < plan.stale.if_error => {
                    missed.stale = missed.stale.or(Some(found));
                }
                Some(_) => {}
            }
        }
        self.by_meaning(identity, plan, terms, missed).await
    }

    async fn by_meaning(
        &self,
        identity: &Identity,
        plan: &Plan,
        terms: Terms,
        mut missed: Missed,
    ) -> Lookup {
        if let Err(ineligible) = plan.semantic {
            missed.reason = Some(ineligible.as_str());
            return Lookup::Miss(missed);
        }
        let (Some(encoder), Some(question)) = (&self.encoder, &identity.question) else {
            return Lookup::Miss(missed);
        };
        if !self.store.has_neighbours(identity.partition) {
            return Lookup::Miss(missed);
        }
        let embedding = match encoder.embed(question).await {
            Ok(embedding) => embedding,
            Err(error) => {
                missed.reason = Some(error.reason());
                return Lookup::Miss(missed);
            }
        };
        let neighbours = self
            .store
            .neighbours(identity.partition, &embedding, CANDIDATES);
        missed.embedding = Some(embedding);

        let kind = Kind::of(question, terms.class.has_matter);
        let rule = self.learner.rule(terms.admission, kind);
        let point = self.learner.point(&terms.class, &rule);
        let candidates = neighbours
            .iter()
            .map(|near| (near.similarity, &*near.wording));
        let floor = point.min(Score::RETRIEVAL);
        let mut list = shortlist(&Wording::of(question), floor, candidates);
        let had_survivors = !list.survivors.is_empty();
        let mut entries = Vec::with_capacity(list.survivors.len());
        list.survivors.retain(|survivor| {
            let near = neighbours.get(survivor.place);
            let entry = near.and_then(|near| self.young(&near.fingerprint, terms.max_age));
            let is_there = entry.is_some();
            entries.extend(entry.map(|entry| (survivor.place, survivor.similarity, entry)));
            is_there
        });
        let pairs: Vec<Pair<'_>> = (entries.iter())
            .map(|(_, similarity, entry)| Pair {
                neighbour: (entry.question.as_ref()).map_or("", |question| &question.text),
                similarity: *similarity,
            })
            .collect();
        let scores = self.verifier.scores(question, &pairs);
        let (scored, reason) = match admit(&list, &scores, point) {
            Verdict::Hit(scored) => (Some(scored), None),
            Verdict::Miss { reason, nearest } => (nearest, Some(reason.as_str())),
        };
        let found = scored.and_then(|scored| {
            let entry = entries
                .into_iter()
                .find(|(place, ..)| *place == scored.place);
            Some((scored.score, entry?))
        });
        let Some((score, (_, similarity, entry))) = found else {
            missed.reason = if had_survivors {
                Some("expired")
            } else {
                reason
            };
            return Lookup::Miss(missed);
        };
        let near = Near {
            entry,
            admitted: Admitted {
                class: terms.class,
                rule,
                score,
            },
        };
        missed.reason = reason;
        if reason.is_some() {
            missed.near = Some((near, Source::Miss));
        } else if !self.learner.allows(near.entry.fingerprint, score, point) {
            missed.reason = Some("brake");
            missed.near = Some((near, Source::Shadow));
        } else {
            return Lookup::Hit(Found {
                entry: Arc::clone(&near.entry),
                tier: Tier::Semantic(similarity),
                stale: None,
                near: Some(near),
            });
        }
        Lookup::Miss(missed)
    }

    fn find(
        &self,
        fingerprint: &Fingerprint,
        max_age: Option<Duration>,
    ) -> Option<(Arc<Entry>, Freshness)> {
        self.store.find(fingerprint, self.clock.unix(), max_age)
    }

    fn fresh(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        self.young(fingerprint, None)
    }

    /// The entry of this request, if it is fresh and not older than that.
    pub(super) fn young(
        &self,
        fingerprint: &Fingerprint,
        max_age: Option<Duration>,
    ) -> Option<Arc<Entry>> {
        let (entry, freshness) = self.find(fingerprint, max_age)?;
        (freshness == Freshness::Fresh).then_some(entry)
    }

    /// Answers `request` from an entry, and remembers that it was.
    pub(super) async fn hit(
        &self,
        found: &Found,
        identity: &Identity,
        raw: Option<RawKey>,
        request: &Arc<ChatRequest>,
        recipient: Recipient,
    ) -> Reply {
        let entry = &found.entry;
        let paraphrase_of = match found.tier {
            Tier::Exact => None,
            Tier::Surface | Tier::Semantic(_) => Some(Paraphrase {
                fingerprint: entry.fingerprint,
                similarity: found.tier.similarity(),
            }),
        };
        if let Some(raw) = raw {
            let alias = Alias {
                fingerprint: identity.fingerprint,
                paraphrase_of,
                delivery: recipient.delivery,
            };
            self.store.remember(raw, alias);
        }
        if paraphrase_of.is_some()
            && let Some(said) = entry.answer().and_then(|answer| answer.plain_text())
        {
            let (context, same_as) = (identity.context.after(&said), entry.context.after(&said));
            self.store
                .link_contexts(context, same_as, entry.fingerprint);
        }
        self.deliver(found, request, recipient).await
    }

    /// Answers from an entry, its tokens counted if they have to be named.
    pub(super) async fn deliver(
        &self,
        found: &Found,
        request: &Arc<ChatRequest>,
        recipient: Recipient,
    ) -> Reply {
        let entry = &found.entry;
        if replay::lacks_usage(entry, recipient.delivery) {
            let (entry, request) = (Arc::clone(entry), Arc::clone(request));
            let count = tokio::task::spawn_blocking(move || replay::count_tokens(&entry, &request));
            if count.await.is_err() {
                tracing::error!("counting tokens failed");
            }
        }
        self.serve(found, recipient)
    }

    pub(super) fn serve(&self, found: &Found, recipient: Recipient) -> Reply {
        let Found {
            entry, tier, stale, ..
        } = found;
        let way = if stale.is_some() {
            Way::Stale
        } else {
            tier.way()
        };
        self.ledger.count(way);
        let saved = entry.cost();
        self.ledger.save(entry.tokens(), saved);
        self.store.used(entry);
        let id = replay::fresh_id();
        let receipt = Receipt {
            owner: recipient.own,
            entry: entry.fingerprint,
            admitted: found.near.as_ref().map(|near| near.admitted.clone()),
        };
        self.store.issue(&id, receipt);
        let now = self.clock.unix();
        let facts = Facts {
            age: Some(now.since(entry.stored)),
            stale: *stale,
            tier: Some(*tier),
            provider: Some(entry.provider.clone()),
            model: Some(entry.model.clone()),
            saved,
            ..Facts::new(way, None, recipient.received)
        };
        let created = self.clock.unix_seconds();
        Reply {
            body: replay::render(entry, recipient.delivery, &id, created),
            native: None,
            headers: http::HeaderMap::new(),
            facts,
        }
    }
}
