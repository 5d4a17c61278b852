//! OpenAI, and every server that speaks its dialect: nearly a pass-through.
//!
//! The client's bytes go out as they are unless the model has another name here, or the configuration
//! says what this server wants otherwise ([`config::Compat`]); the provider's come back as they are. Source: <https://platform.openai.com/docs/api-reference/chat> (seen 2026-11).

use futures_util::future::BoxFuture;
use http::{HeaderMap, header};

use super::{
    ChatCall, ChatReply, EmbedCall, Embedded, Events, Provider, Whole, dropped,
    setup::{Endpoint, Setup, SetupError},
    transport::{Answered, Transport},
};
use crate::{
    clock::Clock,
    config::{self, Compat},
    error::UpstreamError,
    ident::ProviderName,
    wire::{
        answer::Answer,
        chat::{Delivery, RequestBody},
        embeddings,
        error_body::ErrorObject,
        models::{ModelList, ModelObject},
    },
};

pub(super) mod failure;

/// A server that speaks OpenAI's dialect.
#[derive(Debug)]
pub struct OpenAi {
    transport: Transport,
    compat: Compat,
    chat: Endpoint,
    embeddings: Endpoint,
    models: Endpoint,
}

impl OpenAi {
    /// The provider that `config` describes. Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or a header can't be used.
    pub fn new(config: &config::Provider, clock: Clock) -> Result<Self, SetupError> {
        let setup = Setup::new(config, clock);
        let compat = config.compat.clone();
        let key = match compat.key_header.clone() {
            Some(name) => (name, ""),
            None => (header::AUTHORIZATION, "Bearer "),
        };
        let transport = setup.transport(key, HeaderMap::new(), failure::read)?;
        Ok(Self {
            transport,
            chat: setup.endpoint(&compat.chat_path)?,
            embeddings: setup.endpoint(&compat.embeddings_path())?,
            models: setup.endpoint(&compat.models_path)?,
            compat,
        })
    }

    async fn whole(&self, answered: Answered) -> Result<ChatReply, UpstreamError> {
        let headers = answered.headers.clone();
        let body = self.transport.read(answered).await?;
        match Answer::read(&body) {
            Ok(answer) => Ok(ChatReply::Whole(Whole {
                headers,
                body,
                answer,
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

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move {
            let stream = call.request.delivery() != Delivery::Json;
            let model = call.model.as_str();
            let RequestBody { bytes, dropped } =
                call.request.body_for(model, &self.compat.edits_for(model));
            let limits = self.transport.limits(stream);
            let read = |mut answered: Answered| {
                dropped::tell(&mut answered.headers, &dropped);
                self.reply(answered, stream)
            };
            self.transport
                .post(
                    model,
                    (&self.chat.url(model), HeaderMap::new()),
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
            let limits = self.transport.limits(false);
            let read = |answered| self.embedded(answered);
            self.transport
                .post(model, (&url, HeaderMap::new()), body, limits, read)
                .await
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(async move {
            let list: ModelList = self.transport.get_json(&self.models.url("")).await?;
            Ok(list.data)
        })
    }
}
