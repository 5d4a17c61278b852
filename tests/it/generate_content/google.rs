//! To Google, in the client's own words.

use serde_json::{Value, json};

use super::{MODEL, asking, before, call, path, said};
use crate::support::{
    answer::Answer,
    gateway::{Setup, model, provider},
    gemini::{Gemini, response, stream},
    upstream::Upstream,
    with,
};

/// What only Google can do, and what a chat request would say in other words.
fn peculiar() -> Value {
    with(
        asking("What was the highest tide at Saint-Malo?"),
        json!({
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            "tools": [{"functionDeclarations": [], "googleSearch": {}}],
            "generationConfig": {"temperature": 1.0, "thinkingConfig": {"thinkingBudget": 77}},
        }),
    )
}

#[tokio::test]
async fn words_go_there_and_back_as_they_are() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let mut answer = response(
        &json!([{"text": "13.5 m", "partMetadata": {"x": 1}}]),
        Some("STOP"),
    );
    answer["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["tide"]});
    google.script(Answer::json(&answer));
    let reply = call(&gateway, MODEL, "generateContent", &peculiar())
        .send()
        .await;
    assert_eq!((reply.status, reply.way()), (200, "bypass"));
    assert_eq!(reply.text(), answer.to_string());
    let received = google.only();
    assert_eq!(received.body.to_string(), peculiar().to_string());
    assert_eq!(received.path, path(MODEL, "generateContent"));
}

#[tokio::test]
async fn streams_go_back_as_they_are_or_as_an_array() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let events = [
        response(&json!([{"text": "13.5"}]), None),
        response(&json!([{"executableCode": {"code": "1"}}]), None),
        response(&json!([{"text": " m"}]), Some("STOP")),
    ];
    for method in ["streamGenerateContent?alt=sse", "streamGenerateContent"] {
        google.script(Answer::events(stream(&events)));
        let reply = call(&gateway, MODEL, method, &peculiar()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        if method.ends_with("sse") {
            assert_eq!(reply.text(), stream(&events));
        } else {
            assert_eq!(
                reply.header("content-type"),
                "application/json; charset=UTF-8"
            );
            let elements = events.each_ref().map(Value::to_string);
            assert_eq!(reply.text(), format!("[{}]", elements.join(",\r\n")));
        }
    }
    let paths = google.received().into_iter().map(|received| received.path);
    let sse = path(MODEL, "streamGenerateContent?alt=sse");
    assert_eq!(paths.collect::<Vec<_>>(), [sse.clone(), sse]);
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error_of_its_form() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let cut = stream(&[response(&json!([{"text": "Half"}]), None)]);
    google.script(Answer::events(cut.clone()));
    let body = asking("Where does it break?");
    let events = call(&gateway, MODEL, "streamGenerateContent?alt=sse", &body)
        .send()
        .await;
    assert_eq!(events.chunks()[1]["error"]["status"], "UNAVAILABLE");
    google.script(Answer::events(cut));
    let array = call(&gateway, MODEL, "streamGenerateContent", &body)
        .send()
        .await;
    let array = array.json();
    assert_eq!(
        array[0]["candidates"][0]["content"]["parts"][0]["text"],
        "Half"
    );
    assert_eq!(array[1]["error"]["code"], 502);
}

#[tokio::test]
async fn an_answer_in_parts_that_no_chat_has_is_an_answer() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let gateway = before(&google, &openai).await;
    let image = json!([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]);
    let answer = response(&image, Some("STOP"));
    let body = with(
        asking("Draw a ferry"),
        json!({"generationConfig": {"candidateCount": 1}}),
    );
    google.script(Answer::json(&answer));
    let reply = call(&gateway, MODEL, "generateContent", &body).send().await;
    assert_eq!(reply.text(), answer.to_string());
    // A reason that no chat has is told, too, and nothing of it is kept.
    let cut_off = response(&json!([{"text": "I will"}]), Some("TOO_MANY_TOOL_CALLS"));
    google.script(Answer::json(&cut_off));
    let reply = call(&gateway, MODEL, "generateContent", &asking("Plan it"))
        .send()
        .await;
    assert_eq!(reply.text(), cut_off.to_string());
    let again = call(&gateway, MODEL, "generateContent", &asking("Plan it"))
        .send()
        .await;
    assert_eq!((again.way(), google.received().len()), ("miss", 3));
}

#[tokio::test]
async fn somebody_else_is_asked_in_other_words_where_google_fails() {
    let (google, openai) = (Gemini::start().await, Upstream::start().await);
    let targets = ["google/gemini-2.5-flash", "main/gpt-test"];
    let toml = google.section("google") + &provider("main", &openai) + &model(MODEL, &targets);
    let gateway = Setup::new(&toml).start().await;
    google.script(Answer::json(&response(
        &json!([]),
        Some("MALFORMED_FUNCTION_CALL"),
    )));
    let body = with(
        asking("Who takes over?"),
        json!({
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}},
        }),
    );
    let reply = call(&gateway, MODEL, "generateContent", &body).send().await;
    assert_eq!(
        (reply.status, said(&reply).as_str()),
        (200, "answer 1"),
        "{}",
        reply.text()
    );
    let sent = openai.only().json();
    assert_eq!(
        sent,
        json!({"model": "gpt-test", "messages": [{"role": "user", "content": "Who takes over?"}]})
    );
    // What only Google has goes to nobody else.
    google.script(Answer::json(&response(
        &json!([]),
        Some("MALFORMED_FUNCTION_CALL"),
    )));
    let reply = call(&gateway, MODEL, "generateContent", &peculiar())
        .send()
        .await;
    assert_ne!(reply.status, 200);
    assert_eq!(openai.calls(), 1);
}
