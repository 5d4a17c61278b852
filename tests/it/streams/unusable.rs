//! A success that is no answer is a 502 that names the provider, and is not kept.

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    asking,
    gateway::{Gateway, model, provider},
    streaming,
    upstream::Upstream,
    with,
};

const QUESTION: &str = "What do crabs eat?";
const CUT: &str =
    "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Al";

async fn check(answer: Answer, stream: bool, about: &str, status: u16) -> Value {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(answer);
    let body = with(asking(QUESTION), json!({"stream": stream}));
    let reply = gateway.ask(&body).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-error-origin")),
        (status, "upstream"),
        "{about}"
    );
    assert_eq!(reply.header("content-type"), "application/json");
    let error = reply.error();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("provider `main`"),
        "{about}: {error}"
    );
    gateway.app.settle().await;
    let next = gateway.ask(&body).send().await;
    assert_eq!(
        (next.way(), next.said().as_str()),
        ("miss", "answer 2"),
        "{about}"
    );
    error
}

#[tokio::test]
async fn a_body_that_is_no_answer() {
    const JSON: &str = "application/json";
    for (kind, body) in [
        ("text/html", "<!doctype html><title>Sign in</title>"),
        (JSON, "<!doctype html><title>Sign in</title>"),
        (JSON, ""),
        (JSON, " \r\n"),
        (JSON, CUT),
        (JSON, "null"),
        (JSON, "\"ok\""),
        (JSON, "[]"),
        (JSON, "{}"),
        (JSON, "{\"choices\":[]}"),
        (JSON, "{\"choices\":[{}]}"),
        (JSON, "{\"choices\":null}"),
        (JSON, "{\"object\":\"chat.completion\",\"id\":\"c\"}"),
        (JSON, "{\"choices\":[{\"message\":\"text\"}]}"),
        ("text/plain", "upstream connect error"),
    ] {
        for stream in [false, true] {
            let error = check(Answer::raw(kind, body), stream, body, 502).await;
            assert_eq!(
                (&error["type"], &error["code"]),
                (&json!("server_error"), &json!("upstream_error"))
            );
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_no_answer() {
    for body in [
        "",
        "\n",
        ": nothing else",
        "data: {\"choi",
        "<!doctype html><title>Sign in</title>",
    ] {
        check(Answer::events(body), true, body, 502).await;
    }
}

#[tokio::test]
async fn an_error_that_is_called_a_success() {
    let error = "{\"error\":{\"message\":\"no capacity\",\"code\":502}}";
    for stream in [false, true] {
        let seen = check(Answer::raw("application/json", error), stream, error, 502).await;
        assert!(seen["message"].as_str().unwrap().contains("no capacity"));
    }
    let event = format!("data: {error}\n\n");
    let seen = check(Answer::events(event), true, error, 502).await;
    assert!(seen["message"].as_str().unwrap().contains("no capacity"));
}

#[tokio::test]
async fn somebody_else_is_asked_instead() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let more = provider("backup", &second) + &model("both", &["main/one", "backup/one"]);
    let gateway = Gateway::setup(&first, &more).start().await;
    for (number, answer) in (1..).zip([
        Answer::raw("text/html", "<html>"),
        Answer::raw("application/json", ""),
        Answer::events(""),
        Answer::events("data: {\"error\":{\"message\":\"no capacity\"}}\n\n"),
        Answer::events(": wait\n\ndata: {\"error\":{\"message\":\"no capacity\"}}\n\n"),
    ]) {
        first.script(answer);
        let fields = json!({"model": "both", "stream": true, "seed": number});
        let reply = gateway.ask(&with(asking(QUESTION), fields)).send().await;
        assert_eq!(
            (reply.status, reply.said()),
            (200, format!("answer {number}"))
        );
        assert_eq!(reply.header("x-refrain-provider"), "backup");
    }
}

#[tokio::test]
async fn an_end_without_anything_said() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::events("data: [DONE]\n\n"));
    let reply = gateway.ask(&streaming("What is a crab?")).send().await;
    assert_eq!(reply.status, 502, "{}", reply.text());
}

#[tokio::test]
async fn html_that_is_called_a_stream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::events("<html>\n\n<title>x</title>\n\n"));
    let reply = gateway.ask(&streaming("What is a crab?")).send().await;
    assert_eq!(reply.status, 502, "{}", reply.text());
}
