//! How long a request's prompt is for each model, and the request as a model gets it that has no room for all
//! of it.
//!
//! Counting and cutting long prompts takes milliseconds, so it is done where it holds nobody up.

use std::{
    num::NonZeroUsize,
    sync::{Arc, LazyLock},
};

use tokio::sync::Semaphore;

use super::{
    catalogue::{Route, Target},
    journey::{Budget, Leg, asked, room},
    off_the_workers,
};
use crate::{
    policy::{
        routing::eligible::{self, Limits},
        truncate,
    },
    tokenizer::{self, Count, Family, Prompt},
    units::Tokens,
    wire::{ask::Unable, chat::ChatRequest},
};

/// Requests longer than this, in bytes, are counted and cut off the workers.
const LONG: usize = 16 << 10;

/// Long prompts are worked on by half of the cores: each takes memory, and goes on when its client is gone,
/// and short requests beside them need a core, too. The others wait.
static AT_A_TIME: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Arc::new(Semaphore::new((cores / 2).max(1)))
});

/// Does `work` on `request`: at once if it is short, else off the workers when it is its turn. `None` if it
/// panics there.
async fn work_on<T: Send + 'static>(
    request: &Arc<ChatRequest>,
    work: impl FnOnce(&ChatRequest) -> T + Send + 'static,
) -> Option<T> {
    if request.raw().len() <= LONG {
        return Some(work(request));
    }
    let request = Arc::clone(request);
    let turn = Arc::clone(&AT_A_TIME).acquire_owned().await.ok()?;
    off_the_workers(move || {
        let _turn = turn;
        work(&request)
    })
    .await
}

/// What is known of a request's tokens.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// More than it has, by its bytes.
    pub(super) bound: Tokens,
    /// By how models of a family count, where the bound says too little.
    counted: Vec<(Family, Arc<Prompt>)>,
}

impl Counts {
    /// Counts what has to be counted of `request` to send it along `route`.
    pub(super) async fn of(request: &Arc<ChatRequest>, route: &Route, budget: Budget) -> Self {
        let bound = tokenizer::bound(request);
        let is_long = |target: &&Target| {
            let room = room(target, request, route, budget);
            room.is_some_and(|room| room.hard < bound)
        };
        Self::by(request, bound, route.all().filter(is_long)).await
    }

    /// Counts `request` for everybody on `route`.
    pub(super) async fn all(request: &Arc<ChatRequest>, route: &Route) -> Self {
        Self::by(request, tokenizer::bound(request), route.all()).await
    }

    async fn by(
        request: &Arc<ChatRequest>,
        bound: Tokens,
        targets: impl Iterator<Item = &Target>,
    ) -> Self {
        let mut families: Vec<Family> = Vec::new();
        for target in targets {
            if !families.contains(&target.family) {
                families.push(target.family);
            }
        }
        let mut counted = Vec::new();
        for family in families {
            let prompt = work_on(request, move |request| tokenizer::prompt(request, family)).await;
            counted.extend(prompt.map(|prompt| (family, Arc::new(prompt))));
        }
        Self { bound, counted }
    }

    /// What was counted for models of this family.
    pub(super) fn prompt(&self, family: Family) -> Option<&Arc<Prompt>> {
        let mut counted = self.counted.iter();
        counted
            .find(|(other, _)| *other == family)
            .map(|(_, prompt)| prompt)
    }

    /// The tokens for models of this family.
    pub(super) fn total(&self, family: Family) -> Count {
        let uncounted = Count {
            least: Tokens(0),
            most: self.bound,
        };
        self.prompt(family)
            .map_or(uncounted, |prompt| prompt.total())
    }
}

impl Leg {
    /// The request as this target gets it, and how many tokens were cut from it.
    ///
    /// # Errors
    /// [`Unable::TooLong`] if what may not be cut is too long by itself.
    pub(super) async fn prepared(
        &self,
        request: &Arc<ChatRequest>,
    ) -> Result<(Arc<ChatRequest>, Option<Tokens>), Unable> {
        let Some(budget) = self.cut_to else {
            return Ok((Arc::clone(request), None));
        };
        let family = self.target.family;
        let most = self.room.map_or(budget, |room| room.hard.max(budget));
        let counted = self.counted.clone();
        let cut = work_on(request, move |request| {
            let prompt = counted.unwrap_or_else(|| Arc::new(tokenizer::prompt(request, family)));
            as_short_as_it_takes(request, family, &prompt, budget, most)
        });
        match cut.await {
            Some(Ok(Some((shorter, cut)))) => Ok((Arc::new(shorter), Some(cut))),
            Some(Err(unable)) => Err(unable),
            Some(Ok(None)) | None => Ok((Arc::clone(request), None)),
        }
    }

    /// The same with less of the prompt, after the provider found it too long, and perhaps said that it
    /// takes `told` tokens; `None` if enough was tried.
    pub(super) async fn shorter(
        self,
        request: &Arc<ChatRequest>,
        told: Option<Tokens>,
    ) -> Option<Self> {
        const TRIES: u32 = 2;
        if self.cuts >= TRIES {
            return None;
        }
        let three_quarters = |tokens: Tokens| Tokens(tokens.0.saturating_mul(3) / 4);
        // It took no more than this, so less is needed.
        let family = self.target.family;
        let counted = match self.counted {
            Some(counted) => counted,
            None => {
                let prompt = work_on(request, move |request| tokenizer::prompt(request, family));
                Arc::new(prompt.await?)
            }
        };
        let whole = counted.total().most;
        let sent = self.cut_to.map_or(whole, |budget| budget.min(whole));
        let limits = Limits {
            window: told,
            ..self.target.limits
        };
        let told = eligible::room(&limits, asked(request), None).map(|room| room.soft);
        let budget = told.filter(|told| *told < sent);
        Some(Self {
            cut_to: Some(budget.unwrap_or_else(|| three_quarters(sent))),
            cuts: self.cuts + 1,
            counted: Some(counted),
            ..self
        })
    }
}

/// `request`, counted in `prompt`, cut to `budget`; where that can't be, to `most`, which leaves less room for the answer.
fn as_short_as_it_takes(
    request: &ChatRequest,
    family: Family,
    prompt: &Prompt,
    budget: Tokens,
    most: Tokens,
) -> Result<Option<(ChatRequest, Tokens)>, Unable> {
    shortened(request, family, prompt, budget).or_else(|unable| {
        if most > budget {
            shortened(request, family, prompt, most)
        } else {
            Err(unable)
        }
    })
}

/// `request` cut to `budget`, and how many tokens that took; `None` if it fits as it is.
fn shortened(
    request: &ChatRequest,
    family: Family,
    prompt: &Prompt,
    budget: Tokens,
) -> Result<Option<(ChatRequest, Tokens)>, Unable> {
    let messages: Vec<Tokens> = prompt.messages.iter().map(|count| count.most).collect();
    let fitted = truncate::fit(
        request.messages(),
        &messages,
        prompt.fixed.most,
        budget,
        &family,
    );
    match fitted {
        Ok(fitted) if fitted.before == fitted.after => Ok(None),
        Ok(fitted) => {
            let cut = Tokens(fitted.before.0.saturating_sub(fitted.after.0));
            Ok(Some((request.shortened(&fitted.cuts), cut)))
        }
        Err(too_long) => Err(Unable::TooLong {
            message: format!(
                "This model's maximum context length is {} tokens for prompts here, and {} tokens can't be \
                 cut: system messages, tools and the last turn. Please shorten them.",
                budget.0, too_long.pinned.0
            ),
        }),
    }
}
