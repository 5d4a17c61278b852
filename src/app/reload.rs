//! Reading the configuration again while requests are served.
//!
//! Whatever is wrong with a new one leaves the last good one in force. Invariants: one reload at a
//! time; what requests see is replaced only when all of it is ready; a gateway that others reach does
//! not stop asking for keys by a change of the address that it does not listen on yet; an admin side that
//! asks for a key does so until the process ends.

use std::{fmt, io, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, future::BoxFuture};
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::task::TaskTracker;

pub use self::reloaded::Reloaded;
use self::watched::Content;
pub(super) use self::watched::Watched;
use super::{
    BuildError,
    as_configured::{front, setup},
    fixed, overrides, providers, tasks, telling,
};
use crate::{
    config::{Applied, Config, Notice},
    embed::Embed,
    error::Error,
    gateway::account::Accounts,
    http::{
        Api,
        config_status::ConfigStatus,
        steering::{InForce, Steering},
    },
    ident::ProviderName,
    provider::demo::Pace,
    telemetry::{names, peers::Peers},
};

mod reloaded;
#[cfg(test)]
mod tests;
mod watched;

/// How often the file is looked at. It is read each time: a mounted volume may change a file without
/// any notice, and may keep its time.
const LOOK: Duration = Duration::from_secs(1);

/// Where the configuration comes from. What it does may block.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// The present text of the file.
    ///
    /// # Errors
    /// Why it can't be read, for people.
    fn text(&self) -> Result<String, String>;

    /// What this text says, together with the environment.
    ///
    /// # Errors
    /// All that is wrong with it, for people, in lines. Never holds a secret.
    fn parse(&self, text: &str) -> Result<(Config, Vec<Notice>), String>;
}

/// Replaces what the configuration says.
#[derive(Debug)]
pub(super) struct Reloader {
    api: Arc<Api>,
    /// What this process was started with.
    started: Config,
    started_at: u64,
    secret: [u8; 32],
    encoder: Option<Arc<dyn Embed>>,
    pace: Pace,
    accounts: Arc<Accounts>,
    peers: Arc<Peers>,
    /// Where what must come to its end goes on.
    tasks: TaskTracker,
    /// What was taken into force last; held for as long as a reload goes on.
    in_force: Mutex<Configs>,
}

/// What is in force, and what it is made of.
#[derive(Debug, Clone)]
struct Configs {
    /// As the file and the environment say.
    written: Config,
    /// What the admin page has set.
    applied: Applied,
    /// Both together.
    both: Config,
    /// What the file says by now, if it is not in force only because what the page has set could not be read.
    waiting: Option<Config>,
}

impl Configs {
    fn new(written: &Config, applied: Applied) -> Self {
        Self {
            written: written.clone(),
            applied,
            both: written.clone().with(&applied),
            waiting: None,
        }
    }
}

impl Reloader {
    pub(super) fn new(
        api: Arc<Api>,
        (config, applied): (&Config, Applied),
        secret: [u8; 32],
        encoder: Option<Arc<dyn Embed>>,
        pace: Pace,
        (accounts, peers): (Arc<Accounts>, Arc<Peers>),
        tasks: TaskTracker,
    ) -> Self {
        count("ok", 0);
        count("refused", 0);
        metrics::gauge!(names::CONFIG_CURRENT).set(1.0);
        Self {
            started_at: api.clock.unix_seconds(),
            api,
            started: config.clone(),
            secret,
            encoder,
            pace,
            accounts,
            peers,
            tasks,
            in_force: Mutex::new(Configs::new(config, applied)),
        }
    }

    /// As [`App::reload`](super::App::reload).
    pub(super) async fn reload(&self, config: &Config) -> Result<Reloaded, BuildError> {
        let mut in_force = self.in_force.lock().await;
        let cache = self.started.cache.clone();
        let applied = spawn_blocking(move || overrides::read(&cache)).await;
        let applied = applied.unwrap_or(Err(BuildError::Restore));
        let replaced = match applied {
            Ok(applied) => {
                in_force.waiting = None;
                self.take_over(&mut in_force, config, applied).await
            }
            Err(error) => {
                in_force.waiting = Some(config.clone());
                Err(error)
            }
        };
        if let Err(error) = &replaced {
            self.refused(&error.to_string());
        }
        replaced
    }

    async fn take_over(
        &self,
        in_force: &mut Configs,
        written: &Config,
        applied: Applied,
    ) -> Result<Reloaded, BuildError> {
        let wanted = Configs::new(written, applied);
        let reloaded = self.replace(&in_force.both, &wanted.both).await?;
        *in_force = wanted;
        Ok(reloaded)
    }

    /// As [`Steering::apply`].
    async fn set(&self, applied: Applied) -> Result<(), Error> {
        let mut in_force = self.in_force.lock().await;
        let path = self.place(&in_force).map_err(Error::Conflict)?;
        let write = move |applied: Applied| {
            let path = path.clone();
            async move { spawn_blocking(move || overrides::write(&path, &applied)).await }
        };
        let written = write(applied).await.map_err(io::Error::other).flatten();
        written.map_err(|error| Error::Conflict(format!("it can't be kept: {error}")))?;
        let (before, waiting) = (in_force.applied, in_force.waiting.clone());
        let status = self.api.config.load_full();
        let is_same_file = waiting.is_none();
        let config = waiting.unwrap_or_else(|| in_force.written.clone());
        if let Err(error) = self.take_over(&mut in_force, &config, applied).await {
            // What is not in force must not come into force at the next start.
            let _back = write(before).await;
            return Err(Error::Conflict(error.to_string()));
        }
        if is_same_file {
            // What is wrong with a newer file is as wrong as before.
            let problems = status.problems.clone();
            if !problems.is_empty() {
                metrics::gauge!(names::CONFIG_CURRENT).set(0.0);
            }
            self.api.config.store(Arc::new(ConfigStatus {
                problems,
                notices: status.notices.clone(),
                ..ConfigStatus::clone(&self.api.config.load())
            }));
        }
        match applied.threshold {
            Some(threshold) => tracing::info!(%threshold, "an operator has set the threshold"),
            None => tracing::info!("an operator has taken back the threshold"),
        }
        Ok(())
    }

    /// Where what the page sets is kept; or why it can set nothing.
    fn place(&self, in_force: &Configs) -> Result<PathBuf, String> {
        let path = overrides::path(&self.started.cache)
            .ok_or_else(|| "there is no place to keep it: set `data_dir` in [cache]".to_owned())?;
        match in_force.written.admission_variable() {
            Some(variable) => Err(format!(
                "the variable {variable} is set, and goes before what this page sets"
            )),
            None => Ok(path),
        }
    }

    async fn replace(&self, before: &Config, config: &Config) -> Result<Reloaded, BuildError> {
        self.stay_guarded(before, config)?;
        let Api { clock, gateway, .. } = &*self.api;
        let present = gateway.setup();
        let generation = present.generation + 1;
        let kept = providers::Before {
            providers: &before.providers,
            catalogue: &present.catalogue,
        };
        let catalogue = providers::catalogue(config, clock, self.pace, Some(kept)).await?;
        // Whoever names no provider wants the demo; whoever names some has lost their keys.
        let has_lost_all = catalogue.is_demo() && !catalogue.inactive().is_empty();
        if has_lost_all && !present.catalogue.is_demo() {
            let reasons = (catalogue.inactive().iter())
                .map(|provider| format!("{}: {}", provider.name, provider.reason));
            return Err(BuildError::Deserted {
                reasons: reasons.collect::<Vec<_>>().join("; "),
            });
        }
        let setup = Arc::new(setup(config, catalogue, self.encoder.as_ref(), generation));
        if let Some(encoder) = &self.encoder {
            tasks::learn(config.clone(), Arc::clone(encoder), Arc::clone(&setup)).await;
        }
        let catalogue = Arc::clone(&setup.catalogue);
        let needs_restart = fixed::needs_restart(&self.started, config);
        let front = Arc::new(front(config, self.secret, generation, &self.accounts));
        // Keys first: who is no longer let in is not to see the new setup either.
        self.api.front.store(Arc::clone(&front));
        self.api.access.keep_only(front.admin_key.as_ref());
        self.peers.replace(telling::all_peers(config));
        gateway.replace(setup);
        if self.api.store.raise_generation(config.cache.generation) {
            let generation = config.cache.generation;
            tracing::info!(generation, "a new generation of the cache has begun");
        }
        self.api.config.store(Arc::new(ConfigStatus {
            loaded_at: clock.unix_seconds(),
            problems: Vec::new(),
            notices: Vec::new(),
            needs_restart: needs_restart.clone(),
        }));
        count("ok", 1);
        metrics::gauge!(names::CONFIG_CURRENT).set(1.0);

        let is_kept = |name: &ProviderName| {
            let both = present.catalogue.member(name).zip(catalogue.member(name));
            both.is_some_and(|(before, now)| Arc::ptr_eq(&before, &now))
        };
        let (kept, renewed) = (catalogue.active().into_iter().cloned()).partition(is_kept);
        let dropped = present.catalogue.active().into_iter();
        let dropped = dropped.filter(|name| catalogue.member(name).is_none());
        let reloaded = Reloaded {
            generation,
            kept,
            renewed,
            dropped: dropped.cloned().collect(),
            needs_restart,
        };
        reloaded.tell();
        Ok(reloaded)
    }

    /// Whether anybody may use the gateway was judged for the address that `config` names. Refuses to
    /// open another one, which this process listens on until it ends; and to open the admin side.
    fn stay_guarded(&self, before: &Config, config: &Config) -> Result<(), BuildError> {
        let is_judged = |address: SocketAddr, named: SocketAddr| {
            named == address || address.ip().to_canonical().is_loopback()
        };
        let (address, named) = (self.started.server.listen, config.server.listen);
        let opens = config.clients.is_empty() && !before.clients.is_empty();
        if opens && !is_judged(address, named) {
            let setting = "server.listen";
            return Err(BuildError::Exposed { setting, address });
        }
        // Wherever it listens: whoever set a key does not expect that a change of the file does without it.
        if config.admin.key.is_none() && before.admin.key.is_some() {
            return Err(BuildError::Unlocked {
                variable: config.admin.key_env.clone(),
            });
        }
        Ok(())
    }

    /// Says everywhere that the last good configuration stays in force, and why.
    fn refused(&self, problems: &str) {
        tracing::error!(
            problems,
            "the configuration was not reloaded; the last good one stays in force"
        );
        let status = ConfigStatus::clone(&self.api.config.load());
        self.api.config.store(Arc::new(ConfigStatus {
            problems: problems.lines().map(str::to_owned).collect(),
            ..status
        }));
        count("refused", 1);
        metrics::gauge!(names::CONFIG_CURRENT).set(0.0);
    }

    /// As [`App::watch`](super::App::watch). Never ends.
    pub(super) async fn watch(
        self: Arc<Self>,
        source: Arc<dyn Source>,
        mut watched: Watched,
        hangups: impl Stream<Item = ()> + Send,
    ) {
        let mut hangups = pin!(hangups.fuse());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                Some(()) = hangups.next() => true,
                _ = look.tick() => false,
            };
            if !asked && !self.follows_the_file().await {
                continue;
            }
            let text = {
                let source = Arc::clone(&source);
                let text = spawn_blocking(move || source.text()).await;
                text.unwrap_or_else(|_| Err(BROKEN.to_owned()))
            };
            let content = Content::of(&text);
            if asked {
                watched.tried(content);
            } else if !watched.is_to_be_tried(content) {
                continue;
            }
            match text {
                Ok(_) if !asked && content == Content::Nothing => {
                    let problem = "the file is empty; if that is meant, send SIGHUP";
                    self.refuse(problem).await;
                }
                Ok(text) => self.take(&source, text).await,
                Err(problem) => self.refuse(&problem).await,
            }
        }
    }

    async fn follows_the_file(&self) -> bool {
        self.in_force.lock().await.both.server.reload
    }

    async fn take(&self, source: &Arc<dyn Source>, text: String) {
        let source = Arc::clone(source);
        let parsed = spawn_blocking(move || source.parse(&text)).await;
        match parsed.unwrap_or_else(|_| Err(BROKEN.to_owned())) {
            Ok((config, notices)) => {
                // An error is told by `reload` itself.
                if self.reload(&config).await.is_ok() {
                    self.note(&notices);
                }
            }
            Err(problems) => self.refuse(&problems).await,
        }
    }

    /// Tells what is accepted of the configuration in force, but has no effect.
    pub(super) fn note(&self, notices: &[Notice]) {
        for notice in notices {
            tracing::warn!("{notice}");
        }
        let status = ConfigStatus::clone(&self.api.config.load());
        self.api.config.store(Arc::new(ConfigStatus {
            notices: notices.iter().map(ToString::to_string).collect(),
            ..status
        }));
    }

    async fn refuse(&self, problems: &str) {
        let mut in_force = self.in_force.lock().await;
        in_force.waiting = None;
        self.refused(problems);
    }
}

impl Steering for Reloader {
    fn in_force(&self) -> BoxFuture<'_, InForce> {
        Box::pin(async {
            let in_force = self.in_force.lock().await;
            InForce {
                config: in_force.both.clone(),
                applied: in_force.applied,
                overrides: overrides::path(&self.started.cache),
                why_not: self.place(&in_force).err(),
                started_at: self.started_at,
            }
        })
    }

    fn apply(self: Arc<Self>, applied: Applied) -> BoxFuture<'static, Result<(), Error>> {
        let tasks = self.tasks.clone();
        let set = tasks.spawn(async move { self.set(applied).await });
        Box::pin(async {
            let broken = |_| Err(Error::Internal("setting the threshold failed".to_owned()));
            set.await.unwrap_or_else(broken)
        })
    }
}

/// What is told where a source panics.
const BROKEN: &str = "reading the configuration failed; the log says why";

fn count(outcome: &'static str, times: u64) {
    metrics::counter!(names::CONFIG_RELOADS, "outcome" => outcome).increment(times);
}
