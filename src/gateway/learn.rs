//! Learning where to admit: labels for pairs of questions, from answers that are here anyway.
//!
//! A miss with a near neighbour has both answers in the end: the fresh one, and the one that the
//! neighbour would have given. Comparing them happens off the request's path, bounded, and is left out
//! when there is too much of it. What labels mean is `policy::learn`'s to say. Invariant: a class is
//! one tenant's, so nobody moves another's point.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::judge::ModelJudge;
use crate::{
    cache::{
        entry::{Entry, Question},
        store::Store,
    },
    embed::Embed,
    policy::{
        admit::{Kind, Score},
        identity::Fingerprint,
        judge::{Judgement, Said, same_answer},
        learn::{Admitted, Brake, Calibrator, Class, Fate, Label, Point, Rule, Source},
    },
    telemetry::names,
    units::{Admission, Share},
    wire::answer::Answer,
};

/// Classes that are told apart, 1.5 KiB each; questions of further ones are admitted as configured.
const CLASSES: usize = 1024;
/// Classes that are saved.
const SAVED: usize = 64;
/// Comparisons at the same time; each may embed two answers.
const COMPARISONS: usize = 2;

/// What may be learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Whether the point moves at all.
    pub enabled: bool,
    /// How many semantic hits may be wrong.
    pub max_false: Share,
    /// How many semantic hits are checked.
    pub checks: Share,
}

/// A question's nearest neighbour, and what speaks for it.
#[derive(Debug, Clone)]
pub(super) struct Near {
    pub(super) entry: Arc<Entry>,
    pub(super) admitted: Admitted,
}

/// What is known of a class, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The class.
    pub class: Class,
    /// Its point.
    pub point: Point,
}

/// Keeps what is learned.
#[derive(Debug, Clone)]
pub struct Learner {
    settings: Settings,
    state: Arc<Mutex<State>>,
    comparing: Arc<Semaphore>,
    store: Arc<Store>,
    encoder: Option<Arc<dyn Embed>>,
    judge: Option<ModelJudge>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    classes: HashMap<Class, Learned>,
    brakes: HashMap<Fingerprint, Brake>,
}

#[derive(Debug)]
struct Learned {
    calibrator: Calibrator,
    /// What was known when the last label came.
    settled: Option<Point>,
}

impl Learner {
    /// A learner that knows nothing.
    #[must_use]
    pub fn new(
        settings: Settings,
        store: Arc<Store>,
        encoder: Option<Arc<dyn Embed>>,
        judge: Option<ModelJudge>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            settings,
            state: Arc::default(),
            comparing: Arc::new(Semaphore::new(COMPARISONS)),
            store,
            encoder,
            judge,
            tasks,
        }
    }

    /// Where a class admits now.
    pub(super) fn point(&self, class: &Class, rule: &Rule) -> Score {
        if !self.settings.enabled {
            return rule.start;
        }
        let state = self.state();
        (state.classes.get(class)).map_or(rule.start, |learned| learned.calibrator.place(rule))
    }

    /// Counts a question that was looked up by meaning, with the score of its best neighbour that no guard is against. Those
    /// without any are counted in classes that are known: others would be pushed out by them.
    pub(super) fn looked_up(&self, class: &Class, best: Option<Score>) {
        let mut state = self.state();
        let learned = match best {
            Some(_) => state.class(class),
            None => state.classes.get_mut(class),
        };
        if let Some(learned) = learned {
            learned.calibrator.look_up(best);
        }
    }

    /// Whether an entry may answer at this score.
    pub(super) fn allows(&self, entry: Fingerprint, score: Score, point: Score) -> bool {
        !self.settings.enabled
            || (self.state().brakes.get(&entry))
                .is_none_or(|brake| brake.allows(score, point, self.settings.max_false))
    }

    /// Counts a semantic hit; says whether it is one of those to be checked.
    pub(super) fn served(&self, admitted: &Admitted) -> bool {
        if !self.settings.enabled {
            return false;
        }
        if let Some(learned) = self.state().class(&admitted.class) {
            learned.calibrator.serve(admitted.score);
        }
        fastrand::f64() < self.settings.checks.get()
    }

    /// What the point of such questions may do. One that was configured as a number is not lowered.
    pub(super) fn rule(&self, admission: Admission, kind: Kind) -> Rule {
        let start = admission.point(kind);
        let floor = match admission {
            Admission::Policy(_) => start.min(Score::RETRIEVAL),
            Admission::Threshold(_) => start,
        };
        Rule {
            start,
            floor,
            max_false: self.settings.max_false,
        }
    }

    /// Compares a fresh answer with that of a neighbour, in the background, unless enough of that is
    /// going on.
    pub(super) fn compare(&self, near: Near, source: Source, fresh: &Answer) {
        if !self.settings.enabled {
            return;
        }
        let texts = (
            fresh.plain_text(),
            near.entry.answer().and_then(|a| a.plain_text()),
        );
        let (Some(fresh), Some(kept)) = texts else {
            return;
        };
        let Ok(permit) = Arc::clone(&self.comparing).try_acquire_owned() else {
            count(source, "left_out");
            return;
        };
        let learner = self.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            learner.label(&near, source, &fresh, &kept).await;
        });
    }

    /// Takes a client's word about a semantic hit in.
    pub(super) fn told(&self, near: &Near, same: bool) {
        if self.settings.enabled {
            self.observe(near, Source::Feedback, same);
        }
    }

    async fn label(&self, near: &Near, source: Source, fresh: &str, kept: &str) {
        let (fresh, kept) = (
            Said::new(fresh, Some("stop")),
            Said::new(kept, Some("stop")),
        );
        let mut judgement = same_answer(fresh, kept, None);
        if judgement == Judgement::Unsure
            && let Some(encoder) = &self.encoder
            && let (Ok(a), Ok(b)) = (
                encoder.embed(fresh.text()).await,
                encoder.embed(kept.text()).await,
            )
        {
            judgement = same_answer(fresh, kept, Some(a.cosine(&b)));
        }
        if judgement == Judgement::Unsure
            && let (Some(judge), Some(Question { text, .. })) = (&self.judge, &near.entry.question)
        {
            judgement = judge.ask(text, fresh.text(), kept.text()).await;
        }
        match judgement {
            Judgement::Same => self.observe(near, source, true),
            Judgement::Different => self.observe(near, source, false),
            Judgement::Unsure => count(source, "unsure"),
        }
    }

    fn observe(&self, near: &Near, source: Source, same: bool) {
        count(source, if same { "same" } else { "different" });
        let label = Label {
            score: near.admitted.score,
            same,
            source,
        };
        let fingerprint = near.entry.fingerprint;
        let mut state = self.state();
        let fate = state.brakes.entry(fingerprint).or_default().observe(label);
        let has_risen = state.settle(&near.admitted, label);
        if fate == Fate::Evict || !self.store.contains(&fingerprint) {
            state.brakes.remove(&fingerprint);
        }
        drop(state);
        if fate == Fate::Evict {
            self.store.condemn(fingerprint);
        }
        if has_risen {
            // Paraphrases that were admitted below the new point are remembered by their bytes.
            self.store.forget_aliases();
        }
    }

    /// Forgets what is known of entries that are gone.
    pub fn sweep(&self) {
        self.state()
            .brakes
            .retain(|entry, _| self.store.contains(entry));
    }

    /// What was learned, for storage: of the classes with the most labels.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let state = self.state();
        let mut classes: Vec<_> = state.classes.iter().collect();
        let labels = |learned: &Learned| learned.settled.map_or(0, |point| point.sample);
        classes.sort_unstable_by_key(|(_, learned)| std::cmp::Reverse(labels(learned)));
        let classes = classes.into_iter().take(SAVED);
        let saved: Vec<_> = classes
            .map(|(class, learned)| (class, &learned.calibrator))
            .collect();
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// Takes over what [`Learner::snapshot`] gave; nothing of what can't be read.
    pub fn restore(&self, snapshot: &[u8]) {
        let saved: Vec<(Class, Calibrator)> = serde_json::from_slice(snapshot).unwrap_or_default();
        let mut state = self.state();
        for (class, calibrator) in saved.into_iter().take(SAVED) {
            let learned = Learned {
                calibrator,
                settled: None,
            };
            state.classes.insert(class, learned);
        }
    }

    /// What would be at other points, by class: of those with the most labels, and of all together.
    #[must_use]
    pub fn curves(&self) -> (Calibrator, Vec<(Class, Calibrator)>) {
        let mut all = Calibrator::default();
        let mut classes: Vec<(Class, Calibrator)> = Vec::new();
        for (class, learned) in &self.state().classes {
            all.merge(&learned.calibrator);
            classes.push((class.clone(), learned.calibrator.clone()));
        }
        let order = |calibrator: &Calibrator| calibrator.labels() + calibrator.looked_up() * 1e-9;
        classes.sort_by(|(_, one), (_, other)| order(other).total_cmp(&order(one)));
        classes.truncate(SAVED);
        (all, classes)
    }

    /// What is known of each class.
    #[must_use]
    pub fn known(&self) -> Vec<Known> {
        let state = self.state();
        let known = state.classes.iter().filter_map(|(class, learned)| {
            let point = learned.settled?;
            Some(Known {
                class: class.clone(),
                point,
            })
        });
        known.collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets a label move its class's point; says whether it rose.
    fn settle(&mut self, admitted: &Admitted, label: Label) -> bool {
        let rule = admitted.rule;
        let Some(learned) = self.class(&admitted.class) else {
            return false;
        };
        learned.calibrator.observe(label);
        let before = learned.calibrator.place(&rule);
        let point = learned.calibrator.settle(&rule);
        learned.settled = Some(point);
        if point.at != before {
            tracing::info!(
                model = &*admitted.class.model,
                matter = admitted.class.has_matter,
                point = %point.at,
                why = point.why.as_str(),
                sample = point.sample,
                "the admission point has moved"
            );
        }
        point.at > before
    }

    fn class(&mut self, class: &Class) -> Option<&mut Learned> {
        if !self.classes.contains_key(class) {
            if self.classes.len() >= CLASSES {
                return None;
            }
            let nothing = Learned {
                calibrator: Calibrator::default(),
                settled: None,
            };
            self.classes.insert(class.clone(), nothing);
        }
        self.classes.get_mut(class)
    }
}

fn count(source: Source, result: &'static str) {
    metrics::counter!(names::CACHE_CHECKS, "source" => source.as_str(), "result" => result)
        .increment(1);
}
