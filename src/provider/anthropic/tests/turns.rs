//! The order of a conversation, and fields that have no place.

use serde_json::json;

use super::{MODEL, refused, sent, sent_to, tried};

#[test]
fn a_plain_question() {
    insta::assert_json_snapshot!(sent(json!({})));
}

#[test]
fn a_long_conversation_with_everything_that_must_be_put_in_order() {
    insta::assert_json_snapshot!(sent(json!({"messages": [
        {"role": "system", "content": "You know birds."},
        {"role": "user", "content": "Do swifts sleep?"},
        {"role": "user", "content": [
            {"type": "text", "text": "On the wing, "},
            {"type": "text", "text": ""},
            {"type": "text", "text": "I mean."},
        ]},
        {"role": "assistant", "content": "They do."},
        {"role": "assistant", "content": "For seconds at a time.", "reasoning_content": "half a brain"},
        {"role": "developer", "content": [{"type": "text", "text": "Answer briefly."}]},
        {"role": "user", "content": "   "},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "And storks?"},
    ]})));
}

#[test]
fn the_assistant_begins() {
    let messages = json!([
        {"role": "assistant", "content": "What can I do for you?"},
        {"role": "user", "content": "Name a bird."},
    ]);
    insta::assert_json_snapshot!(sent(json!({"messages": messages}))["messages"]);
}

#[test]
fn the_assistant_ends() {
    let messages = json!([
        {"role": "user", "content": "Name a bird."},
        {"role": "assistant", "content": "The bird is: \n"},
    ]);
    let fields = json!({"messages": messages});
    insta::assert_json_snapshot!(json!({
        "it goes on": sent(fields.clone())["messages"],
        "it needs somebody to answer": sent_to("claude-opus-4-6", fields)["messages"],
    }));
}

#[test]
fn a_refusal_is_said_again() {
    let messages = json!([
        {"role": "user", "content": "Pick a lock."},
        {"role": "assistant", "content": null, "refusal": "I'd rather not."},
        {"role": "user", "content": "Then a nose."},
    ]);
    insta::assert_json_snapshot!(sent(json!({"messages": messages}))["messages"]);
}

#[test]
fn nothing_to_answer() {
    let nothing = json!([{"role": "system", "content": ""}]);
    insta::assert_snapshot!(refused(MODEL, json!({"messages": nothing})));
    let instructions = sent(json!({"messages": [{"role": "system", "content": "Be brief."}]}));
    assert_eq!(
        (instructions.get("system"), &instructions["messages"]),
        (
            None,
            &json!([{"role": "user", "content": [{"type": "text", "text": "Be brief."}]}])
        )
    );
    let sound =
        json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}});
    let unheard = json!({"messages": [{"role": "user", "content": [sound]}]});
    assert!(tried(MODEL, true, unheard, true).is_err());
}

#[test]
fn who_asks() {
    assert_eq!(
        sent(json!({"user": "u-7"}))["metadata"],
        json!({"user_id": "u-7"})
    );
    assert!(
        sent(json!({"user": "u".repeat(257)}))
            .get("metadata")
            .is_none()
    );
    assert!(sent(json!({"user": ""})).get("metadata").is_none());
}

#[test]
fn fields_that_nobody_here_knows() {
    insta::assert_snapshot!(refused(MODEL, json!({"verbosity": "low"})));
    insta::assert_json_snapshot!(super::lenient(
        MODEL,
        json!({
            "verbosity": "low", "seed": 4, "logprobs": true, "top_logprobs": 2, "presence_penalty": 0.5,
            "frequency_penalty": 0.5, "logit_bias": {"50256": -100}, "temperature": 1.5,
            "stop": ["END", "\n\n"], "user": "u", "store": true, "metadata": {"a": "b"},
        })
    ));
}

#[test]
fn what_has_no_place_is_named() {
    let refusals = [
        json!({"seed": 1}),
        json!({"logprobs": true}),
        json!({"presence_penalty": 1}),
        json!({"frequency_penalty": -1}),
        json!({"stop": "\n"}),
        json!({"temperature": 1.2}),
        json!({"top_k": -1}),
        json!({"thinking": true}),
        json!({"messages": [{"role": "user", "name": "Ann", "content": "Hello"}, {"role": "user", "name": "Bob", "content": "Hi"}]}),
    ];
    let refusals = refusals.map(|fields| refused(MODEL, fields));
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn unknown_fields_of_messages_are_named() {
    let messages =
        json!([{"role": "user", "content": "a", "timestamp": 1, "id": "m", "mood": null}]);
    let why = refused(MODEL, json!({"messages": messages}));
    assert!(why.starts_with("messages[0].timestamp: "), "{why}");
}

#[test]
fn parameters_that_say_what_holds_anyhow_are_no_errors() {
    let sent = sent(json!({"functions": [], "function_call": "none", "verbosity": "medium"}));
    assert!(sent.get("verbosity").is_none());
}
