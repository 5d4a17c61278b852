//! The configured providers, made ready, and the models that they say they have.

use std::{sync::Arc, time::Duration};

use futures_util::future;
use tokio::task::JoinSet;

use super::BuildError;
use crate::{
    clock::Clock,
    config::{Activation, Config, Provider as ProviderConfig, ProviderKind},
    gateway::{
        catalogue::{Catalogue, Conduct, Inactive, Member, Parts},
        setup::Current,
        vitals::VitalsTable,
    },
    ident::ProviderName,
    provider::{
        Provider, SetupError,
        anthropic::Anthropic,
        demo::{Demo, Pace},
        gemini::Gemini,
        ollama::Ollama,
        openai::OpenAi,
    },
    wire::models::ModelObject,
};

/// How long a provider may take to list its models at the start, or at a reload.
const DISCOVERY: Duration = Duration::from_secs(2);
/// How often providers are asked for their models again.
const REDISCOVERY: Duration = Duration::from_secs(60);

/// What is in force, to keep of it what stays as it is.
pub(super) struct Before<'a> {
    /// What the catalogue was made of.
    pub(super) providers: &'a [ProviderConfig],
    /// The present one.
    pub(super) catalogue: &'a Catalogue,
}

impl Before<'_> {
    /// A provider that stays as it is, and what it serves. It keeps its connections, and what it
    /// remembers of conversations.
    fn kept(&self, config: &ProviderConfig) -> Option<(Arc<Member>, Vec<ModelObject>)> {
        let is_same = self.providers.contains(config);
        let member = self.catalogue.member(&config.name).filter(|_| is_same)?;
        Some((member, self.catalogue.found(&config.name)))
    }
}

/// The models and those who serve them. Asks providers with discovery what they have, all at once;
/// those that are kept from `before` only if they have not said it yet.
pub(super) async fn catalogue(
    config: &Config,
    clock: &Clock,
    pace: Pace,
    before: Option<Before<'_>>,
) -> Result<Catalogue, BuildError> {
    let mut ready = Vec::new();
    let mut inactive = Vec::new();
    for provider in &config.providers {
        match &provider.activation {
            Activation::Inactive(reason) => inactive.push(Inactive {
                name: provider.name.clone(),
                reason: reason.clone(),
            }),
            Activation::Active => {
                let kept = before.as_ref().and_then(|before| before.kept(provider));
                let (member, models) = match kept {
                    Some(kept) => kept,
                    None => (
                        Member::new(
                            build_provider(provider, clock, pace)?,
                            provider.kind,
                            Conduct::of(provider),
                        ),
                        Vec::new(),
                    ),
                };
                ready.push((provider, member, models));
            }
        }
    }
    let asked = ready
        .into_iter()
        .map(|(provider, member, known)| async move {
            let models = if known.is_empty() {
                discover(provider, &*member.provider).await
            } else {
                Ok(known)
            };
            (provider, member, models)
        });
    let mut members = Vec::new();
    for (provider, member, models) in future::join_all(asked).await {
        match models {
            Ok(models) => members.push((member, models)),
            Err(reason) => inactive.push(Inactive {
                name: provider.name.clone(),
                reason,
            }),
        }
    }
    let before = before.map(|before| before.catalogue);
    let demo = match before.and_then(Catalogue::demo) {
        _ if !members.is_empty() => None,
        Some(demo) => Some(Arc::clone(demo)),
        None => {
            let name = ProviderName::new("demo")?;
            let demo = Demo::new(name, pace, clock.clone());
            Some(Member::new(
                Arc::new(demo),
                ProviderKind::Demo,
                Conduct::default(),
            ))
        }
    };
    Ok(Catalogue::new(Parts {
        table: config.models.clone(),
        tasks: config.tasks.clone(),
        default_task: config.routing.default_task.clone(),
        vitals: before.map_or_else(|| VitalsTable::new(clock), Catalogue::vitals),
        members,
        inactive,
        demo,
        started: before.map_or_else(|| clock.unix_seconds(), Catalogue::started),
    }))
}

fn build_provider(
    config: &ProviderConfig,
    clock: &Clock,
    pace: Pace,
) -> Result<Arc<dyn Provider>, SetupError> {
    Ok(match config.kind {
        ProviderKind::OpenAi => Arc::new(OpenAi::new(config, clock.clone())?),
        ProviderKind::Gemini => Arc::new(Gemini::new(config, clock.clone())?),
        ProviderKind::Anthropic => Arc::new(Anthropic::new(config, clock.clone())?),
        ProviderKind::Ollama => Arc::new(Ollama::new(config, clock.clone())?),
        ProviderKind::Demo => Arc::new(Demo::new(config.name.clone(), pace, clock.clone())),
    })
}

/// The models that a provider lists; none if it need not be asked, or is no Ollama and does not say.
async fn discover(
    config: &ProviderConfig,
    provider: &dyn Provider,
) -> Result<Vec<ModelObject>, String> {
    if !config.discover {
        return Ok(Vec::new());
    }
    match tokio::time::timeout(DISCOVERY, provider.models()).await {
        Ok(Ok(models)) => Ok(models),
        // A server on the own machine is there or is not; a hosted one may come back.
        _ if config.kind == ProviderKind::Ollama => {
            let base = config.base_url.as_deref().unwrap_or_default();
            Err(format!(
                "nothing answers at {base}; start it (`ollama serve`), then reload or restart"
            ))
        }
        _ => {
            tracing::warn!(provider = %config.name, "could not list its models");
            Ok(Vec::new())
        }
    }
}

/// Asks the providers that listed models at the start again, now and then.
pub(super) fn rediscover(chores: &mut JoinSet<()>, current: &Arc<Current>) {
    let current = Arc::clone(current);
    chores.spawn(async move {
        loop {
            tokio::time::sleep(REDISCOVERY).await;
            let catalogue = Arc::clone(&current.load().catalogue);
            for provider in catalogue.discovering() {
                if let Ok(Ok(models)) = tokio::time::timeout(DISCOVERY, provider.models()).await {
                    catalogue.discovered(provider.name(), &models);
                }
            }
        }
    });
}
