//! What a provider can't do with a request.

use indexmap::IndexSet;
use serde_json::Value;

use crate::wire::chat::{ChatRequest, Invalid};

/// Why a request can't be put into a provider's dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// The provider has no such thing; another one may.
    #[error("{message}")]
    Unsupported {
        /// The field, such as `seed` or `messages[0].content[1]`.
        param: String,
        /// What is not there, and what to do.
        message: String,
    },
    /// The model's context has no room for the prompt; another model's may.
    #[error("{message}")]
    TooLong {
        /// How much room there is, and how much is needed.
        message: String,
    },
    /// The request itself is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Unable {
    /// The request is wrong at `param`.
    #[must_use]
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Invalid {
            message: message.into(),
            param: Some(param.into()),
        })
    }

    /// In the terms of the client that sent `request` ([`ChatRequest::as_sent`]).
    #[must_use]
    pub fn as_sent(self, request: &ChatRequest) -> Self {
        match self {
            Self::Invalid(invalid) => Self::Invalid(request.as_sent(invalid)),
            unable @ (Self::Unsupported { .. } | Self::TooLong { .. }) => unable,
        }
    }
}

/// Meets what a provider can't do: refuses it, or leaves it out and remembers what was.
#[derive(Debug, Clone)]
pub struct Cannot {
    provider: String,
    drops: bool,
    /// Fields that may be left out anyway.
    advice: Vec<&'static str>,
    dropped: IndexSet<String>,
}

impl Cannot {
    /// For the provider of this name. With `drops`, what it can't do is left out.
    #[must_use]
    pub fn new(provider: &str, drops: bool) -> Self {
        Self {
            provider: provider.to_owned(),
            drops,
            advice: Vec::new(),
            dropped: IndexSet::new(),
        }
    }

    /// Leaves out what only advises in `request`, too.
    ///
    /// # Errors
    /// [`Unable::Unsupported`] for what the client's own words say beyond the chat request, unless such things
    /// are to be left out; in any case for a request that is no chat.
    pub fn meet(&mut self, request: &ChatRequest) -> Result<(), Unable> {
        if request.continues() {
            return Err(self.completions());
        }
        self.advice = request.advice().to_vec();
        let mut only = request.only_native().iter();
        only.try_for_each(|only| self.carry(only.param.clone(), &only.lacks))
    }

    /// The provider can't do `param`, since it `lacks` something ("has no seed"). `Ok` means: leave it out.
    ///
    /// # Errors
    /// [`Unable::Unsupported`], unless such things are to be left out.
    pub fn carry(&mut self, param: impl Into<String>, lacks: &str) -> Result<(), Unable> {
        let param = param.into();
        if self.drops || self.advice.contains(&&*param) {
            self.dropped.insert(param);
            return Ok(());
        }
        let message = format!(
            "provider `{}` can't do `{param}`: it {lacks}; leave it out, or send \
             `drop_unsupported: true` to have it left out",
            self.provider
        );
        Err(Unable::Unsupported { param, message })
    }

    /// The provider can't read what another one's tokenizer made of a text; nothing would be left.
    #[must_use]
    pub fn tokens(&self) -> Unable {
        let message = format!(
            "provider `{}` can't do `input` as numbers of tokens; send texts",
            self.provider
        );
        Unable::Unsupported {
            param: "input".to_owned(),
            message,
        }
    }

    /// The provider has no completions; nothing would be left.
    fn completions(&self) -> Unable {
        let message = format!(
            "provider `{}` can't do `prompt`: it can't go on with a text, as others can that this model is served \
             by; send a chat request",
            self.provider
        );
        Unable::Unsupported {
            param: "prompt".to_owned(),
            message,
        }
    }

    /// As [`Cannot::carry`], for every field in `fields`.
    ///
    /// # Errors
    /// [`Unable::Unsupported`] for the first, unless such things are to be left out.
    pub fn carry_rest<'f>(
        &mut self,
        fields: impl IntoIterator<Item = (&'f String, &'f Value)>,
    ) -> Result<(), Unable> {
        for (field, _) in fields {
            self.carry(field.as_str(), "has nothing like it")?;
        }
        Ok(())
    }

    /// The fields that were left out, each once in the order that they were met.
    #[must_use]
    pub fn dropped(&self) -> Vec<String> {
        self.dropped.iter().cloned().collect()
    }
}
