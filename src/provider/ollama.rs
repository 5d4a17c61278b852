//! Ollama in its own dialect, which its OpenAI-compatible endpoint says only part of: the context window,
//! `keep_alive`, what a model can do.
//!
//! Nothing is cut in silence: each request gets a window that holds it (`window`), and the server is told
//! to refuse what does not fit. Sources: <https://docs.ollama.com/api> and the server's `api/types.go`
//! (seen 2026-11).

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::{HeaderMap, header};
use serde::Serialize;
use tokio::time::timeout;

use self::{
    known::{Facts, Known},
    reader::Lines,
    request::{Defaults, Put},
    wire::{ModelList, ShowRequest, ShowResponse},
};
use super::{
    ChatCall, ChatReply, EmbedCall, Embedded, KeyCount, Provider,
    dialect::{Dialect, Outgoing, Reader},
    frames::Framing,
    native::Native,
    setup::{Setup, SetupError},
    traced,
    transport::Transport,
};
use crate::{
    clock::Clock,
    config,
    error::{UpstreamError, UpstreamErrorKind},
    ident::{ModelId, ProviderName},
    wire::{
        ask::{Ask, Cannot, Unable},
        models::ModelObject,
    },
};

mod embed;
mod estimate;
mod failure;
mod known;
mod messages;
mod options;
mod reader;
mod references;
mod request;
mod schema;
mod tags;
#[cfg(test)]
mod tests;
mod window;
mod wire;

/// How long a request waits for what the server says about its model.
const LEARNING: Duration = Duration::from_secs(3);

/// An Ollama server.
#[derive(Debug)]
pub struct Ollama {
    native: Native<Api>,
    tags_url: reqwest::Url,
    embed_url: reqwest::Url,
}

impl Ollama {
    /// The server that `config` describes. Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or a header can't be used.
    pub fn new(config: &config::Provider, clock: Clock) -> Result<Self, SetupError> {
        let setup = Setup::new(config, clock.clone());
        let transport = setup.transport(
            (header::AUTHORIZATION, "Bearer "),
            HeaderMap::new(),
            failure::read_failure,
        )?;
        let api = Api {
            chat_url: setup.url("/api/chat")?,
            show_url: setup.url("/api/show")?,
            loaded_url: setup.url("/api/ps")?,
            defaults: Defaults {
                keep_alive: config.keep_alive.clone(),
                num_ctx: config.num_ctx,
            },
            known: Known::new(clock.clone()),
        };
        Ok(Self {
            native: Native::new(config, transport, api, clock),
            tags_url: setup.url("/api/tags")?,
            embed_url: setup.url("/api/embed")?,
        })
    }

    /// Tells how to get a model that the server does not have.
    fn explained(&self, mut error: UpstreamError, model: &ModelId) -> UpstreamError {
        if let UpstreamErrorKind::Status { message, body, .. } = &mut error.kind
            && let Some(theirs) = body
            && theirs.code.as_deref() == Some("model_not_found")
        {
            *message = format!(
                "{}; run `ollama pull {model}` where this server runs",
                theirs.message
            );
            Arc::make_mut(theirs).message.clone_from(message);
        }
        error
    }
}

/// Whether the server found the prompt too long for the window.
fn is_too_long(error: &UpstreamError) -> bool {
    matches!(&error.kind, UpstreamErrorKind::Status { body: Some(theirs), .. }
        if theirs.code.as_deref() == Some("context_length_exceeded"))
}

/// Whether the client has chosen a window.
fn chooses_window(call: &ChatCall) -> bool {
    let fields = call.request.fields();
    let options = fields.get("options").and_then(|value| value.get("num_ctx"));
    options.or_else(|| fields.get("num_ctx")).is_some()
}

impl Provider for Ollama {
    fn name(&self) -> &ProviderName {
        self.native.transport.provider()
    }

    fn keys(&self) -> KeyCount {
        self.native.transport.keys()
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move {
            let mut reply = self.native.chat(&call).await;
            // The estimate was too low: once more, with the next window.
            let api = &self.native.dialect;
            if reply.as_ref().is_err_and(is_too_long)
                && !(api.defaults.num_ctx.is_some() || chooses_window(&call))
                && api.known.grow(call.model.as_str())
            {
                reply = self.native.chat(&call).await;
            }
            reply.map_err(|error| self.explained(error, &call.model))
        })
    }

    fn embeddings(&self, call: EmbedCall) -> BoxFuture<'_, Result<Embedded, UpstreamError>> {
        Box::pin(async move {
            let keep_alive = self.native.dialect.defaults.keep_alive.as_deref();
            let mut cannot = self.native.cannot(call.drops_unsupported);
            let (request, model) = (&call.request, call.model.as_str());
            let put = embed::put(request, model, keep_alive, &mut cannot)
                .map_err(|unable| self.native.unable(unable))?;
            let transport = &self.native.transport;
            let sent = traced(HeaderMap::new(), call.trace.as_ref());
            let (headers, answer) = transport
                .post_json(model, (&self.embed_url, sent), json(&put))
                .await
                .map_err(|error| self.explained(error, &call.model))?;
            let embeddings = embed::read(answer);
            self.native.embedded(&call, &embeddings, headers, &cannot)
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(async move {
            let transport = &self.native.transport;
            let list: ModelList = transport.get_json(&self.tags_url).await?;
            Ok(tags::offered(&list, transport.provider().as_str()))
        })
    }
}

/// The dialect, and what is known about the models.
#[derive(Debug)]
struct Api {
    chat_url: reqwest::Url,
    show_url: reqwest::Url,
    loaded_url: reqwest::Url,
    defaults: Defaults,
    known: Known,
}

impl Api {
    async fn learn(&self, transport: &Transport, model: &ModelId) -> Result<Facts, UpstreamError> {
        let request = ShowRequest {
            model: model.as_str(),
        };
        // That a server does not describe a model says nothing about chats with it.
        let (_, show): (_, ShowResponse) = transport
            .post_json("", (&self.show_url, HeaderMap::new()), json(&request))
            .await?;
        let loaded = transport.get_json(&self.loaded_url).await;
        Ok(Facts::read(model.as_str(), &show, loaded.as_ref().ok()))
    }
}

impl Dialect for Api {
    const FRAMING: Framing = Framing::Lines;

    fn ready<'a>(&'a self, transport: &'a Transport, model: &'a ModelId) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.known.needs(model.as_str()) {
                let learned = timeout(LEARNING, self.learn(transport, model)).await;
                let learned = learned.ok().and_then(Result::ok);
                self.known.learn(model.as_str(), learned);
            }
        })
    }

    fn put(&self, ask: &Ask, model: &ModelId, cannot: &mut Cannot) -> Result<Outgoing, Unable> {
        let model = model.as_str();
        let facts = self.known.facts(model);
        let Put { body, window } = request::put(ask, model, &facts, &self.defaults, cannot)?;
        if let Some(window) = window {
            self.known.used(model, window);
        }
        Ok(Outgoing {
            url: self.chat_url.clone(),
            headers: HeaderMap::new(),
            body: json(&body),
        })
    }

    fn reader(&self, _ask: &Ask) -> Box<dyn Reader> {
        Box::new(Lines::default())
    }
}

/// `body` as JSON. Our own types always can be written.
fn json(body: &impl Serialize) -> bytes::Bytes {
    serde_json::to_vec(body).unwrap_or_default().into()
}
