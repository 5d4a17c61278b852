//! Anthropic's Messages API.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages> (seen 2026-11). Version `2023-06-01` is
//! spoken: the next one, `2026-10-21`, refuses `temperature`, `top_p` and `top_k` for every model.

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    ChatCall, ChatReply, Provider,
    dialect::{Dialect, Outgoing, Reader},
    frames::Framing,
    native::Native,
    setup::{Setup, SetupError},
};
use crate::{
    clock::Clock,
    config,
    error::UpstreamError,
    ident::{ModelId, ProviderName},
    wire::{
        ask::{Ask, Cannot, Unable},
        models::ModelObject,
    },
};

mod abilities;
mod failure;
mod put;
mod read;
#[cfg(test)]
mod tests;
mod wire;

const KEY: HeaderName = HeaderName::from_static("x-api-key");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Pages of a thousand models that are read at most.
const MOST_PAGES: usize = 10;

/// Anthropic, or a server that speaks its dialect.
#[derive(Debug)]
pub struct Anthropic {
    native: Native<Messages>,
    models_url: reqwest::Url,
}

impl Anthropic {
    /// The provider that `config` describes. Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or a header can't be used.
    pub fn new(config: &config::Provider, clock: Clock) -> Result<Self, SetupError> {
        let setup = Setup::new(config, clock.clone());
        let version = HeaderMap::from_iter([(VERSION, HeaderValue::from_static("2023-06-01"))]);
        let transport = setup.transport((KEY, ""), version, failure::read_failure)?;
        let betas = config.headers.get_all(BETA).iter();
        let messages = Messages {
            url: setup.url("/messages")?,
            betas: betas
                .filter_map(|value| value.to_str().ok().map(str::to_owned))
                .collect(),
            caching: config.prompt_caching,
        };
        Ok(Self {
            native: Native::new(config, transport, messages, clock),
            models_url: setup.url("/models")?,
        })
    }

    async fn list(&self) -> Result<Vec<ModelObject>, UpstreamError> {
        let transport = &self.native.transport;
        let mut models = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut url = self.models_url.clone();
            url.query_pairs_mut().append_pair("limit", "1000");
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after_id", after);
            }
            let page: wire::Models = transport.get_json(&url).await?;
            models.extend(page.data.iter().map(model));
            after = page.last_id.filter(|_| page.has_more);
            if after.is_none() {
                break;
            }
        }
        Ok(models)
    }
}

fn model(model: &wire::Model) -> ModelObject {
    let created = model
        .created_at
        .as_deref()
        .and_then(|at| humantime::parse_rfc3339_weak(at).ok());
    let since = created.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    ModelObject::new(
        &model.id,
        "anthropic",
        since.map_or(0, |since| since.as_secs()),
    )
}

impl Provider for Anthropic {
    fn name(&self) -> &ProviderName {
        self.native.transport.provider()
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move { self.native.chat(&call).await })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(self.list())
    }
}

/// The dialect.
#[derive(Debug)]
struct Messages {
    url: reqwest::Url,
    /// The configured values of `anthropic-beta`, which a request's own go behind.
    betas: Vec<String>,
    /// Whether long prompts are marked for the prompt cache.
    caching: bool,
}

impl Dialect for Messages {
    const FRAMING: Framing = Framing::Sse;

    fn put(&self, ask: &Ask, model: &ModelId, cannot: &mut Cannot) -> Result<Outgoing, Unable> {
        let put = put::put(ask, model.as_str(), self.caching, cannot)?;
        let mut headers = HeaderMap::new();
        if !put.betas.is_empty() {
            let own = put.betas.iter().copied();
            let all: Vec<&str> = self.betas.iter().map(String::as_str).chain(own).collect();
            if let Ok(betas) = HeaderValue::try_from(all.join(",")) {
                headers.insert(BETA, betas);
            }
        }
        let body = serde_json::to_vec(&put.request)
            .map_err(|error| Unable::invalid("messages", error.to_string()))?;
        Ok(Outgoing {
            url: self.url.clone(),
            headers,
            body: body.into(),
        })
    }

    fn reader(&self, ask: &Ask) -> Box<dyn Reader> {
        Box::new(read::Reading::new(put::answer_tool(ask)))
    }
}
