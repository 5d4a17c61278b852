//! Assembly: a configuration becomes running parts. The only module that sees all of them.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::TaskTracker;

use crate::{
    cache::store::{Bounds, Store},
    clock::Clock,
    config::{Activation, Config, KeyDigest, Provider as ProviderConfig, ProviderKind},
    embed::{
        Embed,
        fastembed::{EncoderOptions, LoadError, LocalEncoder},
    },
    gateway::{
        self, Gateway, Settings,
        catalogue::{Catalogue, Inactive},
        record::Recorder,
    },
    http::{
        Api,
        auth::Auth,
        observe, router,
        server::{self, Limits, Stopped},
    },
    ident::{InvalidName, ProviderName},
    policy::cacheable::{Rules, Stale},
    provider::{
        Provider,
        demo::{Demo, Pace},
        openai::{OpenAi, SetupError},
    },
    telemetry::ledger::Ledger,
};

/// How long a provider may take to list its models at the start.
const DISCOVERY: Duration = Duration::from_secs(2);
/// How often providers are asked for their models again.
const REDISCOVERY: Duration = Duration::from_secs(60);

/// What assembly takes besides the configuration.
#[derive(Debug)]
pub struct Parts {
    /// The time.
    pub clock: Clock,
    /// The encoder; `None` for no semantic tier.
    pub encoder: Option<Arc<dyn Embed>>,
    /// Renders `/metrics`.
    pub metrics: Option<PrometheusHandle>,
    /// How fast the demo provider answers.
    pub demo_pace: Pace,
}

/// Why the gateway can't be assembled.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A provider's settings can't be used.
    #[error(transparent)]
    Provider(#[from] SetupError),
    /// A built-in name is not a name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// A gateway that is ready to serve.
#[derive(Debug)]
pub struct App {
    api: Arc<Api>,
    limits: Limits,
    tasks: TaskTracker,
    /// Chores that go on for as long as the app; dropping it ends them.
    _chores: JoinSet<()>,
}

/// Loads the encoder that `config` names. `None` if the semantic tier is off.
///
/// # Errors
/// When the model or the runtime is missing or damaged; the message says what to do.
pub fn load_encoder(config: &Config) -> Result<Option<Arc<dyn Embed>>, LoadError> {
    if !(config.cache.enabled && config.cache.semantic) {
        return Ok(None);
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = config.embedding.threads.unwrap_or((cores / 2).clamp(1, 4));
    let options = EncoderOptions {
        threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        queue: NonZeroUsize::new(config.embedding.queue).unwrap_or(NonZeroUsize::MIN),
        deadline: config.embedding.deadline,
    };
    let encoder = LocalEncoder::load(&config.embedding.model, &config.embedding.runtime, options)?;
    Ok(Some(Arc::new(encoder)))
}

impl App {
    /// Assembles `config`. Asks providers with discovery for their models, for two seconds at most.
    ///
    /// # Errors
    /// [`BuildError`]; a provider that does not answer is no error.
    pub async fn build(config: &Config, parts: Parts) -> Result<Self, BuildError> {
        let Parts {
            clock,
            encoder,
            metrics,
            demo_pace,
        } = parts;
        let tasks = TaskTracker::new();
        let ledger = Arc::new(Ledger::default());
        let bounds = Bounds {
            bytes: config.cache.max_bytes.get(),
            graph_above: config.cache.index_above,
        };
        let store = Arc::new(Store::new(bounds, 0));
        let largest = config.cache.max_entry_bytes.as_usize();

        let catalogue = Arc::new(catalogue(config, &clock, demo_pace).await?);
        let mut chores = JoinSet::new();
        rediscover(&mut chores, &catalogue);
        if let Some(metrics) = metrics.clone() {
            keep_up(&mut chores, metrics);
        }
        let recorder = Recorder::new(
            Arc::clone(&store),
            encoder.clone(),
            Arc::clone(&ledger),
            largest,
            tasks.clone(),
            clock.clone(),
        );
        let settings = Settings {
            rules: Rules {
                enabled: config.cache.enabled,
                semantic: encoder.is_some(),
                ttl: config.cache.ttl,
                volatile_ttl: config.cache.volatile_ttl,
                volatile_patterns: Vec::new(),
                stale: Stale::default(),
            },
            by_user: false,
            threshold: config.cache.threshold,
            // Events are several times as long as what they say.
            max_shared: largest.saturating_mul(16),
        };
        let semantic = encoder.is_some();
        let gateway = Arc::new(Gateway::new(
            settings,
            gateway::Parts {
                catalogue: Arc::clone(&catalogue),
                store: Arc::clone(&store),
                encoder,
                recorder,
                ledger: Arc::clone(&ledger),
                tasks: tasks.clone(),
                clock: clock.clone(),
            },
        ));
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| BuildError::Random(error.to_string()))?;
        let api = Api {
            gateway,
            catalogue,
            auth: Auth::new(secret, &config.clients),
            admin_key: config
                .admin
                .key
                .as_ref()
                .map(|key| KeyDigest::of(key.expose())),
            ledger,
            store,
            metrics,
            clock,
            max_body: config.server.max_body.get(),
            compress_above: config.server.compress_above.get(),
            show_similarity: config.cache.show_similarity,
            semantic,
            chat_latency: observe::chat_latency(),
            draining: AtomicBool::new(false),
        };
        let limits = Limits {
            connections: config.server.max_connections,
            header_timeout: config.server.header_timeout,
            drain_timeout: config.server.drain_timeout,
        };
        Ok(Self {
            api: Arc::new(api),
            limits,
            tasks,
            _chores: chores,
        })
    }

    /// The routes, for tests that need no socket.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.api))
    }

    /// What models and providers there are.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.api.catalogue
    }

    /// Waits until what was answered so far is also kept and indexed.
    pub async fn settle(&self) {
        // Closing only lets the wait end; spawning goes on.
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Serves on `listener` until `shutdown`, then until the requests in flight are answered.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> std::io::Result<Stopped> {
        let draining = Arc::clone(&self.api);
        let shutdown = async move {
            shutdown.await;
            draining.drain();
        };
        server::serve(listener, self.router(), self.limits, &self.tasks, shutdown).await
    }
}

async fn catalogue(config: &Config, clock: &Clock, pace: Pace) -> Result<Catalogue, BuildError> {
    let mut active: Vec<Arc<dyn Provider>> = Vec::new();
    let mut inactive = Vec::new();
    let mut found = Vec::new();
    for provider in &config.providers {
        match &provider.activation {
            Activation::Inactive(reason) => {
                inactive.push(Inactive {
                    name: provider.name.clone(),
                    reason: reason.clone(),
                });
            }
            Activation::Active => {
                let built = build_provider(provider, clock, pace)?;
                match discover(provider, &*built).await {
                    Ok(models) => {
                        found.push((provider.name.clone(), models));
                        active.push(built);
                    }
                    Err(reason) => inactive.push(Inactive {
                        name: provider.name.clone(),
                        reason,
                    }),
                }
            }
        }
    }
    let demo: Option<Arc<dyn Provider>> = if active.is_empty() {
        Some(Arc::new(Demo::new(
            ProviderName::new("demo")?,
            pace,
            clock.clone(),
        )))
    } else {
        None
    };
    let started = clock.unix_seconds();
    let catalogue = Catalogue::new(config.models.clone(), active, inactive, demo, started);
    for (name, models) in found {
        catalogue.discovered(&name, &models);
    }
    Ok(catalogue)
}

fn build_provider(
    config: &ProviderConfig,
    clock: &Clock,
    pace: Pace,
) -> Result<Arc<dyn Provider>, SetupError> {
    Ok(match config.kind {
        ProviderKind::Demo => Arc::new(Demo::new(config.name.clone(), pace, clock.clone())),
        // The last three by way of their OpenAI-compatible endpoints.
        ProviderKind::OpenAi
        | ProviderKind::Gemini
        | ProviderKind::Anthropic
        | ProviderKind::Ollama => Arc::new(OpenAi::new(config)?),
    })
}

/// The models that a provider lists; none if it need not be asked, or is no Ollama and does not say.
async fn discover(
    config: &ProviderConfig,
    provider: &dyn Provider,
) -> Result<Vec<crate::wire::models::ModelObject>, String> {
    if !config.discover {
        return Ok(Vec::new());
    }
    match tokio::time::timeout(DISCOVERY, provider.models()).await {
        Ok(Ok(models)) => Ok(models),
        // A server on the own machine is there or is not; a hosted one may come back.
        _ if config.kind == ProviderKind::Ollama => {
            let base = config.chat_base.as_deref().unwrap_or_default();
            let base = base.strip_suffix("/v1").unwrap_or(base);
            Err(format!(
                "nothing answers at {base}; start it (`ollama serve`), then restart"
            ))
        }
        _ => {
            tracing::warn!(provider = %config.name, "could not list its models");
            Ok(Vec::new())
        }
    }
}

/// Asks the providers that listed models at the start again, now and then.
fn rediscover(chores: &mut JoinSet<()>, catalogue: &Arc<Catalogue>) {
    let providers = catalogue.discovering();
    if providers.is_empty() {
        return;
    }
    let catalogue = Arc::clone(catalogue);
    chores.spawn(async move {
        loop {
            tokio::time::sleep(REDISCOVERY).await;
            for provider in &providers {
                if let Ok(Ok(models)) = tokio::time::timeout(DISCOVERY, provider.models()).await {
                    catalogue.discovered(provider.name(), &models);
                }
            }
        }
    });
}

/// Folds the recorded times into their histograms: until then each takes memory of its own, and
/// nobody may ever ask for them.
fn keep_up(chores: &mut JoinSet<()>, metrics: PrometheusHandle) {
    chores.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
}
