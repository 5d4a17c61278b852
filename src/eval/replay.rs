//! One pack through one gateway: the parts and the path are those of `refrain serve`, from the bytes
//! of a request to the bytes of its answer. Only the provider and the socket are left out.

use std::{path::Path, sync::Arc};

use super::{
    EvalError,
    cosine::Kept,
    labels::{self, Labels},
    memo::Memo,
    pack::{Labelled, Pair, Prompt, Records},
    tally::{Outcome, Tally},
};
use crate::{
    app::{App, Parts},
    clock::Clock,
    config::{AllowedModels, CacheOverrides, Config, ProviderKind, Sources},
    embed::Embedding,
    gateway::{
        Asked, Caller,
        catalogue::{self, Catalogue, Conduct, Member},
        reply::{Reply, ReplyBody},
        vitals::VitalsTable,
    },
    ident::{Namespace, ProviderName},
    policy::{
        identity::{Scope, ScopeKind},
        question,
    },
    provider::demo::Pace,
    telemetry::{journal::Journal, ledger::Way},
    units::{self, Similarity},
    wire::controls::Controls,
};

const PROVIDER: &str = "labels";
const MODEL: &str = "labels";
/// The label of answers that are never looked at.
const NOBODY: u32 = u32::MAX;
/// The configuration of every gateway that is measured, but for its policy. It neither learns nor
/// checks nor keeps anything on disk: one order of one pack is to give one result.
const CONFIG: &str = "\
[[providers]]
name = \"labels\"
kind = \"demo\"
[[models]]
name = \"labels\"
targets = [\"labels/labels\"]
[cache]
learning = false
shadow_checks = 0.0
";

/// What decides whether a neighbour answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// `policy = …` of the configuration.
    Policy(&'static str),
    /// `x-refrain-cache-threshold` of each request.
    Threshold(Similarity),
}

/// Whether to find out for each miss what the nearest kept question was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misses {
    /// Hits are all that matters.
    Counted,
    /// What guards stop matters too.
    Explained,
}

/// Replays a pack.
pub(super) async fn replay(
    records: &Records,
    admission: Admission,
    misses: Misses,
    memo: &Arc<Memo>,
) -> Result<Tally, EvalError> {
    let client = Client::new(admission, Arc::clone(memo)).await?;
    match records {
        Records::Stream(stream) => client.replay_stream(stream, misses).await,
        Records::Pairs(pairs) => client.replay_pairs(pairs).await,
    }
}

/// The only client of a gateway of its own.
struct Client {
    app: App,
    caller: Caller,
    clock: Clock,
    threshold: Option<Similarity>,
    memo: Arc<Memo>,
}

/// What the gateway has done.
enum Answered {
    Hit { exact: bool, label: Option<u32> },
    Miss { reason: &'static str },
}

fn config(policy: &str) -> Result<Config, EvalError> {
    let sources = Sources {
        path: Path::new("eval"),
        text: &format!("{CONFIG}{policy}"),
        env: &|_| None,
        env_overrides: &[],
        now: Clock::system().unix(),
    };
    let config = Config::parse(&sources);
    let (config, _) = config.map_err(|problems| EvalError::Config(problems.to_string()))?;
    Ok(config)
}

impl Client {
    async fn new(admission: Admission, memo: Arc<Memo>) -> Result<Self, EvalError> {
        let (policy, threshold) = match admission {
            Admission::Policy(policy) => (format!("policy = \"{policy}\"\n"), None),
            Admission::Threshold(threshold) => (String::new(), Some(threshold)),
        };
        let config = config(&policy)?;
        // Nothing grows old.
        let clock = Clock::manual();
        let labels = Labels::new(ProviderName::new(PROVIDER)?);
        let member = Member::new(Arc::new(labels), ProviderKind::OpenAi, Conduct::default());
        let catalogue = Catalogue::new(catalogue::Parts {
            table: config.models.clone(),
            tasks: Vec::new(),
            default_task: None,
            members: vec![(member, Vec::new())],
            inactive: Vec::new(),
            demo: None,
            vitals: VitalsTable::new(&clock),
            started: 0,
        });
        let parts = Parts {
            clock: clock.clone(),
            encoder: Some(memo.clone()),
            metrics: None,
            demo_pace: Pace::LIFELIKE,
        };
        let scope = Scope::new(&[0; 32], ScopeKind::Anonymous, b"eval");
        let caller = Caller {
            generation: 0,
            scope,
            own: scope,
            namespace: None,
            allowed: AllowedModels::All,
            cache: CacheOverrides::default(),
            max_input: None,
            on_overflow: None,
            account: None,
        };
        Ok(Self {
            app: App::assemble(&config, parts, catalogue).await?,
            caller,
            clock,
            threshold,
            memo,
        })
    }

    async fn replay_stream(&self, stream: &[Labelled], misses: Misses) -> Result<Tally, EvalError> {
        let mut tally = Tally::default();
        let mut kept = Kept::default();
        for labelled in stream {
            let right = labelled.group;
            tally.add(match self.ask(&labelled.prompt, right, None).await? {
                Answered::Hit { exact, label } => Outcome::Hit {
                    exact,
                    right: label == Some(right),
                },
                Answered::Miss { reason } => {
                    let question = (misses == Misses::Explained)
                        .then(|| self.question(&labelled.prompt))
                        .flatten();
                    let nearest = question
                        .as_ref()
                        .and_then(|question| kept.nearest(question));
                    if let Some(question) = question {
                        kept.add(question, right);
                    }
                    Outcome::Miss {
                        reason,
                        answerable: nearest.is_some_and(|(_, group)| group == right),
                    }
                }
            });
        }
        Ok(tally)
    }

    /// Each pair meets a cache of its own: a namespace.
    async fn replay_pairs(&self, pairs: &[Pair]) -> Result<Tally, EvalError> {
        let mut tally = Tally::default();
        for (a, pair) in (0..NOBODY).zip(pairs) {
            let namespace = Some(Namespace::new(&format!("pair-{a}"))?);
            self.ask(&pair.a, a, namespace.clone()).await?;
            let outcome = match self.ask(&pair.b, NOBODY, namespace).await? {
                Answered::Hit { exact, label } => Outcome::Hit {
                    exact,
                    right: pair.duplicate && label == Some(a),
                },
                Answered::Miss { reason } => Outcome::Miss {
                    reason,
                    answerable: pair.duplicate,
                },
            };
            tally.add_pair(outcome, pair.duplicate, pair.category.as_deref());
        }
        Ok(tally)
    }

    /// Asks, and waits until the answer is kept.
    async fn ask(
        &self,
        prompt: &Prompt,
        label: u32,
        namespace: Option<Namespace>,
    ) -> Result<Answered, EvalError> {
        let asked = Asked {
            caller: self.caller.clone(),
            controls: Controls {
                namespace,
                admission: self.threshold.map(units::Admission::Threshold),
                ..Controls::default()
            },
            body: labels::body(MODEL, prompt, label),
            received: self.clock.now(),
            journal: Journal::unread(&self.clock),
        };
        let answered = Box::pin(self.app.gateway().chat(asked)).await;
        let Reply { body, facts, .. } = answered.map_err(|refusal| EvalError::Refused {
            prompt: prompt.text.chars().take(80).collect(),
            why: refusal.error.to_string(),
        })?;
        if matches!(facts.way, Way::Exact | Way::Semantic) {
            let label = match body {
                ReplyBody::Json(body) => labels::label_of(&body),
                ReplyBody::EventsWhole(_) | ReplyBody::Events(_) => None,
            };
            let exact = facts.way == Way::Exact;
            return Ok(Answered::Hit { exact, label });
        }
        self.app.settle().await;
        Ok(Answered::Miss {
            reason: facts.reason.unwrap_or("empty"),
        })
    }

    /// The vector that a prompt is found by.
    fn question(&self, prompt: &Prompt) -> Option<Embedding> {
        self.memo.known(&question::split(&prompt.text)?.question)
    }
}
