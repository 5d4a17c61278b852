//! What Google does in another way than OpenAI.

use super::*;

#[tokio::test]
async fn texts_are_embedded_a_hundred_at_a_time() {
    let google = Gemini::start().await;
    let model = model("embedder", &["google/gemini-embedding-001"]);
    let gateway = Setup::new(&(google.section("google") + &model))
        .start()
        .await;
    let texts: Vec<String> = (1..=101).map(|length| "x".repeat(length)).collect();
    let body = json!({"model": "embedder", "input": texts, "dimensions": 2});
    let reply = gateway
        .request("POST", "/v1/embeddings", body.to_string())
        .send()
        .await;
    let answer = reply.json();
    assert_eq!(
        (reply.status, answer["data"].as_array().unwrap().len()),
        (200, 101)
    );
    assert_eq!(
        answer["data"][100],
        json!({"object": "embedding", "index": 100, "embedding": [101.0, 0.0]})
    );
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 101, "total_tokens": 101})
    );
    let received = google.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        received[1].path,
        "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    );
    assert_eq!(received[1].body["requests"][0]["outputDimensionality"], 2);
}

#[tokio::test]
async fn one_tool_at_a_time_is_kept_where_google_calls_two() {
    let google = Gemini::start().await;
    let gateway = before(&google).await;
    let calls = json!([
        {"functionCall": {"id": "one", "name": "look", "args": {"at": 1}}},
        {"functionCall": {"id": "two", "name": "look", "args": {"at": 2}}},
    ]);
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}}}});
    for parallel in [false, true] {
        let tools = json!({"tools": [tool], "parallel_tool_calls": parallel});
        google.script(Answer::json(&response(&calls, Some("STOP"))));
        let whole = gateway
            .ask(&with(asking("Look."), tools.clone()))
            .send()
            .await;
        let said = &whole.json()["choices"][0]["message"]["tool_calls"];
        let expected = if parallel { 2 } else { 1 };
        assert_eq!(said.as_array().unwrap().len(), expected);
        assert_eq!(said[0]["id"], "one");

        google.script(Answer::events(stream(&[response(&calls, Some("STOP"))])));
        let no_cache = gateway.ask(&with(streaming("Look."), tools));
        let streamed = no_cache.header("cache-control", "no-cache").send().await;
        assert!(streamed.is_done());
        assert_eq!(streamed.text().contains("\"two\""), parallel);
    }
}
