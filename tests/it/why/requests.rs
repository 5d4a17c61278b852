//! `GET /admin/api/requests`: what happened to the latest requests.

use serde_json::{Value, json};

use crate::support::{
    answer::Answer, asking, gateway::Gateway, streaming, upstream::Upstream, with,
};

const CRABS: &str = "What do crabs eat?";
const CAPTURING: &str = "[telemetry]\ncapture_content = true\nrecent_requests = 4\n";

async fn get(gateway: &Gateway, path: &str) -> Value {
    let reply = gateway.get(path).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()
}

async fn list(gateway: &Gateway, query: &str) -> Vec<Value> {
    let listed = get(gateway, &format!("/admin/api/requests{query}")).await;
    listed["requests"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_breaks_off_or_fails_is_told_with_its_calls() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    upstream.script(Answer::error(400, "no such parameter"));
    let refused = gateway.ask(&asking(CRABS)).send().await;
    assert_eq!(refused.header("x-refrain-attempts"), "1");
    let (answer, steps) = Answer::stepwise();
    upstream.script(answer);
    steps.send("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n");
    let mut open = gateway.ask(&streaming(CRABS)).open().await;
    open.piece().await.unwrap();
    steps.cut();
    open.rest().await;
    gateway.app.settle().await;
    let failed = list(&gateway, "?way=error").await;
    assert_eq!(failed.len(), 2);
    assert_eq!(
        (
            &failed[0]["error"],
            &failed[0]["fault"],
            &failed[0]["status"]
        ),
        (
            &json!("the answer broke off"),
            &json!("provider"),
            &json!(200)
        )
    );
    assert_eq!(failed[1]["attempts"], 1);
}

fn ways(list: &[Value]) -> Vec<&str> {
    list.iter()
        .map(|one| one["way"].as_str().unwrap_or("null"))
        .collect()
}

#[tokio::test]
async fn they_are_remembered_and_found() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let first = gateway
        .ask(&asking(CRABS))
        .header("x-request-id", "mine-1")
        .send()
        .await;
    assert_eq!(first.way(), "miss");
    gateway.app.settle().await;
    gateway.ask(&streaming(CRABS)).send().await;
    gateway
        .ask(&asking(CRABS))
        .header("cache-control", "no-cache, no-store")
        .send()
        .await;
    gateway
        .ask(&with(asking(CRABS), json!({"model": "no-such"})))
        .send()
        .await;
    upstream.script(Answer::said("").status(500));
    gateway.ask(&asking("And lobsters?")).send().await;
    gateway.app.settle().await;

    let all = get(&gateway, "/admin/api/requests").await;
    assert_eq!(all["captures"], false);
    assert_eq!(
        (&all["remembered"], &all["capacity"]),
        (&5.into(), &1000.into())
    );
    let all = list(&gateway, "").await;
    let seqs: Vec<_> = all.iter().map(|one| one["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [5, 4, 3, 2, 1]);
    assert_eq!(ways(&all[2..]), ["bypass", "exact", "miss"]);
    let missed = &all[4];
    assert_eq!(missed["id"], "mine-1");
    assert_eq!(
        (&missed["provider"], &missed["model"]),
        (&json!("main"), &json!("gpt-test"))
    );
    assert_eq!(
        (&missed["status"], &missed["route"]),
        (&json!(200), &json!("/v1/chat/completions"))
    );
    assert_eq!(
        (&missed["attempts"], &missed["complete"]),
        (&json!(1), &json!(true))
    );
    assert!(missed["usd"].as_f64().unwrap() > 0.0);
    assert!(missed["tokens"]["output"].as_u64().unwrap() > 0);
    assert_eq!(all[3]["saved_usd"], missed["usd"]);
    assert_eq!(
        all[2]["sentence"],
        "The request asks neither to look up nor to keep an answer."
    );
    assert_eq!(
        (&all[1]["fault"], &all[1]["error"]),
        (&json!("client"), &json!("an unknown model"))
    );
    assert_eq!(
        (&all[0]["fault"], &all[0]["status"]),
        (&json!("provider"), &json!(502))
    );

    for (query, expected) in [
        ("?way=hit", vec![2]),
        ("?way=exact", vec![2]),
        ("?way=miss", vec![1]),
        ("?way=bypass", vec![3]),
        ("?way=error", vec![5, 4]),
        ("?way=error&limit=1", vec![5]),
        ("?before=3", vec![2, 1]),
        ("?limit=0", vec![]),
        ("?id=mine-1", vec![1]),
        ("?client=alice", vec![]),
        ("?model=gpt-test&way=hit", vec![2]),
    ] {
        let found = list(&gateway, query).await;
        let found: Vec<_> = found
            .iter()
            .map(|one| one["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(found, expected, "{query}");
    }
    let trace = missed["trace_id"].as_str().unwrap();
    assert_eq!(list(&gateway, &format!("?id={trace}")).await.len(), 1);
    for query in ["?way=sideways", "?limit=x", "?limit=-1", "?what=1"] {
        let refused = gateway
            .get(&format!("/admin/api/requests{query}"))
            .send()
            .await;
        assert_eq!(refused.status, 400, "{query}");
    }
    for seq in [
        "0",
        "6",
        "x",
        "18446744073709551615",
        "99999999999999999999",
    ] {
        let missing = gateway
            .get(&format!("/admin/api/requests/{seq}"))
            .send()
            .await;
        assert_eq!(missing.status, 404, "{seq}");
    }

    let whole = get(&gateway, "/admin/api/requests/1").await;
    let stages: Vec<_> = whole["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            (
                step["stage"].as_str().unwrap(),
                step["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(stages, [("lookup", "semantic_off"), ("attempt", "ok")]);
    assert_eq!(
        (&whole["content"], &whole["has_content"]),
        (&Value::Null, &json!(false))
    );
}

#[tokio::test]
async fn bodies_are_there_where_they_are_noted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, CAPTURING).start().await;
    let script = asking("<script>alert(\"x\")</script>\u{202e}");
    gateway.ask(&script).send().await;
    let said = json!({"model": "gpt-test", "input": "Hello"}).to_string();
    gateway.request("POST", "/v1/responses", said).send().await;
    gateway.post("{\"model\": \"gpt-test\", ").send().await;
    let long = asking(&"word ".repeat(30_000));
    gateway.ask(&long).send().await;
    gateway.app.settle().await;

    let one = async |seq: u64| get(&gateway, &format!("/admin/api/requests/{seq}")).await;
    let chat = one(1).await;
    assert_eq!(chat["request"], script);
    assert_eq!(chat["content"], script.to_string());
    let responses = one(2).await;
    assert!(responses["content"].as_str().unwrap().contains("Hello"));
    assert_eq!(responses["request"], Value::Null, "it is no chat request");
    let broken = one(3).await;
    assert_eq!(
        (&broken["request"], &broken["status"]),
        (&Value::Null, &json!(400))
    );
    let cut = one(4).await;
    assert_eq!(cut["content"].as_str().unwrap().len(), 64 << 10);
    assert_eq!(cut["request"], Value::Null, "it is not whole");

    gateway.ask(&asking(CRABS)).send().await;
    gateway.app.settle().await;
    let all = get(&gateway, "/admin/api/requests").await;
    assert_eq!(
        (&all["remembered"], &all["captures"]),
        (&4.into(), &true.into())
    );
    assert_eq!(
        gateway.get("/admin/api/requests/1").send().await.status,
        404
    );
}

#[tokio::test]
async fn none_are_remembered_where_that_is_off() {
    let upstream = Upstream::start().await;
    let config = "[telemetry]\nrecent_requests = 0\ncapture_content = true\n";
    let gateway = Gateway::setup(&upstream, config).start().await;
    gateway.ask(&asking(CRABS)).send().await;
    let all = get(&gateway, "/admin/api/requests").await;
    assert_eq!(
        (&all["remembered"], &all["capacity"]),
        (&0.into(), &0.into())
    );
    assert_eq!(all["requests"], json!([]));
}
