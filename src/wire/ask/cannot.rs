//! What a provider can't do with a request.

use indexmap::IndexSet;
use serde_json::Value;

use crate::wire::chat::Invalid;

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
}

/// Meets what a provider can't do: refuses it, or leaves it out and remembers what was.
#[derive(Debug, Clone)]
pub struct Cannot {
    provider: String,
    drops: bool,
    dropped: IndexSet<String>,
}

impl Cannot {
    /// For the provider of this name. With `drops`, what it can't do is left out.
    #[must_use]
    pub fn new(provider: &str, drops: bool) -> Self {
        Self {
            provider: provider.to_owned(),
            drops,
            dropped: IndexSet::new(),
        }
    }

    /// The provider can't do `param`, since it `lacks` something ("has no seed"). `Ok` means: leave it out.
    ///
    /// # Errors
    /// [`Unable::Unsupported`], unless such things are to be left out.
    pub fn carry(&mut self, param: impl Into<String>, lacks: &str) -> Result<(), Unable> {
        let param = param.into();
        if self.drops {
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
