//! Anthropic's Messages API.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages> (seen 2026-11). Version `2023-06-01` is
//! spoken: the next one, `2026-10-21`, refuses `temperature`, `top_p` and `top_k` for every model, and changes
//! nothing else of messages. So it is spoken also where a client's own words go through, whatever version they
//! are of. Nothing is changed in those but the model's name: a client that writes Anthropic's dialect itself sets
//! its marks for the prompt cache as it wants them, and adding some could exceed the four that are allowed.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexSet;
use serde_json::{Map, Value};

use super::{
    ChatCall, ChatReply, KeyCount, Provider,
    dialect::{Dialect, Outgoing, Reader},
    frames::Framing,
    native::Native,
    setup::{Setup, SetupError},
    traced,
    transport::Answered,
    verbatim::Verbatim,
};
use crate::{
    clock::Clock,
    config,
    error::UpstreamError,
    ident::{ModelId, ProviderName},
    units::Tokens,
    wire::{
        ask::{Ask, Cannot, Unable},
        chat::Delivery,
        models::ModelObject,
        native::{self, Interface},
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
/// The fields of a request that are counted (<https://platform.claude.com/docs/en/api/messages-count-tokens>, seen
/// 2026-11); others are refused.
const COUNTED: [&str; 8] = [
    "cache_control",
    "messages",
    "model",
    "output_config",
    "system",
    "thinking",
    "tool_choice",
    "tools",
];

/// Anthropic, or a server that speaks its dialect.
#[derive(Debug)]
pub struct Anthropic {
    native: Native<Messages>,
    models_url: reqwest::Url,
    count_url: reqwest::Url,
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
            count_url: setup.url("/messages/count_tokens")?,
        })
    }

    async fn count(&self, call: &ChatCall) -> Result<Tokens, UpstreamError> {
        let transport = &self.native.transport;
        let dialect = &self.native.dialect;
        let delivery = call.request.delivery();
        let own_words = call.request.native();
        let verbatim = own_words.and_then(|words| dialect.verbatim(words, &call.model, delivery));
        let (headers, body) = match verbatim {
            Some(verbatim) => (verbatim.outgoing.headers, verbatim.outgoing.body),
            None => {
                let unable = |unable: Unable| self.native.unable(unable.as_sent(&call.request));
                let mut cannot = self.native.cannot(call.request.drops_unsupported());
                cannot.meet(&call.request).map_err(unable)?;
                let ask = Ask::read(&call.request, &mut cannot).map_err(unable)?;
                let put = dialect.put(&ask, &call.model, &mut cannot);
                let Outgoing { headers, body, .. } = put.map_err(unable)?;
                (headers, counted(&body))
            }
        };
        let limits = transport.limits(false);
        let read = |answered: Answered| transport.read_json::<wire::Counted>(answered);
        let to = (&self.count_url, traced(headers, call.trace.as_ref()));
        let counted = transport
            .post(call.model.as_str(), to, body, limits, read)
            .await?;
        Ok(Tokens(counted.input_tokens))
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

/// Whether thoughts are among the words of a client that Anthropic has not made, and would refuse: another provider
/// has answered the conversation before, and signs nothing. The chat request has them in another place.
fn has_unsigned_thoughts(body: &[u8]) -> bool {
    let text = std::str::from_utf8(body).unwrap_or_default();
    // In a text, the quotation marks would be escaped.
    text.split("\"signature\"").skip(1).any(|behind| {
        let value = behind.trim_ascii_start().strip_prefix(':');
        value.is_some_and(|value| value.trim_ascii_start().starts_with("\"\""))
    })
}

/// What of a request is counted.
fn counted(body: &Bytes) -> Bytes {
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return body.clone();
    };
    fields.retain(|name, _| COUNTED.contains(&name.as_str()));
    Value::Object(fields).to_string().into()
}

impl Provider for Anthropic {
    fn name(&self) -> &ProviderName {
        self.native.transport.provider()
    }

    fn keys(&self) -> KeyCount {
        self.native.transport.keys()
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move { self.native.chat(&call).await })
    }

    fn count_tokens(&self, call: ChatCall) -> BoxFuture<'_, Result<Option<Tokens>, UpstreamError>> {
        Box::pin(async move { self.count(&call).await.map(Some) })
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

impl Messages {
    /// The header for these betas behind the configured ones, each once; none if there are no more than those.
    fn with_betas<'b>(&self, more: impl IntoIterator<Item = &'b str>) -> HeaderMap {
        let words = |values: &'b str| values.split(',').map(str::trim);
        let mut more = more
            .into_iter()
            .flat_map(words)
            .filter(|beta| !beta.is_empty());
        let mut headers = HeaderMap::new();
        if let Some(first) = more.next() {
            let configured = self
                .betas
                .iter()
                .flat_map(|betas| betas.split(',').map(str::trim));
            let mut all: IndexSet<&str> = configured.collect();
            all.insert(first);
            all.extend(more);
            let all: Vec<&str> = all.into_iter().collect();
            if let Ok(betas) = HeaderValue::try_from(all.join(",")) {
                headers.insert(BETA, betas);
            }
        }
        headers
    }
}

impl Dialect for Messages {
    const FRAMING: Framing = Framing::Sse;

    fn put(&self, ask: &Ask, model: &ModelId, cannot: &mut Cannot) -> Result<Outgoing, Unable> {
        let put = put::put(ask, model.as_str(), self.caching, cannot)?;
        let headers = self.with_betas(put.betas.iter().copied());
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

    fn verbatim(
        &self,
        native: &native::Native,
        model: &ModelId,
        _delivery: Delivery,
    ) -> Option<Verbatim> {
        if native.interface != Interface::Messages || has_unsigned_thoughts(&native.body) {
            return None;
        }
        let betas = native.headers.get_all(BETA).iter();
        let headers = self.with_betas(betas.filter_map(|betas| betas.to_str().ok()));
        Some(Verbatim {
            interface: Interface::Messages,
            outgoing: Outgoing {
                url: self.url.clone(),
                headers,
                body: native.body_for(model.as_str()),
            },
            framing: Self::FRAMING,
            reader: || Box::new(read::Reading::new(None)),
        })
    }
}
