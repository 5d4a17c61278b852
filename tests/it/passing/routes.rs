//! Paths, methods, models and health.

use serde_json::{Value, json};

use crate::support::{
    asking,
    gateway::{Gateway, Setup, model, provider},
    upstream::Upstream,
};

#[tokio::test]
async fn paths_work_with_and_without_v1() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let body = asking("What is a crab?").to_string();
    for path in ["/v1/chat/completions", "/chat/completions"] {
        let reply = gateway.request("POST", path, body.clone()).send().await;
        assert_eq!(
            (reply.status, reply.said().as_str()),
            (200, "answer 1"),
            "{path}"
        );
    }
    for path in [
        "/v1/models",
        "/models",
        "/v1/models/gpt-test",
        "/models/gpt-test",
    ] {
        assert_eq!(gateway.get(path).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_404_that_says_which_there_are() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for path in ["/", "/v1", "/v2/models", "/v1/chat/completions/x"] {
        let reply = gateway.get(path).send().await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (404, "application/json")
        );
        let error = reply.error();
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(
            (&error["param"], &error["code"]),
            (&Value::Null, &json!("unknown_url"))
        );
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("POST /v1/chat/completions")
        );
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_which_is_right() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (method, path, allow) in [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/chat/completions", "POST"),
        ("POST", "/v1/models", "GET,HEAD"),
        ("PUT", "/health", "GET,HEAD"),
    ] {
        let reply = gateway.request(method, path, "").send().await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, allow),
            "{method} {path}"
        );
        assert_eq!(reply.error()["code"], "method_not_allowed");
    }
    let head = gateway
        .request("HEAD", "/v1/chat/completions", "")
        .send()
        .await;
    assert_eq!((head.status, head.body.len()), (405, 0));
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for path in ["/health", "/health/live", "/health/ready", "/v1/models"] {
        let head = gateway.request("HEAD", path, "").send().await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn models_are_listed_and_described() {
    let upstream = Upstream::start().await;
    let more = model("org/nested:name", &["main/x"]) + &model("family-*", &["main/*"]);
    let gateway = Gateway::setup(&upstream, &more).start().await;
    let list = gateway.get("/v1/models").send().await.json();
    let of =
        |id| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "main"});
    assert_eq!(
        list,
        json!({"object": "list", "data": [of("org/nested:name"), of("gpt-test")]})
    );
    for id in ["gpt-test", "org/nested:name", "family-large"] {
        let one = gateway.get(&format!("/v1/models/{id}")).send().await;
        assert_eq!(one.json(), of(id));
    }
}

#[tokio::test]
async fn an_unknown_model_is_a_404_that_names_the_nearest() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let by_path = gateway.get("/v1/models/gpt-tset").send().await;
    let mut body = asking("What is a crab?");
    body["model"] = json!("gpt-tset");
    let by_body = gateway.ask(&body).send().await;
    for reply in [by_path, by_body] {
        assert_eq!(reply.status, 404);
        let error = reply.error();
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!("model_not_found"), &json!("model"))
        );
        let message = error["message"].as_str().unwrap();
        assert_eq!(
            message,
            "the model `gpt-tset` does not exist here; did you mean `gpt-test`?"
        );
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn models_that_a_provider_lists_can_be_asked_for() {
    let upstream = Upstream::start().await;
    let toml = provider("main", &upstream) + "discover = true\n";
    let gateway = Setup::new(&toml).start().await;
    let list = gateway.get("/v1/models").send().await.json();
    assert_eq!(list["data"][0]["id"], "found-model");
    let mut body = asking("What is a crab?");
    body["model"] = json!("found-model");
    assert_eq!(gateway.ask(&body).send().await.said(), "answer 1");
}

#[tokio::test]
async fn health_tells_what_runs_and_nothing_more() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let health = gateway.get("/health").send().await.json();
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({
        "status": "ok", "version": version, "providers": ["main"], "demo": false, "semantic_cache": false
    });
    assert_eq!(health, expected);
    let live = gateway.get("/health/live").send().await;
    assert_eq!((live.status, live.json()), (200, json!({"status": "ok"})));
    let ready = gateway.get("/health/ready").send().await;
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"status": "ready", "config": "current"}))
    );
}
