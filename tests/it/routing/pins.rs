//! A conversation stays with whoever answered it.

use serde_json::{Value, json};

use super::Three;
use crate::support::answer::Answer;

const MODEL: &str = r#"
[[models]]
name = "house"
targets = ["one/a", "two/b", "three/c"]
strategy = "weighted"
"#;

/// The turns of a conversation, and the next question.
fn turn(said: &[&str], question: &str) -> Value {
    let mut messages = Vec::new();
    for text in said {
        messages.push(json!({"role": "user", "content": text}));
        messages.push(json!({"role": "assistant", "content": format!("about {text}")}));
    }
    messages.push(json!({"role": "user", "content": question}));
    json!({"model": "house", "messages": messages})
}

#[tokio::test]
async fn a_conversation_stays_where_it_began() {
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    let by = async |body: Value| {
        let reply = gateway.ask(&body).send().await;
        assert_eq!(reply.status, 200);
        reply.header("x-refrain-provider").to_owned()
    };
    for beginning in [
        "crabs",
        "whelks",
        "limpets",
        "razor clams",
        "barnacles",
        "urchins",
    ] {
        let first = by(turn(&[], beginning)).await;
        assert_eq!(by(turn(&[beginning], "and then?")).await, first);
        assert_eq!(by(turn(&[beginning, "and then?"], "why?")).await, first);
    }
}

#[tokio::test]
async fn it_goes_on_elsewhere_when_its_target_fails_and_stays_there() {
    let three = Three::start().await;
    let more = "[[models]]\nname = \"house\"\ntargets = [\"one/a\"]\nfallbacks = [\"two/b\"]\n";
    let gateway = three.setup(more).start().await;
    let by = async |body: Value| {
        let reply = gateway.ask(&body).send().await;
        reply.header("x-refrain-provider").to_owned()
    };
    assert_eq!(by(turn(&[], "crabs")).await, "one");
    three.one.script(Answer::error(503, "down"));
    assert_eq!(by(turn(&["crabs"], "more")).await, "two");
    assert_eq!(by(turn(&["crabs", "more"], "and?")).await, "two");
    // Others are not held to it.
    assert_eq!(by(turn(&["whelks"], "more")).await, "one");
}

#[tokio::test]
async fn tool_calls_and_their_results_stay_in_it() {
    let three = Three::start().await;
    let gateway = three.setup(MODEL).start().await;
    let tools = json!([{"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}]);
    let mut messages = vec![json!({"role": "user", "content": "When is high tide?"})];
    let first = json!({"model": "house", "messages": messages, "tools": tools});
    let first = gateway.ask(&first).send().await;
    for round in 0..5 {
        let id = format!("call_{round}");
        let call =
            json!({"id": id, "type": "function", "function": {"name": "tide", "arguments": "{}"}});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "half past"}));
        let body = json!({"model": "house", "messages": messages, "tools": tools});
        let reply = gateway.ask(&body).send().await;
        assert_eq!(
            reply.header("x-refrain-provider"),
            first.header("x-refrain-provider")
        );
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let three = Three::start().await;
    let more = format!("[routing]\npin_conversations = false\n{MODEL}weights = [1, 1, 0]\n");
    let gateway = three.setup(&more).start().await;
    for _ in 0..40 {
        gateway.ask(&turn(&["crabs"], "and then?")).send().await;
    }
    let [one, two, _] = three.calls();
    assert!(one > 0 && two > 0);
}
