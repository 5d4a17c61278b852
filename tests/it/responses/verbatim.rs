//! Before a provider that speaks the interface itself.

use serde_json::{Value, json};

use super::{ask, asking, said};
use crate::support::{
    answer::Answer,
    gateway::{Gateway, Setup, model, provider},
    upstream::{Manners, Upstream},
    with,
};

const WHOLE: &str = r#"{ "id": "resp_68f0aa11bb22cc33", "object": "response", "created_at": 1.0, "status": "completed", "model": "gpt-test-2026", "previous_response_id": null, "output": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}, {"type": "message", "id": "msg_68f0", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "It rains.", "annotations": [], "logprobs": []}]}], "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}, "vendor": 1.50 }"#;

const STREAM: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_68f0aa11bb22cc34\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"gpt-test-2026\",\"output\":[],\"previous_response_id\":null}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"output_index\":0,\"content_index\":0,\"delta\":\"It rains.\",\"obfuscation\":\"x\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_68f0aa11bb22cc34\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"gpt-test-2026\",\"output\":[{\"type\":\"message\",\"id\":\"msg_68f1\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"It rains.\",\"annotations\":[]}]}],\"previous_response_id\":null,\"usage\":{\"input_tokens\":10,\"output_tokens\":5,\"total_tokens\":15}}}\n\n",
);

async fn openai() -> Upstream {
    Upstream::with(Manners {
        key: ("authorization", "Bearer "),
        chat: "/v1/responses",
        models: "/v1/models",
    })
    .await
}

async fn before(upstream: &Upstream) -> Gateway {
    let provider = provider("main", upstream) + "interfaces = [\"responses\"]\n";
    let models = model("gpt-test", &["main/gpt-test"]) + &model("house", &["main/gpt-test"]);
    Setup::new(&(provider + &models)).start().await
}

#[tokio::test]
async fn bytes_pass_both_ways() {
    let upstream = openai().await;
    let gateway = before(&upstream).await;
    let body = r#"{ "input": "News?", "model": "gpt-test", "tools": [{"type": "web_search"}], "vendor_x": 1.50 }"#;
    upstream.script(Answer::raw("application/json", WHOLE));
    let ask = gateway.request("POST", "/v1/responses", body);
    let reply = ask.header("openai-beta", "responses=v9").send().await;
    assert_eq!((reply.status, reply.text()), (200, WHOLE));
    assert_eq!(reply.way(), "bypass");
    let sent = upstream.only();
    assert_eq!(
        (&*sent.body, sent.path.as_str()),
        (body.as_bytes(), "/v1/responses")
    );
    assert_eq!(sent.headers["openai-beta"], "responses=v9");

    upstream.script(Answer::events(STREAM));
    let stream = r#"{"model":"house","input":"Rain?","stream":true,"refrain":{"tags":["rain"]}}"#;
    let reply = gateway
        .request("POST", "/v1/responses", stream)
        .send()
        .await;
    assert_eq!((reply.status, reply.text()), (200, STREAM));
    let sent = &upstream.received()[1].body;
    assert_eq!(
        sent,
        r#"{"model":"gpt-test","input":"Rain?","stream":true}"#
    );
}

#[tokio::test]
async fn what_it_said_is_kept_for_every_interface() {
    let upstream = openai().await;
    let gateway = before(&upstream).await;
    upstream.script(Answer::events(STREAM));
    let stream = with(asking("Rain?"), json!({"stream": true}));
    assert_eq!(ask(&gateway, &stream).await.way(), "miss");
    gateway.app.settle().await;
    let chat = json!({"model": "gpt-test", "messages": [{"role": "user", "content": "Rain?"}]});
    let hit = gateway.ask(&chat).send().await;
    assert_eq!((hit.way(), hit.said().as_str()), ("exact", "It rains."));
    let hit = ask(&gateway, &asking("Rain?")).await;
    assert_eq!(
        (hit.way(), said(&hit.json()).as_str()),
        ("exact", "It rains.")
    );
    assert_eq!(hit.json()["usage"]["input_tokens"], 10);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_conversation_is_written_out_and_named() {
    let upstream = openai().await;
    let gateway = before(&upstream).await;
    upstream.script(Answer::raw("application/json", WHOLE));
    let first = ask(&gateway, &asking("News?")).await.json();
    assert_eq!(first["id"], "resp_68f0aa11bb22cc33");
    upstream.script(Answer::events(STREAM));
    let second = json!({"model": "gpt-test", "previous_response_id": first["id"], "input": "More?", "stream": true});
    let reply = ask(&gateway, &second).await;
    let named = "\"previous_response_id\":\"resp_68f0aa11bb22cc33\"";
    assert_eq!(
        reply.text(),
        STREAM.replace("\"previous_response_id\":null", named)
    );
    let sent: Value = upstream.received()[1].json();
    assert!(sent.get("previous_response_id").is_none());
    let items = sent["input"].as_array().unwrap();
    // The provider's own ids stay.
    assert_eq!((items.len(), &items[2]["id"]), (4, &json!("msg_68f0")));
    upstream.script(Answer::raw("application/json", WHOLE));
    let third = json!({"model": "gpt-test", "previous_response_id": "resp_68f0aa11bb22cc34", "input": "And?"});
    let reply = ask(&gateway, &third).await.json();
    assert_eq!(reply["previous_response_id"], "resp_68f0aa11bb22cc34");
    assert_eq!(
        upstream.received()[2].json()["input"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
}

#[tokio::test]
async fn its_errors_are_told() {
    let upstream = openai().await;
    let gateway = before(&upstream).await;
    upstream.script(Answer::error(400, "no such thing"));
    let reply = ask(&gateway, &asking("One?")).await;
    assert_eq!(
        (reply.status, &reply.error()["message"]),
        (400, &json!("no such thing"))
    );
    // In the middle, too.
    let cut = STREAM.split_inclusive("\n\n").take(2).collect::<String>();
    upstream.script(Answer::events(cut.clone()));
    let stream = with(asking("Two?"), json!({"stream": true}));
    let reply = ask(&gateway, &stream).await;
    let told = reply.text().strip_prefix(&cut).unwrap();
    assert!(
        told.starts_with("event: error\ndata: {\"type\":\"error\",\"sequence_number\":2,"),
        "{told}"
    );
}

#[tokio::test]
async fn ids_lead_only_those_to_things_who_were_told_them() {
    let upstream = openai().await;
    let clients = ["alice", "bob"].map(|name| {
        let variable = format!("{}_KEY", name.to_uppercase());
        format!("[[clients]]\nname = \"{name}\"\nkey_env = \"{variable}\"\n")
    });
    let provider = provider("main", &upstream) + "interfaces = [\"responses\"]\n";
    let models = model("gpt-test", &["main/gpt-test"]);
    let gateway = Setup::new(&(clients.concat() + &provider + &models))
        .start()
        .await;
    let ask = |key: &'static str, input: Value| {
        let body = with(
            asking(input),
            json!({"tools": [{"type": "web_search"}], "store": false}),
        );
        gateway
            .request("POST", "/v1/responses", body.to_string())
            .key(key)
            .send()
    };
    let reference = json!([{"type": "item_reference", "id": "msg_68f0"}, {"role": "user", "content": "And then?"}]);
    upstream.script(Answer::raw("application/json", WHOLE));
    assert_eq!(ask("sk-alice_key", json!("News?")).await.status, 200);
    let refused = ask("sk-bob_key", reference.clone()).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.json()["error"]["param"], "input[0].id");
    assert_eq!(upstream.received().len(), 1);
    upstream.script(Answer::raw("application/json", WHOLE));
    assert_eq!(ask("sk-alice_key", reference).await.status, 200);
}

#[tokio::test]
async fn built_in_tools_are_seen_at_work() {
    let upstream = openai().await;
    let gateway = before(&upstream).await;
    let event = |fields: Value| format!("data: {fields}\n\n");
    // Larger than all that may come while nothing is said.
    let image = "A".repeat(400 << 10);
    let place = json!({"output_index": 0, "item_id": "ig_1"});
    let begin = STREAM.split_inclusive("\n\n").next().unwrap().to_owned()
        + &event(
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "image_generation_call", "id": "ig_1"}}),
        );
    let partial = with(
        place,
        json!({"type": "response.image_generation_call.partial_image", "partial_image_b64": image}),
    );
    let work = begin + &event(partial).repeat(3);
    let end = STREAM.split_inclusive("\n\n").last().unwrap();
    let body = json!({"model": "gpt-test", "input": "A stork.", "stream": true, "tools": [{"type": "image_generation"}]});
    upstream.script(Answer::events(work.clone() + end));
    let reply = ask(&gateway, &body).await;
    assert_eq!(
        (reply.status, reply.text() == work.clone() + end),
        (200, true)
    );
    // What was seen is not taken back.
    upstream.script(Answer::events(work.clone()));
    let reply = ask(&gateway, &body).await;
    let told = reply.text().strip_prefix(&work).unwrap();
    assert!(told.starts_with("event: error\n"), "{told}");
    assert_eq!((reply.status, upstream.calls()), (200, 2));
}

#[tokio::test]
async fn a_response_begins_with_all_of_its_instructions() {
    let upstream = openai().await;
    let gateway = before(&upstream).await;
    let instructions = "Be brief. ".repeat(90 << 10);
    let begin = json!({"type": "response.in_progress", "response": {"id": "resp_1", "model": "m", "instructions": instructions}});
    let stream = format!("data: {begin}\n\n").repeat(2) + STREAM;
    upstream.script(Answer::events(stream.clone()));
    let body = with(
        asking("Rain?"),
        json!({"stream": true, "instructions": instructions}),
    );
    let reply = ask(&gateway, &body).await;
    assert_eq!((reply.status, reply.text() == stream), (200, true));
}
