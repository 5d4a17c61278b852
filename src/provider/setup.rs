//! From a provider's settings to its connections.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;

use super::{
    redact::{Redactor, Redactors},
    transport::{Keys, ReadFailure, Transport},
};
use crate::{
    clock::Clock,
    config::{self, PathTemplate},
    ident::ProviderName,
};

/// Why a provider can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("provider `{provider}`: {why}")]
pub struct SetupError {
    provider: ProviderName,
    why: String,
}

/// A provider being set up.
pub(super) struct Setup<'c> {
    config: &'c config::Provider,
    base: &'c str,
    clock: Clock,
}

impl<'c> Setup<'c> {
    /// Sets up the provider that `config` describes; by `clock`, keys are put aside for a while.
    pub(super) fn new(config: &'c config::Provider, clock: Clock) -> Self {
        let base = config.base_url.as_deref().unwrap_or_default();
        Self {
            config,
            base: base.trim_end_matches('/'),
            clock,
        }
    }

    pub(super) fn error(&self, why: &dyn ToString) -> SetupError {
        SetupError {
            provider: self.config.name.clone(),
            why: why.to_string(),
        }
    }

    /// The address with `path` behind it.
    pub(super) fn url(&self, path: &str) -> Result<Url, SetupError> {
        Url::parse(&format!("{}{path}", self.base)).map_err(|error| self.error(&error))
    }

    /// The address with what `template` makes of a model behind it.
    pub(super) fn endpoint(&self, template: &PathTemplate) -> Result<Endpoint, SetupError> {
        let base = self.url("")?;
        Ok(if template.names_model() {
            Endpoint::ForModel(base, template.clone())
        } else {
            Endpoint::Fixed(below(&base, template, ""))
        })
    }

    /// Connections that send a key in the header `name`, behind that word; with more `headers`, before
    /// which those of the configuration go.
    pub(super) fn transport(
        &self,
        (name, word): (HeaderName, &str),
        mut headers: HeaderMap,
        read_failure: ReadFailure,
    ) -> Result<Transport, SetupError> {
        headers.extend(self.config.headers.clone());
        let values: Result<Vec<HeaderValue>, SetupError> = (self.config.api_keys.iter())
            .map(|secret| {
                let mut value = HeaderValue::try_from(format!("{word}{}", secret.expose()))
                    .map_err(|_| self.error(&"its key holds characters that no header can"))?;
                value.set_sensitive(true);
                Ok(value)
            })
            .collect();
        Transport::new(
            self.config.name.clone(),
            self.base,
            headers,
            Keys::new(name, values?, self.clock.clone()),
            self.redactors(),
            self.config.timeout,
            read_failure,
        )
        .map_err(|error| self.error(&error))
    }
}

impl Setup<'_> {
    /// What takes keys out of answers, and out of errors what the configuration sends along, too: a header may
    /// hold a key, but also a word that answers may well hold.
    fn redactors(&self) -> Redactors {
        let keys = self.config.api_keys.iter().map(|key| key.expose());
        let headers = self.config.headers.values();
        let headers = headers.filter_map(|value| value.to_str().ok());
        Redactors {
            in_errors: Redactor::with_headers(keys.clone(), headers),
            keys: Redactor::new(keys),
        }
    }
}

/// Where requests go.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// The same address for all models.
    Fixed(Url),
    /// An address of its own for each model, below this one.
    ForModel(Url, PathTemplate),
}

impl Endpoint {
    /// Below `base`, what `template` makes of a model.
    pub(super) fn below(base: Url, template: PathTemplate) -> Self {
        Self::ForModel(base, template)
    }

    pub(super) fn url(&self, model: &str) -> Cow<'_, Url> {
        match self {
            Self::Fixed(url) => Cow::Borrowed(url),
            Self::ForModel(base, template) => Cow::Owned(below(base, template, model)),
        }
    }
}

fn below(base: &Url, template: &PathTemplate, model: &str) -> Url {
    let mut url = base.clone();
    let path = template.path(model);
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url.set_query(template.query(model).as_deref());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_below_the_address() {
        let check = |base: &str, template: &str, expect: &str| {
            let template = PathTemplate::parse(template).unwrap();
            let url = below(&Url::parse(base).unwrap(), &template, "org/m");
            assert_eq!(url.as_str(), expect);
        };
        check("https://host", "/chat", "https://host/chat");
        check("https://host/v1", "/chat?v=1", "https://host/v1/chat?v=1");
        check(
            "http://[::1]:8/a%20b",
            "/{model}/c",
            "http://[::1]:8/a%20b/org%2Fm/c",
        );
        check(
            "https://host",
            "/m:raw?m={model}",
            "https://host/m:raw?m=org%2Fm",
        );
    }
}
