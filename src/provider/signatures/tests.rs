use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::wire::{
    ask::{Cannot, ToolCall},
    chat::ChatRequest,
    controls::Controls,
    said::Finish,
};

const ONE: Scope = Scope::of([1; 32]);
const OTHER: Scope = Scope::of([2; 32]);

fn say(said: Said) -> Event {
    Event::Say { choice: 0, said }
}

fn call(id: &str, arguments: &str, extra: &Value) -> Event {
    say(Said::Call {
        id: Some(id.into()),
        name: "f".into(),
        arguments: arguments.into(),
        extra: extra.as_object().cloned().unwrap_or_default(),
    })
}

fn hear(memory: &Signatures, events: Vec<Event>) {
    let mut listener = memory.listener(Some(ONE));
    for event in events {
        listener.hear(&event);
    }
}

/// The first call of the next turn, as a client sends it back, restored; and the thinking before it.
fn restored(memory: &Signatures, id: &str, arguments: &str) -> (ToolCall, Vec<Value>) {
    restored_for(ONE, memory, id, arguments)
}

fn restored_for(
    scope: Scope,
    memory: &Signatures,
    id: &str,
    arguments: &str,
) -> (ToolCall, Vec<Value>) {
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": id, "content": "r"},
    ]});
    let raw = Bytes::from(body.to_string());
    let request = ChatRequest::parse(raw, &mut Controls::default()).unwrap();
    let mut ask = Ask::read(&request, &mut Cannot::new("p", false)).unwrap();
    memory.restore(Some(scope), &mut ask);
    match ask.turns.remove(1) {
        Turn::Assistant(mut assistant) => (assistant.calls.remove(0), assistant.thinking),
        other @ (Turn::System(_) | Turn::User(_) | Turn::Tool(_)) => panic!("{other:?}"),
    }
}

fn signed() -> Value {
    json!({"extra_content": {"google": {"thought_signature": "sig"}}})
}

#[test]
fn a_call_gets_its_signature_back() {
    let memory = Signatures::new();
    hear(
        &memory,
        vec![
            call("call_1", "", &signed()),
            say(Said::Arguments("{\"b\":1,".into())),
            say(Said::Arguments("\"a\":2}".into())),
            say(Said::Finish(Finish::Stop)),
        ],
    );
    let (call, thinking) = restored(&memory, "call_1", "{ \"a\": 2, \"b\": 1 }");
    assert_eq!(Value::Object(call.extra), signed());
    assert!(thinking.is_empty());
}

#[test]
fn thinking_comes_back_with_each_call_of_its_message() {
    let memory = Signatures::new();
    let block = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let blocks = json!({"thinking_blocks": [block]})
        .as_object()
        .cloned()
        .unwrap();
    hear(
        &memory,
        vec![
            say(Said::Extra(blocks)),
            call("toolu_1", "{}", &json!({})),
            call("toolu_2", "{}", &json!({})),
            say(Said::Finish(Finish::ToolCalls)),
        ],
    );
    for id in ["toolu_1", "toolu_2"] {
        assert_eq!(restored(&memory, id, "{}").1, std::slice::from_ref(&block));
    }
}

#[test]
fn nothing_comes_back_to_another_call() {
    let memory = Signatures::new();
    hear(
        &memory,
        vec![
            call("call_1", "{\"a\":1}", &signed()),
            say(Said::Finish(Finish::Stop)),
        ],
    );
    for (id, arguments) in [
        ("call_1", "{\"a\":2}"),
        ("call_2", "{\"a\":1}"),
        ("call_1", ""),
    ] {
        assert!(restored(&memory, id, arguments).0.extra.is_empty());
    }
    let foreign = restored_for(OTHER, &memory, "call_1", "{\"a\":1}");
    assert!(foreign.0.extra.is_empty());
}

#[test]
fn an_answer_that_did_not_end_is_not_remembered() {
    let memory = Signatures::new();
    hear(&memory, vec![call("call_1", "{}", &signed())]);
    assert!(restored(&memory, "call_1", "{}").0.extra.is_empty());
}
