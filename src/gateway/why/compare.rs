//! Whether one prompt would be answered from the cache if another one were kept.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::{
    NOTHING,
    words::{self, Word},
};
use crate::{
    config::CacheOverrides,
    error::Error,
    gateway::{Gateway, exception, setup::Setup},
    policy::{
        admit::{Kind, Pair, Score, Verdict, admit, shortlist},
        cacheable,
        identity::{Identity, Scope},
        question::Asked,
        veto::{Difference, differences},
        wording::Wording,
    },
    telemetry::facts::Tier,
    units::Similarity,
    wire::{chat::ChatRequest, controls::Controls},
};

/// Two prompts, compared as the cache compares them.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// The cosine of the vectors of both questions; `None` if there are none.
    similarity: Option<f32>,
    score: Option<f32>,
    /// What the score must reach, before anything is learned.
    point: f32,
    /// `hit` or `miss`.
    verdict: &'static str,
    /// How the answer would be found.
    tier: Option<&'static str>,
    reason: Option<&'static str>,
    sentence: String,
    /// All guards that refuse the pair.
    vetoes: Vec<Told>,
    /// Whether they differ in nothing but case, politeness and spelling.
    same_surface: bool,
    /// The part of each prompt that may be worded differently; `None` if there is none.
    question_a: Option<String>,
    question_b: Option<String>,
    /// Whether both may be compared by meaning.
    eligible: bool,
    ineligible_reason: Option<&'static str>,
}

/// A guard that refuses the pair.
#[derive(Debug, Serialize)]
struct Told {
    kind: &'static str,
    /// The words of the first prompt that it is about.
    a: String,
    b: String,
    sentence: String,
}

/// One of the two.
struct Side {
    identity: Identity,
    has_matter: bool,
    /// Why it may not be compared by meaning.
    ineligible: Option<&'static str>,
}

/// How surely the two ask the same.
struct Scored {
    similarity: Similarity,
    score: Option<Score>,
    miss: Option<&'static str>,
}

impl Gateway {
    /// Whether a prompt `b` would be answered by the answer that is kept for a prompt `a`, if it were asked of `model`, or
    /// of any model with the general settings. Nothing that was learned is taken into account.
    ///
    /// # Errors
    /// What is wrong with a prompt, or that there is no such model.
    pub async fn compare(&self, a: &str, b: &str, model: Option<&str>) -> Result<Compared, Error> {
        let setup = self.setup();
        let overrides = overrides(&setup, model)?;
        let name = model.unwrap_or("any");
        let kept = self.side(&setup, overrides, name, ("a", a))?;
        let asked = self.side(&setup, overrides, name, ("b", b))?;
        let questions = kept
            .identity
            .question
            .as_deref()
            .zip(asked.identity.question.as_deref());
        let vetoes = questions.map_or_else(Vec::new, |(a, b)| differences(a, b));

        let admission = overrides.admission.unwrap_or(setup.settings.admission);
        let question = asked.identity.question.as_deref().unwrap_or_default();
        let kind = Kind::of(question, asked.has_matter);
        let point = self.learner.rule(admission, kind).start;
        let mut ineligible = kept.ineligible.or(asked.ineligible);
        if ineligible.is_none() && kept.identity.partition != asked.identity.partition {
            ineligible = Some(Word::OtherMatter.as_str());
        }
        let scored = match questions {
            Some((a, b)) => self.scored(a, b, point).await,
            None => Err(None),
        };

        let same_surface =
            (kept.identity.surface).is_some_and(|surface| asked.identity.surface == Some(surface));
        let by_key = if kept.identity.fingerprint == asked.identity.fingerprint {
            Some(Tier::Exact)
        } else {
            (same_surface && ineligible.is_none()).then_some(Tier::Surface)
        };
        let is_off = !setup.settings.rules.enabled || overrides.enabled == Some(false);
        let decided = match (by_key, &scored) {
            _ if is_off => Err(ineligible),
            (Some(tier), _) => Ok(tier),
            (None, _) if ineligible.is_some() => Err(ineligible),
            (None, Err(reason)) => Err(*reason),
            (None, Ok(scored)) => match scored.miss {
                None => Ok(Tier::Semantic(scored.similarity)),
                Some(reason) => Err(Some(reason)),
            },
        };
        let sentence = sentence(decided, vetoes.first(), scored.as_ref().ok(), point);
        let (similarity, score) = match &scored {
            Ok(scored) => (Some(scored.similarity.get()), scored.score.map(Score::get)),
            Err(_) => (None, None),
        };
        Ok(Compared {
            similarity,
            score,
            point: point.get(),
            verdict: if decided.is_ok() { "hit" } else { "miss" },
            tier: decided.ok().map(Tier::as_str),
            reason: decided.err().flatten(),
            sentence,
            vetoes: vetoes.iter().map(told).collect(),
            same_surface,
            eligible: ineligible.is_none(),
            ineligible_reason: ineligible,
            question_a: kept.identity.question,
            question_b: asked.identity.question,
        })
    }

    /// One prompt, as a chat of one message.
    fn side(
        &self,
        setup: &Setup,
        overrides: CacheOverrides,
        model: &str,
        (field, text): (&str, &str),
    ) -> Result<Side, Error> {
        let body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
        let mut controls = Controls::default();
        let request = ChatRequest::parse(Bytes::from(body.to_string()), &mut controls)
            .map_err(|invalid| Error::bad_request(Some(field.to_owned()), invalid.message))?;
        let asked = Asked::of(&request);
        let rules = &setup.settings.rules;
        let planned = cacheable::plan(
            &request,
            asked.as_ref(),
            &controls,
            rules,
            exception(overrides),
        );
        let plan = planned.unwrap_or(NOTHING);
        let ineligible = match planned {
            Ok(plan) => plan.semantic.err().map(cacheable::Ineligible::as_str),
            Err(bypass) => Some(bypass.as_str()),
        };
        let nobody = Scope::of([0; 32]);
        Ok(Side {
            identity: self.identity(setup, &request, asked.as_ref(), nobody, model, &plan),
            has_matter: asked.as_ref().is_some_and(Asked::has_matter),
            ineligible,
        })
    }

    /// How near the questions are, and whether that is enough.
    async fn scored(&self, a: &str, b: &str, point: Score) -> Result<Scored, Option<&'static str>> {
        let encoder = self.encoder.as_ref().ok_or(None)?;
        let vector = async |text: &str| {
            let made = encoder.embed(text).await;
            made.map_err(|error| Some(error.reason()))
        };
        let cosine = vector(a).await?.cosine(&vector(b).await?);
        let similarity = Similarity::new(cosine).ok_or(None)?;
        let wording = Wording::of(a);
        let candidate = std::iter::once((similarity, &wording));
        let list = shortlist(&Wording::of(b), point.min(Score::RETRIEVAL), candidate);
        let pair = Pair {
            neighbour: a,
            similarity,
        };
        // A verifier is not asked about what a guard refuses; what it would say is shown nevertheless.
        let scores = self.verifier.scores(b, &[pair]);
        let miss = match admit(&list, &scores, point) {
            Verdict::Hit(_) => None,
            Verdict::Miss { .. } if !list.survivors.is_empty() => Some("below_point"),
            Verdict::Miss { .. } => list.reason().map(crate::policy::admit::Miss::as_str),
        };
        Ok(Scored {
            similarity,
            score: scores.first().copied(),
            miss,
        })
    }
}

/// What is configured for the cache of `model`, whoever asks.
fn overrides(setup: &Setup, model: Option<&str>) -> Result<CacheOverrides, Error> {
    let Some(model) = model else {
        return Ok(CacheOverrides::default());
    };
    let destination = (setup.catalogue).destination(model, &Controls::default())?;
    Ok(setup.overrides(None, CacheOverrides::default(), &destination))
}

fn told(difference: &Difference) -> Told {
    Told {
        kind: difference.veto.as_str(),
        a: difference.a.join(", "),
        b: difference.b.join(", "),
        sentence: difference.sentence(),
    }
}

fn sentence(
    decided: Result<Tier, Option<&'static str>>,
    veto: Option<&Difference>,
    scored: Option<&Scored>,
    point: Score,
) -> String {
    let score = scored
        .and_then(|scored| scored.score)
        .map_or(0.0, Score::get);
    let point = point.get();
    match decided {
        Ok(Tier::Exact) => "The two prompts are equal.".to_owned(),
        Ok(Tier::Surface) => {
            "The two differ in nothing but case, politeness or spelling.".to_owned()
        }
        Ok(Tier::Semantic(_)) => format!(
            "The two ask the same: the score of {score:.3} reaches the admission point of {point:.3}."
        ),
        Err(Some("below_point")) => {
            format!("The score of {score:.3} does not reach the admission point of {point:.3}.")
        }
        Err(reason) => match veto.filter(|veto| reason == Some(veto.veto.as_str())) {
            Some(veto) => veto.sentence(),
            None => {
                let word = reason.unwrap_or(Word::Absent.as_str());
                words::sentence(word).unwrap_or(word).to_owned()
            }
        },
    }
}
