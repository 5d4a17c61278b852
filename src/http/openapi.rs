//! `GET /openapi.json`: what all of this takes and gives, as OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.1>).
//!
//! The parts lie beside this file, one for each interface. They name the fields that the gateway understands and
//! say of no object that it has no others. Beside the standard there is `x-event-schema`, which describes the JSON in
//! the `data` of a stream's events.

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The document's own fields, and then what is added to them.
const HEAD: &str = include_str!("openapi/head.json");
const PARTS: [&str; 10] = [
    include_str!("openapi/shared.json"),
    include_str!("openapi/chat.json"),
    include_str!("openapi/responses.json"),
    include_str!("openapi/messages.json"),
    include_str!("openapi/google.json"),
    include_str!("openapi/embeddings.json"),
    include_str!("openapi/completions.json"),
    include_str!("openapi/passed_on.json"),
    include_str!("openapi/gateway.json"),
    include_str!("openapi/admin.json"),
];

struct Document {
    json: Bytes,
    tag: HeaderValue,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let json = document().to_string();
    let tag = format!("\"{}\"", blake3::hash(json.as_bytes()).to_hex());
    Document {
        json: json.into(),
        tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")),
    }
});

/// The document, to anybody.
pub(super) async fn serve(headers: HeaderMap) -> Response {
    let Document { json, tag } = &*DOCUMENT;
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known.filter_map(|list| list.to_str().ok());
    // Compressed, it is the same document by a weak tag (RFC 9110 §8.8.3).
    let is_known = known
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json.clone().into_response()
    };
    let out = response.headers_mut();
    let set = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        // Tools that show such documents are pages of other origins.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    for (name, value) in set {
        out.insert(name, HeaderValue::from_static(value));
    }
    if is_known {
        out.remove(header::CONTENT_TYPE);
    }
    out.insert(header::ETAG, tag.clone());
    response
}

/// The parts, put together.
fn document() -> Value {
    let mut document = read(HEAD);
    if let Some(info) = document.get_mut("info").and_then(Value::as_object_mut) {
        info.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    }
    for part in PARTS {
        merge(&mut document, read(part));
    }
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        let also = calls_under_v1(paths);
        paths.extend(also);
    }
    Value::Object(document)
}

/// What Google's clients call under `/v1beta` is called under `/v1` too.
fn calls_under_v1(paths: &Map<String, Value>) -> Map<String, Value> {
    const BETA: &str = "/v1beta/models/{model}:";
    let calls = paths.iter().filter_map(|(path, operations)| {
        let method = path.strip_prefix(BETA)?;
        let mut operations = operations.clone();
        if let Some(Value::String(id)) = operations.pointer_mut("/post/operationId") {
            id.push_str("V1");
        }
        Some((format!("/v1/models/{{model}}:{method}"), operations))
    });
    calls.collect()
}

fn read(part: &str) -> Map<String, Value> {
    serde_json::from_str(part).unwrap_or_default()
}

/// Puts the fields of `more` into `into`; of what both have, the fields of both.
fn merge(into: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(value)) => merge(known, value),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_is_json_and_says_what_no_other_says() {
        let mut names = BTreeSet::new();
        for part in PARTS {
            let part: Value = serde_json::from_str(part).unwrap();
            for (path, _) in part["paths"].as_object().unwrap() {
                assert!(names.insert(path.clone()), "{path} is there twice");
            }
            for (kind, named) in part["components"].as_object().into_iter().flatten() {
                for (name, _) in named.as_object().unwrap() {
                    assert!(
                        names.insert(format!("{kind}/{name}")),
                        "{name} is there twice"
                    );
                }
            }
        }
        assert!(serde_json::from_str::<Value>(HEAD).unwrap().is_object());
        assert!(names.len() > 100);
    }

    #[test]
    fn objects_are_merged_to_the_bottom() {
        let mut into = read(r#"{"a":{"b":1,"c":{"d":1}},"x":1}"#);
        merge(&mut into, read(r#"{"a":{"c":{"e":2}},"x":[2]}"#));
        let merged = Value::Object(into);
        assert_eq!(
            merged,
            json!({"a": {"b": 1, "c": {"d": 1, "e": 2}}, "x": [2]})
        );
    }
}
