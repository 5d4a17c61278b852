//! The OpenAPI document is served, is sound, and has every route and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use refrain::http::routes;
use serde_json::Value;

use crate::support::{gateway::Gateway, upstream::Upstream};

const METHODS: [&str; 7] = ["get", "post", "put", "delete", "patch", "head", "options"];

async fn gateway() -> Gateway {
    let upstream = Upstream::start().await;
    Gateway::before(&upstream).await
}

async fn document(gateway: &Gateway) -> Value {
    gateway.get("/openapi.json").send().await.json()
}

/// The operations: path and method.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (&**path, &**method, operation))
    });
    operations.collect()
}

/// Whether the router takes `path` by `route`; both may have names in braces.
fn takes(route: &str, path: &str) -> bool {
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    loop {
        match (route.next(), path.next()) {
            (Some(step), Some(_)) if step.starts_with("{*") => return true,
            (Some(step), Some(other)) if step == other || step.starts_with('{') => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// Calls `look` with every value in `of`, and where it is.
fn walk(of: &Value, place: &str, look: &mut dyn FnMut(&str, &Value)) {
    look(place, of);
    match of {
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(value, &format!("{place}/{name}"), look);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                walk(value, &format!("{place}/{at}"), look);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn anybody_gets_it_and_may_keep_it() {
    let gateway = gateway().await;
    let first = gateway.get("/openapi.json").send().await;
    assert_eq!(
        (first.status, first.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(first.header("cache-control"), "public, max-age=300");
    let document = first.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let again = gateway.get("/v1/openapi.json").send().await;
    assert_eq!(again.body, first.body);

    let tag = first.header("etag");
    for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let ask = gateway.get("/openapi.json").header("if-none-match", &known);
        let known = ask.send().await;
        assert_eq!(
            (known.status, known.body.len(), known.header("etag")),
            (304, 0, tag)
        );
    }
    let ask = gateway
        .get("/openapi.json")
        .header("if-none-match", "\"x\"");
    assert_eq!(ask.send().await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn it_has_every_route_and_nothing_else() {
    let gateway = gateway().await;
    let document = document(&gateway).await;
    let operations = operations(&document);
    let routes = routes::list();
    let missing = routes.iter().filter(|route| {
        let is_it = |(path, method, _): &(&str, &str, _)| {
            *method == route.method && takes(&route.path, path)
        };
        !operations.iter().any(is_it)
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&routes::Route>::new());
    let invented = operations.iter().filter(|(path, method, _)| {
        let is_it = |route: &&routes::Route| *method == route.method && takes(&route.path, path);
        !routes.iter().any(|route| is_it(&route))
    });
    assert_eq!(
        invented.map(|(path, ..)| *path).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
    // The list is of what is answered, under `/v1` and without it.
    for (path, method, _) in &operations {
        let path = path.replace(['{', '}'], "");
        for path in [
            path.as_str(),
            path.strip_prefix("/v1/")
                .map_or(&path, |rest| &path[path.len() - rest.len() - 1..]),
        ] {
            let request = gateway.request(&method.to_uppercase(), path, "");
            // What goes on for as long as it is read has a head too.
            let answer = match path {
                "/admin/api/live" => request.open().await.head,
                _ => request.send().await,
            };
            assert_ne!(answer.status, 405, "{method} {path}");
            let is_unknown = answer.status == 404
                && answer
                    .text()
                    .contains(&format!("there is no {} /", method.to_uppercase()));
            let is_passed_on = path.contains("/audio/") || path.contains("/images/");
            assert!(
                !is_unknown || is_passed_on,
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_it_refers_to_is_there_and_what_is_there_is_referred_to() {
    let gateway = gateway().await;
    let document = document(&gateway).await;
    let mut used = BTreeSet::new();
    walk(&document, "#", &mut |place, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some(),
                "{place} refers to {reference}"
            );
            used.insert(reference.to_owned());
        }
    });
    for (kind, named) in document["components"].as_object().unwrap() {
        for name in named.as_object().unwrap().keys() {
            let is_used = used.contains(&format!("#/components/{kind}/{name}"));
            assert!(
                is_used || kind == "securitySchemes",
                "nobody refers to {kind}/{name}"
            );
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn operations_are_complete() {
    let gateway = gateway().await;
    let document = document(&gateway).await;
    let tags = document["tags"].as_array().unwrap();
    let tags: BTreeSet<&str> = tags
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    let (mut ids, mut tagged) = (BTreeMap::new(), BTreeSet::new());
    for (path, method, operation) in operations(&document) {
        assert!(METHODS.contains(&method), "{path} has {method}");
        let id = operation["operationId"].as_str().unwrap();
        assert_eq!(ids.insert(id, path), None, "{id} is there twice");
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        let tag = operation["tags"][0].as_str().unwrap();
        assert!(tags.contains(tag), "{id} has the tag {tag}");
        tagged.insert(tag);
        assert_eq!(
            operation.get("requestBody").is_some(),
            method == "post" && id != "cancelResponse",
            "{id}"
        );
        let empty = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&empty).iter();
        let parameters: Vec<&Value> = parameters
            .map(|parameter| match parameter["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).unwrap(),
                None => parameter,
            })
            .collect();
        let named = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path");
        let named: BTreeSet<&str> = named.map(|one| one["name"].as_str().unwrap()).collect();
        let braces = path
            .split('{')
            .skip(1)
            .map(|rest| rest.split('}').next().unwrap());
        assert_eq!(named, braces.collect(), "{id}");
        for scheme in operation["security"].as_array().into_iter().flatten() {
            let known = |name: &String| schemes.contains_key(name);
            assert!(scheme.as_object().unwrap().keys().all(known), "{id}");
        }
        // Errors are in the shape of the path.
        let shape = match path {
            _ if path.starts_with("/v1beta") || path.contains("/models/{model}:") => "Google",
            _ if path.starts_with("/v1/messages") => "Anthropic",
            _ => "OpenAi",
        };
        for (status, word) in [("4XX", "Refusal"), ("5XX", "Failure")] {
            if let Some(response) = operation["responses"].get(status) {
                let wanted = format!("#/components/responses/{shape}{word}");
                assert_eq!(response["$ref"], *wanted, "{id}");
            }
        }
        assert!(
            !operation["responses"].as_object().unwrap().is_empty(),
            "{id}"
        );
    }
    assert_eq!(tagged, tags);
    gateway.stop().await;
}
