//! The conversation.

use super::*;

#[test]
fn a_plain_question() {
    insta::assert_snapshot!(pretty(&sent(json!({}))), @r#"
    {
      "contents": [
        {
          "role": "user",
          "parts": [
            {
              "text": "Hi"
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn several_turns_with_instructions_everywhere() {
    let sent = sent(json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Use metric units."}, {"type": "text", "text": ""}]},
        {"role": "user", "content": "How far is the moon?"},
        {"role": "user", "content": [{"type": "text", "text": "On average."}]},
        {"role": "assistant", "content": "384 400 km."},
        {"role": "system", "content": "Now in verse."},
        {"role": "assistant", "content": "Far.", "refusal": "No more."},
        {"role": "user", "content": "And the sun?"},
    ]}));
    insta::assert_snapshot!(pretty(&sent));
}

#[test]
fn a_conversation_that_the_assistant_begins() {
    let sent = sent(json!({"messages": [
        {"role": "assistant", "content": "Welcome!"},
        {"role": "user", "content": "Thanks."},
    ]}));
    insta::assert_snapshot!(pretty(&sent["contents"]));
}

#[test]
fn turns_of_nothing_are_dropped_and_their_neighbours_joined() {
    let sent = sent(json!({"messages": [
        {"role": "system", "content": ""},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "", "reasoning_content": "Hm."},
        {"role": "user", "content": [{"type": "text", "text": ""}]},
        {"role": "user", "content": "two"},
    ]}));
    assert_eq!(
        sent,
        json!({"contents": [{"role": "user", "parts": [{"text": "One"}, {"text": "two"}]}]})
    );
}

#[test]
fn nothing_to_answer_is_wrong() {
    for messages in [
        json!([{"role": "system", "content": ""}]),
        json!([{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]),
    ] {
        // Only the last message of the user is checked before.
        let messages = json!({"messages": messages});
        assert_eq!(refused(messages), "invalid messages");
    }
    let instructed = json!({"messages": [{"role": "user", "content": ""}, {"role": "system", "content": "Answer."}]});
    assert_eq!(
        sent(instructed),
        json!({"contents": [{"role": "user", "parts": [{"text": "Answer."}]}]})
    );
}

#[test]
fn thoughts_and_signatures_go_back_where_they_came_from() {
    let messages = json!([
        {"role": "user", "content": "Add 2 and 3, then look up the weather."},
        {"role": "assistant", "reasoning_content": "First add.", "content": "5.",
            "extra_content": {"google": {"thought_signature": "c2lnLW1lc3NhZ2U="}},
            "tool_calls": [
                {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"},
                    "extra_content": {"google": {"thought_signature": "c2lnLWNhbGw="}}},
                {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}},
            ]},
        {"role": "tool", "tool_call_id": "call_a", "content": "{\"celsius\": 20}"},
        {"role": "tool", "tool_call_id": "call_b", "content": "{\"celsius\": -3}"},
        {"role": "assistant", "content": null, "reasoning": "",
            "extra_content": {"google": {"thought_signature": "c2lnLWVtcHR5"}}},
        {"role": "user", "content": "Thanks."},
    ]);
    let sent = sent_to(RECENT, json!({"messages": messages}));
    insta::assert_snapshot!(pretty(&sent["contents"]));
}

#[test]
fn thoughts_stay_here_where_a_model_has_none() {
    let messages = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "reasoning_content": "Hm.", "content": "Hi!"},
        {"role": "user", "content": "Bye"},
    ]);
    let sent = sent_to("gemma-3-27b-it", json!({"messages": messages}));
    assert_eq!(sent["contents"][1]["parts"], json!([{"text": "Hi!"}]));
}

#[test]
fn a_missing_signature_of_the_current_turn_is_excused_and_no_other() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "ok"});
    let messages = json!([
        {"role": "user", "content": "Before"},
        {"role": "assistant", "tool_calls": [call("old")]},
        result("old"),
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "Now"},
        {"role": "assistant", "tool_calls": [call("one"), call("two")]},
        result("one"),
        result("two"),
        {"role": "assistant", "tool_calls": [call("three")]},
        result("three"),
    ]);
    let signatures = |model: &str| -> Vec<Value> {
        let sent = sent_to(model, json!({"messages": messages}));
        let contents = sent["contents"].as_array().unwrap().clone();
        let parts = contents
            .iter()
            .flat_map(|content| content["parts"].as_array().unwrap().clone());
        parts
            .filter(|part| part["functionCall"].is_object())
            .map(|part| part["thoughtSignature"].clone())
            .collect()
    };
    let skip = json!("skip_thought_signature_validator");
    assert_eq!(
        signatures(RECENT),
        [json!(null), skip.clone(), json!(null), skip]
    );
    assert_eq!(
        signatures(MODEL),
        [json!(null), json!(null), json!(null), json!(null)]
    );
}

#[test]
fn a_turn_that_answers_and_asks_at_once_begins_no_new_turn() {
    let messages = json!([
        {"role": "user", "content": "Now"},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
        {"role": "user", "content": "Hurry."},
    ]);
    let sent = sent_to(RECENT, json!({"messages": messages}));
    let call = &sent["contents"][1]["parts"][0];
    assert_eq!(call["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(sent["contents"][2]["parts"].as_array().unwrap().len(), 2);
}

#[test]
fn results_of_very_many_calls_are_put_in_order() {
    use crate::wire::ask::{Assistant, ToolCall, ToolResult, Turn};
    let id = |at: usize| format!("a-rather-long-id-{at}");
    let calls = (0..60_000).map(|at| ToolCall {
        id: id(at),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        extra: serde_json::Map::new(),
    });
    let mut turns = vec![Turn::Assistant(Assistant {
        at: 0,
        parts: Vec::new(),
        calls: calls.collect(),
        reasoning: None,
        thinking: Vec::new(),
        extra: serde_json::Map::new(),
    })];
    turns.extend((0..60_000).rev().map(|at| {
        Turn::Tool(ToolResult {
            at: 60_000 - at,
            call_id: id(at),
            name: "f".to_owned(),
            parts: Vec::new(),
            extra: serde_json::Map::new(),
        })
    }));
    let mut cannot = Cannot::new("google", false);
    let model = model::Model::named(MODEL);
    let put = contents::Conversation::put(&turns, model, &mut cannot).unwrap();
    let answers = put.contents.last().unwrap().parts.iter();
    let answers = answers.map(|part| part.function_response.as_ref().unwrap().id.clone());
    assert!(answers.eq((0..60_000).map(id)));
}

#[test]
fn unknown_fields_of_messages_are_named() {
    let messages =
        json!([{"role": "user", "content": "a", "timestamp": 1, "id": "m", "mood": null}]);
    assert_eq!(
        refused(json!({"messages": messages})),
        "unsupported messages[0].timestamp"
    );
}
