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

use super::etag;

/// The document's own fields, and then what is added to them.
const HEAD: &str = include_str!("openapi/head.json");
const PARTS: [&str; 17] = [
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
    include_str!("openapi/admin_threshold.json"),
    include_str!("openapi/admin_history.json"),
    include_str!("openapi/admin_session.json"),
    include_str!("openapi/admin_page.json"),
    include_str!("openapi/admin_why.json"),
    include_str!("openapi/admin_cache.json"),
    include_str!("openapi/admin_providers.json"),
];

struct Document {
    json: Bytes,
    tag: HeaderValue,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let json = document().to_string();
    Document {
        tag: etag::of(json.as_bytes()),
        json: json.into(),
    }
});

/// The document, to anybody.
pub(super) async fn serve(headers: HeaderMap) -> Response {
    let Document { json, tag } = &*DOCUMENT;
    let is_known = etag::is_known(&headers, tag);
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
        say_who_may(paths);
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

/// Says of the admin's operations who may ask for them, as `admin::access` decides: by path and method only.
fn say_who_may(paths: &mut Map<String, Value>) {
    let look = json!([{"adminBearer": []}, {"adminBasic": []}, {"adminSession": []}, {}]);
    let act =
        json!([{"adminBearer": []}, {"adminSession": [], "adminCsrf": []}, {"adminCsrf": []}, {}]);
    for (path, operations) in paths {
        let is_open = match &**path {
            "/admin/api/session" => true,
            "/metrics" => false,
            path if path.starts_with("/admin/api/") => false,
            path if path.starts_with("/admin") => true,
            _ => continue,
        };
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            let who = match &**method {
                _ if is_open => json!([]),
                "get" | "head" => look.clone(),
                _ => act.clone(),
            };
            if let Some(operation) = operation.as_object_mut() {
                operation.insert("security".to_owned(), who);
            }
        }
    }
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
