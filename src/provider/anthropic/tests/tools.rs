//! Tools, calls and results.

use serde_json::{Value, json};

use super::{MODEL, lenient, refused, sent, sent_to};

fn tool(name: &str, parameters: Value) -> Value {
    json!({"type": "function", "function": {
        "name": name, "description": format!("The {name} of a bird."), "parameters": parameters,
    }})
}

fn wingspan() -> Value {
    tool(
        "wingspan",
        json!({"type": "object", "properties": {"bird": {"type": "string"}}, "required": ["bird"]}),
    )
}

fn choosing(choice: Value, more: Value) -> Value {
    let mut fields = json!({"tools": [wingspan()], "tool_choice": choice});
    fields
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    fields
}

#[test]
fn calls_at_once_and_their_results() {
    let call = |id: &str, bird: &str| {
        let arguments = json!({"bird": bird}).to_string();
        json!({"id": id, "type": "function", "function": {"name": "wingspan", "arguments": arguments}})
    };
    insta::assert_json_snapshot!(sent(json!({
        "tools": [wingspan(), tool("nest", Value::Null), {"type": "function", "function": {"name": "sing"}}],
        "messages": [
            {"role": "user", "content": "Stork or crane?"},
            {"role": "assistant", "content": "I'll measure.", "tool_calls": [
                call("toolu_1", "stork"), call("call.2/x", "crane"),
                {"id": "call:3", "type": "function", "function": {"name": "sing", "arguments": ""}},
                {"id": "toolu_4", "type": "function", "function": {"name": "sing", "arguments": "la la"}},
            ]},
            {"role": "tool", "tool_call_id": "call.2/x", "content": "2.2 m"},
            {"role": "tool", "tool_call_id": "toolu_1", "content": [
                {"type": "text", "text": "1.9 m"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ]},
            {"role": "tool", "tool_call_id": "call:3", "content": ""},
            {"role": "tool", "tool_call_id": "toolu_4", "content": "silence"},
            {"role": "user", "content": "So?"},
            {"role": "assistant", "tool_calls": [call("toolu_1", "heron")]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "1.7 m"},
        ],
    })));
}

#[test]
fn which_tool_is_called() {
    let named = json!({"type": "function", "function": {"name": "wingspan"}});
    let choice = |choice: Value, more: Value| {
        let sent = sent(choosing(choice, more));
        sent.get("tool_choice")
            .cloned()
            .unwrap_or(json!("(none sent)"))
    };
    let single = json!({"parallel_tool_calls": false});
    insta::assert_json_snapshot!(json!({
        "auto": choice(json!("auto"), json!({})),
        "auto, one at a time": choice(json!("auto"), single.clone()),
        "none": choice(json!("none"), single.clone()),
        "required": choice(json!("required"), json!({})),
        "required, one at a time": choice(json!("required"), single.clone()),
        "named": choice(named.clone(), json!({})),
        "named, one at a time": choice(named, single),
        "no tools": sent(json!({"tool_choice": "none"})).get("tool_choice").cloned(),
        "no tools, one at a time": sent(json!({"parallel_tool_calls": false})).get("tool_choice").cloned(),
    }));
}

#[test]
fn new_models_are_not_made_to_call() {
    let required = choosing(json!("required"), json!({}));
    insta::assert_snapshot!(refused("claude-opus-5-5", required.clone()));
    let sent = lenient("claude-opus-5-5", required);
    assert_eq!(sent["(dropped)"], json!(["tool_choice"]));
    assert!(sent.get("tool_choice").is_none());
}

#[test]
fn tools_that_are_gone_are_named_where_they_were_called() {
    insta::assert_json_snapshot!(sent(json!({"messages": [
        {"role": "user", "content": "Stork?"},
        {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "wingspan", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "wingspan", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "1.9 m"},
        {"role": "tool", "tool_call_id": "b", "content": "1.9 m"},
    ]})));
}

#[test]
fn strict_tools_are_strict_where_they_can_be() {
    let strict = |name: &str, parameters: Value| {
        let mut tool = tool(name, parameters);
        tool["function"]["strict"] = json!(true);
        tool
    };
    let fields = json!({"tools": [
        strict("nest", json!({
            "type": "object", "additionalProperties": false, "required": ["height", "kind"],
            "properties": {
                "height": {"type": ["number", "null"], "minimum": 0},
                "kind": {"enum": ["roof", "tree"]},
            },
        })),
        strict("map", json!({"type": "object", "properties": {
            "by_name": {"type": "object", "additionalProperties": {"type": "string"}},
        }})),
    ]});
    insta::assert_json_snapshot!(json!({
        "new": sent(fields.clone())["tools"],
        "old": sent_to("claude-sonnet-4-0", fields)["tools"],
    }));
}

#[test]
fn two_hundred_tools() {
    let strict = |number: usize| {
        let schema =
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        let mut tool = tool(&format!("t{number}"), schema);
        tool["function"]["strict"] = json!(true);
        tool
    };
    let sent = sent(json!({"tools": (0..200).map(strict).collect::<Vec<_>>()}));
    let tools = sent["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 200);
    // Anthropic compiles twenty of them at most.
    assert_eq!(
        tools.iter().filter(|tool| tool["strict"] == true).count(),
        20
    );
    assert_eq!(tools[199]["name"], "t199");
}

#[test]
fn what_can_not_be_called() {
    let messages =
        |messages: Value| refused(MODEL, json!({"messages": messages, "tools": [wingspan()]}));
    let call =
        json!({"id": "a", "type": "function", "function": {"name": "wingspan", "arguments": "{}"}});
    let refusals = [
        messages(json!([
            {"role": "user", "content": "Stork?"},
            {"role": "tool", "tool_call_id": "a", "content": "1.9 m"},
        ])),
        messages(json!([
            {"role": "user", "content": "Stork?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "user", "content": "And?"},
        ])),
        refused(MODEL, json!({"tools": [tool("wing span", json!({}))]})),
        refused(
            MODEL,
            json!({"tools": [tool("nest", json!({"type": "string"}))]}),
        ),
        refused(MODEL, json!({"tools": [{"type": "web_search"}]})),
        refused(MODEL, json!({"tool_choice": "required"})),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}
