//! Requests that are longer than what a provider takes at a time, and what they cost.

use super::*;
use crate::support::gateway::provider_at;

/// A provider that takes two items at a time.
async fn of_two(upstream: &Upstream) -> Gateway {
    let config = provider("main", upstream)
        + "embedding_batch = 2\n"
        + &model("gpt-test", &["main/gpt-test"])
        + "price = { input = 1.0, output = 0.0 }\n";
    Setup::new(&config).start().await
}

/// Answers each text with its number, and so many tokens as there are texts.
fn echoes(upstream: &Upstream, calls: &[&[f64]]) {
    for call in calls {
        upstream.script(vectors(call, call.len() as u64));
    }
}

fn texts(reply: &Upstream) -> Vec<Value> {
    let received = reply.received();
    let mut inputs: Vec<Value> = received
        .iter()
        .map(|one| one.json()["input"].clone())
        .collect();
    inputs.sort_by_key(Value::to_string);
    inputs
}

#[tokio::test]
async fn a_long_request_is_divided_and_put_together_in_order() {
    let upstream = upstream().await;
    let gateway = of_two(&upstream).await;
    // Calls go out at the same time, so answers tell by the texts.
    upstream.mood(|_| vectors(&[1.0, 1.0], 2));
    let body = json!({"model": "gpt-test", "input": ["a", "b", "c", "d"], "dimensions": 1});
    let reply = ask(&gateway, &body).await;
    assert_eq!(numbers(&reply).len(), 4);
    assert_eq!(texts(&upstream), [json!(["a", "b"]), json!(["c", "d"])]);
    assert_eq!(upstream.received()[0].json()["dimensions"], 1);
    assert_eq!(
        reply.json()["usage"],
        json!({"prompt_tokens": 4, "total_tokens": 4})
    );
    assert_eq!(reply.header("x-refrain-cost-usd"), "0.00000400");
    assert_eq!(reply.header("x-refrain-attempts"), "2");
    assert_eq!(ask(&gateway, &body).await.way(), "exact");
    // Also where the cache is left alone.
    let body = json!({"model": "gpt-test", "input": ["a", "a", "a", "b"], "refrain": {"no-cache": true, "no-store": true}});
    let reply = ask(&gateway, &body).await;
    assert_eq!((reply.way(), upstream.calls()), ("bypass", 4));
    assert_eq!(numbers(&reply).len(), 4);
}

#[tokio::test]
async fn what_came_before_a_failure_is_kept() {
    let upstream = upstream().await;
    let gateway = of_two(&upstream).await;
    let body = json!({"model": "gpt-test", "input": ["a", "b", "c"]});
    echoes(&upstream, &[&[1.0, 2.0]]);
    ask(&gateway, &json!({"model": "gpt-test", "input": ["a", "b"]})).await;
    upstream.script(Answer::error(400, "this one is too long"));
    let failed = ask(&gateway, &body).await;
    assert_eq!(failed.status, 400);
    assert!(
        failed.error()["message"]
            .as_str()
            .unwrap()
            .contains("too long")
    );
    echoes(&upstream, &[&[3.0]]);
    let reply = ask(&gateway, &body).await;
    assert_eq!(
        (numbers(&reply), reply.header("x-refrain-cache-items")),
        (vec![1.0, 2.0, 3.0], "2/3")
    );
    assert_eq!(upstream.received()[2].json()["input"], json!(["c"]));
}

#[tokio::test]
async fn openai_is_not_asked_for_more_tokens_than_it_takes() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.mood(|_| vectors(&[1.0, 1.0, 1.0], 3));
    let text = "word ".repeat(39_000);
    let long: Vec<String> = (0..6).map(|number| format!("{number} {text}")).collect();
    let reply = ask(&gateway, &json!({"model": "gpt-test", "input": long})).await;
    assert_eq!((numbers(&reply).len(), upstream.calls()), (6, 2));
}

#[tokio::test]
async fn a_whole_batch_goes_out_as_it_came() {
    let upstream = upstream().await;
    let gateway = gateway(&upstream).await;
    upstream.mood(|_| vectors(&vec![0.5; 2048], 2048));
    let many: Vec<String> = (0..2048).map(|number| format!("text {number}")).collect();
    let body = json!({"model": "gpt-test", "input": many});
    assert_eq!(numbers(&ask(&gateway, &body).await).len(), 2048);
    assert_eq!(upstream.only().json(), body);
    let again = ask(&gateway, &body).await;
    assert_eq!(again.header("x-refrain-cache-items"), "2048/2048");
    assert_eq!(numbers(&again).len(), 2048);
}

#[tokio::test]
async fn a_client_pays_for_what_is_asked_only() {
    let upstream = upstream().await;
    let client = "[[clients]]\nname = \"alice\"\nkey_env = \"ALICE_KEY\"\nbudget = { daily_usd = 0.000010 }\n";
    let gateway = setup(&upstream, client).start().await;
    let asked = async |input: Value| {
        let body = json!({"model": "house-embedder", "input": input}).to_string();
        let ask = gateway.request("POST", "/v1/embeddings", body);
        ask.key("sk-alice_key").send().await
    };
    // Half a dollar for a million: 12 of 20 tokens are left over.
    upstream.script(vectors(&[1.0], 12));
    assert_eq!(asked(json!("a text of some length")).await.status, 200);
    for _ in 0..5 {
        assert_eq!(asked(json!(["a text of some length"])).await.way(), "exact");
    }
    let long = "b".repeat(100);
    assert_eq!(
        asked(json!(["a text of some length", long])).await.status,
        429
    );
    upstream.script(vectors(&[2.0], 8));
    let last = asked(json!(["a text of some length", "c"])).await;
    assert_eq!(numbers(&last), [1.0, 2.0]);
    // Nothing is left, but what is known costs nothing.
    assert_eq!(asked(json!("new")).await.status, 429);
    assert_eq!(
        asked(json!(["c", "a text of some length"])).await.way(),
        "exact"
    );
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test]
async fn the_size_of_a_batch_is_checked() {
    for wrong in ["0", "2049", "\"2\""] {
        let config = provider_at("main", "http://127.0.0.1:1/v1")
            + &format!("embedding_batch = {wrong}\n")
            + &model("m", &["main/m"]);
        let problems = crate::support::gateway::parsed(&config)
            .unwrap_err()
            .to_string();
        assert!(problems.contains("providers.embedding_batch"), "{problems}");
    }
    let other = "[[providers]]\nname = \"g\"\nkind = \"ollama\"\nembedding_batch = 5\n".to_owned()
        + &model("m", &["g/m"]);
    let problems = crate::support::gateway::parsed(&other)
        .unwrap_err()
        .to_string();
    assert!(problems.contains("only for kind `openai`"), "{problems}");
}
