//! Answers that are none, under a status of success.

use serde_json::json;

use super::{AT_90, QUESTION};
use crate::support::{
    angles::Angles,
    answer::{Answer, completion},
    asking,
    gateway::Gateway,
    streaming,
    upstream::Upstream,
};

#[tokio::test]
async fn what_is_no_answer_is_not_kept_though_it_says_200() {
    let mut no_choices = completion("x", 1);
    no_choices["choices"] = json!([]);
    let mut filtered = completion("half of", 1);
    filtered["choices"][0]["finish_reason"] = json!("content_filter");
    let mut cut = completion("half of", 1);
    cut["choices"][0]["finish_reason"] = json!("length");
    let mut invented = completion("half of", 1);
    invented["choices"][0]["finish_reason"] = json!("because");
    let mut refused = completion("", 1);
    refused["choices"][0]["message"]["refusal"] = json!("I can't help with that.");
    let mut number = completion("", 1);
    number["choices"][0]["message"]["content"] = json!(7);
    for (garbage, name) in [
        (Answer::raw("application/json", ""), "empty"),
        (Answer::raw("application/json", "{"), "cut"),
        (Answer::raw("application/json", "null"), "null"),
        (Answer::raw("application/json", "[]"), "list"),
        (Answer::raw("application/json", "{}"), "object"),
        (Answer::raw("application/json", &b"\xff\xfe{}"[..]), "bytes"),
        (Answer::raw("application/json", "[".repeat(200_000)), "deep"),
        (
            Answer::raw("text/html", "<html><title>502 Bad Gateway</title></html>"),
            "page",
        ),
        (
            Answer::json(&json!({"error": {"message": "overloaded"}})),
            "error",
        ),
        (Answer::json(&no_choices), "no choices"),
        (Answer::json(&filtered), "filtered"),
        (Answer::json(&cut), "length"),
        (Answer::json(&invented), "reason"),
        (Answer::json(&refused), "refusal"),
        (Answer::json(&number), "number"),
        (Answer::said(""), "nothing"),
        (Answer::said(" \n "), "blank"),
        (Answer::said("Internal server error"), "apology"),
        (
            Answer::said("Sorry, the model is overloaded. Please try again later."),
            "apology",
        ),
        (Answer::said("Rate limit exceeded, please wait."), "apology"),
        (Answer::said("Error: upstream request timeout"), "apology"),
    ] {
        let upstream = Upstream::start().await;
        let near = "What is it that crabs eat?";
        let gateway = Gateway::setup(&upstream, AT_90)
            .encoder(Angles::of(&[(QUESTION, 1.0), (near, 0.99)]))
            .start()
            .await;
        upstream.script(garbage);
        let first = gateway.ask(&asking(QUESTION)).send().await;
        assert!(
            [200, 502].contains(&first.status),
            "{name}: {}",
            first.text()
        );
        gateway.app.settle().await;
        for text in [near, QUESTION] {
            let next = gateway
                .ask(&asking(text))
                .header("cache-control", "no-store")
                .send()
                .await;
            assert_eq!((next.status, next.way()), (200, "miss"), "{name}");
            assert!(
                next.said().starts_with("answer "),
                "{name}: {}",
                next.said()
            );
        }
    }
}

#[tokio::test]
async fn streams_of_garbage_are_not_kept() {
    for garbage in [
        "",
        "data: [DONE]\n\n",
        "data: {}\n\ndata: [DONE]\n\n",
        "data: {\n\ndata: [DONE]\n\n",
        "data: null\n\ndata: [DONE]\n\n",
        "data: {\"error\": {\"message\": \"overloaded\"}}\n\n",
        "event: error\ndata: overloaded\n\n",
        "<html><title>502 Bad Gateway</title></html>",
        "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"half\"}, \"finish_reason\": null}]}\n\n",
    ] {
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        upstream.script(Answer::events(garbage));
        let first = gateway.ask(&streaming(QUESTION)).send().await;
        assert!(
            [200, 502].contains(&first.status),
            "{garbage}: {}",
            first.text()
        );
        let next = gateway.ask(&asking(QUESTION)).send().await;
        assert_eq!((next.status, next.way()), (200, "miss"), "{garbage}");
    }
}
