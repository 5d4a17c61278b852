//! Assembly: a configuration becomes running parts. The only module that sees all of them.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::TaskTracker;

use crate::{
    cache::{disk::OpenError, store::Store},
    clock::Clock,
    config::{Cache, CacheScope, Config, KeyDigest},
    embed::{
        Embed,
        fastembed::{EncoderOptions, LoadError, LocalEncoder},
    },
    gateway::{
        self, Gateway, Settings,
        catalogue::Catalogue,
        judge::ModelJudge,
        learn::{self, Learner},
        record::Recorder,
    },
    http::{
        Api,
        auth::Auth,
        observe, router,
        server::{self, Limits, Stopped},
    },
    ident::InvalidName,
    policy::{
        admit::ByCosine,
        cacheable::{Rules, Stale},
    },
    provider::{SetupError, demo::Pace},
    telemetry::ledger::Ledger,
};

mod persistence;
mod providers;

use self::persistence::Saver;

/// How often what is dead is looked for.
const SWEEP: Duration = Duration::from_secs(60);

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
    /// The secret of the data directory can't be read or made.
    #[error("`cache.data_dir` ({directory}): {source}", directory = directory.display())]
    Secret {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The data directory can't be used.
    #[error("`cache.data_dir`: {0}")]
    Disk(#[from] OpenError),
    /// Reading the data directory panicked.
    #[error("`cache.data_dir`: reading it failed; the log says why")]
    Restore,
}

/// A gateway that is ready to serve.
#[derive(Debug)]
pub struct App {
    api: Arc<Api>,
    limits: Limits,
    tasks: TaskTracker,
    saver: Option<Saver>,
    /// Chores that go on for as long as the app; dropping it ends them.
    chores: JoinSet<()>,
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
        let catalogue = providers::catalogue(config, &parts.clock, parts.demo_pace).await?;
        Self::assemble(config, parts, catalogue).await
    }

    /// Assembles `config` around the providers of `catalogue`, instead of those that it names.
    ///
    /// # Errors
    /// [`BuildError`].
    pub async fn assemble(
        config: &Config,
        parts: Parts,
        catalogue: Catalogue,
    ) -> Result<Self, BuildError> {
        let Parts {
            clock,
            encoder,
            metrics,
            demo_pace: _,
        } = parts;
        let tasks = TaskTracker::new();
        let ledger = Arc::new(Ledger::default());
        let secret = persistence::secret(&config.cache)?;
        let restored = {
            let (cache, encoder) = (config.cache.clone(), encoder.clone());
            let clock = clock.clone();
            tokio::task::spawn_blocking(move || {
                persistence::restore(&cache, encoder.as_deref(), &clock)
            })
        };
        let restored = restored.await.map_err(|_| BuildError::Restore)??;
        let store = Arc::clone(&restored.store);
        let largest = config.cache.max_entry_bytes.as_usize();

        let catalogue = Arc::new(catalogue);
        let mut chores = JoinSet::new();
        providers::rediscover(&mut chores, &catalogue);
        if let Some(metrics) = metrics.clone() {
            keep_up(&mut chores, metrics);
        }
        let judge = config.cache.judge_model.clone().map(|model| ModelJudge {
            model,
            catalogue: Arc::clone(&catalogue),
            ledger: Arc::clone(&ledger),
            clock: clock.clone(),
        });
        let learner = Learner::new(
            learn::Settings {
                enabled: config.cache.learning,
                max_false: config.cache.max_false_hits,
                checks: config.cache.shadow_checks,
            },
            Arc::clone(&store),
            encoder.clone(),
            judge,
            tasks.clone(),
        );
        persistence::recall(&store, &learner);
        let saver = Saver::new(&config.cache, &store, &learner, encoder.as_deref());
        if let Some(saver) = &saver {
            saver.keep_saved(&mut chores);
        }
        persistence::catch_up(&mut chores, restored, encoder.clone());
        let recorder = Recorder::new(
            Arc::clone(&store),
            encoder.clone(),
            Arc::clone(&ledger),
            learner.clone(),
            largest,
            tasks.clone(),
            clock.clone(),
        );
        let settings = settings(&config.cache, config, encoder.is_some(), largest);
        sweep(
            &mut chores,
            &store,
            &learner,
            &clock,
            settings.rules.stale.longest(),
        );
        let semantic = encoder.is_some();
        let gateway = Arc::new(Gateway::new(
            settings,
            gateway::Parts {
                catalogue: Arc::clone(&catalogue),
                store: Arc::clone(&store),
                encoder,
                verifier: Arc::new(ByCosine),
                recorder,
                learner: learner.clone(),
                ledger: Arc::clone(&ledger),
                tasks: tasks.clone(),
                clock: clock.clone(),
            },
        ));
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
            saver,
            chores,
        })
    }

    /// The routes, for tests that need no socket.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.api))
    }

    /// What answers chat requests, without the HTTP around it.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.api.gateway
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
        let stopped =
            server::serve(listener, self.router(), self.limits, &self.tasks, shutdown).await;
        self.close().await;
        stopped
    }

    /// Ends what goes on in the background, and makes durable what was kept.
    pub async fn close(mut self) {
        self.settle().await;
        self.chores.shutdown().await;
        if let Some(saver) = self.saver {
            saver.finish().await;
        }
    }
}

fn settings(cache: &Cache, config: &Config, semantic: bool, largest: usize) -> Settings {
    let tasks = config.tasks.iter();
    Settings {
        rules: Rules {
            enabled: cache.enabled,
            semantic,
            ttl: cache.ttl,
            volatile_ttl: cache.volatile_ttl,
            volatile_patterns: cache.volatile_patterns.clone(),
            stale: Stale {
                while_revalidate: cache.stale_while_revalidate,
                if_error: cache.stale_if_error,
            },
        },
        by_user: cache.scope == CacheScope::User,
        mode: cache.mode,
        admission: cache.admission,
        tasks: tasks
            .map(|task| (task.name.clone(), task.overrides))
            .collect(),
        // Events are several times as long as what they say.
        max_shared: largest.saturating_mul(16),
    }
}

/// Forgets what may never answer again, and what was learned of it.
fn sweep(
    chores: &mut JoinSet<()>,
    store: &Arc<Store>,
    learner: &Learner,
    clock: &Clock,
    keep_stale: Duration,
) {
    let (store, learner, clock) = (Arc::clone(store), learner.clone(), clock.clone());
    chores.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            let (store, learner, now) = (Arc::clone(&store), learner.clone(), clock.unix());
            let swept = tokio::task::spawn_blocking(move || {
                store.sweep(now, keep_stale);
                store.pack();
                learner.sweep();
            });
            if swept.await.is_err() {
                tracing::error!("sweeping the cache failed");
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
