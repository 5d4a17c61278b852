//! What each message says, and conversations that are found to be the same.

use super::*;

fn conversation() -> Value {
    json!({"model": "m", "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is on it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        ]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "c", "content": "a cat"},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "And behind it?"},
    ]})
}

/// All places of `value` that hold neither list nor object, as JSON pointers.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| leaves(value, &format!("{at}/{key}"), found)),
        Value::Array(items) => (items.iter().enumerate())
            .for_each(|(key, value)| leaves(value, &format!("{at}/{key}"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.push(at.to_owned());
        }
    }
}

fn parsed(body: &Value) -> Option<Identity> {
    let request = ChatRequest::parse(Bytes::from(body.to_string()), &mut Controls::default());
    Some(identity_of(&request.ok()?, scope("k"), "p/m"))
}

#[test]
fn every_leaf_of_every_message_counts() {
    let body = conversation();
    let plain = of(&body);
    let mut places = Vec::new();
    leaves(&body["messages"], "/messages", &mut places);
    assert!(places.len() > 25, "{places:?}");
    let mut changed = 0;
    for place in places {
        for other in [
            json!("x"),
            json!("user"),
            json!(" A cat."),
            json!("tool"),
            json!("assistant"),
        ] {
            let mut body = body.clone();
            let leaf = body.pointer_mut(&place).unwrap();
            if *leaf == other {
                continue;
            }
            *leaf = other.clone();
            // What is no request any more is refused.
            let Some(found) = parsed(&body) else { continue };
            changed += 1;
            assert_ne!(found.fingerprint, plain.fingerprint, "{place} = {other}");
            let is_question = place == "/messages/5/content";
            assert_eq!(
                found.partition == plain.partition,
                is_question,
                "{place} = {other}"
            );
        }
    }
    assert!(changed > 80, "{changed}");
}

#[test]
fn every_field_that_a_message_can_have_counts_in_every_message() {
    let body = conversation();
    let plain = of(&body);
    for at in 0..6 {
        for (name, value) in [
            ("name", json!("ann")),
            ("refusal", json!("no")),
            ("tool_call_id", json!("d")),
            (
                "tool_calls",
                json!([{"id": "d", "type": "function", "function": {"name": "g", "arguments": "{}"}}]),
            ),
            ("function_call", json!({"name": "g", "arguments": "{}"})),
            ("audio", json!({"id": "a"})),
            ("reasoning_content", json!("hm")),
            ("a_field_of_tomorrow", json!(false)),
            ("a_field_of_tomorrow", json!("")),
        ] {
            let mut body = body.clone();
            body["messages"][at][name] = value;
            let found = parsed(&body).unwrap();
            assert_ne!(found.fingerprint, plain.fingerprint, "{at} {name}");
            assert_ne!(found.partition, plain.partition, "{at} {name}");
        }
    }
}

#[test]
fn messages_are_neither_joined_nor_dropped_nor_exchanged() {
    let with = |messages: Value| of(&json!({"model": "m", "messages": messages})).fingerprint;
    let user = |text: &str| json!({"role": "user", "content": text});
    let all = [
        with(json!([user("a"), user("b"), user("c")])),
        with(json!([user("b"), user("a"), user("c")])),
        with(json!([user("ab"), user("c")])),
        with(json!([user("a"), user("bc")])),
        with(json!([user("abc")])),
        with(json!([user("a"), user("a"), user("b"), user("c")])),
        with(
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "bc"}]}]),
        ),
        with(
            json!([{"role": "user", "content": [{"type": "text", "text": "ab"}, {"type": "text", "text": "c"}]}]),
        ),
        with(json!([{"role": "user", "content": [{"type": "text", "text": "abc", "x": 1}]}])),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "{at}");
    }
}

#[test]
fn the_question_counts_byte_for_byte_and_only_its_surface_may_merge() {
    let composed = of(&asking("Where is the caf\u{e9} in Rome?"));
    let decomposed = of(&asking("Where is the cafe\u{301} in Rome?"));
    assert_ne!(composed.fingerprint, decomposed.fingerprint);
    assert_eq!(composed.partition, decomposed.partition);
    assert_eq!(composed.surface, decomposed.surface);
    assert!(composed.surface.is_some());
    let spaced = of(&asking("Where is the caf\u{e9} in Rome? "));
    assert_ne!(composed.fingerprint, spaced.fingerprint);
}

#[test]
fn a_text_cannot_be_cut_so_that_it_passes_for_another() {
    let document = "The fox jumps over the dog. ".repeat(30);
    let all = [
        of(&asking(&format!("Read.\n\n{document}\n\nWho jumps?"))),
        of(&asking(&format!("Read.\n\n{document}\n\n\nWho jumps?"))),
        of(&asking(&format!("Read.\n{document}\n\nWho jumps?"))),
        of(&asking(&format!("Who jumps?\n\n{document}\n\nRead."))),
        of(&asking(&format!("{document}\n\nRead.\n\nWho jumps?"))),
        of(&asking(&format!("Read.\n\n{document}\n\n?Who jumps?"))),
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_ne!(one.fingerprint, other.fingerprint);
        }
    }
}

/// The identity of `body` if the conversation `from` is the same as `to`.
fn linked(body: &Value, from: ContextId, to: ContextId) -> Identity {
    let request =
        ChatRequest::parse(Bytes::from(body.to_string()), &mut Controls::default()).unwrap();
    let same_as = |context| (context == from).then_some(to);
    let setting = Setting {
        scope: scope("k"),
        target: "p/m",
        by_user: false,
        by_surface: true,
        same_as: &same_as,
    };
    identify(&request, Asked::of(&request).as_ref(), &setting)
}

fn turns(first: &str, said: &str, rest: &[(&str, &str)]) -> Value {
    let mut messages = vec![
        json!({"role": "user", "content": first}),
        json!({"role": "assistant", "content": said}),
    ];
    messages.extend(
        rest.iter()
            .map(|(role, content)| json!({"role": role, "content": content})),
    );
    json!({"model": "m", "messages": messages})
}

proptest! {
    #[test]
    fn linked_conversations_are_one_only_if_all_that_follows_is(
        rest in prop::collection::vec((prop::sample::select(&["user", "assistant", "system"][..]), "[a-c]{1,2}"), 0..4),
        other in prop::collection::vec((prop::sample::select(&["user", "assistant", "system"][..]), "[a-c]{1,2}"), 0..4),
    ) {
        let one = of(&json!({"model": "m", "messages": [{"role": "user", "content": "How many?"}]}));
        let near = of(&json!({"model": "m", "messages": [{"role": "user", "content": "What number?"}]}));
        let (from, to) = (near.context.after("8"), one.context.after("8"));
        let body = |first: &str, rest: &[(&'static str, String)]| {
            let mut rest: Vec<(&str, &str)> = rest.iter().map(|(role, text)| (*role, &**text)).collect();
            rest.push(("user", "And then?"));
            turns(first, "8", &rest)
        };
        let of_one = linked(&body("How many?", &rest), from, to);
        let of_near = linked(&body("What number?", &other), from, to);
        prop_assert_eq!(of_one.fingerprint == of_near.fingerprint, rest == other);
        prop_assert_eq!(of_one.partition == of_near.partition, rest == other);
        // Neither another answer nor another question before it is linked.
        let other_answer = linked(&turns("What number?", "9", &[("user", "And then?")]), from, to);
        prop_assert_ne!(other_answer.partition, of_one.partition);
        let other_question = linked(&turns("Why?", "8", &[("user", "And then?")]), from, to);
        prop_assert_ne!(other_question.partition, of_one.partition);
    }
}
