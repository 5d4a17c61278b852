//! Servers that speak OpenAI's dialect with an accent, by configuration.

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    asking,
    gateway::{Gateway, Setup, model, provider},
    streaming,
    upstream::{KEY, Manners, Upstream},
    with,
};

const QUESTION: &str = "What do crabs eat?";
const AZURE: Manners = Manners {
    key: ("api-key", ""),
    chat: "/openai/deployments/crab%2F4o/chat/completions?api-version=2024-10-21",
    models: "/openai/models?api-version=2024-10-21",
};

/// A gateway whose provider `azure` has the deployment `crab/4o`.
async fn azure(upstream: &Upstream) -> Gateway {
    let toml = format!(
        r#"[[providers]]
name = "azure"
kind = "openai"
base_url = "{}"
api_key_env = "UPSTREAM_KEY"
api_key_header = "api-key"
chat_path = "/openai/deployments/{{model}}/chat/completions?api-version=2024-10-21"
models_path = "/openai/models?api-version=2024-10-21"
discover = true
"#,
        upstream.root()
    );
    Setup::new(&(toml + &model("gpt-test", &["azure/crab/4o"])))
        .start()
        .await
}

/// A gateway whose provider has these lines more, and calls the model `o3-crab`.
async fn variant(upstream: &Upstream, lines: &str) -> Gateway {
    let toml = provider("main", upstream) + lines + "\n" + &model("gpt-test", &["main/o3-crab"]);
    Setup::new(&toml).start().await
}

#[tokio::test]
async fn azure_is_asked_at_its_deployment_with_its_header() {
    let upstream = Upstream::with(AZURE).await;
    let gateway = azure(&upstream).await;
    for (number, body) in (1..).zip([asking(QUESTION), streaming("What is a crab?")]) {
        let reply = gateway.ask(&body).send().await;
        assert_eq!(
            (reply.status, reply.said()),
            (200, format!("answer {number}"))
        );
        assert_eq!(reply.header("x-refrain-provider"), "azure");
    }
    let received = upstream.received();
    for received in &received {
        assert_eq!(received.path, AZURE.chat);
        assert_eq!(received.headers["api-key"], KEY);
        assert!(!received.headers.contains_key("authorization"));
    }
    assert_eq!(received[0].json()["model"], "crab/4o");
}

#[tokio::test]
async fn azure_lists_its_models_where_it_has_them() {
    let upstream = Upstream::with(AZURE).await;
    let gateway = azure(&upstream).await;
    let list = gateway.get("/v1/models").send().await.json();
    let models = list["data"].as_array().unwrap();
    assert!(
        models.iter().any(|model| model["id"] == "found-model"),
        "{list}"
    );
}

#[tokio::test]
async fn a_model_can_not_leave_its_place_in_the_path() {
    let upstream = Upstream::with(AZURE).await;
    let gateway = azure(&upstream).await;
    for name in [
        "..",
        ".",
        "a/../b",
        "a?b",
        "a#b",
        "%2e%2e",
        "crab/4o/../../keys",
    ] {
        let body = with(asking(QUESTION), json!({"model": format!("azure/{name}")}));
        assert_eq!(gateway.ask(&body).send().await.status, 404, "{name}");
    }
    // The name of another deployment, as the one segment that it is.
    let body = with(asking(QUESTION), json!({"model": "azure/crab/4o/chat&x=1"}));
    let reply = gateway.ask(&body).send().await;
    let message = reply.error()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("/deployments/crab%2F4o%2Fchat%26x%3D1/chat/"),
        "{message}"
    );
    assert_eq!((reply.status, upstream.calls()), (404, 0));
}

#[tokio::test]
async fn parameters_are_dropped_and_renamed_for_the_models_that_are_meant() {
    let upstream = Upstream::start().await;
    let lines = r#"params = [
        { models = ["o1*", "o3*"], drop = ["temperature", "messages[].name"], rename = { max_tokens = "max_completion_tokens" } },
        { models = "gpt-*", drop = ["seed"] },
    ]"#;
    let gateway = variant(&upstream, lines).await;
    let body = "{ \"model\":\"gpt-test\", \"temperature\":0.70,\"max_tokens\" : 100, \"x\":[1.50, 1e2],\n\
        \"messages\":[{\"role\":\"user\",\"content\":\"What is a c\\u0072ab?\",\"name\":\"ada\"}],\"seed\":7}";
    let reply = gateway.post(body).send().await;
    assert_eq!((reply.status, reply.said().as_str()), (200, "answer 1"));
    assert_eq!(
        reply.header("x-refrain-dropped"),
        "temperature, messages[].name"
    );
    let sent = "{\"model\":\"o3-crab\",\"max_completion_tokens\":100,\"x\":[1.50, 1e2],\
        \"messages\":[{\"role\":\"user\",\"content\":\"What is a c\\u0072ab?\"}],\"seed\":7}";
    assert_eq!(upstream.only().body, sent);
}

#[tokio::test]
async fn of_what_is_not_meant_only_the_models_name_changes() {
    let upstream = Upstream::start().await;
    let lines = r#"developer_role = "system"
params = [{ drop = ["top_p"], rename = { max_tokens = "max_completion_tokens" } }]"#;
    let gateway = variant(&upstream, lines).await;
    let body = "{ \"messages\":[ {\"role\":\"user\",\"content\":\"developer\"}],\n \"model\" : \"main/gpt-4\",\
        \"max_completion_tokens\":5 , \"x\":{\"top_p\":1}}\r\n";
    let reply = gateway.post(body).send().await;
    assert_eq!((reply.status, reply.header("x-refrain-dropped")), (200, ""));
    // Only the name of the model is another one, so only it is.
    let sent = "{\"messages\":[ {\"role\":\"user\",\"content\":\"developer\"}],\"model\":\"gpt-4\",\
        \"max_completion_tokens\":5,\"x\":{\"top_p\":1}}";
    assert_eq!(upstream.only().body, sent);
}

#[tokio::test]
async fn with_both_names_the_new_one_counts() {
    let upstream = Upstream::start().await;
    let lines = r#"params = [{ rename = { max_tokens = "max_completion_tokens" } }]"#;
    let gateway = variant(&upstream, lines).await;
    let fields = json!({"max_tokens": 5, "max_completion_tokens": 9});
    assert_eq!(
        gateway
            .ask(&with(asking(QUESTION), fields))
            .send()
            .await
            .status,
        200
    );
    let sent = upstream.only().json();
    assert_eq!(
        (&sent["max_completion_tokens"], &sent["max_tokens"]),
        (&json!(9), &Value::Null)
    );
}

#[tokio::test]
async fn developers_are_called_system_where_that_is_wanted() {
    let messages = json!({"messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": QUESTION},
    ]});
    for (lines, role) in [("", "developer"), ("developer_role = \"system\"", "system")] {
        let upstream = Upstream::start().await;
        let gateway = variant(&upstream, lines).await;
        let body = with(asking(QUESTION), messages.clone());
        assert_eq!(gateway.ask(&body).send().await.status, 200);
        let sent = upstream.only().json();
        assert_eq!(
            sent["messages"][0],
            json!({"role": role, "content": "Be brief."})
        );
        assert_eq!(sent["messages"][1], messages["messages"][1]);
    }
}

#[tokio::test]
async fn a_request_is_one_and_the_same_before_its_edits() {
    let upstream = Upstream::start().await;
    let gateway = variant(&upstream, r#"params = [{ drop = ["temperature"] }]"#).await;
    let warm = with(asking(QUESTION), json!({"temperature": 0.5}));
    assert_eq!(gateway.ask(&warm).send().await.way(), "miss");
    assert_eq!(gateway.ask(&warm).send().await.way(), "exact");
    // What the client wrote tells requests apart, also where the provider would not see it.
    assert_eq!(gateway.ask(&asking(QUESTION)).send().await.way(), "miss");
}

#[tokio::test]
async fn the_key_is_not_in_errors_whatever_header_it_goes_in() {
    let upstream = Upstream::with(AZURE).await;
    let gateway = azure(&upstream).await;
    upstream.script(Answer::error(400, &format!("bad key {KEY}")));
    let reply = gateway.ask(&asking(QUESTION)).send().await;
    assert!(
        reply.status == 400 && !reply.text().contains(KEY),
        "{}",
        reply.text()
    );
    // Refused: the fake repeats the key that it was sent.
    let wrong = Upstream::start().await;
    let lines = "api_key_header = \"x-key\"";
    let gateway = variant(&wrong, lines).await;
    let reply = gateway.ask(&asking(QUESTION)).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (502, &json!("upstream_auth"))
    );
    assert!(!reply.text().contains(KEY), "{}", reply.text());
}

#[tokio::test]
async fn what_other_servers_say_of_a_request_is_put_in_shape() {
    for (status, body, code, param, words) in [
        (
            422,
            json!({"object": "error", "message": {"detail": [{"type": "extra_forbidden",
                "loc": ["body", "store"], "msg": "Extra inputs are not permitted"}]},
                "type": "invalid_request_error", "param": null, "code": null}),
            Value::Null,
            json!("store"),
            "Extra inputs",
        ),
        (
            400,
            json!({"object": "error", "message": "This model's maximum context length is 8 tokens.",
                "type": "BadRequestError", "param": null, "code": 400}),
            json!("context_length_exceeded"),
            Value::Null,
            "8 tokens",
        ),
        (
            400,
            json!({"error": {"message": "too long", "type": "invalid_request_error",
                "code": "context_length_exceeded"}}),
            json!("context_length_exceeded"),
            Value::Null,
            "too long",
        ),
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        upstream.script(Answer::json(&body).status(status));
        let reply = gateway.ask(&asking(QUESTION)).send().await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"], &error["param"]),
            (status, &code, &param)
        );
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error}"
        );
        assert!(error["type"].is_string());
    }
}

#[tokio::test]
async fn an_account_without_credit_is_told_from_one_in_a_hurry() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let error = json!({"message": "You exceeded your current quota", "type": "insufficient_quota",
        "param": null, "code": "insufficient_quota"});
    upstream.script(Answer::json(&json!({"error": error})).status(429));
    let reply = gateway.ask(&asking(QUESTION)).send().await;
    assert_eq!(
        (reply.status, &reply.error()["code"]),
        (429, &json!("insufficient_quota"))
    );
}
