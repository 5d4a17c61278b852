//! Claude behind a gateway: over real sockets, before a provider as strict as Anthropic.

mod pace;

use serde_json::{Value, json};

use crate::support::{
    answer::Answer,
    anthropic::{Anthropic, events_of, failure, message},
    asking,
    client::Reply,
    gateway::{Gateway, Setup, model, provider},
    streaming,
    upstream::{KEY, Upstream},
    with,
};

/// A gateway whose model `gpt-test` is Claude.
async fn before(anthropic: &Anthropic, more: &str) -> Gateway {
    let model = model("gpt-test", &["claude/claude-sonnet-4-5"]);
    Setup::new(&format!("{}{model}", anthropic.provider(more)))
        .start()
        .await
}

/// A gateway that turns to an `OpenAI` after Claude.
async fn before_both(anthropic: &Anthropic, upstream: &Upstream) -> Gateway {
    let model = model("gpt-test", &["claude/claude-sonnet-4-5", "second/gpt"]);
    let providers = anthropic.provider("") + &provider("second", upstream);
    Setup::new(&format!("{providers}{model}")).start().await
}

fn text(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

/// The same request twice: an answer by a call, then one by the cache.
async fn twice(gateway: &Gateway, body: &Value) -> (Reply, Reply) {
    let first = gateway.ask(body).send().await;
    gateway.app.settle().await;
    let second = gateway.ask(body).send().await;
    assert_eq!(
        (first.way(), second.way()),
        ("miss", "exact"),
        "{}",
        first.text()
    );
    (first, second)
}

#[tokio::test]
async fn an_answer_and_its_replay() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let (first, second) = twice(&gateway, &asking("Where do storks sleep?")).await;
    for reply in [&first, &second] {
        let answer = reply.json();
        assert_eq!((reply.status, reply.said().as_str()), (200, "answer 1"));
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert_eq!(answer["usage"]["prompt_tokens"], 10);
        assert_eq!(answer["usage"]["total_tokens"], 15);
    }
    assert_eq!(first.json()["id"], "chatcmpl-msg_upstream");
    assert_eq!(anthropic.received().len(), 1);
    let headers = &anthropic.received()[0].headers;
    assert_eq!(
        (&headers["x-api-key"], headers.get("authorization")),
        (&KEY.parse().unwrap(), None)
    );
}

#[tokio::test]
async fn a_stream_and_its_replay() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let usage = json!({"stream_options": {"include_usage": true}});
    let (first, second) = twice(&gateway, &with(streaming("Where do storks sleep?"), usage)).await;
    for reply in [&first, &second] {
        assert_eq!((reply.said().as_str(), reply.is_done()), ("answer 1", true));
        let chunks = reply.chunks();
        let (head, last) = (&chunks[0], chunks.last().unwrap());
        assert_eq!(head["choices"][0]["delta"]["role"], "assistant");
        assert!(chunks.iter().all(|chunk| chunk["id"] == head["id"]));
        assert_eq!(
            (&last["choices"], &last["usage"]["total_tokens"]),
            (&json!([]), &json!(15))
        );
    }
    assert_eq!(anthropic.last()["stream"], true);
}

#[tokio::test]
async fn calls_of_tools_and_thoughts_there_and_back() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let content = json!([
        {"type": "thinking", "thinking": "Long legs.", "signature": "c2ln"},
        {"type": "text", "text": "I'll look."},
        {"type": "tool_use", "id": "toolu_01AB", "name": "look", "input": {"at": "nest"}},
        {"type": "tool_use", "id": "toolu_02CD", "name": "look", "input": {"at": "roof"}},
    ]);
    anthropic.script(Answer::json(&message(&content, "tool_use")));
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {
        "type": "object", "anyOf": [{"required": ["at"]}], "properties": {"at": {"type": "string"}},
    }}}]);
    let more = json!({"tools": tools, "reasoning_effort": "low"});
    let reply = gateway
        .ask(&with(asking("A stork?"), more.clone()))
        .send()
        .await;
    let choice = &reply.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let said = &choice["message"];
    assert_eq!(said["reasoning_content"], "Long legs.");
    assert_eq!(
        said["tool_calls"][1]["function"],
        json!({"name": "look", "arguments": r#"{"at":"roof"}"#})
    );
    // A client that keeps what OpenAI's messages have, and nothing else.
    let kept =
        json!({"role": "assistant", "content": said["content"], "tool_calls": said["tool_calls"]});
    let messages = json!([
        {"role": "user", "content": "A stork?"},
        kept,
        {"role": "tool", "tool_call_id": "toolu_02CD", "content": "no"},
        {"role": "tool", "tool_call_id": "toolu_01AB", "content": "yes"},
    ]);
    let next = with(json!({"model": "gpt-test", "messages": messages}), more);
    assert_eq!(gateway.ask(&next).send().await.said(), "answer 2");
    let sent = anthropic.last();
    assert_eq!(sent["thinking"]["type"], "enabled");
    assert_eq!(sent["messages"][1]["content"], content);
}

#[tokio::test]
async fn several_answers_are_several_calls() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let reply = gateway
        .ask(&with(asking("Name a bird."), json!({"n": 2})))
        .send()
        .await;
    let answer = reply.json();
    let mut said: Vec<&Value> = answer["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| &choice["message"]["content"])
        .collect();
    said.sort_by_key(|said| said.to_string());
    assert_eq!(said, ["answer 1", "answer 2"]);
    assert_eq!(
        (
            &answer["choices"][1]["index"],
            &answer["usage"]["total_tokens"]
        ),
        (&json!(1), &json!(30))
    );
    let stream = gateway
        .ask(&with(streaming("Name two birds."), json!({"n": 2})))
        .send()
        .await;
    let ends = stream.chunks();
    let ends = ends
        .iter()
        .filter(|chunk| chunk["choices"][0]["finish_reason"] == "stop");
    assert_eq!((ends.count(), stream.is_done()), (2, true));
}

#[tokio::test]
async fn what_claude_can_not_do_is_named_or_left_out() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let seeded = with(asking("Name a bird."), json!({"seed": 7}));
    let reply = gateway.ask(&seeded).send().await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-error-origin")),
        (400, "gateway")
    );
    let error = reply.error();
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!("seed"), &json!("unsupported_parameter"))
    );
    assert!(anthropic.received().is_empty());
    let reply = gateway
        .ask(&with(seeded, json!({"drop_unsupported": true})))
        .send()
        .await;
    assert_eq!(
        (reply.status, reply.header("x-refrain-dropped")),
        (200, "seed")
    );
    assert_eq!(reply.said(), "answer 1");
}

#[tokio::test]
async fn errors_in_the_clients_words() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let mut seen = Vec::new();
    for (question, error) in [
        (
            "a",
            failure(
                401,
                "authentication_error",
                &format!("invalid x-api-key {KEY}"),
            ),
        ),
        (
            "b",
            failure(
                400,
                "invalid_request_error",
                "Your credit balance is too low",
            ),
        ),
        (
            "c",
            failure(529, "overloaded_error", "Overloaded").header("retry-after", "7"),
        ),
        (
            "d",
            failure(429, "rate_limit_error", "Slow down").header("retry-after", "3"),
        ),
        (
            "e",
            failure(
                400,
                "invalid_request_error",
                "prompt is too long: 9 tokens > 8 maximum",
            ),
        ),
        (
            "f",
            failure(404, "not_found_error", "model: claude-sonnet-4-5"),
        ),
        ("g", failure(500, "api_error", "Internal server error")),
        (
            "h",
            Answer::raw("text/html", "<html>bad gateway</html>").status(502),
        ),
        ("i", Answer::json(&json!({"type": "message"}))),
    ] {
        anthropic.script(error);
        // Until keys that were refused are tried again.
        gateway.clock.advance(std::time::Duration::from_secs(600));
        let reply = gateway.ask(&asking(question)).send().await;
        assert_eq!(reply.header("x-refrain-error-origin"), "upstream");
        assert!(!reply.text().contains(KEY));
        let error = reply.error();
        let after = reply.header("retry-after");
        seen.push(format!(
            "{} {after} {} {} {}",
            reply.status, error["type"], error["code"], error["message"]
        ));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn an_error_in_the_middle_is_told_and_not_kept() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let events = events_of(&text("Algae"), "end_turn");
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    for end in [error, "", "data: nonsense\n\n"] {
        anthropic.script(Answer::events(events[..5].concat() + end));
        let reply = gateway.ask(&streaming("What do crabs eat?")).send().await;
        assert_eq!(
            (reply.status, reply.said().as_str(), reply.is_done()),
            (200, "Algae", false)
        );
        let error = reply.chunks().last().unwrap()["error"].clone();
        assert!(error["message"].is_string(), "{}", reply.text());
        if !end.is_empty() && end.contains("overloaded") {
            assert_eq!(
                (&error["message"], &error["code"]),
                (&json!("Overloaded"), &json!("overloaded_error"))
            );
        }
        gateway.app.settle().await;
    }
    assert_eq!(
        gateway
            .ask(&streaming("What do crabs eat?"))
            .send()
            .await
            .said(),
        "answer 4"
    );
}

#[tokio::test]
async fn before_the_first_word_another_answers() {
    let anthropic = Anthropic::start().await;
    let upstream = Upstream::start().await;
    let gateway = before_both(&anthropic, &upstream).await;
    let events = events_of(&text("never heard"), "end_turn");
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"\"}}\n\n";
    let answers = [
        Answer::events(events[..3].concat() + error),
        Answer::events(events[..2].concat()),
        failure(529, "overloaded_error", "Overloaded"),
    ];
    for (number, answer) in (1..).zip(answers) {
        anthropic.script(answer);
        let reply = gateway
            .ask(&streaming(&format!("question {number}")))
            .send()
            .await;
        assert_eq!((reply.status, reply.is_done()), (200, true));
        assert_eq!(reply.said(), format!("answer {number}"));
        assert!(!reply.text().contains("error"));
    }
    // What one can't do, another may.
    let seeded = with(asking("Name a bird."), json!({"seed": 7}));
    assert_eq!(gateway.ask(&seeded).send().await.said(), "answer 4");
    assert_eq!(upstream.received().last().unwrap().json()["seed"], 7);
}

#[tokio::test]
async fn what_a_client_sends_and_anthropic_would_refuse() {
    let anthropic = Anthropic::start().await;
    let gateway = before(&anthropic, "").await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": ""}});
    let body = json!({
        "model": "gpt-test",
        "parallel_tool_calls": false,
        "temperature": 1, "top_p": 1,
        "messages": [
            {"role": "assistant", "content": "Hello."},
            {"role": "assistant", "content": "", "tool_calls": [call("a.1"), call("a.2")]},
            {"role": "tool", "tool_call_id": "a.1", "content": ""},
            {"role": "tool", "tool_call_id": "a.2", "content": " "},
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "So?"}]},
            {"role": "assistant", "content": null, "tool_calls": [call("a_1")]},
            {"role": "tool", "tool_call_id": "a_1", "content": "yes"},
        ],
    });
    let reply = gateway.ask(&body).send().await;
    assert_eq!(
        (reply.status, reply.said().as_str()),
        (200, "answer 1"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn long_prompts_are_marked_and_what_that_saves_is_told() {
    let body = json!({"model": "gpt-test", "messages": [
        {"role": "system", "content": "Storks stand on one leg. ".repeat(700)},
        {"role": "user", "content": "Why?"},
    ]});
    let anthropic = Anthropic::start().await;
    let mut cached = message(&text("To keep warm."), "end_turn");
    cached["usage"]["cache_read_input_tokens"] = json!(4000);
    anthropic.script(Answer::json(&cached));
    let gateway = before(&anthropic, "").await;
    let reply = gateway.ask(&body).send().await;
    assert_eq!(
        anthropic.last()["system"][0]["cache_control"],
        json!({"type": "ephemeral"})
    );
    let usage = &reply.json()["usage"];
    assert_eq!(
        (
            &usage["prompt_tokens"],
            &usage["prompt_tokens_details"]["cached_tokens"]
        ),
        (&json!(4010), &json!(4000))
    );
}

#[tokio::test]
async fn all_pages_of_models_are_read() {
    let anthropic = Anthropic::start().await;
    let gateway = Setup::new(&anthropic.provider("discover = true"))
        .start()
        .await;
    let list = gateway.get("/v1/models").send().await.json();
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|model| model["id"].as_str())
        .collect();
    assert_eq!(names, ["claude-opus-5-5", "claude-haiku-5-5"]);
    let reply = gateway
        .ask(&with(
            asking("Name a bird."),
            json!({"model": "claude-haiku-5-5"}),
        ))
        .send()
        .await;
    assert_eq!(reply.said(), "answer 1");
}

#[tokio::test]
async fn configured_headers_stay() {
    let anthropic = Anthropic::start().await;
    let beta = "headers = { anthropic-beta = \"context-1m-2025-08-07\" }";
    let gateway = before(&anthropic, beta).await;
    let file = json!({"type": "file", "file": {"file_id": "file_01"}});
    let messages = json!({"messages": [{"role": "user", "content": [file]}]});
    for body in [asking("Name a bird."), with(asking(""), messages)] {
        assert_eq!(gateway.ask(&body).send().await.status, 200);
    }
    let betas: Vec<_> = anthropic
        .received()
        .iter()
        .map(|request| request.headers["anthropic-beta"].clone())
        .collect();
    assert_eq!(
        betas,
        [
            "context-1m-2025-08-07",
            "context-1m-2025-08-07,files-api-2025-04-14"
        ]
    );
    let version = "headers = { anthropic-version = \"2026-10-21\" }";
    let reply = before(&anthropic, version)
        .await
        .ask(&asking("Name a bird."))
        .send()
        .await;
    assert_eq!(
        (reply.status, reply.error()["message"].as_str()),
        (400, Some("anthropic-version: header is required"))
    );
}
