//! Finding a kept answer, and delivering it.

mod known;
pub(super) mod weigh;

use std::{sync::Arc, time::Duration};

pub(super) use self::known::{Known, Sought};
use self::weigh::Decision;
use super::{
    Gateway,
    learn::Near,
    replay,
    reply::{Facts, Reply, Tier},
    why::words::Word,
};
use crate::{
    cache::{
        entry::{Entry, Freshness},
        pointer::{Alias, Paraphrase, RawKey, Receipt},
    },
    clock::Moment,
    embed::Embedding,
    policy::{
        cacheable::Plan,
        identity::{Fingerprint, Identity, Scope},
        learn::{Class, Source},
    },
    telemetry::{
        journal::{Journal, Stage, outcome},
        ledger::Way,
    },
    units::Admission,
    wire::chat::{ChatRequest, Delivery},
};

/// Neighbours that are looked at: the nearest may be vetoed.
pub(super) const CANDIDATES: usize = 4;

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

/// What equal requests were answered with.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    /// What may answer at once.
    pub(super) hit: Option<Found>,
    /// What may answer if nobody else can.
    pub(super) stale: Option<Found>,
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
    pub(super) fn because(reason: Word) -> Self {
        Self {
            reason: Some(reason.as_str()),
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

    pub(super) async fn look_up(
        &self,
        identity: &Identity,
        plan: &Plan,
        terms: Terms,
        journal: &Arc<Journal>,
    ) -> Lookup {
        let noting = journal.begin(Stage::Lookup);
        let keyed = self.by_key(identity, plan, |fingerprint| {
            self.find(fingerprint, terms.max_age)
        });
        let lookup = match keyed.hit {
            Some(found) => Lookup::Hit(found),
            None => {
                let missed = Missed {
                    stale: keyed.stale,
                    ..Missed::default()
                };
                self.by_meaning(identity, plan, terms, journal, missed)
                    .await
            }
        };
        noting.ended(match &lookup {
            Lookup::Hit(found) => found.tier.as_str(),
            Lookup::Miss(missed) => missed.reason.unwrap_or(Word::Absent.as_str()),
        });
        lookup
    }

    /// What an equal request, or one of the same surface, was answered with, as `find` finds it.
    pub(super) fn by_key(
        &self,
        identity: &Identity,
        plan: &Plan,
        find: impl Fn(&Fingerprint) -> Option<(Arc<Entry>, Freshness)>,
    ) -> Keyed {
        let mut keyed = Keyed::default();
        let by_surface = || {
            let fingerprint = self.store.by_surface(&identity.surface?)?;
            (plan.semantic.is_ok() && fingerprint != identity.fingerprint).then_some(fingerprint)
        };
        let exact = Some((identity.fingerprint, Tier::Exact));
        for (fingerprint, tier) in exact
            .into_iter()
            .chain(by_surface().map(|f| (f, Tier::Surface)))
        {
            let Some((entry, freshness)) = find(&fingerprint) else {
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
                Some(since) if since >= plan.stale.while_revalidate => {
                    if since < plan.stale.if_error {
                        keyed.stale = keyed.stale.or(Some(found));
                    }
                }
                None | Some(_) => {
                    keyed.hit = Some(found);
                    break;
                }
            }
        }
        keyed
    }

    async fn by_meaning(
        &self,
        identity: &Identity,
        plan: &Plan,
        terms: Terms,
        journal: &Arc<Journal>,
        mut missed: Missed,
    ) -> Lookup {
        let (question, embedding) = match self.vector(identity, plan, journal).await {
            Ok(vector) => vector,
            Err(reason) => {
                if reason.is_none() && self.encoder.is_some() {
                    self.learner.looked_up(&terms.class, None);
                }
                missed.reason = reason;
                return Lookup::Miss(missed);
            }
        };
        let neighbours = self
            .store
            .neighbours(identity.partition, &embedding, CANDIDATES);
        missed.embedding = Some(embedding);
        let (max_age, class) = (terms.max_age, terms.class.clone());
        let weighed = self.weigh(question, &neighbours, terms, |fingerprint| {
            self.young(fingerprint, max_age)
        });
        let best = match &weighed.decision {
            Decision::Hit(near, _) => Some(near),
            Decision::Miss { near, .. } => near.as_ref().map(|(near, _)| near),
        };
        let best = best.map(|near| near.admitted.score);
        self.learner.looked_up(&class, best);
        let similarities = self.ledger.similarities();
        match (&weighed.decision, neighbours.first()) {
            (Decision::Hit(_, similarity), _) => similarities.hit(*similarity),
            (Decision::Miss { reason, .. }, Some(nearest)) => {
                similarities.rejected(nearest.similarity, reason.unwrap_or("empty"));
            }
            (Decision::Miss { .. }, None) => {}
        }
        match weighed.decision {
            Decision::Hit(near, similarity) => Lookup::Hit(Found {
                entry: Arc::clone(&near.entry),
                tier: Tier::Semantic(similarity),
                stale: None,
                near: Some(near),
            }),
            Decision::Miss { reason, near } => {
                missed.reason = reason;
                missed.near = near;
                Lookup::Miss(missed)
            }
        }
    }

    /// The question of a request, if there is something to compare it with, and its vector; else why there is none.
    pub(super) async fn vector<'a>(
        &self,
        identity: &'a Identity,
        plan: &Plan,
        journal: &Arc<Journal>,
    ) -> Result<(&'a str, Embedding), Option<&'static str>> {
        plan.semantic
            .map_err(|ineligible| Some(ineligible.as_str()))?;
        let (Some(encoder), Some(question)) = (&self.encoder, &identity.question) else {
            return Err(None);
        };
        if !self.store.has_neighbours(identity.partition) {
            return Err(None);
        }
        let noting = journal.begin(Stage::Embedding);
        match encoder.embed(question).await {
            Ok(embedding) => {
                noting.ended(outcome::OK);
                Ok((question, embedding))
            }
            Err(error) => {
                noting.ended(error.reason());
                Err(Some(error.reason()))
            }
        }
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
        let reply = self.rendered(found, recipient);
        let entry = &found.entry;
        self.ledger.count(reply.facts.way);
        self.ledger.save(entry.tokens(), reply.facts.saved);
        if let Some(took) = entry.took {
            self.ledger.save_time(took);
        }
        self.store.used(entry);
        reply
    }

    /// The answer of an entry, which counts for nothing yet.
    pub(super) fn rendered(&self, found: &Found, recipient: Recipient) -> Reply {
        let Found {
            entry, tier, stale, ..
        } = found;
        let way = if stale.is_some() {
            Way::Stale
        } else {
            tier.way()
        };
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
            saved: entry.cost(),
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
