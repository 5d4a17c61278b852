//! Who takes what is handed on as it is: moderation, sound, images, ranking.
//!
//! Plain data. Invariant: every provider that is named here is one of the configuration, of kind
//! [`super::ProviderKind::OpenAi`].

use super::compat::PathTemplate;
use crate::{
    ident::ProviderName,
    units::Usd,
    wire::operation::{Family, Operation},
};

/// `[endpoints]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    /// `/moderations`.
    pub moderations: Option<Endpoint>,
    /// `/audio/…`.
    pub audio: Option<Endpoint>,
    /// `/images/…`.
    pub images: Option<Endpoint>,
    /// `/rerank`.
    pub rerank: Option<Endpoint>,
}

/// Who takes the requests of one family.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The provider.
    pub provider: ProviderName,
    /// What its paths begin with, below the address of the provider; `None` for OpenAI's own, beside
    /// [`super::Compat::chat_path`].
    pub path: Option<PathTemplate>,
    /// What one request costs; `None` if nobody knows.
    pub price: Option<Usd>,
}

impl Endpoints {
    /// Who takes this family, if anybody does.
    #[must_use]
    pub fn of(&self, family: Family) -> Option<&Endpoint> {
        match family {
            Family::Moderations => self.moderations.as_ref(),
            Family::Audio => self.audio.as_ref(),
            Family::Images => self.images.as_ref(),
            Family::Rerank => self.rerank.as_ref(),
        }
    }
}

impl Endpoint {
    /// Where `operation` is below the address of the provider, if it is not where OpenAI has it.
    #[must_use]
    pub fn path_of(&self, operation: Operation) -> Option<PathTemplate> {
        let path = self.path.as_ref()?;
        Some(path.with(operation.below_family()))
    }
}
