//! Who is told of requests that are over: the log, and a collector of traces.

#[cfg(feature = "otel")]
use std::time::Duration;
use std::{collections::HashMap, sync::Arc};

use reqwest::Url;
use tokio::task::JoinSet;

#[cfg(feature = "otel")]
use crate::telemetry::otlp::{Settings, Traces};
use crate::{
    config::{Config, Provider, ProviderKind},
    ident::ProviderName,
    telemetry::{
        journal::Observer,
        log_line::{Lines, RequestLog},
        peers::{Peer, Peers},
    },
    units::Share,
};

/// How long what was not told yet may take at the end.
#[cfg(feature = "otel")]
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Servers of OpenAI's interface that OpenTelemetry has a name for, by the end of their host.
const WELL_KNOWN: [(&str, &str); 8] = [
    ("openai.azure.com", "azure.ai.openai"),
    ("openai.com", "openai"),
    ("groq.com", "groq"),
    ("mistral.ai", "mistral_ai"),
    ("deepseek.com", "deepseek"),
    ("perplexity.ai", "perplexity"),
    ("x.ai", "x_ai"),
    ("cohere.com", "cohere"),
];

/// Those who are told.
#[derive(Debug)]
pub(super) struct Telling {
    log: Arc<RequestLog>,
    peers: Arc<Peers>,
    #[cfg(feature = "otel")]
    traces: Option<Arc<Traces>>,
    sampled: Option<Share>,
}

impl Telling {
    /// As `config` says. What has to go on for it is one of `chores`.
    pub(super) fn new(config: &Config, chores: &mut JoinSet<()>) -> Self {
        let telemetry = &config.telemetry;
        let peers = Arc::new(Peers::default());
        peers.replace(all_peers(config));
        let log = RequestLog::new(Lines {
            answered: telemetry.log_requests,
            slow: telemetry.slow_request,
        });
        #[cfg(feature = "otel")]
        let traces = traces(config, &peers, chores);
        #[cfg(feature = "otel")]
        let is_told = traces.is_some();
        #[cfg(not(feature = "otel"))]
        let is_told = {
            let _nothing_goes_on = chores;
            if telemetry.traces.is_some() {
                tracing::warn!("no traces are sent: this program was built without `otel`");
            }
            false
        };
        let sampled = telemetry.traces.as_ref().map(|traces| traces.sample);
        Self {
            log: Arc::new(log),
            peers,
            #[cfg(feature = "otel")]
            traces,
            sampled: sampled.filter(|_| is_told),
        }
    }

    /// They, as observers.
    pub(super) fn observers(&self) -> Vec<Arc<dyn Observer>> {
        #[cfg_attr(
            not(feature = "otel"),
            expect(unused_mut, reason = "there are more with the feature")
        )]
        let mut all: Vec<Arc<dyn Observer>> = vec![Arc::clone(&self.log) as _];
        #[cfg(feature = "otel")]
        if let Some(traces) = &self.traces {
            all.push(Arc::clone(traces) as _);
        }
        all
    }

    /// Of traces that begin here, which share is recorded; `None` if nobody is told of any.
    pub(super) fn sampled(&self) -> Option<Share> {
        self.sampled
    }

    /// What traces say of providers.
    pub(super) fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    /// Tells what was not told yet.
    pub(super) async fn finish(&self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = &self.traces {
            traces.finish(LAST_WORDS).await;
        }
    }
}

#[cfg(feature = "otel")]
fn traces(config: &Config, peers: &Arc<Peers>, chores: &mut JoinSet<()>) -> Option<Arc<Traces>> {
    let wanted = config.telemetry.traces.as_ref()?;
    let settings = Settings {
        endpoint: wanted.endpoint.clone(),
        headers: wanted.headers.clone(),
        service: wanted.service.clone(),
        resource: wanted.resource.clone(),
    };
    match Traces::new(settings, Arc::clone(peers)) {
        Ok((traces, exporting)) => {
            chores.spawn(exporting);
            Some(traces)
        }
        Err(why) => {
            tracing::error!(why, "no traces are sent");
            None
        }
    }
}

/// What traces say of the providers of `config`.
pub(super) fn all_peers(config: &Config) -> HashMap<ProviderName, Peer> {
    let providers = config.providers.iter();
    providers
        .map(|provider| (provider.name.clone(), peer(provider)))
        .collect()
}

fn peer(provider: &Provider) -> Peer {
    let url = provider.base_url.as_deref().map(Url::parse);
    let url = url.and_then(Result::ok);
    let host = url.as_ref().and_then(Url::host_str);
    let is_at = |end: &str| {
        let before = host.and_then(|host| host.strip_suffix(end));
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let name = match provider.kind {
        ProviderKind::OpenAi => (WELL_KNOWN.iter())
            .find(|(end, _)| is_at(end))
            .map_or(provider.name.as_str(), |(_, name)| name),
        ProviderKind::Gemini => "gcp.gemini",
        ProviderKind::Anthropic => "anthropic",
        ProviderKind::Ollama => "ollama",
        ProviderKind::Demo => "demo",
    };
    let port = url.as_ref().and_then(Url::port_or_known_default);
    Peer {
        name: name.into(),
        address: host.map(|host| (host.into(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::config;

    #[test]
    fn providers_are_called_as_opentelemetry_calls_them() {
        let text = |name: &str, kind: &str, url: &str| {
            format!("[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"{url}\"\n")
        };
        let all = [
            ("a", "openai", "https://api.openai.com/v1", "openai", 443),
            ("b", "openai", "http://127.0.0.1:8000/v1", "b", 8000),
            (
                "c",
                "openai",
                "https://x.openai.azure.com",
                "azure.ai.openai",
                443,
            ),
            ("d", "openai", "https://notx.ai/v1", "d", 443),
            (
                "e",
                "gemini",
                "https://generativelanguage.googleapis.com/v1beta",
                "gcp.gemini",
                443,
            ),
            ("f", "ollama", "http://gpu:11434", "ollama", 11434),
        ];
        let file: String = (all.iter())
            .map(|(name, kind, url, ..)| text(name, kind, url))
            .collect();
        let peers = all_peers(&config(&file));
        for (name, _, _, known_as, port) in all {
            let peer = &peers[&ProviderName::new(name).unwrap()];
            assert_eq!(&*peer.name, known_as, "{name}");
            let (_, its_port) = peer.address.clone().unwrap();
            assert_eq!(its_port, Some(port));
        }
    }
}
