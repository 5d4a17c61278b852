//! Where marks for the prompt cache are set.

use serde_json::{Value, json};

use super::{sent, tried};

fn marks(sent: &Value) -> Vec<String> {
    fn find(at: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if key == "cache_control" {
                        found.push(format!("{at} {value}"));
                    } else {
                        find(&format!("{at}.{key}"), value, found);
                    }
                }
            }
            Value::Array(list) => {
                for (place, value) in list.iter().enumerate() {
                    find(&format!("{at}[{place}]"), value, found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    find("", sent, &mut found);
    found
}

fn long() -> String {
    "A stork stands on one leg. ".repeat(700)
}

fn talk(system: &str, more: Value) -> Value {
    let mut messages = vec![json!({"role": "system", "content": system})];
    messages.extend(more.as_array().unwrap().clone());
    let look = json!({"type": "function", "function": {"name": "look"}});
    let hear = json!({"type": "function", "function": {"name": "hear"}});
    json!({"messages": messages, "tools": [look, hear]})
}

#[test]
fn long_beginnings_are_marked() {
    let question = json!([{"role": "user", "content": "Why?"}]);
    let going = json!([
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "To keep warm."},
        {"role": "user", "content": "And in summer?"},
    ]);
    let long_going = json!([
        {"role": "user", "content": long()},
        {"role": "assistant", "content": "Indeed."},
        {"role": "user", "content": "Why?"},
    ]);
    insta::assert_json_snapshot!(json!({
        "short": marks(&sent(talk("Be brief.", question.clone()))),
        "long": marks(&sent(talk(&long(), question.clone()))),
        "long, and goes on": marks(&sent(talk(&long(), going.clone()))),
        "short, and goes on": marks(&sent(talk("Be brief.", going.clone()))),
        "what was said is long": marks(&sent(talk("Be brief.", long_going))),
        "what is asked is long": marks(&sent(talk("Be brief.", json!([{"role": "user", "content": long()}])))),
        "not wanted": marks(&tried("claude-opus-5", false, talk(&long(), going), false).unwrap()),
    }));
}

#[test]
fn the_clients_marks_go_through_and_none_is_added() {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let mut fields = talk(
        &long(),
        json!([
            {"role": "user", "content": [
                {"type": "text", "text": "Look.", "cache_control": mark},
                {"type": "image_url", "image_url": {"url": "https://birds.example/a.png"}, "cache_control": mark},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "A stork.", "cache_control": mark}]},
        ]),
    );
    fields["tools"][1]["cache_control"] = mark.clone();
    assert_eq!(marks(&sent(fields.clone())).len(), 4);
    fields["messages"][0]["content"] =
        json!([{"type": "text", "text": long(), "cache_control": mark}]);
    insta::assert_json_snapshot!(marks(&sent(fields.clone())));
    fields["cache_control"] = mark;
    insta::assert_json_snapshot!(marks(&sent(fields)));
}

#[test]
fn a_mark_on_a_message_goes_to_its_last_part() {
    let mark = json!({"type": "ephemeral"});
    let other = json!({"type": "ephemeral", "ttl": "1h"});
    let sent = sent(json!({"messages": [
        {"role": "system", "content": "Be brief.", "cache_control": mark},
        {"role": "user", "cache_control": mark, "content": [
            {"type": "text", "text": "Which bird"}, {"type": "text", "text": "is this?"}]},
        {"role": "assistant", "content": "Let me look.", "cache_control": "ephemeral", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "A stork.", "cache_control": mark},
        {"role": "assistant", "content": "A stork.", "cache_control": mark},
        {"role": "user", "cache_control": mark, "content": [
            {"type": "text", "text": "Sure?", "cache_control": other}]},
    ]}));
    assert_eq!(
        sent["system"][0]["cache_control"],
        Value::Null,
        "more than four"
    );
    let messages = &sent["messages"];
    assert_eq!(messages[0]["content"][0]["cache_control"], Value::Null);
    assert_eq!(messages[0]["content"][1]["cache_control"], mark);
    assert_eq!(messages[1]["content"][0]["cache_control"], Value::Null);
    assert_eq!(messages[2]["content"][0]["cache_control"], mark);
    assert_eq!(messages[3]["content"][0]["cache_control"], mark);
    assert_eq!(messages[4]["content"][0]["cache_control"], other);
}
