//! To providers of other dialects.

use serde_json::json;

use super::{MODEL, asking, before, call, said};
use crate::support::{
    answer::{Answer, completion},
    anthropic::{self, Anthropic},
    gateway::{Setup, model},
    gemini::Gemini,
    ollama::Ollama,
    upstream::Upstream,
    with,
};

#[tokio::test]
async fn openai_answers_whole_and_in_both_forms_of_streams() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let methods = [
        "generateContent",
        "streamGenerateContent?alt=sse",
        "streamGenerateContent",
    ];
    for (number, method) in (1..).zip(methods) {
        let body = asking(&format!("Question {number}?"));
        let reply = call(&gateway, "gpt-test", method, &body).send().await;
        assert_eq!(
            (reply.status, reply.way()),
            (200, "miss"),
            "{}",
            reply.text()
        );
        assert_eq!(said(&reply), format!("answer {number}"));
        let last = match reply.header("content-type") {
            kind if kind.starts_with("text/event-stream") => reply.chunks().pop().unwrap(),
            _ => {
                let json = reply.json();
                let last = json.as_array().and_then(|responses| responses.last());
                last.unwrap_or(&json).clone()
            }
        };
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        // The fake counts no tokens of streams.
        let counted = last["usageMetadata"]["totalTokenCount"].is_u64();
        assert_eq!(counted, method == "generateContent", "{last}");
        assert!(!reply.text().contains("[DONE]"));
    }
    assert_eq!(
        openai.received()[1].json(),
        json!({
            "model": "gpt-test", "messages": [{"role": "user", "content": "Question 2?"}],
            "stream": true, "stream_options": {"include_usage": true},
        })
    );
}

#[tokio::test]
async fn tools_pictures_and_schemas_reach_openai() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let mut answer = completion("", 1);
    answer["choices"][0]["message"] = json!({
        "role": "assistant", "content": null,
        "tool_calls": [{"id": "call_9", "type": "function", "function": {"name": "tide", "arguments": "{\"at\":\"Brest\"}"}}],
    });
    answer["choices"][0]["finish_reason"] = json!("tool_calls");
    openai.script(Answer::json(&answer));
    let schema = json!({"type": "OBJECT", "properties": {"at": {"type": "STRING"}}});
    let mut body = with(
        json!({"contents": [{"role": "user", "parts": [
            {"text": "Is this the tide at Brest?"}, {"inline_data": {"mime_type": "image/png", "data": "-__-"}},
        ]}]}),
        json!({
            "system_instruction": {"parts": [{"text": "Look."}]},
            "tools": [{"function_declarations": [{"name": "tide", "parameters": schema}]}],
            "generation_config": {
                "response_mime_type": "application/json", "response_schema": schema, "top_k": 3,
                "max_output_tokens": 50,
            },
        }),
    );
    let reply = call(&gateway, "gpt-test", "generateContent", &body)
        .send()
        .await;
    let content = reply.json()["candidates"][0]["content"].clone();
    assert_eq!(
        content["parts"],
        json!([{"functionCall": {"id": "call_9", "name": "tide", "args": {"at": "Brest"}}}])
    );
    let result = json!({"functionResponse": {"name": "tide", "response": {"height": 3}}});
    let contents = body["contents"].as_array_mut().unwrap();
    contents.extend([content, json!({"role": "user", "parts": [result]})]);
    let reply = call(&gateway, "gpt-test", "generateContent", &body)
        .send()
        .await;
    assert_eq!(said(&reply), "answer 2");
    insta::assert_json_snapshot!(openai.received()[1].json());
}

#[tokio::test]
async fn anthropic_and_ollama_answer() {
    let (claude, ollama) = (Anthropic::start().await, Ollama::start().await);
    let base_url = ollama.base_url();
    let local = format!(
        "[[providers]]\nname = \"local\"\nkind = \"ollama\"\nbase_url = \"{base_url}\"\nretry = {{ attempts = 0 }}\n"
    );
    let models =
        model("claude-x", &["claude/claude-sonnet-4-5"]) + &model("llama", &["local/llama3.2"]);
    let gateway = Setup::new(&(claude.provider("") + &local + &models))
        .start()
        .await;
    let body = with(
        asking("How high is the tide?"),
        json!({
            "systemInstruction": {"parts": [{"text": "Be short."}]},
            "generationConfig": {"topK": 5, "maxOutputTokens": 64, "stopSequences": ["END"]},
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        }),
    );
    claude.script(Answer::json(&anthropic::message(
        &json!([{"type": "text", "text": "Three metres."}]),
        "end_turn",
    )));
    let reply = call(&gateway, "claude-x", "generateContent", &body)
        .send()
        .await;
    assert_eq!(
        (reply.status, said(&reply).as_str()),
        (200, "Three metres."),
        "{}",
        reply.text()
    );
    let sent = claude.last();
    assert_eq!(
        (&sent["top_k"], &sent["max_tokens"]),
        (&json!(5), &json!(64))
    );
    assert!(sent.get("safety_settings").is_none());
    for method in ["generateContent", "streamGenerateContent?alt=sse"] {
        let body = with(
            body.clone(),
            json!({"refrain": {"no_cache": true, "no_store": true}}),
        );
        let reply = call(&gateway, "llama", method, &body).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(!said(&reply).is_empty());
    }
    assert_eq!(ollama.received()[0]["options"]["top_k"], 5);
}

#[tokio::test]
async fn what_only_google_has_is_refused_by_name() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let body = with(asking("News?"), json!({"tools": [{"googleSearch": {}}]}));
    let reply = call(&gateway, "gpt-test", "generateContent", &body)
        .send()
        .await;
    assert_eq!(reply.status, 400);
    let error = reply.error();
    assert_eq!(error["status"], "INVALID_ARGUMENT");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("tools[0].googleSearch"), "{message}");
    assert_eq!(openai.calls(), 0);
    let body = with(body, json!({"drop_unsupported": true}));
    let reply = call(&gateway, "gpt-test", "generateContent", &body)
        .send()
        .await;
    assert_eq!(
        (reply.status, said(&reply).as_str()),
        (200, "answer 1"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn an_answer_that_was_kept_serves_every_interface() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let question = "What is the capital of Brittany?";
    let chat = |model: &str, question: &str| json!({"model": model, "messages": [{"role": "user", "content": question}]});
    // Asked as a chat, answered to clients of Gemini in each form.
    let first = gateway.ask(&chat("gpt-test", question)).send().await;
    assert_eq!(first.way(), "miss");
    for method in [
        "generateContent",
        "streamGenerateContent?alt=sse",
        "streamGenerateContent",
    ] {
        let reply = call(&gateway, "gpt-test", method, &asking(question))
            .send()
            .await;
        assert_eq!(
            (reply.way(), said(&reply).as_str()),
            ("exact", "answer 1"),
            "{method}"
        );
    }
    assert_eq!(openai.calls(), 1);
    // Asked in Google's words, which went to Google as they were, answered to clients of chat.
    for (method, question) in [
        ("generateContent", "Whole?"),
        ("streamGenerateContent", "In pieces?"),
    ] {
        let first = call(&gateway, MODEL, method, &asking(question))
            .send()
            .await;
        assert_eq!(first.way(), "miss");
        let again = gateway.ask(&chat(MODEL, question)).send().await;
        assert_eq!((again.way(), again.said()), ("exact", said(&first)));
        let again = call(
            &gateway,
            MODEL,
            "streamGenerateContent?alt=sse",
            &asking(question),
        )
        .send()
        .await;
        assert_eq!((again.way(), said(&again)), ("exact", said(&first)));
    }
    assert_eq!(google.received().len(), 2);
}
