//! Google Gemini in its own dialect: `generateContent` and `streamGenerateContent`.
//!
//! Source: <https://ai.google.dev/api/generate-content> (seen 2026-11). `request` puts a request,
//! `reader` reads an answer; both are pure.

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName};

use super::{
    Batch, ChatCall, ChatReply, EmbedCall, Embedded, KeyCount, Provider,
    dialect::{Dialect, Outgoing, Reader},
    frames::Framing,
    native::Native,
    setup::{Setup, SetupError},
    traced,
    verbatim::Verbatim,
};
use crate::{
    clock::Clock,
    config,
    error::UpstreamError,
    ident::{ModelId, ProviderName},
    wire::{
        ask::{Ask, Cannot, Unable},
        chat::Delivery,
        models::ModelObject,
        native::{self, Interface},
    },
};

mod contents;
mod embed;
mod failure;
mod media;
mod model;
mod names;
mod reader;
mod request;
mod schema;
mod wire;

/// The header of the key.
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// The most candidates of one call.
const MOST_CANDIDATES: u32 = 8;
/// The most pages of models that are read, and how many are on each.
const MOST_PAGES: usize = 20;
const PAGE: &str = "1000";

/// Google Gemini.
#[derive(Debug)]
pub struct Gemini {
    native: Native<Tongue>,
    models_url: reqwest::Url,
}

impl Gemini {
    /// The provider that `config` describes. Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or a header can't be used.
    pub fn new(config: &config::Provider, clock: Clock) -> Result<Self, SetupError> {
        let setup = Setup::new(config, clock.clone());
        let transport = setup.transport((KEY, ""), HeaderMap::new(), failure::read_failure)?;
        let base = setup.url("/")?;
        let models_url = setup.url("/models")?;
        Ok(Self {
            native: Native::new(config, transport, Tongue { base }, clock),
            models_url,
        })
    }

    async fn embed(&self, call: &EmbedCall) -> Result<Embedded, UpstreamError> {
        let native = &self.native;
        let (tongue, transport) = (&native.dialect, &native.transport);
        let unable = |unable| native.unable(unable);
        let mut cannot = native.cannot(call.drops_unsupported);
        let name = Tongue::full_name(&call.model);
        let calls = embed::put(&call.request, &name, &mut cannot).map_err(unable)?;
        let url = tongue.method(&name, "batchEmbedContents").map_err(unable)?;
        let sent = traced(HeaderMap::new(), call.trace.as_ref());
        let mut headers = HeaderMap::new();
        let mut answers = Vec::with_capacity(calls.len());
        for batch in calls {
            let body = serde_json::to_vec(&batch).unwrap_or_default();
            let (told, answer) = transport
                .post_json(call.model.as_str(), (&url, sent.clone()), body.into())
                .await?;
            headers = told;
            answers.push(answer);
        }
        let embeddings = embed::read(call.model.as_str(), answers);
        native.embedded(call, &embeddings, headers, &cannot)
    }

    async fn list(&self) -> Result<Vec<ModelObject>, UpstreamError> {
        let transport = &self.native.transport;
        let mut models = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut url = self.models_url.clone();
            url.query_pairs_mut().append_pair("pageSize", PAGE);
            if let Some(token) = &token {
                url.query_pairs_mut().append_pair("pageToken", token);
            }
            let page: wire::ModelPage = transport.get_json(&url).await?;
            let generating = page.models.iter().filter(|model| {
                let mut methods = model.supported_generation_methods.iter();
                methods.any(|method| method == "generateContent")
            });
            models.extend(generating.map(|model| {
                let name = model.name.strip_prefix("models/").unwrap_or(&model.name);
                ModelObject::new(name, "google", 0)
            }));
            token = page.next_page_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(models)
    }
}

impl Provider for Gemini {
    fn name(&self) -> &ProviderName {
        self.native.transport.provider()
    }

    fn keys(&self) -> KeyCount {
        self.native.transport.keys()
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move { self.native.chat(&call).await })
    }

    fn embeddings(&self, call: EmbedCall) -> BoxFuture<'_, Result<Embedded, UpstreamError>> {
        Box::pin(async move { self.embed(&call).await })
    }

    fn batch(&self) -> Batch {
        Batch {
            items: embed::MOST_TEXTS,
            tokens: None,
        }
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(self.list())
    }
}

/// The dialect; knows where models are.
#[derive(Debug)]
struct Tongue {
    base: reqwest::Url,
}

impl Tongue {
    /// The address of `model` for an answer in that form.
    fn url(&self, model: &ModelId, delivery: Delivery) -> Result<reqwest::Url, Unable> {
        let (method, query) = match delivery {
            Delivery::Json => ("generateContent", None),
            Delivery::Stream { .. } => ("streamGenerateContent", Some("alt=sse")),
        };
        let mut url = self.method(&Self::full_name(model), method)?;
        url.set_query(query);
        Ok(url)
    }

    /// Its name may say what kind of model it is (`models/…`, `tunedModels/…`).
    fn full_name(model: &ModelId) -> String {
        let name = model.as_str();
        let kind = if name.contains('/') { "" } else { "models/" };
        format!("{kind}{name}")
    }

    fn method(&self, model: &str, method: &str) -> Result<reqwest::Url, Unable> {
        let path = format!("./{model}:{method}");
        let url = self.base.join(&path);
        url.map_err(|_| Unable::invalid("model", "the model's name can't be part of an address"))
    }
}

impl Dialect for Tongue {
    const FRAMING: Framing = Framing::Sse;

    /// Some models give one candidate whatever is asked for, which is too late to see at the end of a
    /// stream.
    fn choices_per_call(&self, ask: &Ask) -> u32 {
        match ask.delivery {
            Delivery::Json => MOST_CANDIDATES,
            Delivery::Stream { .. } => 1,
        }
    }

    fn put(&self, ask: &Ask, model: &ModelId, cannot: &mut Cannot) -> Result<Outgoing, Unable> {
        let request = request::put(ask, model::Model::named(model.as_str()), cannot)?;
        let body = serde_json::to_vec(&request)
            .map_err(|error| Unable::invalid("messages", error.to_string()))?;
        Ok(Outgoing {
            url: self.url(model, ask.delivery)?,
            headers: HeaderMap::new(),
            body: body.into(),
        })
    }

    fn reader(&self, ask: &Ask) -> Box<dyn Reader> {
        Box::new(reader::Answer::new(ask.choices))
    }

    fn verbatim(
        &self,
        native: &native::Native,
        model: &ModelId,
        delivery: Delivery,
    ) -> Option<Verbatim> {
        // A name that can't be asked for is refused where the request is put.
        let url = self.url(model, delivery).ok()?;
        (native.interface == Interface::GenerateContent).then(|| Verbatim {
            interface: Interface::GenerateContent,
            outgoing: Outgoing {
                url,
                headers: native.headers.clone(),
                body: native.body.clone(),
            },
            framing: Self::FRAMING,
            reader: || Box::new(reader::Answer::verbatim()),
        })
    }
}

#[cfg(test)]
mod tests;
