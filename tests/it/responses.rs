//! `POST /v1/responses`, before providers that speak it and others.

mod conversation;
mod verbatim;

use serde_json::{Value, json};

use crate::support::{
    answer::{Answer, chunk, event},
    anthropic::{Anthropic, events_of, message},
    client::Reply,
    gateway::{Gateway, Setup, model},
    gemini::Gemini,
    ollama::Ollama,
    upstream::Upstream,
    with,
};

pub(super) fn asking(input: impl Into<Value>) -> Value {
    json!({"model": "gpt-test", "input": input.into()})
}

pub(super) async fn ask(gateway: &Gateway, body: &Value) -> Reply {
    let body = body.to_string();
    gateway.request("POST", "/v1/responses", body).send().await
}

/// The events of a stream, each checked to be named and numbered as it should be.
#[track_caller]
pub(super) fn events(reply: &Reply) -> Vec<Value> {
    let events = reply.text().split_terminator("\n\n").enumerate();
    events
        .map(|(number, event)| {
            let (kind, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["sequence_number"], number);
            assert_eq!(kind, format!("event: {}", data["type"].as_str().unwrap()));
            data
        })
        .collect()
}

/// What the messages of a response say.
pub(super) fn said(response: &Value) -> String {
    let items = response["output"].as_array().unwrap().iter();
    let parts = items
        .filter_map(|item| item["content"].as_array())
        .flatten();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

/// A gateway whose model `gpt-test` is this one.
async fn before(provider: &str, target: &str) -> Gateway {
    let model = model("gpt-test", &[target]);
    Setup::new(&format!("{provider}{model}")).start().await
}

/// Asks for a whole response and for a stream of another one; gives both responses.
async fn both_ways(gateway: &Gateway) -> [Value; 2] {
    let reply = ask(gateway, &asking("One?")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let whole = reply.json();
    let stream = with(asking("Two?"), json!({"stream": true}));
    let reply = ask(gateway, &stream).await;
    assert_eq!(
        reply.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    let events = events(&reply);
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..2], ["response.created", "response.in_progress"]);
    assert_eq!(kinds.last(), Some(&"response.completed"));
    [whole, events.last().unwrap()["response"].clone()]
}

#[tokio::test]
async fn every_provider_answers() {
    let (openai, claude) = (Upstream::start().await, Anthropic::start().await);
    let (google, ollama) = (Gemini::start().await, Ollama::start().await);
    let local = format!(
        "[[providers]]\nname = \"local\"\nkind = \"ollama\"\nbase_url = \"{}\"\n",
        ollama.base_url()
    );
    let openai = crate::support::gateway::provider("main", &openai);
    for (provider, target) in [
        (openai, "main/gpt-test"),
        (claude.provider(""), "claude/claude-sonnet-4-5"),
        (google.section("google"), "google/gemini-2.5-flash"),
        (local, "local/crab:7b"),
    ] {
        let gateway = before(&provider, target).await;
        let [whole, streamed] = both_ways(&gateway).await;
        assert_eq!(
            (said(&whole), said(&streamed)),
            ("answer 1".into(), "answer 2".into())
        );
        // Not every server counts the tokens of a stream.
        assert!(whole["usage"]["total_tokens"].is_u64(), "{target}: {whole}");
        for response in [whole, streamed] {
            assert_eq!(response["object"], "response");
            assert_eq!(response["status"], "completed");
            assert!(response["id"].as_str().unwrap().starts_with("resp_"));
        }
    }
}

#[tokio::test]
async fn thoughts_and_calls_go_there_and_back() {
    let claude = Anthropic::start().await;
    let gateway = before(&claude.provider(""), "claude/claude-sonnet-4-5").await;
    let tools = json!([{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}, "strict": false}]);
    let content = json!([
        {"type": "thinking", "thinking": "Ask the tool.", "signature": "c2ln"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
    ]);
    claude.script(Answer::events(events_of(&content, "tool_use").concat()));
    let question = with(
        asking("How is the weather?"),
        json!({"tools": tools, "stream": true, "instructions": "Be brief.", "max_output_tokens": 2000}),
    );
    let events = events(&ask(&gateway, &question).await);
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["output"][0]["summary"][0]["text"], "Ask the tool.");
    let call = &response["output"][1];
    assert_eq!(
        (&call["call_id"], &call["name"]),
        (&json!("toolu_1"), &json!("weather"))
    );
    assert_eq!(response["instructions"], "Be brief.");
    assert_eq!(response["max_output_tokens"], 2000);
    assert_eq!(response["tools"][0]["name"], "weather");

    let mut items = vec![json!({"role": "user", "content": "How is the weather?"})];
    items.extend(response["output"].as_array().unwrap().clone());
    items.push(json!({"type": "function_call_output", "call_id": "toolu_1", "output": "rain"}));
    let answer = ask(&gateway, &with(asking(items), json!({"tools": tools}))).await;
    assert_eq!(said(&answer.json()), "answer 2", "{}", answer.text());
    let sent = claude.last();
    let turns = sent["messages"].as_array().unwrap();
    let result = &turns.last().unwrap()["content"][0];
    assert_eq!(
        (&result["type"], &result["tool_use_id"]),
        (&json!("tool_result"), &json!("toolu_1"))
    );
}

#[tokio::test]
async fn a_schema_is_asked_for() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let format =
        json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true});
    let question = with(asking("One?"), json!({"text": {"format": format}}));
    let response = ask(&gateway, &question).await.json();
    assert_eq!(response["text"]["format"], format);
    assert_eq!(
        upstream.only().json()["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}})
    );
}

#[tokio::test]
async fn how_an_answer_ends_is_told() {
    let claude = Anthropic::start().await;
    let gateway = before(&claude.provider(""), "claude/claude-sonnet-4-5").await;
    let content = json!([{"type": "text", "text": "It was a"}]);
    claude.script(Answer::json(&message(&content, "max_tokens")));
    let response = ask(&gateway, &asking("Tell me all.")).await.json();
    assert_eq!(response["status"], "incomplete");
    assert_eq!(
        response["incomplete_details"]["reason"],
        "max_output_tokens"
    );
}

#[tokio::test]
async fn a_break_is_told_in_this_interface() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::events(event(&chunk(
        &json!({"content": "Hm"}),
        None,
    ))));
    let stream = with(asking("One?"), json!({"stream": true}));
    let events = events(&ask(&gateway, &stream).await);
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[kinds.len() - 2..], ["error", "response.failed"]);
    assert_eq!(events.last().unwrap()["response"]["status"], "failed");
}

#[tokio::test]
async fn one_entry_serves_both_interfaces() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let chat = |question: &str| {
        let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]);
        json!({"model": "gpt-test", "messages": messages, "max_completion_tokens": 50})
    };
    let response = |question: &str| {
        let items =
            json!([{"role": "user", "content": [{"type": "input_text", "text": question}]}]);
        with(
            asking(items),
            json!({"instructions": "Be brief.", "max_output_tokens": 50}),
        )
    };
    let first = gateway.ask(&chat("Who?")).send().await;
    let hit = ask(&gateway, &response("Who?")).await;
    assert_eq!((first.way(), hit.way()), ("miss", "exact"));
    assert_eq!(said(&hit.json()), first.said());

    let first = ask(&gateway, &with(response("Where?"), json!({"stream": true}))).await;
    gateway.app.settle().await;
    let hit = gateway.ask(&chat("Where?")).send().await;
    assert_eq!((first.way(), hit.way()), ("miss", "exact"));
    assert_eq!(hit.said(), "answer 2");
    // Each delivery has an id of its own.
    let again = [
        ask(&gateway, &response("Where?")).await,
        ask(&gateway, &response("Where?")).await,
    ];
    assert_eq!(again[0].way(), "exact");
    assert_ne!(again[0].json()["id"], again[1].json()["id"]);
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn what_others_lack_is_refused_by_name() {
    let (upstream, claude) = (Upstream::start().await, Anthropic::start().await);
    for (provider, target) in [
        (
            crate::support::gateway::provider("main", &upstream),
            "main/gpt-test",
        ),
        (claude.provider(""), "claude/claude-sonnet-4-5"),
    ] {
        let gateway = before(&provider, target).await;
        let question = with(asking("News?"), json!({"tools": [{"type": "web_search"}]}));
        let reply = ask(&gateway, &question).await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"]),
            (400, &json!("unsupported_parameter"))
        );
        assert_eq!(error["param"], "tools[0].type");
        assert!(
            error["message"].as_str().unwrap().contains("`web_search`"),
            "{error}"
        );
        // Or left out, if the request says so, and told.
        let question = with(question, json!({"drop_unsupported": true}));
        let reply = ask(&gateway, &question).await;
        assert_eq!((reply.status, reply.way()), (200, "bypass"));
    }
    assert_eq!((upstream.calls(), claude.received().len()), (1, 1));
}

#[tokio::test]
async fn bad_requests_are_refused_before_anybody_is_asked() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (fields, param) in [
        (json!({"input": ""}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": null}), "input"),
        (json!({"model": null}), "model"),
        (json!({"background": true}), "background"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"temperature": 3}), "temperature"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}),
            "input[0].content[0].type",
        ),
    ] {
        let reply = ask(&gateway, &with(asking("x"), fields)).await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &json!(param))
        );
    }
    for body in ["", "[]", "{\"model\":\"m\",\"model\":\"n\"}"] {
        let reply = gateway.request("POST", "/responses", body).send().await;
        assert_eq!(reply.status, 400, "{body}");
    }
    assert_eq!(upstream.calls(), 0);
}
