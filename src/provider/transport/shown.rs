//! What of a provider's answers is shown to clients as it is.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::provider::redact::Redactor;

/// The headers of a provider that mean something to its clients, but for those that quote the key.
pub(super) fn visible_headers(headers: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let visible = |name: &HeaderName, value: &HeaderValue| {
        let name = name.as_str();
        let means_something = name.starts_with("openai-")
            || name.starts_with("x-ratelimit-")
            || name.starts_with("anthropic-ratelimit-")
            || is_request_id(name);
        means_something && !redactor.finds(value.as_bytes())
    };
    fn is_request_id(name: &str) -> bool {
        matches!(name, "x-request-id" | "request-id")
    }
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, value)| visible(name, value)) {
        let name = if is_request_id(name.as_str()) {
            HeaderName::from_static("x-refrain-upstream-request-id")
        } else {
            name.clone()
        };
        kept.insert(name, value.clone());
    }
    kept
}

/// The beginning of a body that was expected to be something else, fit to be shown.
pub(super) fn shortened(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..400).unwrap_or(body));
    let text: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(200)
        .collect();
    if text.is_empty() {
        "no body".to_owned()
    } else {
        text.escape_debug().to_string()
    }
}
