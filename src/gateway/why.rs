//! Why the cache would answer a request, or would not: a dry run.
//!
//! The steps are those of [`Gateway::chat`], and each decision is the very one that it makes. No provider is asked and
//! nothing is changed: what is sought is not forgotten, used, counted or learned from. Two things are left out that
//! depend on more than the request: answers that are remembered by the very bytes of a body, and calls that are under
//! way, which an equal request would share.

use std::{sync::Arc, time::Duration};

use super::{
    Asked, Caller, Gateway, exception,
    lookup::{
        CANDIDATES, Keyed, Known, Sought,
        weigh::{Decision, Weighed},
    },
    order::Inquired,
};
use crate::{
    cache::{
        entry::{Entry, Freshness},
        partition::Neighbour,
    },
    config::CacheMode,
    error::Error,
    policy::{
        admit::Score,
        cacheable::{self, Bypass, Ineligible, Plan, Stale},
        identity::Fingerprint,
        learn, question,
    },
    telemetry::{facts::Tier, journal::Journal, ledger::Way},
    units::{Admission, Similarity},
    wire::controls::Controls,
};

pub mod compare;
mod told;
mod verdict;
pub mod words;

pub use self::told::Why;
use self::{
    told::{Bar, Candidate, Eligible, Named, Outcome},
    verdict::{Verdict, served, verdict},
    words::Word,
};

/// Kept questions that are shown.
const SHOWN: usize = 10;

/// What a request that bypasses the cache may have of it.
const NOTHING: Plan = Plan {
    lookup: false,
    keep: None,
    semantic: Err(Ineligible::Off),
    stale: Stale {
        while_revalidate: Duration::ZERO,
        if_error: Duration::ZERO,
    },
};

/// What a lookup would find.
#[derive(Debug, Default)]
struct Looked {
    keyed: Keyed,
    /// Why nothing is compared by meaning.
    unheard: Option<&'static str>,
    neighbours: Vec<Neighbour>,
    weighed: Option<Weighed>,
}

impl Gateway {
    /// What would become of a request, without asking anybody and without changing anything.
    ///
    /// # Errors
    /// What is wrong with the request itself.
    pub async fn why(&self, asked: Asked) -> Result<Why, Error> {
        let inquired = self.inquired(asked, (Way::Background, None))?;
        let chosen = self.choose(&inquired.order).await;
        let route = self.explained(&inquired.order, &chosen).await;
        let Inquired {
            order,
            caller,
            controls,
        } = &inquired;
        let setup = &order.setup;
        let question = question::Asked::of(&order.request);
        let overrides = setup.overrides(controls.task.as_ref(), caller.cache, &order.destination);
        let planned = cacheable::plan(
            &order.request,
            question.as_ref(),
            controls,
            &setup.settings.rules,
            exception(overrides),
        );
        let plan = planned.unwrap_or(NOTHING);
        let sought = Sought {
            setup,
            request: &order.request,
            question: question.as_ref(),
            controls,
            caller,
            overrides,
            destination: &order.destination,
            wish: &order.wish,
        };
        let known = self.known_by(&sought, &plan);
        let looked = if plan.lookup {
            self.looked(&known, &plan).await
        } else {
            Looked::default()
        };
        let serves = setup.settings.mode == CacheMode::Serve;
        let candidates = self.candidates(&known, &looked);
        Ok(Why {
            cache: outcome(planned, &looked, &candidates, controls, serves),
            admission: self.shown_bar(&known, &plan),
            identity: Named {
                fingerprint: known.identity.fingerprint.to_string(),
                partition: hex(known.identity.partition.bytes()),
                surface: known.identity.surface.map(|surface| hex(surface.bytes())),
                scope: scope(caller, controls),
                question: known.identity.question,
            },
            candidates,
            route,
        })
    }

    /// What the lookup of [`Gateway::chat`] would find; and questions by meaning also where an equal one goes first.
    async fn looked(&self, known: &Known, plan: &Plan) -> Looked {
        let Known {
            identity, terms, ..
        } = known;
        let mut looked = Looked {
            keyed: self.by_key(identity, plan, |fingerprint| {
                self.seen(fingerprint, terms.max_age)
            }),
            ..Looked::default()
        };
        let unread = Journal::unread(&self.clock);
        match self.vector(identity, plan, &unread).await {
            Ok((question, embedding)) => {
                let neighbours = (self.store).neighbours(identity.partition, &embedding, SHOWN);
                let nearest = neighbours.get(..CANDIDATES).unwrap_or(&neighbours);
                let fresh = |fingerprint: &Fingerprint| {
                    let (entry, freshness) = self.seen(fingerprint, terms.max_age)?;
                    (freshness == Freshness::Fresh).then_some(entry)
                };
                looked.weighed = Some(self.weigh(question, nearest, terms.clone(), fresh));
                looked.neighbours = neighbours;
            }
            Err(reason) => looked.unheard = reason,
        }
        looked
    }

    /// As [`crate::cache::store::Store::find`], which forgets what can't answer any more.
    fn seen(
        &self,
        fingerprint: &Fingerprint,
        max_age: Option<Duration>,
    ) -> Option<(Arc<Entry>, Freshness)> {
        let entry = self.store.get(fingerprint)?;
        let freshness = entry.freshness(self.store.at(self.clock.unix()), max_age);
        (freshness != Freshness::Dead).then_some((entry, freshness))
    }

    fn candidates(&self, known: &Known, looked: &Looked) -> Vec<Candidate> {
        let mut shown: Vec<Candidate> = Vec::new();
        let near_to = |fingerprint: Fingerprint| {
            let mut neighbours = looked.neighbours.iter();
            let near = neighbours.find(|near| near.fingerprint == fingerprint);
            near.map(|near| near.similarity)
        };
        let equal = self.store.get(&known.identity.fingerprint);
        let hit = looked.keyed.hit.as_ref();
        let first = match (hit, &looked.keyed.stale, equal) {
            (Some(found), ..) => Some((Arc::clone(&found.entry), served(found))),
            (None, Some(found), _) => {
                let late = Verdict::by("expired", Word::Expired);
                Some((Arc::clone(&found.entry), late))
            }
            (None, None, Some(entry)) => Some((entry, Verdict::by("expired", Word::Expired))),
            (None, None, None) => None,
        };
        let first = first.map(|(entry, verdict)| {
            let is_equal = entry.fingerprint == known.identity.fingerprint;
            let similarity = is_equal
                .then_some(Similarity::ONE)
                .or_else(|| near_to(entry.fingerprint));
            shown.push(self.candidate(known, &entry, similarity, verdict));
            entry.fingerprint
        });
        for (place, near) in looked.neighbours.iter().enumerate() {
            if Some(near.fingerprint) == first {
                continue;
            }
            if let (Some(entry), Some(weighed)) =
                (self.store.get(&near.fingerprint), &looked.weighed)
            {
                let asked = known.identity.question.as_deref().unwrap_or_default();
                let verdict = verdict(asked, &entry, near, place, weighed, hit.is_none());
                shown.push(self.candidate(known, &entry, Some(near.similarity), verdict));
            }
        }
        shown
    }

    fn candidate(
        &self,
        known: &Known,
        entry: &Entry,
        similarity: Option<Similarity>,
        verdict: Verdict,
    ) -> Candidate {
        let now = self.store.at(self.clock.unix());
        Candidate {
            id: entry.fingerprint.to_string(),
            prompt: entry.prompt.to_string(),
            similarity: similarity.map(Similarity::get),
            score: verdict.score.map(Score::get),
            age_seconds: now.time.since(entry.stored).as_secs(),
            is_fresh: entry.freshness(now, known.terms.max_age) == Freshness::Fresh,
            verdict: verdict.word,
            reason: verdict.reason,
            sentence: verdict.sentence,
        }
    }

    fn shown_bar(&self, known: &Known, plan: &Plan) -> Option<Bar> {
        let question = known.identity.question.as_ref();
        let question = question.filter(|_| plan.semantic.is_ok())?;
        let (rule, point) = self.bar(question, &known.terms);
        let why = match point.cmp(&rule.start) {
            std::cmp::Ordering::Less => learn::Why::Relaxed,
            std::cmp::Ordering::Equal => learn::Why::Start,
            std::cmp::Ordering::Greater => learn::Why::Raised,
        };
        let (policy, threshold) = match known.terms.admission {
            Admission::Policy(policy) => (Some(policy.as_str()), None),
            Admission::Threshold(threshold) => (None, Some(threshold.get())),
        };
        Some(Bar {
            point: point.get(),
            start: rule.start.get(),
            why: why.as_str(),
            policy,
            threshold,
        })
    }
}

/// What the cache would do, all in all.
fn outcome(
    planned: Result<Plan, Bypass>,
    looked: &Looked,
    candidates: &[Candidate],
    controls: &Controls,
    serves: bool,
) -> Outcome {
    let plan = match planned {
        Ok(plan) => plan,
        Err(bypass) => {
            return Outcome {
                outcome: "bypass",
                tier: None,
                reason: Some(bypass.as_str()),
                sentence: bypass.sentence().to_owned(),
                lookup: false,
                keep_seconds: None,
                stale_seconds: None,
                semantic: Eligible {
                    eligible: false,
                    reason: Some(bypass.as_str()),
                },
            };
        }
    };
    let decision = looked.weighed.as_ref().map(|weighed| &weighed.decision);
    let hit = match (&looked.keyed.hit, decision) {
        (Some(found), _) => Some((found.tier, found.stale)),
        (None, Some(Decision::Hit(_, similarity))) => Some((Tier::Semantic(*similarity), None)),
        (None, Some(Decision::Miss { .. }) | None) => None,
    };
    let reason = match (hit, decision) {
        _ if !plan.lookup => Some(Word::NoCache.as_str()),
        (Some(_), _) => (!serves).then(|| Word::Shadow.as_str()),
        (None, Some(Decision::Miss { reason, .. })) => *reason,
        (None, Some(Decision::Hit(..)) | None) => looked.unheard,
    };
    let is_hit = hit.is_some() && serves;
    let reason = reason.or((!is_hit).then(|| Word::Absent.as_str()));
    // What decided is told more exactly of the one that it was decided about.
    let told = candidates
        .iter()
        .find(|candidate| candidate.reason == reason && (is_hit == (candidate.verdict == "hit")));
    let mut sentence = match (told, reason) {
        (Some(candidate), _) => candidate.sentence.clone(),
        (None, Some(word)) => words::sentence(word).unwrap_or(word).to_owned(),
        (None, None) => String::new(),
    };
    if !is_hit && controls.only_if_cached {
        sentence.push_str(" The request wants a kept answer or none, so it would be refused.");
    } else if !is_hit && looked.keyed.stale.is_some() {
        sentence.push_str(" If no provider answers, an answer would be given whose time is over.");
    }
    let (tier, stale) = hit.unzip();
    Outcome {
        outcome: if is_hit { "hit" } else { "miss" },
        tier: tier.map(Tier::as_str),
        reason,
        sentence,
        lookup: plan.lookup,
        keep_seconds: plan.keep.map(|ttl| ttl.as_secs()),
        stale_seconds: stale.flatten().map(|since| since.as_secs()),
        semantic: Eligible {
            eligible: plan.semantic.is_ok(),
            reason: plan.semantic.err().map(Ineligible::as_str),
        },
    }
}

/// Whose entries a request may see, in words.
fn scope(caller: &Caller, controls: &Controls) -> String {
    let whose = match (&caller.namespace, &caller.account) {
        (Some(shared), _) => format!("shared: {shared}"),
        (None, Some(account)) => account.name().to_string(),
        (None, None) => "open".to_owned(),
    };
    match &controls.namespace {
        Some(within) => format!("{whose} / {within}"),
        None => whose,
    }
}

fn hex(bytes: [u8; 32]) -> String {
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}
