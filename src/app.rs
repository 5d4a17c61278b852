//! Assembly: a configuration becomes running parts. The only module that sees all of them.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use futures_util::Stream;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    cache::responses::Responses,
    clock::Clock,
    config::{CacheScope, Config, KeyDigest},
    embed::{
        Embed,
        fastembed::{EncoderOptions, LoadError, LocalEncoder},
    },
    gateway::{
        self, Gateway,
        account::Accounts,
        catalogue::Catalogue,
        judge::ModelJudge,
        learn::{self, Learner},
        record::Recorder,
        setup::{Current, Settings, Setup},
    },
    http::{
        Api, Front, ToldIds,
        auth::Auth,
        config_status::ConfigStatus,
        observe,
        overload::Capacity,
        router,
        server::{self, Limits, Stopped},
    },
    policy::{
        admit::ByCosine,
        cacheable::{Rules, Stale},
    },
    provider::demo::Pace,
    telemetry::ledger::Ledger,
    tokenizer,
};

mod build_error;
mod chores;
mod fixed;
mod persistence;
mod providers;
pub mod reload;
mod responses;
mod spending;
mod tasks;
#[cfg(test)]
mod testing;

pub use self::build_error::BuildError;
use self::{
    persistence::Saver,
    reload::{Reloaded, Reloader, Source, Watched},
    spending::Bookkeeper,
};

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

/// A gateway that is ready to serve.
#[derive(Debug)]
pub struct App {
    api: Arc<Api>,
    reloader: Arc<Reloader>,
    limits: Limits,
    tasks: TaskTracker,
    saver: Option<Saver>,
    books: Bookkeeper,
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
        let catalogue = providers::catalogue(config, &parts.clock, parts.demo_pace, None).await?;
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
            demo_pace,
        } = parts;
        let tasks = TaskTracker::new();
        let ledger = Arc::new(Ledger::default());
        let secret = persistence::secret(&config.cache)?;
        let accounts = Arc::new(Accounts::new(clock.clone()));
        let restored = {
            let (cache, encoder) = (config.cache.clone(), encoder.clone());
            let kept = config.responses.clone();
            let (clock, accounts) = (clock.clone(), Arc::clone(&accounts));
            tokio::task::spawn_blocking(move || {
                // The cache first: it sees to it that no other process has the directory.
                let restored = persistence::restore(&cache, encoder.as_deref(), &clock)?;
                let books = spending::restore(&cache, &accounts)?;
                let responses = responses::restore(&kept, &cache, &clock)?;
                Ok::<_, BuildError>((restored, books, responses))
            })
        };
        let (restored, books, responses) = restored.await.map_err(|_| BuildError::Restore)??;
        let store = Arc::clone(&restored.store);
        let largest = config.cache.max_entry_bytes.as_usize();

        let setup = Arc::new(setup(config, catalogue, encoder.as_ref(), FIRST));
        let mut chores = JoinSet::new();
        if let Some(encoder) = encoder.clone() {
            // A second or so that nobody has to wait for.
            chores.spawn(tasks::learn(config.clone(), encoder, Arc::clone(&setup)));
        }
        let current = Arc::new(Current::new(setup));
        providers::rediscover(&mut chores, &current);
        if let Some(metrics) = metrics.clone() {
            chores::keep_up(&mut chores, metrics);
        }
        let judge = config.cache.judge_model.clone().map(|model| ModelJudge {
            model,
            current: Arc::clone(&current),
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
        chores::sweep(&mut chores, &store, &learner, &clock, &current);
        books.keep_books(&mut chores);
        if let Some(responses) = &responses {
            responses::keep_saved(&mut chores, responses);
        }
        let its_encoder = encoder.clone();
        let gateway = Arc::new(Gateway::new(gateway::Parts {
            current,
            store: Arc::clone(&store),
            encoder,
            verifier: Arc::new(ByCosine),
            recorder,
            learner: learner.clone(),
            ledger: Arc::clone(&ledger),
            tasks: tasks.clone(),
            clock: clock.clone(),
            // Events are several times as long as what they say.
            max_shared: largest.saturating_mul(16),
        }));
        let api = Api {
            gateway,
            front: ArcSwap::from_pointee(front(config, secret, FIRST, &accounts)),
            config: ArcSwap::from_pointee(ConfigStatus {
                loaded_at: clock.unix_seconds(),
                ..ConfigStatus::default()
            }),
            ledger,
            store,
            responses,
            told_ids: ToldIds::default(),
            metrics,
            clock,
            compress_above: config.server.compress_above.get(),
            chat_latency: observe::chat_latency(),
            load: Arc::default(),
            draining: AtomicBool::new(false),
        };
        let limits = Limits {
            connections: config.server.max_connections,
            header_timeout: config.server.header_timeout,
            write_timeout: config.server.write_timeout,
            drain_timeout: config.server.drain_timeout,
        };
        let api = Arc::new(api);
        let reloader = Reloader::new(
            Arc::clone(&api),
            config,
            secret,
            its_encoder,
            demo_pace,
            accounts,
        );
        Ok(Self {
            api,
            reloader: Arc::new(reloader),
            limits,
            tasks,
            saver,
            books,
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

    /// The responses that are kept; `None` if none are.
    #[must_use]
    pub fn responses(&self) -> Option<&Arc<Responses>> {
        self.api.responses.as_ref()
    }

    /// What models and providers there are.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.api.gateway.setup().catalogue)
    }

    /// Takes `config` into force for all requests from now on; those in flight go on with what they
    /// saw. Providers that stay as they are keep their connections. Asks providers with discovery that
    /// are new for their models, for two seconds at most.
    ///
    /// # Errors
    /// [`BuildError`]; what was in force stays in force then.
    pub async fn reload(&self, config: &Config) -> Result<Reloaded, BuildError> {
        self.reloader.reload(config).await
    }

    /// Reads the configuration again when `hangups` yields something, and when `source` has another
    /// text than `loaded`, which this app was built of. Goes on for as long as the app.
    pub fn watch(
        &mut self,
        source: impl Source,
        loaded: &str,
        hangups: impl Stream<Item = ()> + Send + 'static,
    ) {
        let reloader = Arc::clone(&self.reloader);
        let watching = reloader.watch(Arc::new(source), Watched::new(loaded), hangups);
        self.chores.spawn(watching);
    }

    /// Waits until requests are told apart by meaning too, if they are to be.
    pub async fn learned(&self) {
        if let Some(tasks) = &self.api.gateway.setup().tasks {
            tasks.learned().await;
        }
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
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> std::io::Result<Stopped> {
        // Half a second that the first long prompt need not wait for.
        self.chores.spawn_blocking(tokenizer::load);
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

    /// Ends what goes on in the background, and makes durable what was kept. What is not done in a few seconds, such as a
    /// call to a provider that does not answer, is left behind.
    pub async fn close(mut self) {
        if timeout(SETTLING, self.settle()).await.is_err() {
            let left = self.tasks.len();
            tracing::warn!(
                left,
                "stopped without waiting for what goes on in the background"
            );
        }
        self.chores.shutdown().await;
        self.books.finish().await;
        if let Some(responses) = &self.api.responses {
            responses::finish(responses).await;
        }
        if let Some(saver) = self.saver {
            saver.finish().await;
        }
    }
}

/// How long what goes on in the background is waited for at the end.
const SETTLING: Duration = Duration::from_secs(5);

/// The number of the configuration that an app is built of.
const FIRST: u64 = 0;

/// What requests see of `config`.
fn setup(
    config: &Config,
    catalogue: Catalogue,
    encoder: Option<&Arc<dyn Embed>>,
    generation: u64,
) -> Setup {
    Setup {
        generation,
        settings: settings(config, encoder.is_some()),
        catalogue: Arc::new(catalogue),
        tasks: tasks::unlearned(config, encoder.is_some()),
    }
}

/// What the side that clients see sees of it. `secret` keys the scopes.
fn front(config: &Config, secret: [u8; 32], generation: u64, accounts: &Accounts) -> Front {
    let admin_key = config.admin.key.as_ref();
    Front {
        auth: Auth::new(secret, &config.clients, generation, accounts),
        admin_key: admin_key.map(|key| KeyDigest::of(key.expose())),
        max_body: config.server.max_body.get(),
        read_timeout: config.server.read_timeout,
        capacity: Capacity {
            requests: config.server.max_in_flight,
            bytes: config.server.max_in_flight_bytes.get(),
        },
        show_similarity: config.cache.show_similarity,
    }
}

fn settings(config: &Config, has_encoder: bool) -> Settings {
    let (cache, tasks) = (&config.cache, config.tasks.iter());
    Settings {
        rules: Rules {
            enabled: cache.enabled,
            semantic: cache.enabled && cache.semantic && has_encoder,
            ttl: cache.ttl,
            volatile_ttl: cache.volatile_ttl,
            volatile_patterns: cache.volatile_patterns.clone(),
            stale: Stale {
                while_revalidate: cache.stale_while_revalidate,
                if_error: cache.stale_if_error,
            },
        },
        pins: config.routing.pin_conversations,
        on_overflow: config.routing.on_overflow,
        by_user: cache.scope == CacheScope::User,
        mode: cache.mode,
        admission: cache.admission,
        tasks: tasks.map(|task| (task.name.clone(), task.cache)).collect(),
        endpoints: config.endpoints.clone(),
    }
}
