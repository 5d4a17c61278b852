//! `/completions` at a server that speaks OpenAI's dialect: the client's words go out as they are.
//!
//! Source: <https://platform.openai.com/docs/api-reference/completions> (seen 2026-11). `OpenAI` itself has it for
//! its models from before chat only (<https://platform.openai.com/docs/models>, seen 2026-11).

use http::HeaderMap;
use reqwest::Url;

use self::reader::Texts;
use crate::{
    config,
    provider::{
        dialect::Outgoing,
        frames::Framing,
        setup::{Endpoint, Setup, SetupError},
        verbatim::Verbatim,
    },
    wire::native::{Interface, Native},
};

mod reader;

/// Where the request goes, behind the address.
const PATH: &str = "/completions";

/// A server's completions.
#[derive(Debug)]
pub(super) struct Completions {
    endpoint: Endpoint,
    /// Whether it has them for some models only: it is `OpenAI`.
    is_openai: bool,
}

impl Completions {
    /// Those of the server that `config` describes; `None` if it has none.
    ///
    /// # Errors
    /// When the address can't be used.
    pub(super) fn new(
        config: &config::Provider,
        setup: &Setup<'_>,
    ) -> Result<Option<Self>, SetupError> {
        if !config.compat.interfaces.contains(&Interface::Completions) {
            return Ok(None);
        }
        let address: Url = setup.url("")?;
        Ok(Some(Self {
            endpoint: setup.endpoint(&config.compat.path_beside_chat(PATH))?,
            is_openai: address.host_str() == Some("api.openai.com"),
        }))
    }

    /// Whether it has them for what it calls `model`.
    pub(super) fn has(&self, model: &str) -> bool {
        !self.is_openai || is_from_before_chat(model)
    }

    /// How a client's words are sent. What is asked as a chat has none.
    pub(super) fn verbatim(&self, native: &Native, model: &str) -> Option<Verbatim> {
        if native.body.is_empty() || !self.has(model) {
            return None;
        }
        Some(Verbatim {
            interface: Interface::Completions,
            outgoing: Outgoing {
                url: self.endpoint.url(model).into_owned(),
                headers: HeaderMap::new(),
                body: native.body_for(model),
            },
            framing: Framing::Sse,
            reader: || Box::new(Texts::default()),
        })
    }
}

/// Whether this is one of OpenAI's models that go on with texts. Those that were trained further (`ft:…`) keep the name.
fn is_from_before_chat(model: &str) -> bool {
    let base = model.strip_prefix("ft:").unwrap_or(model);
    let base = base.split(':').next().unwrap_or(base);
    let is_instruct = base
        .strip_prefix("gpt-3.5-turbo-instruct")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    is_instruct || base.ends_with("-instruct") || base == "davinci-002" || base == "babbage-002"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_from_before_chat_are_known_by_their_names() {
        for model in [
            "gpt-3.5-turbo-instruct",
            "gpt-3.5-turbo-instruct-0914",
            "davinci-002",
            "babbage-002",
            "ft:davinci-002:acme::8aB",
        ] {
            assert!(is_from_before_chat(model), "{model}");
        }
        for model in [
            "gpt-4o",
            "gpt-3.5-turbo",
            "gpt-3.5-turbo-instructor",
            "davinci-003",
            "ft:gpt-4o-mini:davinci-002",
            "",
        ] {
            assert!(!is_from_before_chat(model), "{model}");
        }
    }
}
