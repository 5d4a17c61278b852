//! OpenAI, and every server that speaks its dialect: nearly a pass-through.
//!
//! The client's bytes go out as they are unless the model has another name here; the provider's come
//! back as they are. Source: <https://platform.openai.com/docs/api-reference/chat> (seen 2026-11).

use futures_util::future::BoxFuture;
use http::{HeaderValue, header};

use super::{
    ChatCall, ChatReply, Events, Provider, Whole,
    transport::{Answered, Transport},
};
use crate::{
    config,
    error::{UpstreamError, UpstreamErrorKind},
    ident::ProviderName,
    wire::{
        answer::Answer,
        chat::Delivery,
        error_body::ErrorObject,
        models::{ModelList, ModelObject},
    },
};

/// A server that speaks OpenAI's dialect.
#[derive(Debug)]
pub struct OpenAi {
    transport: Transport,
    chat_url: reqwest::Url,
    models_url: reqwest::Url,
}

/// Why a provider can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("provider `{provider}`: {why}")]
pub struct SetupError {
    provider: ProviderName,
    why: String,
}

impl OpenAi {
    /// The provider that `config` describes. Connects to nothing yet.
    ///
    /// # Errors
    /// When the address or a header can't be used.
    pub fn new(config: &config::Provider) -> Result<Self, SetupError> {
        let fail = |why: String| SetupError {
            provider: config.name.clone(),
            why,
        };
        let base = config
            .chat_base
            .as_deref()
            .unwrap_or_default()
            .trim_end_matches('/');
        let url = |path: &str| {
            reqwest::Url::parse(&format!("{base}{path}")).map_err(|error| fail(error.to_string()))
        };
        let mut headers = config.headers.clone();
        if let Some(key) = &config.api_key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
                .map_err(|_| fail("its key holds characters that no header can".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let transport = Transport::new(
            config.name.clone(),
            base,
            headers,
            config.api_key.as_ref().map(|key| key.expose()),
            config.timeout,
        )
        .map_err(|error| fail(error.to_string()))?;
        Ok(Self {
            transport,
            chat_url: url("/chat/completions")?,
            models_url: url("/models")?,
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
            Err(not_an_answer) => Err(match ErrorObject::read(&body) {
                // Some gateways report errors with status 200.
                Some(error) => self.transport.error(UpstreamErrorKind::Status {
                    status: 502,
                    message: error.message.clone(),
                    body: Some(error.into()),
                    retry_after: None,
                }),
                None => self.transport.decode_error(&not_an_answer),
            }),
        }
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &ProviderName {
        self.transport.provider()
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move {
            let stream = call.request.delivery() != Delivery::Json;
            let body = call.request.body_for(call.model.as_str());
            let answered = self.transport.post(&self.chat_url, body, stream).await?;
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
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(async move {
            let answered = self.transport.get(&self.models_url).await?;
            let body = self.transport.read(answered).await?;
            let list: ModelList = serde_json::from_slice(&body)
                .map_err(|error| self.transport.decode_error(&error))?;
            Ok(list.data)
        })
    }
}
