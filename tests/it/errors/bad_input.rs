//! Every body that can't be understood is refused by name, and leaves nothing behind.

use serde_json::{Value, json};

use crate::support::{asking, gateway::Gateway, upstream::Upstream, with};

/// Each body is a 400 in OpenAI's shape that names `param`; nobody is asked and nothing is kept.
async fn check(bodies: &[(Vec<u8>, Option<&str>)]) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (body, param) in bodies {
        let shown: String = String::from_utf8_lossy(body).chars().take(200).collect();
        let reply = gateway.post(body.clone()).send().await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (400, "application/json"),
            "{shown}"
        );
        assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
        let error = reply.error();
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("invalid_request_error"), &Value::Null)
        );
        assert_eq!(error["param"], json!(param), "{shown}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!((10..300).contains(&message.len()), "{message}");
        assert!(
            param.is_none_or(|param| message.contains(param.split('[').next().unwrap())
                || param.contains("content")),
            "{message}"
        );
    }
    assert_eq!(upstream.calls(), 0);
    assert_eq!(gateway.stats().await["cache"]["entries"], 0);
    assert_eq!(
        gateway.ask(&asking("What is a crab?")).send().await.said(),
        "answer 1"
    );
}

fn fields(fields: Value) -> Vec<u8> {
    with(asking("What is a crab?"), fields).to_string().into()
}

fn messages(messages: Value) -> Vec<u8> {
    fields(json!({"messages": messages}))
}

#[tokio::test]
async fn what_is_not_json() {
    let valid = asking("What is a crab?").to_string();
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " \n",
        "{",
        "{\"model\": \"gpt-test\",}",
        "hello",
        "null",
        "[]",
        "\"text\"",
        "7",
        "{'model': 'gpt-test'}",
        "\u{feff}{}",
        "{\"model\":\"gpt-test\",\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}",
        "{\"model\":\"gpt-test\",\"temperature\":NaN}",
        "{\"model\":\"gpt-test\",\"temperature\":1e999}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bodies.push(format!("{valid}{valid}").into());
    bodies.push(valid.replace("crab", "crab\u{0}").into());
    bodies.push(valid.replacen('{', "{\"model\":\"gpt-other\",", 1).into());
    let bodies: Vec<_> = bodies.into_iter().map(|body| (body, None)).collect();
    check(&bodies).await;
}

#[tokio::test]
async fn what_is_not_utf_8() {
    let valid = asking("What is a crab?").to_string();
    let with_bytes = |bytes: &[u8]| {
        let (before, after) = valid.split_once("crab").unwrap();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let utf_16: Vec<u8> = valid.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(&[
        (with_bytes(&[0xff, 0xfe]), None),
        (with_bytes(&[0xc3]), None),
        (with_bytes(&[0xed, 0xa0, 0x80]), None),
        (with_bytes(&[0xf8, 0x88, 0x80, 0x80, 0x80]), None),
        (utf_16, None),
    ])
    .await;
}

#[tokio::test]
async fn what_is_nested_too_deeply() {
    let deep = |open: &str, close: &str| open.repeat(100_000) + "1" + &close.repeat(100_000);
    let valid = asking("What is a crab?").to_string();
    let beside =
        |name: &str, value: &str| valid.replacen('{', &format!("{{\"{name}\":{value},"), 1);
    let bodies = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        beside("x_unknown", &deep("[", "]")),
        beside("metadata", &deep("{\"a\":", "}")),
        beside("tools", &"[".repeat(9_000_000)),
        valid.replace("\"What is a crab?\"", &deep("[", "]")),
    ];
    let bodies: Vec<_> = bodies
        .into_iter()
        .map(|body| (body.into_bytes(), None))
        .collect();
    check(&bodies).await;
}

#[tokio::test]
async fn a_wrong_model() {
    check(&[
        (
            b"{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}".to_vec(),
            Some("model"),
        ),
        (fields(json!({"model": null})), Some("model")),
        (fields(json!({"model": ""})), Some("model")),
        (fields(json!({"model": 4})), Some("model")),
        (fields(json!({"model": ["gpt-test"]})), Some("model")),
    ])
    .await;
}

#[tokio::test]
async fn wrong_messages() {
    let of = |message: Value| messages(json!([message]));
    check(&[
        (b"{\"model\": \"gpt-test\"}".to_vec(), Some("messages")),
        (messages(json!(null)), Some("messages")),
        (messages(json!([])), Some("messages")),
        (messages(json!({})), Some("messages")),
        (messages(json!("hello")), Some("messages")),
        (messages(json!(["hello"])), Some("messages[0]")),
        (messages(json!([null])), Some("messages[0]")),
        (of(json!({})), Some("messages[0].role")),
        (
            of(json!({"role": 1, "content": "x"})),
            Some("messages[0].role"),
        ),
        (
            of(json!({"role": "king", "content": "x"})),
            Some("messages[0].role"),
        ),
        (of(json!({"role": "user"})), Some("messages[0].content")),
        (
            of(json!({"role": "user", "content": null})),
            Some("messages[0].content"),
        ),
        (
            of(json!({"role": "user", "content": 7})),
            Some("messages[0].content"),
        ),
        (
            of(json!({"role": "user", "content": {"text": "x"}})),
            Some("messages[0].content"),
        ),
        (
            of(json!({"role": "user", "content": ""})),
            Some("messages[0].content"),
        ),
        (
            of(json!({"role": "user", "content": " \n\t"})),
            Some("messages[0].content"),
        ),
        (
            of(json!({"role": "user", "content": []})),
            Some("messages[0].content"),
        ),
        (
            of(json!({"role": "user", "content": ["x"]})),
            Some("messages[0].content[0]"),
        ),
        (
            of(json!({"role": "user", "content": [{"text": "x"}]})),
            Some("messages[0].content[0]"),
        ),
        (
            of(json!({"role": "user", "content": [{"type": "text"}]})),
            Some("messages[0].content[0].text"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn absurd_numbers_and_wrong_types() {
    let mut bodies = Vec::new();
    for (name, values) in [
        ("temperature", json!([-0.1, 2.1, 1e308, "0", true, []])),
        ("top_p", json!([-1, 1.01, "high"])),
        ("presence_penalty", json!([-2.5, 3, {}])),
        ("frequency_penalty", json!([-2.5, 3])),
        ("n", json!([0, -1, 129, 1.5, u64::MAX, 1e30, "2"])),
        ("max_tokens", json!([0, -5, 1.5, 1e30, u64::MAX, "many"])),
        ("max_completion_tokens", json!([0, i64::MIN, 1e300, false])),
        ("top_logprobs", json!([-1, 21, 0.5])),
        ("stream", json!(["true", 1, {}])),
    ] {
        for value in values.as_array().unwrap() {
            bodies.push((fields(json!({name: value})), Some(name)));
        }
    }
    let options = |options: Value| fields(json!({"stream": true, "stream_options": options}));
    bodies.push((options(json!("usage")), Some("stream_options")));
    bodies.push((
        options(json!({"include_usage": "yes"})),
        Some("stream_options.include_usage"),
    ));
    check(&bodies).await;
}

#[tokio::test]
async fn a_model_that_nobody_serves_is_a_404() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for model in [
        "gpt-unknown",
        "nobody/gpt-test",
        "main/../x",
        "a b",
        "gpt-test?x=1",
        "caf\u{e9}",
        &"x".repeat(100_000),
    ] {
        let reply = gateway
            .ask(&with(asking("What is a crab?"), json!({"model": model})))
            .send()
            .await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"], &error["param"]),
            (404, &json!("model_not_found"), &json!("model"))
        );
        assert!(error["message"].as_str().unwrap().len() < 400);
    }
    assert_eq!(upstream.calls(), 0);
}
