//! In what a server with OpenAI's interface differs from OpenAI.
//!
//! Plain data, applied by the provider of kind `openai`. Invariant: whatever model is asked for, its
//! name stays within one segment of a path, or one value of a query.

use std::fmt::{self, Write as _};

use reqwest::header::HeaderName;

use super::{defaults, pattern::ModelPattern};
use crate::wire::{chat::Edit, native::Interface};

/// The differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compat {
    /// The header that holds the bare key; `None` is `Authorization: Bearer KEY`.
    pub key_header: Option<HeaderName>,
    /// Where below the address requests go.
    pub chat_path: PathTemplate,
    /// Where below the address the models are listed; without the model in it.
    pub models_path: PathTemplate,
    /// What is changed in requests, in this order.
    pub edits: Vec<ModelEdits>,
    /// What it speaks beside chat completions: [`Interface::Responses`], [`Interface::Completions`].
    pub interfaces: Vec<Interface>,
    /// The most items that it embeds in one request, 1 to 2,048; `None` is as many as OpenAI takes.
    pub embedding_batch: Option<usize>,
}

/// What is changed in the requests for some models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEdits {
    /// The models, as the provider calls them; none stands for all.
    pub models: Vec<ModelPattern>,
    /// The changes, in this order.
    pub edits: Vec<Edit>,
}

impl Default for Compat {
    /// As OpenAI itself has it.
    fn default() -> Self {
        Self {
            key_header: None,
            chat_path: PathTemplate::plain(defaults::CHAT_PATH),
            models_path: PathTemplate::plain(defaults::MODELS_PATH),
            edits: Vec::new(),
            interfaces: Vec::new(),
            embedding_batch: None,
        }
    }
}

impl Compat {
    /// Where below the address requests for embeddings go: beside those for chat.
    #[must_use]
    pub fn embeddings_path(&self) -> PathTemplate {
        self.path_beside_chat(defaults::EMBEDDINGS_PATH)
    }

    /// Where below the address requests go that go to `path` at OpenAI: beside those for chat.
    #[must_use]
    pub fn path_beside_chat(&self, path: &'static str) -> PathTemplate {
        let chat = &self.chat_path;
        match chat.path.strip_suffix(defaults::CHAT_PATH) {
            Some(before) => PathTemplate {
                path: format!("{before}{path}"),
                query: chat.query.clone(),
            },
            None => PathTemplate::plain(path),
        }
    }

    /// The changes for what the provider calls `model`, in their order.
    #[must_use]
    pub fn edits_for(&self, model: &str) -> Vec<&Edit> {
        let meant = |entry: &&ModelEdits| {
            entry.models.is_empty() || entry.models.iter().any(|pattern| pattern.matches(model))
        };
        let entries = self.edits.iter().filter(meant);
        entries.flat_map(|entry| &entry.edits).collect()
    }
}

/// A path and perhaps a query, in which `{model}` stands for the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    path: String,
    query: Option<String>,
}

impl fmt::Display for PathTemplate {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// Stands for the model.
const MODEL: &str = "{model}";

/// Parameters that hold a key.
const SECRETS: [&str; 10] = [
    "key",
    "apikey",
    "code",
    "token",
    "accesstoken",
    "auth",
    "secret",
    "password",
    "sig",
    "subscriptionkey",
];

impl PathTemplate {
    /// Reads a template such as `/deployments/{model}/chat?api-version=1`; an error says what to
    /// write instead, and repeats nothing of the text, which may hold a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let fits = |c: char| c.is_ascii_graphic() && !"#\\\"<>`".contains(c);
        if !path.starts_with('/') || !text.chars().all(fits) || text.len() > 512 {
            return Err(
                "a path begins with `/` and has visible ASCII characters without `#` and `\\`"
                    .to_owned(),
            );
        }
        let is_dots = |segment: &str| {
            let plain = segment.to_ascii_lowercase().replace("%2e", ".");
            !plain.is_empty() && plain.chars().all(|c| c == '.')
        };
        if path.split('/').any(is_dots) || path.starts_with("//") {
            return Err("a path has no `//` in front, and no `.` or `..` in it".to_owned());
        }
        // A dot beside the name could make `..` of it.
        let rest = text.replace(MODEL, "");
        if rest.contains(['{', '}']) || text.contains(".{") || text.contains("}.") {
            return Err(
                "`{model}` stands for the model, with no `.` beside it; there are no other \
                        braces"
                    .to_owned(),
            );
        }
        for parameter in query.into_iter().flat_map(|query| query.split('&')) {
            let name = parameter.split('=').next().unwrap_or_default();
            let name = name.replace(['-', '_'], "").to_ascii_lowercase();
            if SECRETS.iter().any(|secret| name.ends_with(secret)) {
                return Err(
                    "secrets are not written into this file; a key goes into the variable \
                            that `api_key_env` names, and is sent in a header"
                        .to_owned(),
                );
            }
        }
        Ok(Self {
            path: path.to_owned(),
            query: query.map(str::to_owned),
        })
    }

    /// A path without query or model.
    pub(crate) fn plain(path: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            query: None,
        }
    }

    /// The same with `rest`, which begins with a slash or is empty, behind its path.
    #[must_use]
    pub(crate) fn with(&self, rest: &'static str) -> Self {
        Self {
            path: format!("{}{rest}", self.path),
            query: self.query.clone(),
        }
    }

    /// Whether the model is part of it.
    #[must_use]
    pub fn names_model(&self) -> bool {
        self.path.contains(MODEL)
            || self
                .query
                .as_ref()
                .is_some_and(|query| query.contains(MODEL))
    }

    /// The path for `model`, with a slash in front.
    #[must_use]
    pub fn path(&self, model: &str) -> String {
        self.path.replace(MODEL, &encoded(model))
    }

    /// The query for `model`, if there is one.
    #[must_use]
    pub fn query(&self, model: &str) -> Option<String> {
        let query = self.query.as_ref()?;
        Some(query.replace(MODEL, &encoded(model)))
    }
}

/// `text` with everything percent-encoded but what RFC 3986 §2.3 calls unreserved.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a text can't fail.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;

    use super::*;
    use crate::ident::ModelId;

    const AZURE: &str = "/openai/deployments/{model}/chat/completions?api-version=2024-10-21";

    fn url(template: &str, model: &str) -> Url {
        let template = PathTemplate::parse(template).unwrap();
        let mut url = Url::parse("https://host/base").unwrap();
        url.set_path(&format!("/base{}", template.path(model)));
        url.set_query(template.query(model).as_deref());
        url
    }

    #[test]
    fn the_model_goes_into_one_segment() {
        let check = |model: &str, expect: &str| {
            let expect = format!(
                "https://host/base/openai/deployments/{expect}/chat/completions?api-version=2024-10-21"
            );
            assert_eq!(url(AZURE, model).as_str(), expect);
        };
        check("gpt-4o", "gpt-4o");
        check(
            "meta-llama/Llama-3.3-70B:free",
            "meta-llama%2FLlama-3.3-70B%3Afree",
        );
        check("a&b=c@d", "a%26b%3Dc%40d");
        assert_eq!(
            url("/c?m={model}&v=1", "a&v=2").query(),
            Some("m=a%26v%3D2&v=1")
        );
        assert_eq!(url("/c?m=%7B", "x").query(), Some("m=%7B"));
    }

    #[test]
    fn templates_that_are_none() {
        for text in [
            "",
            "chat",
            "//host/chat",
            "/a/../b",
            "/a/%2e%2E/b",
            "/./a",
            "/a#b",
            "/a\\b",
            "/a b",
            "/é",
            "/{deployment}/chat",
            "/{model",
            "/model}",
            "/{{model}}",
            "/.{model}",
            "/{model}./x",
            "/chat?api-key=sk-planted",
            "/chat?v=1&API_KEY=sk-planted",
            "/chat?subscription-key=sk-planted",
            "/chat?access_token=sk-planted",
        ] {
            let error = PathTemplate::parse(text).unwrap_err();
            assert!(!error.contains("planted"), "{error}");
        }
        assert!(PathTemplate::parse(&format!("/{}", "a".repeat(512))).is_err());
        assert!(!PathTemplate::parse("/models").unwrap().names_model());
        assert!(PathTemplate::parse("/c?m={model}").unwrap().names_model());
    }

    proptest! {
        #[test]
        fn no_model_leaves_its_segment(model in r#"[a-z0-9._:/@&=;,+$!*'()~{}|^`\[\]-]{1,12}"#) {
            prop_assume!(ModelId::new(&model).is_ok());
            let url = url(AZURE, &model);
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 6, "{}", url);
            prop_assert_eq!((segments[2], segments[4], segments[5]), ("deployments", "chat", "completions"));
            prop_assert_eq!(url.query(), Some("api-version=2024-10-21"));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = PathTemplate::parse(&text);
        }
    }
}
