//! The admin page: a document, styles and ES modules that are part of the program. They are nobody's secret and open
//! to everybody, so that the page can ask for the key; what it shows comes from `/admin/api`.
//!
//! Invariant: nothing on the page comes from elsewhere or is written into the document; the policy forbids it.

use std::sync::LazyLock;

use axum::{
    Json,
    body::Body,
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::http::etag;

const DOCUMENT: &str = "index.html";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file of the page, by the name that it is asked for.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("page/", $name)))),+]
    };
}

const FILES: [(&str, &str); 38] = files![
    "index.html",
    "style.css",
    "views.css",
    "api.js",
    "chart.js",
    "dom.js",
    "format.js",
    "main.js",
    "scale.js",
    "shell.js",
    "text.js",
    "update.js",
    "widgets.js",
    "views/cache.js",
    "views/cache/browser.js",
    "views/cache/entry.js",
    "views/cache/numbers.js",
    "views/cache/purge.js",
    "views/cache/span.js",
    "views/cache/transfer.js",
    "views/clients.js",
    "views/config.js",
    "views/meter.js",
    "views/overview.js",
    "views/overview/first_use.js",
    "views/overview/points.js",
    "views/parts.js",
    "views/providers.js",
    "views/providers/acts.js",
    "views/requests.js",
    "views/requests/detail.js",
    "views/requests/waterfall.js",
    "views/threshold.js",
    "views/threshold/curve.js",
    "views/why.js",
    "views/why/compared.js",
    "views/why/explained.js",
    "views/words.js",
];

struct Asset {
    name: &'static str,
    text: &'static str,
    tag: HeaderValue,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |(name, text): (&'static str, &'static str)| Asset {
        name,
        text,
        tag: etag::of(text.as_bytes()),
    };
    FILES.into_iter().map(asset).collect()
});

/// `GET /admin`: the document.
pub(in crate::http) async fn page(headers: HeaderMap) -> Response {
    serve(DOCUMENT, &headers)
}

/// `GET /admin/`: where the document is. Whatever name the gateway goes by, the way there is the same.
pub(in crate::http) async fn without_slash() -> Response {
    let to = [(header::LOCATION, HeaderValue::from_static("/admin"))];
    (StatusCode::PERMANENT_REDIRECT, to).into_response()
}

/// `GET /admin/assets/{*path}`: what the document refers to.
pub(in crate::http) async fn asset(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    path.map_or_else(|_| missing(), |Path(path)| serve(&path, &headers))
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return missing();
    };
    let mut response = if etag::is_known(headers, &asset.tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(asset.text).into_response();
        let kind = HeaderValue::from_static(content_type(name));
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    };
    let out = response.headers_mut();
    out.insert(header::ETAG, asset.tag.clone());
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        out.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

fn missing() -> Response {
    let body = json!({"error": {
        "message": "the admin page has no such file",
        "type": "invalid_request_error", "param": null, "code": "unknown_url",
    }});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is quoted after `word` in a text.
    fn quoted<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
        let rests = text.split(word).skip(1);
        rests.filter_map(|rest| rest.split('"').next()).collect()
    }

    /// What the module `name` means by `from`.
    fn resolved(name: &str, from: &str) -> String {
        let mut path: Vec<&str> = name.split('/').collect();
        path.pop();
        for step in from.split('/') {
            match step {
                "." => {}
                ".." => assert!(path.pop().is_some(), "{name} imports {from}"),
                step => path.push(step),
            }
        }
        path.join("/")
    }

    #[test]
    fn whatever_the_page_refers_to_is_there_and_all_of_it_is_referred_to() {
        let names: BTreeSet<&str> = FILES.iter().map(|(name, _)| *name).collect();
        let mut used = BTreeSet::from([DOCUMENT.to_owned()]);
        for (name, text) in FILES {
            for from in quoted(text, "from \"") {
                used.insert(resolved(name, from));
            }
            for word in ["href=\"/admin/assets/", "src=\"/admin/assets/"] {
                used.extend(quoted(text, word).into_iter().map(str::to_owned));
            }
        }
        assert_eq!(
            used.iter().map(|name| &**name).collect::<BTreeSet<_>>(),
            names
        );
    }

    #[test]
    fn nothing_is_from_elsewhere_or_inline_or_made_of_markup() {
        // What the names of XML are is no address that anybody asks.
        const SVG: &str = "http://www.w3.org/2000/svg";
        for (name, text) in FILES {
            let text = text.replace(SVG, "");
            for word in [
                "http://",
                "https://",
                "//cdn",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "style=\"",
                "@import",
                "javascript:",
                "DOMParser",
                "srcdoc",
                "sourceMappingURL",
            ] {
                assert!(!text.contains(word), "{name} has {word}");
            }
            if name == DOCUMENT {
                assert!(!text.contains("<style") && !text.contains(" on"), "{name}");
                assert_eq!(
                    text.matches("<script").count(),
                    text.matches("<script type=\"module\" src=").count()
                );
            }
            assert!(text.lines().count() <= 450, "{name} is long");
        }
    }

    #[tokio::test]
    async fn every_file_has_its_kind_and_is_sent_once() {
        for (name, text) in FILES {
            let first = serve(name, &HeaderMap::new());
            assert_eq!(first.status(), StatusCode::OK);
            let kind = first.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert!(
                ["text/html", "text/css", "text/javascript"]
                    .iter()
                    .any(|one| kind.starts_with(one)),
                "{name}: {kind}"
            );
            let mut known = HeaderMap::new();
            known.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
            let body = axum::body::to_bytes(first.into_body(), usize::MAX)
                .await
                .unwrap();
            assert_eq!(body, text.as_bytes());
            let again = serve(name, &known);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(again.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
            assert!(!again.headers().contains_key(header::CONTENT_TYPE));
        }
        for none in [
            "",
            "../admin.rs",
            "index.htm",
            "views",
            "views/",
            "/style.css",
            "%2e%2e/x",
        ] {
            assert_eq!(
                serve(none, &HeaderMap::new()).status(),
                StatusCode::NOT_FOUND,
                "{none}"
            );
        }
    }
}
