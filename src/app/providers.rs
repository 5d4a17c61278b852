//! The configured providers, made ready, and the models that they say they have.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::BuildError;
use crate::{
    clock::Clock,
    config::{Activation, Config, Provider as ProviderConfig, ProviderKind},
    gateway::catalogue::{Catalogue, Inactive},
    ident::ProviderName,
    provider::{
        Provider, SetupError,
        anthropic::Anthropic,
        demo::{Demo, Pace},
        gemini::Gemini,
        ollama::Ollama,
        openai::OpenAi,
    },
};

/// How long a provider may take to list its models at the start.
const DISCOVERY: Duration = Duration::from_secs(2);
/// How often providers are asked for their models again.
const REDISCOVERY: Duration = Duration::from_secs(60);

/// The models and those who serve them. Asks providers with discovery what they have.
pub(super) async fn catalogue(
    config: &Config,
    clock: &Clock,
    pace: Pace,
) -> Result<Catalogue, BuildError> {
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
        ProviderKind::OpenAi => Arc::new(OpenAi::new(config)?),
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
) -> Result<Vec<crate::wire::models::ModelObject>, String> {
    if !config.discover {
        return Ok(Vec::new());
    }
    match tokio::time::timeout(DISCOVERY, provider.models()).await {
        Ok(Ok(models)) => Ok(models),
        // A server on the own machine is there or is not; a hosted one may come back.
        _ if config.kind == ProviderKind::Ollama => {
            let base = config.base_url.as_deref().unwrap_or_default();
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
pub(super) fn rediscover(chores: &mut JoinSet<()>, catalogue: &Arc<Catalogue>) {
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
