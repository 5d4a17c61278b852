//! Assembly: a configuration becomes running parts. The only module that sees all of them.

use std::{
    sync::{Arc, OnceLock, Weak, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use futures_util::Stream;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    cache::responses::Responses,
    clock::Clock,
    config::{Config, Notice},
    embed::Embed,
    gateway::{
        self, Gateway,
        account::Accounts,
        catalogue::Catalogue,
        judge::ModelJudge,
        learn::{self, Learner},
        record::Recorder,
        setup::Current,
    },
    http::{
        Access, Api, Live, Side, ToldIds,
        config_status::ConfigStatus,
        observe, router,
        server::{Limits, Stopped},
        steering::Steering,
    },
    policy::admit::ByCosine,
    provider::demo::Pace,
    telemetry::{
        clients::Clients, exemplars::Exemplars, journal::Observer, ledger::Ledger, names,
        recent::Recent, targets::Targets,
    },
    tokenizer,
};

mod as_configured;
mod build_error;
mod chores;
mod encoder;
mod fixed;
mod history;
mod listeners;
mod overrides;
mod persistence;
mod providers;
pub mod reload;
mod responses;
mod small_file;
mod spending;
mod tasks;
mod telling;
#[cfg(test)]
mod testing;

use self::{
    as_configured::{front, observers, setup},
    history::Historian,
    persistence::Saver,
    reload::{Reloaded, Reloader, Source, Watched},
    spending::Bookkeeper,
    telling::Telling,
};
pub use self::{
    build_error::BuildError,
    encoder::load_encoder,
    listeners::{BindError, Listeners},
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
    /// Whether operators have a listener of their own.
    divided: bool,
    tasks: TaskTracker,
    saver: Option<Saver>,
    books: Bookkeeper,
    historian: Historian,
    telling: Telling,
    /// Chores that go on for as long as the app; dropping it ends them.
    chores: JoinSet<()>,
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
        let as_written = config;
        let cache = config.cache.clone();
        let applied = tokio::task::spawn_blocking(move || overrides::read(&cache)).await;
        let applied = applied.map_err(|_| BuildError::Restore)??;
        let config = &config.clone().with(&applied);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
        metrics::gauge!(names::PROCESS_START).set(clock.unix_seconds() as f64);
        let tasks = TaskTracker::new();
        let ledger = Arc::new(Ledger::default());
        let secret = persistence::secret(&config.cache)?;
        let accounts = Arc::new(Accounts::new(clock.clone()));
        let restored = {
            let (cache, encoder) = (config.cache.clone(), encoder.clone());
            let (kept, ledger) = (config.responses.clone(), Arc::clone(&ledger));
            let (clock, accounts) = (clock.clone(), Arc::clone(&accounts));
            tokio::task::spawn_blocking(move || {
                // The cache first: it sees to it that no other process has the directory.
                let restored = persistence::restore(&cache, encoder.as_deref(), &clock)?;
                let books = spending::restore(&cache, &accounts)?;
                let responses = responses::restore(&kept, &cache, &clock)?;
                let historian = history::restore(&cache, &ledger, &clock);
                Ok::<_, BuildError>((restored, books, responses, historian))
            })
        };
        let (restored, books, responses, historian) =
            restored.await.map_err(|_| BuildError::Restore)??;
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
        let telling = Telling::new(config, &mut chores);
        let noted = &config.telemetry;
        let recent = Arc::new(Recent::new(noted.recent_requests, noted.capture_content));
        let targets = Arc::new(Targets::new(clock.unix_seconds()));
        let clients = Arc::<Clients>::default();
        let all: Vec<Arc<dyn Observer>> = vec![
            historian.observer(),
            Arc::clone(&recent) as _,
            Arc::clone(&targets) as _,
            Arc::clone(&clients) as _,
        ];
        let exemplars = Arc::<Exemplars>::default();
        let observers = observers(config, &telling, Arc::clone(&exemplars), all);
        let judge = config.cache.judge_model.clone().map(|model| ModelJudge {
            model,
            current: Arc::clone(&current),
            ledger: Arc::clone(&ledger),
            clock: clock.clone(),
            observers: observers.clone(),
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
        historian.keep(&mut chores);
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
            steering: OnceLock::new(),
            access: Access::new(persistence::random()?),
            front: ArcSwap::from_pointee(front(config, secret, FIRST, &accounts)),
            config: ArcSwap::from_pointee(ConfigStatus {
                loaded_at: clock.unix_seconds(),
                ..ConfigStatus::default()
            }),
            ledger,
            observers,
            history: Arc::clone(historian.history()),
            live: Arc::new(Live::new(&clock)),
            recent,
            targets,
            clients,
            store,
            responses,
            told_ids: ToldIds::default(),
            metrics,
            exemplars,
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
            (as_written, applied),
            secret,
            its_encoder,
            demo_pace,
            (accounts, Arc::clone(telling.peers())),
            tasks.clone(),
        );
        let reloader = Arc::new(reloader);
        let steering: Weak<dyn Steering> = Arc::<Reloader>::downgrade(&reloader) as _;
        let _never_set_before = api.steering.set(steering);
        Ok(Self {
            api,
            reloader,
            limits,
            divided: config.admin.listen.is_some(),
            tasks,
            saver,
            books,
            historian,
            telling,
            chores,
        })
    }

    /// The routes where clients ask, for tests that need no socket.
    pub fn router(&self) -> Router {
        let side = if self.divided {
            Side::Clients
        } else {
            Side::All
        };
        router(Arc::clone(&self.api), side)
    }

    /// The routes of operators, if they have a listener of their own.
    pub fn admin_router(&self) -> Option<Router> {
        self.divided
            .then(|| router(Arc::clone(&self.api), Side::Operators))
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

    /// Tells operators what was accepted of the configuration, but has no effect.
    pub fn note(&self, notices: &[Notice]) {
        self.reloader.note(notices);
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

    /// Serves on `listeners` until `shutdown`, then until the requests in flight are answered.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn serve(
        mut self,
        listeners: Listeners,
        shutdown: impl Future<Output = ()>,
    ) -> std::io::Result<Stopped> {
        // Half a second that the first long prompt need not wait for.
        self.chores.spawn_blocking(tokenizer::load);
        let draining = Arc::clone(&self.api);
        let shutdown = async move {
            shutdown.await;
            draining.drain();
        };
        let routers = (self.router(), self.admin_router());
        let stopped = (listeners.serve(routers, self.limits, &self.tasks, shutdown)).await;
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
        self.telling.finish().await;
        self.chores.shutdown().await;
        self.books.finish().await;
        self.historian.finish().await;
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
