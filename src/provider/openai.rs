//! OpenAI, and every server that speaks its dialect: nearly a pass-through.
//!
//! The client's bytes go out as they are unless the model has another name here, or the configuration
//! says what this server wants otherwise ([`config::Compat`]); the provider's come back as they are. Source: <https://platform.openai.com/docs/api-reference/chat> (seen 2026-11).

use completions::Completions;
use foreign::Foreign;
use futures_util::future::BoxFuture;
use http::{HeaderMap, header};
use reqwest::Url;

use super::{
    Batch, ChatCall, ChatReply, EmbedCall, Embedded, Events, KeyCount, Provider, Whole,
    dialect::Outgoing,
    dropped,
    forward::{ForwardCall, Forwarded, forward},
    frames::Framing,
    setup::{Endpoint, Setup, SetupError},
    traced,
    transport::{Answered, Transport},
    verbatim::Verbatim,
};
use crate::{
    clock::Clock,
    config::{self, Compat},
    error::{UpstreamError, UpstreamErrorKind},
    ident::{ModelId, ProviderName},
    units::Tokens,
    wire::{
        answer::Answer,
        ask::Cannot,
        chat::{Delivery, RequestBody},
        embeddings,
        error_body::ErrorObject,
        models::{ModelList, ModelObject},
        native::{Interface, Native},
    },
};

mod completions;
pub(super) mod failure;
mod foreign;
mod responses;

/// The most tokens of one request for embeddings, all items together; OpenAI's own limit
/// (<https://platform.openai.com/docs/api-reference/embeddings/create>, seen 2026-11).
const MOST_TOKENS: Tokens = Tokens(300_000);

/// A server that speaks OpenAI's dialect.
#[derive(Debug)]
pub struct OpenAi {
    transport: Transport,
    compat: Compat,
    chat: Endpoint,
    /// If it has them.
    completions: Option<Completions>,
    embeddings: Endpoint,
    models: Endpoint,
    base: Url,
    foreign: Foreign,
    /// If it has the interface.
    responses: Option<Endpoint>,
    clock: Clock,
}

impl OpenAi {
    /// The provider that `config` describes. Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or a header can't be used.
    pub fn new(config: &config::Provider, clock: Clock) -> Result<Self, SetupError> {
        let setup = Setup::new(config, clock.clone());
        let compat = config.compat.clone();
        let key = match compat.key_header.clone() {
            Some(name) => (name, ""),
            None => (header::AUTHORIZATION, "Bearer "),
        };
        let beside = |interface, path| {
            let has_it = compat.interfaces.contains(&interface);
            let endpoint = || setup.endpoint(&compat.path_beside_chat(path));
            has_it.then(endpoint).transpose()
        };
        let transport = setup.transport(key, HeaderMap::new(), failure::read)?;
        Ok(Self {
            transport,
            chat: setup.endpoint(&compat.chat_path)?,
            completions: Completions::new(config, &setup)?,
            embeddings: setup.endpoint(&compat.embeddings_path())?,
            models: setup.endpoint(&compat.models_path)?,
            base: setup.url("")?,
            responses: beside(Interface::Responses, "/responses")?,
            foreign: Foreign::new(&compat).map_err(|why| setup.error(&why))?,
            clock,
            compat,
        })
    }

    /// How a client's own words are sent, if this server speaks their interface.
    fn verbatim(&self, native: &Native, model: &str) -> Option<Verbatim> {
        match native.interface {
            Interface::Completions => self.completions.as_ref()?.verbatim(native, model),
            Interface::Responses => Some(Verbatim {
                interface: native.interface,
                outgoing: Outgoing {
                    url: self.responses.as_ref()?.url(model).into_owned(),
                    headers: native.headers.clone(),
                    body: native.body_for(model),
                },
                framing: Framing::Sse,
                reader: || Box::new(responses::Reading::default()),
            }),
            Interface::Messages | Interface::GenerateContent => None,
        }
    }

    async fn whole(&self, answered: Answered) -> Result<ChatReply, UpstreamError> {
        let headers = answered.headers.clone();
        let body = self.transport.read(answered).await?;
        match Answer::read(&body) {
            Ok(answer) => Ok(ChatReply::Whole(Whole {
                headers,
                body,
                answer,
                native: None,
            })),
            Err(not_an_answer) => Err(self.unusable(&body, &not_an_answer)),
        }
    }

    /// What a success is whose body is not what was asked for. Some gateways report errors so.
    fn unusable(&self, body: &[u8], why: &dyn ToString) -> UpstreamError {
        match ErrorObject::read(body) {
            Some(error) => self.transport.reported(failure::reported(error)),
            None => self.transport.decode_error(why),
        }
    }

    /// Reads the answer to a request for a stream, or not, as far as is needed to hand it on.
    async fn reply(&self, answered: Answered, stream: bool) -> Result<ChatReply, UpstreamError> {
        // A server that can't stream may answer a stream request as a whole.
        if !(stream && answered.is_event_stream()) {
            return self.whole(answered).await;
        }
        let headers = answered.headers.clone();
        let (first, rest) = self.transport.events(answered).await?;
        Ok(ChatReply::Stream(Events {
            headers,
            native: None,
            first,
            rest,
        }))
    }

    async fn embedded(&self, answered: Answered) -> Result<Embedded, UpstreamError> {
        let headers = answered.headers.clone();
        let body = self.transport.read(answered).await?;
        let tokens = embeddings::read_usage(&body).map_err(|why| self.unusable(&body, &why))?;
        Ok(Embedded {
            headers,
            body,
            tokens,
        })
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &ProviderName {
        self.transport.provider()
    }

    fn keys(&self) -> KeyCount {
        self.transport.keys()
    }

    fn completes(&self, model: &ModelId) -> bool {
        let completions = self.completions.as_ref();
        completions.is_some_and(|completions| completions.has(model.as_str()))
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move {
            let stream = call.request.delivery() != Delivery::Json;
            let model = call.model.as_str();
            let verbatim = call
                .request
                .native()
                .and_then(|native| self.verbatim(native, model));
            if let Some(verbatim) = verbatim {
                let now = self.clock.unix_seconds();
                return verbatim.ask(&self.transport, &call, None, now).await;
            }
            let mut cannot = Cannot::new(self.name().as_str(), call.request.drops_unsupported());
            cannot.meet(&call.request).map_err(|unable| {
                let kind = UpstreamErrorKind::Untranslatable(unable.into());
                self.transport.error(kind)
            })?;
            let mut edits = self.compat.edits_for(model);
            edits.extend(self.foreign.edits_for(&call.request, model));
            let RequestBody { bytes, mut dropped } = call.request.body_for(model, &edits);
            self.foreign.forget(&mut dropped);
            dropped.extend(cannot.dropped());
            let limits = self.transport.limits(stream);
            let read = |mut answered: Answered| {
                dropped::tell(&mut answered.headers, &dropped);
                self.reply(answered, stream)
            };
            self.transport
                .post(
                    model,
                    (
                        &self.chat.url(model),
                        traced(HeaderMap::new(), call.trace.as_ref()),
                    ),
                    bytes,
                    limits,
                    read,
                )
                .await
        })
    }

    fn embeddings(&self, call: EmbedCall) -> BoxFuture<'_, Result<Embedded, UpstreamError>> {
        Box::pin(async move {
            let model = call.model.as_str();
            let url = self.embeddings.url(model);
            let body = call.request.body_for(model);
            let headers = traced(HeaderMap::new(), call.trace.as_ref());
            let limits = self.transport.limits(false);
            let read = |answered| self.embedded(answered);
            self.transport
                .post(model, (&url, headers), body, limits, read)
                .await
        })
    }

    fn batch(&self) -> Batch {
        Batch {
            items: (self.compat.embedding_batch).unwrap_or(embeddings::MOST_INPUTS),
            tokens: Some(MOST_TOKENS),
        }
    }

    fn forward(&self, call: ForwardCall) -> BoxFuture<'_, Result<Forwarded, UpstreamError>> {
        Box::pin(forward(&self.transport, &self.base, &self.compat, call))
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(async move {
            let list: ModelList = self.transport.get_json(&self.models.url("")).await?;
            Ok(list.data)
        })
    }
}
