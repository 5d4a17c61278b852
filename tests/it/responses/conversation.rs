//! Responses that continue others.

use serde_json::json;

use super::{ask, asking, events, said};
use crate::support::{gateway::Gateway, upstream::Upstream, with};

#[tokio::test]
async fn a_conversation_goes_on_by_id() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let first = with(asking("One?"), json!({"instructions": "Be brief."}));
    let first = ask(&gateway, &first).await.json();
    let second = json!({"previous_response_id": first["id"], "stream": true});
    let second = events(&ask(&gateway, &with(asking("Two?"), second)).await);
    let second = &second.last().unwrap()["response"];
    assert_eq!(second["previous_response_id"], first["id"]);
    let third = json!({"previous_response_id": second["id"]});
    let third = ask(&gateway, &with(asking("Three?"), third)).await.json();
    assert_eq!(said(&third), "answer 3");
    // Instructions are of one response only.
    assert_eq!(
        upstream.received()[2].json()["messages"],
        json!([
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "answer 1"},
            {"role": "user", "content": "Two?"},
            {"role": "assistant", "content": "answer 2"},
            {"role": "user", "content": "Three?"},
        ])
    );
}

#[tokio::test]
async fn a_hit_can_be_continued_too() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    ask(&gateway, &asking("One?")).await;
    let hit = ask(&gateway, &asking("One?")).await;
    assert_eq!(hit.way(), "exact");
    let next = json!({"previous_response_id": hit.json()["id"]});
    let next = ask(&gateway, &with(asking("Two?"), next)).await;
    assert_eq!(
        (next.status, said(&next.json()).as_str()),
        (200, "answer 2")
    );
}

#[tokio::test]
async fn what_is_not_kept_can_not_be_continued() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let unkept = with(asking("One?"), json!({"store": false}));
    let unkept = ask(&gateway, &unkept).await.json();
    assert_eq!(unkept["store"], false);
    for id in [&unkept["id"], &json!("resp_unknown")] {
        let next = with(asking("Two?"), json!({"previous_response_id": id}));
        let reply = ask(&gateway, &next).await;
        let error = reply.error();
        assert_eq!(
            (reply.status, &error["code"], &error["param"]),
            (
                400,
                &json!("previous_response_not_found"),
                &json!("previous_response_id")
            )
        );
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_stream_that_is_given_up_is_not_kept() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let (answer, steps) = crate::support::answer::Answer::stepwise();
    upstream.script(answer);
    steps.say("Hm");
    let stream = with(asking("One?"), json!({"stream": true})).to_string();
    let mut open = gateway
        .request("POST", "/v1/responses", stream)
        .open()
        .await;
    let begun = String::from_utf8(open.piece().await.unwrap().to_vec()).unwrap();
    let data = begun
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let created: serde_json::Value = serde_json::from_str(data).unwrap();
    drop(open);
    steps.abandoned().await;
    let next = json!({"previous_response_id": created["response"]["id"]});
    let reply = ask(&gateway, &with(asking("Two?"), next)).await;
    assert_eq!(reply.error()["code"], "previous_response_not_found");
}
