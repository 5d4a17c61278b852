//! Where a request may go.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    config::{
        CacheOverrides, Provider as ProviderConfig, ProviderKind, ProviderLimits, RouteRules,
    },
    gateway::{limiter::Limiter, vitals::Vitals},
    ident::{ModelId, ProviderName, TaskName},
    policy::{
        breaker, hedge,
        retry::{self, RetryBudget},
        routing::{eligible::Limits, strategy::Strategy},
        truncate::Overflow,
    },
    provider::Provider,
    tokenizer::Family,
    units::{Price, Share, Tokens},
};

/// Where a request may go.
#[derive(Debug, Clone)]
pub struct Route {
    /// The first target's provider.
    pub name: ProviderName,
    /// One of these is asked first; not empty.
    pub targets: Vec<Target>,
    /// Which of them.
    pub strategy: Strategy,
    /// Who is asked after them, in this order.
    pub fallbacks: Vec<Target>,
    /// Who is asked instead where the prompt is too long for the targets.
    pub window_fallbacks: Vec<Target>,
    /// Who is asked instead where a filter refused the content.
    pub filter_fallbacks: Vec<Target>,
    /// The longest prompt.
    pub max_input: Option<Tokens>,
    /// What is done with a longer one.
    pub on_overflow: Option<Overflow>,
    /// Whether a second target is asked where the first is slow.
    pub hedge: Option<hedge::Rules>,
    /// What is configured for the cache of its answers.
    pub cache: CacheOverrides,
    /// The kind of work that led here.
    pub task: Option<TaskName>,
}

/// A provider, what it calls the model, and what is known of that.
#[derive(Debug, Clone)]
pub struct Target {
    /// Who is asked.
    pub member: Arc<Member>,
    /// For what.
    pub model: ModelId,
    /// Its share of the requests, where they are shared out.
    pub weight: u32,
    /// What it costs.
    pub price: Option<Price>,
    /// What it can take.
    pub limits: Limits,
    /// The longest prompt that is configured for it.
    pub max_input: Option<Tokens>,
    /// How it counts tokens.
    pub family: Family,
    /// How it fares.
    pub vitals: Arc<Vitals>,
    /// Holds the provider to its limits.
    pub limiter: Option<Arc<Limiter>>,
    /// Holds the model to its own.
    pub model_limiter: Option<Arc<Limiter>>,
}

impl Target {
    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        self.member.provider.name()
    }

    /// Whether it is this model of this provider.
    #[must_use]
    pub fn is(&self, provider: &ProviderName, model: &ModelId) -> bool {
        self.provider() == provider && self.model == *model
    }
}

/// A provider, with how it is treated.
#[derive(Debug)]
pub struct Member {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// The dialect it speaks.
    pub kind: ProviderKind,
    /// How it is treated when it fails.
    pub conduct: Conduct,
    /// Which calls may be repeated.
    pub(crate) retries: Mutex<RetryBudget>,
}

/// How a provider is treated when it fails, or has enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Conduct {
    /// How failed calls are made again.
    pub retry: retry::Rules,
    /// When one of its models is left alone.
    pub breaker: breaker::Rules,
    /// How much is asked of it.
    pub limits: ProviderLimits,
}

impl Conduct {
    /// What is configured.
    #[must_use]
    pub fn of(config: &ProviderConfig) -> Self {
        Self {
            retry: config.retry,
            breaker: config.breaker,
            limits: config.limits.clone(),
        }
    }
}

/// Never tried again, and never left alone: for what is inside the gateway.
impl Default for Conduct {
    fn default() -> Self {
        Self {
            retry: retry::Rules {
                attempts: 0,
                base: Duration::ZERO,
                cap: Duration::ZERO,
                budget: Share::NONE,
            },
            breaker: breaker::Rules {
                window: Duration::from_secs(60),
                min_requests: u32::MAX,
                failure_ratio: Share::ALL,
                slow_after: Duration::MAX,
                open_for: Duration::from_secs(1),
                probes: 1,
            },
            limits: ProviderLimits::default(),
        }
    }
}

impl Member {
    /// A provider to be asked, which speaks the dialect `kind`.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, kind: ProviderKind, conduct: Conduct) -> Arc<Self> {
        Arc::new(Self {
            provider,
            kind,
            conduct,
            retries: Mutex::default(),
        })
    }
}

impl Route {
    /// A route to nobody but `target`.
    pub(super) fn single(target: Target) -> Self {
        Self::new(
            target.provider().clone(),
            vec![target],
            &RouteRules::default(),
        )
    }

    /// A route to `targets`, without fallbacks.
    pub(super) fn new(name: ProviderName, targets: Vec<Target>, rules: &RouteRules) -> Self {
        Self {
            name,
            targets,
            strategy: rules.strategy,
            fallbacks: Vec::new(),
            window_fallbacks: Vec::new(),
            filter_fallbacks: Vec::new(),
            max_input: rules.max_input_tokens,
            on_overflow: rules.on_overflow,
            hedge: rules.hedge,
            cache: CacheOverrides::default(),
            task: None,
        }
    }

    /// Everybody who may be asked.
    pub fn all(&self) -> impl Iterator<Item = &Target> {
        let first = self.targets.iter().chain(&self.fallbacks);
        first
            .chain(&self.window_fallbacks)
            .chain(&self.filter_fallbacks)
    }

    /// The price of the dearest who may be asked.
    #[must_use]
    pub fn dearest(&self) -> Option<Price> {
        Price::dearest(self.all().map(|target| target.price))
    }

    /// Whether more than one may be asked.
    #[must_use]
    pub fn has_choice(&self) -> bool {
        self.all().nth(1).is_some()
    }

    /// What the answers of this route are kept under: the models that it may choose first.
    #[must_use]
    pub fn identity(&self) -> String {
        let written = |target: &Target| format!("{}/{}", target.provider(), target.model);
        match self.strategy {
            Strategy::Priority => self.targets.first().map(written).unwrap_or_default(),
            Strategy::Weighted
            | Strategy::LowestCost
            | Strategy::LowestLatency
            | Strategy::LeastBusy => {
                let mut all: Vec<String> = self.targets.iter().map(written).collect();
                all.sort_unstable();
                all.join("|")
            }
        }
    }

    /// Whether the model of `target` is one that the route may choose first. Another model's answer is not
    /// kept under this route's name.
    #[must_use]
    pub fn chooses(&self, target: &Target) -> bool {
        let mut choices = self.targets.iter();
        match self.strategy {
            Strategy::Priority => choices
                .next()
                .is_some_and(|first| first.model == target.model),
            Strategy::Weighted
            | Strategy::LowestCost
            | Strategy::LowestLatency
            | Strategy::LeastBusy => choices.any(|choice| choice.model == target.model),
        }
    }
}
