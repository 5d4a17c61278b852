//! What a kept response answers, item by item.

use super::*;

async fn with_items(count: usize) -> Gateway {
    let gateway = start("").await;
    let items = (0..count).map(|at| json!({"role": "user", "content": at.to_string()}));
    keep(&gateway, "resp_1", &json!(items.collect::<Vec<_>>()));
    gateway
}

async fn list(gateway: &Gateway, query: &str) -> Value {
    let path = format!("/v1/responses/resp_1/input_items?{query}");
    let reply = gateway.get(&path).key(ALICE).send().await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    reply.json()
}

fn said(list: &Value) -> Vec<u32> {
    let items = list["data"].as_array().unwrap().iter();
    let text = |item: &Value| {
        item["content"][0]["text"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    items.map(text).collect()
}

#[tokio::test]
async fn the_newest_come_first_twenty_at_a_time() {
    let gateway = with_items(25).await;
    let page = list(&gateway, "").await;
    assert_eq!(said(&page), (5..25).rev().collect::<Vec<_>>());
    assert_eq!(page["has_more"], true);
    assert_eq!(page["first_id"], page["data"][0]["id"]);
    assert_eq!(page["last_id"], page["data"][19]["id"]);
    let after = page["last_id"].as_str().unwrap();
    let rest = list(&gateway, &format!("after={after}")).await;
    assert_eq!(said(&rest), [4, 3, 2, 1, 0]);
    assert_eq!(rest["has_more"], false);
}

#[tokio::test]
async fn they_are_listed_as_they_are_asked_for() {
    let gateway = with_items(5).await;
    let page = list(&gateway, "order=asc&limit=2").await;
    assert_eq!(said(&page), [0, 1]);
    let after = page["last_id"].as_str().unwrap();
    let query = format!("order=asc&limit=2&after={after}&include[]=reasoning.encrypted_content");
    assert_eq!(said(&list(&gateway, &query).await), [2, 3]);
    assert_eq!(
        said(&list(&gateway, "limit=100&order=desc&include=").await).len(),
        5
    );
}

#[tokio::test]
async fn what_can_not_be_listed_is_said() {
    let gateway = with_items(1).await;
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("order=up", "order"),
        ("after=msg_unknown", "after"),
        ("before=msg_1", "before"),
        ("include=everything", "include"),
        ("include[]=everything", "include"),
    ] {
        let path = format!("/v1/responses/resp_1/input_items?{query}");
        let reply = gateway.get(&path).key(ALICE).send().await;
        assert_eq!(reply.status, 400, "{query}");
        assert_eq!(reply.error()["param"], param, "{query}");
    }
}
