//! Reading the configuration again while requests are served.
//!
//! Whatever is wrong with a new one leaves the last good one in force. Invariants: one reload at a
//! time; what requests see is replaced only when all of it is ready; a gateway that others reach does
//! not stop asking for keys by a change of the address that it does not listen on yet.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use self::watched::Content;
pub(super) use self::watched::Watched;
use super::{BuildError, fixed, front, providers, setup, tasks};
use crate::{
    config::{Config, Notice},
    embed::Embed,
    gateway::account::Accounts,
    http::{Api, config_status::ConfigStatus},
    ident::ProviderName,
    provider::demo::Pace,
    telemetry::names,
};

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

/// What a reload has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The number of the configuration in force.
    pub generation: u64,
    /// Active providers that went on as they were.
    pub kept: Vec<ProviderName>,
    /// Active providers that are new, or other than before.
    pub renewed: Vec<ProviderName>,
    /// Formerly active providers that are not there any more.
    pub dropped: Vec<ProviderName>,
    /// Settings of the new configuration that take effect only at the next start.
    pub needs_restart: Vec<&'static str>,
}

/// Replaces what the configuration says.
#[derive(Debug)]
pub(super) struct Reloader {
    api: Arc<Api>,
    /// What this process was started with.
    started: Config,
    secret: [u8; 32],
    encoder: Option<Arc<dyn Embed>>,
    pace: Pace,
    accounts: Arc<Accounts>,
    /// What was taken into force last; held for as long as a reload goes on.
    in_force: Mutex<Config>,
}

impl Reloader {
    pub(super) fn new(
        api: Arc<Api>,
        config: &Config,
        secret: [u8; 32],
        encoder: Option<Arc<dyn Embed>>,
        pace: Pace,
        accounts: Arc<Accounts>,
    ) -> Self {
        count("ok", 0);
        count("refused", 0);
        metrics::gauge!(names::CONFIG_CURRENT).set(1.0);
        Self {
            api,
            started: config.clone(),
            secret,
            encoder,
            pace,
            accounts,
            in_force: Mutex::new(config.clone()),
        }
    }

    /// As [`App::reload`](super::App::reload).
    pub(super) async fn reload(&self, config: &Config) -> Result<Reloaded, BuildError> {
        let mut in_force = self.in_force.lock().await;
        let replaced = self.replace(&in_force, config).await;
        match &replaced {
            Ok(_) => *in_force = config.clone(),
            Err(error) => self.refused(&error.to_string()),
        }
        replaced
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
        let front = front(config, self.secret, generation, &self.accounts);
        // Keys first: who is no longer let in is not to see the new setup either.
        self.api.front.store(Arc::new(front));
        gateway.replace(setup);
        if self.api.store.raise_generation(config.cache.generation) {
            let generation = config.cache.generation;
            tracing::info!(generation, "a new generation of the cache has begun");
        }
        self.api.config.store(Arc::new(ConfigStatus {
            loaded_at: clock.unix_seconds(),
            problems: Vec::new(),
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
    /// open another one, which this process listens on until it ends.
    fn stay_guarded(&self, before: &Config, config: &Config) -> Result<(), BuildError> {
        let address = self.started.server.listen;
        let is_judged =
            config.server.listen == address || address.ip().to_canonical().is_loopback();
        let opens = config.clients.is_empty() && !before.clients.is_empty()
            || config.admin.key.is_none() && before.admin.key.is_some();
        if !is_judged && opens {
            return Err(BuildError::Exposed { address });
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
        self.in_force.lock().await.server.reload
    }

    async fn take(&self, source: &Arc<dyn Source>, text: String) {
        let source = Arc::clone(source);
        let parsed = spawn_blocking(move || source.parse(&text)).await;
        match parsed.unwrap_or_else(|_| Err(BROKEN.to_owned())) {
            Ok((config, notices)) => {
                // An error is told by `reload` itself.
                if self.reload(&config).await.is_ok() {
                    for notice in notices {
                        tracing::warn!("{notice}");
                    }
                }
            }
            Err(problems) => self.refuse(&problems).await,
        }
    }

    async fn refuse(&self, problems: &str) {
        let _one_at_a_time = self.in_force.lock().await;
        self.refused(problems);
    }
}

/// What is told where a source panics.
const BROKEN: &str = "reading the configuration failed; the log says why";

impl Reloaded {
    fn tell(&self) {
        let names = |names: &[ProviderName]| {
            let names: Vec<&str> = names.iter().map(ProviderName::as_str).collect();
            names.join(", ")
        };
        tracing::info!(
            generation = self.generation,
            kept = names(&self.kept),
            renewed = names(&self.renewed),
            dropped = names(&self.dropped),
            "the configuration was reloaded"
        );
        if !self.needs_restart.is_empty() {
            tracing::warn!(
                settings = self.needs_restart.join(", "),
                "some settings take effect at the next start only"
            );
        }
    }
}

fn count(outcome: &'static str, times: u64) {
    metrics::counter!(names::CONFIG_RELOADS, "outcome" => outcome).increment(times);
}
