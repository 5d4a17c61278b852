//! The gateway's own encoder as a model: `local/` and its name.
//!
//! It is there for the cache first, so a request for embeddings takes a share of its threads, text by text, and waits
//! for it.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use super::super::off_the_workers;
use crate::{
    embed::{Embed, EmbedError},
    error::Error,
    ident::{InvalidName, ModelId, ProviderName},
    units::Tokens,
    wire::{
        embeddings::{EmbeddingsRequest, Input, Item, Vector},
        models::ModelObject,
    },
};

/// What its models' names begin with, and the provider that answers are said to come from.
const LOCAL: &str = "local";
/// How long until the encoder may have time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The encoder as a model.
#[derive(Debug)]
pub struct Local {
    encoder: Arc<dyn Embed>,
    /// How many texts are computed at a time.
    most: usize,
    share: Semaphore,
    pub(super) provider: ProviderName,
    pub(super) model: ModelId,
}

impl Local {
    /// The model that `encoder` is.
    ///
    /// # Errors
    /// When its name is none of a model.
    pub fn new(encoder: Arc<dyn Embed>) -> Result<Self, InvalidName> {
        let id = encoder.encoder();
        // `name/quantisation/window@weights`; the name is what people call it.
        let name = id.as_str().rsplitn(3, '/').last().unwrap_or_default();
        let most = (encoder.threads() / 2).max(1);
        Ok(Self {
            most,
            share: Semaphore::new(most),
            provider: ProviderName::new(LOCAL)?,
            model: ModelId::new(name)?,
            encoder,
        })
    }

    /// What clients call it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{LOCAL}/{}", self.model)
    }

    /// As it stands in the list of models.
    #[must_use]
    pub fn object(&self, created: u64) -> ModelObject {
        ModelObject::new(&self.name(), "refrain", created)
    }

    /// What its vectors are kept under: another build of the weights has others.
    pub(super) fn identity(&self) -> String {
        format!("{LOCAL} {}", self.encoder.encoder())
    }

    /// Refuses what it can't do.
    pub(super) fn check(&self, request: &EmbeddingsRequest, drops: bool) -> Result<(), Error> {
        let refused =
            |param: &str, message: String| Err(Error::bad_request(param.to_owned(), message));
        let name = self.name();
        if let Input::Tokens(_) = request.input() {
            let message = format!("`{name}` can't do `input` as numbers of tokens; send texts");
            return refused("input", message);
        }
        let own = self.encoder.dimension();
        if let Some(asked) = request.dimensions().filter(|asked| *asked as usize != own) {
            let message = format!("the vectors of `{name}` have {own} dimensions, not {asked}");
            return refused("dimensions", message);
        }
        match request.unknown_fields().next() {
            Some((field, _)) if !drops => {
                let message = format!(
                    "`{name}` has nothing like `{field}`; leave it out, or send \
                     `drop_unsupported`: true"
                );
                refused(field, message)
            }
            _ => Ok(()),
        }
    }

    /// The tokens of the texts at these places of `request`.
    ///
    /// # Errors
    /// When one is longer than the encoder's window: the vector of its beginning is not what was asked for.
    pub(super) async fn measure(
        &self,
        request: &Arc<EmbeddingsRequest>,
        places: &[usize],
    ) -> Result<Vec<Tokens>, Error> {
        let (encoder, request) = (Arc::clone(&self.encoder), Arc::clone(request));
        let (name, wanted) = (self.name(), places.to_vec());
        let measured = off_the_workers(move || {
            let items: Vec<Item<'_>> = request.input().items().collect();
            let one = |place: usize| {
                let Some(Item::Text(text)) = items.get(place) else {
                    return Ok(Tokens(0));
                };
                let Some(measure) = encoder.measure(text) else {
                    return Ok(Item::Text(text).estimate());
                };
                if measure.tokens > measure.window {
                    return Err(too_long(&name, place, measure.window));
                }
                Ok(Tokens(measure.tokens as u64))
            };
            wanted.into_iter().map(one).collect::<Result<Vec<_>, _>>()
        });
        let measured = measured.await;
        measured.unwrap_or_else(|| Err(Error::Internal("counting tokens failed".to_owned())))
    }

    /// The vectors of these texts, in order.
    pub(super) async fn embed(&self, texts: &[String]) -> Result<Vec<Vector>, Error> {
        let one = |text: &String| {
            let text = text.clone();
            async move { self.embed_one(&text).await }
        };
        let all: Vec<_> = texts.iter().map(one).collect();
        stream::iter(all).buffered(self.most).try_collect().await
    }

    async fn embed_one(&self, text: &str) -> Result<Vector, Error> {
        let gone = |_| Error::Internal("the encoder is gone".to_owned());
        let _place = self.share.acquire().await.map_err(gone)?;
        match self.encoder.embed_patiently(text).await {
            Ok(embedding) => Vector::of(embedding.as_slice())
                .ok_or_else(|| Error::Internal(EmbedError::NotFinite.to_string())),
            Err(error) if error.is_passing() => Err(Error::Overloaded {
                why: "its encoder has more to do than it can",
                retry_after: RETRY_AFTER,
            }),
            Err(error) => Err(Error::Internal(error.to_string())),
        }
    }
}

/// Whether a model of this name would be an encoder of the gateway's.
pub(super) fn is_local(model: &str) -> bool {
    model
        .split_once('/')
        .is_some_and(|(provider, _)| provider == LOCAL)
}

/// Whether this is the name that answers of the encoder are said to come from.
pub(super) fn is_own_name(provider: &ProviderName) -> bool {
    provider.as_str() == LOCAL
}

/// There is no such model; `own` is what there is instead.
pub(super) fn unknown(own: Option<&Local>) -> Error {
    let message = match own {
        Some(own) => format!("the gateway's own encoder is `{}`, and there is no other", own.name()),
        None => "`local/…` is the gateway's own encoder, which is not loaded: it is with `enabled` and `semantic` on \
                 under [cache], at the next start"
            .to_owned(),
    };
    Error::UnknownModel { message }
}

fn too_long(name: &str, place: usize, window: usize) -> Error {
    let at = format!("input[{place}]");
    let message = format!(
        "`{at}` is longer than `{name}` can read, which is {window} tokens; send it in parts"
    );
    Error::bad_request(at, message)
}
