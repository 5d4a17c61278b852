//! Asking for the vectors of some items, in as many calls as the limits of those who are asked take, and keeping them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use http::HeaderMap;

use super::{
    items::{share, split},
    local::Local,
};
use crate::{
    cache::vectors::{Kept, Origin},
    error::{Error, UpstreamError, UpstreamErrorKind},
    gateway::{
        Gateway,
        attempt::{Load, Tariff},
        behalf::Behalf,
        catalogue::Route,
        dispatch::{Source, first_answer},
        off_the_workers,
    },
    ident::{Namespace, Tag},
    policy::identity::{Fingerprint, Scope},
    provider::{Batch, EmbedCall, Embedded},
    units::{Price, Tokens, Usd},
    wire::{
        answer::Usage,
        chat::Delivery,
        embeddings::{EmbeddingsRequest, Input, Item, List, MOST_INPUTS},
    },
};

/// Calls of one request at the same time.
const AT_ONCE: usize = 4;
/// Texts after which the encoder's vectors are kept, so that who gives up has not waited for nothing.
const LOCAL_BATCH: usize = 64;
/// Bodies longer than this, in bytes, are read where they hold nobody up.
const LONG: usize = 64 << 10;

/// Who is asked.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Providers.
    Route(Arc<Route>),
    /// The gateway's own encoder.
    Local(Arc<Local>),
}

impl Place {
    /// How much everybody takes in one call who may be asked.
    fn batch(&self) -> Batch {
        let all = match self {
            Self::Route(route) => route.targets.iter().chain(&route.fallbacks),
            Self::Local(_) => {
                return Batch {
                    items: LOCAL_BATCH,
                    tokens: None,
                };
            }
        };
        let widest = Batch {
            items: MOST_INPUTS,
            tokens: None,
        };
        all.map(|target| target.member.provider.batch())
            .fold(widest, |one, other| Batch {
                items: one.items.min(other.items).max(1),
                tokens: one.tokens.into_iter().chain(other.tokens).min(),
            })
    }

    /// The price of the dearest who may be asked.
    pub(super) fn dearest(&self) -> Option<Price> {
        match self {
            Self::Route(route) => route.dearest(),
            Self::Local(_) => free(),
        }
    }

    /// Only who gave this answer.
    pub(super) fn only(&self, source: &Source) -> Self {
        match self {
            Self::Local(local) => Self::Local(Arc::clone(local)),
            Self::Route(route) => {
                let mut only = Route::clone(route);
                let mut all = route.targets.iter().chain(&route.fallbacks);
                let found = all.find(|target| target.is(&source.provider, &source.model));
                only.targets = found.into_iter().cloned().collect();
                only.fallbacks = Vec::new();
                Self::Route(Arc::new(only))
            }
        }
    }
}

fn free() -> Option<Price> {
    let nothing = Usd::new(0.0)?;
    Some(Price {
        input: nothing,
        output: nothing,
    })
}

/// How vectors are kept.
#[derive(Debug)]
pub(super) struct Keeping {
    /// Under what, item by item.
    pub(super) keys: Vec<Fingerprint>,
    /// For how long, if at all.
    pub(super) ttl: Option<Duration>,
    pub(super) scope: Scope,
    pub(super) namespace: Option<Namespace>,
    pub(super) tags: Vec<Tag>,
    /// How much had been purged when it was asked: what is purged meanwhile is not kept again.
    pub(super) purges: u64,
    pub(super) generation: u64,
}

/// A request that goes to whoever has vectors.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Arc<EmbeddingsRequest>,
    pub(super) drops_unsupported: bool,
    /// `None` where the cache is left alone.
    pub(super) keeping: Option<Keeping>,
    pub(super) behalf: Behalf,
}

/// What one call gave.
#[derive(Debug)]
pub(super) struct Answered {
    /// The items it was asked for.
    pub(super) places: Vec<usize>,
    /// Their vectors; `None` where the answer is handed on as it is, and nothing of it is kept.
    pub(super) vectors: Option<Vec<Arc<Kept>>>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) source: Source,
    pub(super) cost: Option<Usd>,
    /// Whether they are found from now on.
    pub(super) is_kept: bool,
}

impl Gateway {
    /// Asks for the items at these places. What is asked for as a whole, in one call, goes and comes as it is.
    ///
    /// # Errors
    /// That of the first call which fails; what others brought is kept.
    pub(super) async fn ask_items(
        &self,
        job: &Job,
        place: &Place,
        places: &[usize],
    ) -> Result<Vec<Answered>, Error> {
        let items: Vec<Item<'_>> = job.request.input().items().collect();
        let wanted = places.iter().filter_map(|place| items.get(*place));
        let bounds: Vec<Tokens> = wanted.map(|item| item.bound()).collect();
        let calls = split(&bounds, place.batch());
        let is_whole = calls.len() == 1 && places.len() == items.len();
        let at_once = match place {
            Place::Route(_) => AT_ONCE,
            Place::Local(_) => 1,
        };
        let calls: Vec<Vec<usize>> = (calls.into_iter())
            .filter_map(|call| places.get(call).map(<[usize]>::to_vec))
            .collect();
        let answers = stream::iter(calls).map(|places| match place {
            Place::Route(route) => self.call(job, route, places, is_whole).boxed(),
            Place::Local(local) => self.compute(job, local, places).boxed(),
        });
        answers.buffered(at_once).try_collect().await
    }

    async fn call(
        &self,
        job: &Job,
        route: &Route,
        places: Vec<usize>,
        is_whole: bool,
    ) -> Result<Answered, Error> {
        let request = if is_whole {
            Arc::clone(&job.request)
        } else {
            Arc::new(job.request.part(&places))
        };
        let estimates = request.input().items().map(|item| item.estimate().0);
        let estimate = Usage {
            input: Tokens(estimates.fold(0, u64::saturating_add)),
            output: Tokens(0),
        };
        let load = Load {
            delivery: Delivery::Json,
            tokens: estimate,
            tariff: Tariff::Tokens,
        };
        let answered = first_answer(
            route,
            load,
            job.behalf.clone(),
            &self.clock,
            |target, trace| {
                let call = EmbedCall {
                    request: Arc::clone(&request),
                    model: target.model.clone(),
                    drops_unsupported: job.drops_unsupported,
                    trace,
                };
                async move { target.member.provider.embeddings(call).await }
            },
        );
        let (reply, source, mut attempt) = answered.await?;
        let Embedded {
            headers,
            body,
            tokens,
        } = reply;
        let used = tokens.map(|input| Usage {
            input,
            output: Tokens(0),
        });
        attempt.used(used.unwrap_or(estimate));
        attempt.complete();
        let price = source.price.zip(used);
        let cost = price.map(|(price, used)| price.of(used.input, used.output));
        let ttl = job.keeping.as_ref().and_then(|keeping| keeping.ttl);
        let may_keep = ttl.is_some() && source.is_first_choice;
        let list = if may_keep || !is_whole {
            match read(body.clone(), places.len()).await {
                Ok(list) => Some(list),
                // What can be handed on is no error because it can't be kept.
                Err(why) if is_whole => {
                    tracing::debug!(provider = %source.provider, why, "vectors are not kept");
                    None
                }
                Err(why) => {
                    let kind = UpstreamErrorKind::Decode(why.to_owned());
                    let provider = source.provider;
                    return Err(UpstreamError { provider, kind }.into());
                }
            }
        } else {
            None
        };
        let is_kept = may_keep && list.is_some();
        let vectors = list.map(|list| {
            let weights: Vec<u64> = request.input().items().map(Item::weight).collect();
            let shares = tokens.map(|tokens| share(tokens.0, &weights));
            let tokens = match shares {
                Some(shares) => shares
                    .into_iter()
                    .map(|share| Some(Tokens(share)))
                    .collect(),
                None => vec![None; places.len()],
            };
            self.keep(job, &source, list, &places, tokens)
        });
        Ok(Answered {
            places,
            vectors,
            headers,
            body,
            source,
            cost,
            is_kept,
        })
    }

    async fn compute(
        &self,
        job: &Job,
        local: &Local,
        places: Vec<usize>,
    ) -> Result<Answered, Error> {
        let start = self.clock.now();
        let tokens = local.measure(&job.request, &places).await?;
        let part = job.request.part(&places);
        let texts: &[String] = match part.input() {
            Input::Texts(texts) => texts,
            Input::Tokens(_) => &[],
        };
        let list = List {
            model: local.name(),
            vectors: local.embed(texts).await?,
        };
        let all = Usage {
            input: Tokens(tokens.iter().map(|tokens| tokens.0).sum()),
            output: Tokens(0),
        };
        if let Some(tab) = &job.behalf.tab {
            tab.pay(all, free());
        }
        let source = Source {
            provider: local.provider.clone(),
            model: local.model.clone(),
            price: free(),
            attempts: 0,
            waited: self.clock.now().since(start),
            is_first_choice: true,
            task: None,
            trimmed: None,
        };
        let ttl = job.keeping.as_ref().and_then(|keeping| keeping.ttl);
        let tokens = tokens.into_iter().map(Some).collect();
        Ok(Answered {
            vectors: Some(self.keep(job, &source, list, &places, tokens)),
            places,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            source,
            cost: Usd::new(0.0),
            is_kept: ttl.is_some(),
        })
    }

    /// The vectors of one call, kept if they may be.
    fn keep(
        &self,
        job: &Job,
        source: &Source,
        list: List,
        places: &[usize],
        tokens: Vec<Option<Tokens>>,
    ) -> Vec<Arc<Kept>> {
        let keeping = job.keeping.as_ref();
        let ttl = keeping.and_then(|keeping| keeping.ttl);
        let origin = Arc::new(Origin {
            provider: source.provider.clone(),
            model: source.model.clone(),
            named: list.model.into(),
            asked_model: job.request.model().into(),
            price: source.price,
            scope: keeping.map_or(Scope::of([0; 32]), |keeping| keeping.scope),
            namespace: keeping.and_then(|keeping| keeping.namespace.clone()),
            tags: keeping
                .map_or_else(Vec::new, |keeping| keeping.tags.clone())
                .into(),
            stored: self.clock.unix(),
            ttl: ttl.unwrap_or_default(),
            generation: keeping.map_or(0, |keeping| keeping.generation),
        });
        let vectors = list.vectors.into_iter().zip(tokens);
        let vectors: Vec<Arc<Kept>> = vectors
            .map(|(vector, tokens)| {
                Arc::new(Kept {
                    vector,
                    tokens,
                    origin: Arc::clone(&origin),
                })
            })
            .collect();
        if let Some(keeping) = keeping.filter(|_| ttl.is_some() && source.is_first_choice) {
            let is_purged = || self.store.purges() != keeping.purges;
            let table = self.store.vectors();
            for (place, kept) in places.iter().zip(&vectors) {
                let Some(key) = keeping.keys.get(*place) else {
                    continue;
                };
                if is_purged() {
                    break;
                }
                table.insert(*key, Arc::clone(kept));
                // It may have been looked for just before it came.
                if is_purged() {
                    table.remove(key);
                }
            }
        }
        vectors
    }
}

async fn read(body: Bytes, wanted: usize) -> Result<List, &'static str> {
    if body.len() <= LONG {
        return List::read(&body, wanted);
    }
    let read = off_the_workers(move || List::read(&body, wanted)).await;
    read.unwrap_or(Err("embeddings that can't be read"))
}
