use proptest::{prelude::*, sample::select};
use serde_json::json;

use super::*;
use crate::policy::identity::ScopeKind;

fn scope(name: &str) -> Scope {
    Scope::new(&[7; 32], ScopeKind::Key, name.as_bytes())
}

fn of(messages: &Value) -> Keys {
    keys(scope("a"), "m", messages.as_array().unwrap())
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn calling(id: &str) -> Value {
    let function = json!({"name": "weigh", "arguments": "{\"crab\": 1}"});
    json!({"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function", "function": function}]})
}

fn result(id: &str, text: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": text})
}

/// That a request of `next` continues one of `before`.
#[track_caller]
fn goes_on(before: &Value, next: &Value) {
    assert_eq!(of(next).continues, Some(of(before).becomes));
}

#[test]
fn a_first_question_continues_nothing() {
    assert_eq!(of(&json!([user("Hello")])).continues, None);
    let briefed = json!([{"role": "system", "content": "Be brief."}, user("Hello")]);
    assert_eq!(of(&briefed).continues, None);
    assert_eq!(
        of(&json!([assistant("Ask me."), user("Hello")])).continues,
        None
    );
    assert_eq!(of(&json!([])).continues, None);
}

#[test]
fn each_turn_continues_the_one_before() {
    let (one, two) = (user("How do crabs walk?"), user("Why?"));
    let first = json!([one]);
    let second = json!([one, assistant("Sideways."), two]);
    let third = json!([
        one,
        assistant("Sideways."),
        two,
        assistant("Knees."),
        user("Oh.")
    ]);
    goes_on(&first, &second);
    goes_on(&second, &third);
    assert_ne!(of(&third).continues, Some(of(&first).becomes));
    // The answer itself is in what comes after it.
    let other = json!([one, assistant("Slowly."), two]);
    goes_on(&first, &other);
    assert_ne!(of(&other).becomes, of(&second).becomes);
}

#[test]
fn tools_are_turns_too() {
    let question = user("How heavy are they?");
    let first = json!([question]);
    let second = json!([question, calling("c1"), result("c1", "7")]);
    let third = json!([
        question,
        calling("c1"),
        result("c1", "7"),
        calling("c2"),
        result("c2", "8")
    ]);
    goes_on(&first, &second);
    goes_on(&second, &third);
    let answered = json!([
        question,
        calling("c1"),
        result("c1", "7"),
        assistant("7 g."),
        user("Thanks.")
    ]);
    goes_on(&second, &answered);
}

#[test]
fn an_answer_may_be_several_messages() {
    let question = user("How heavy is it?");
    let next = json!([
        question,
        assistant("Let me see."),
        calling("c1"),
        result("c1", "7")
    ]);
    goes_on(&json!([question]), &next);
}

#[test]
fn an_answer_that_was_begun_is_of_the_answer() {
    let (one, two) = (user("Name a crab."), user("As JSON."));
    let first = json!([one]);
    let begun = json!([one, assistant("King crab"), two, assistant("{")]);
    goes_on(&first, &begun);
    let next = json!([
        one,
        assistant("King crab"),
        two,
        assistant("{\"crab\": 1}"),
        user("Another.")
    ]);
    goes_on(&begun, &next);
    goes_on(&first, &json!([one, assistant("King cr")]));
    let alone = of(&json!([assistant("Once upon a time")]));
    assert_eq!(alone.continues, None);
    assert_ne!(alone.becomes, of(&json!([assistant("There was")])).becomes);
}

#[test]
fn spelling_does_not_matter() {
    let mark = json!({"type": "ephemeral"});
    let plain = json!([
        {"role": "system", "content": "Be brief."},
        user("How heavy?"),
        calling("c1"),
        result("c1", "7"),
        user("And this?"),
    ]);
    let parts = |text: &str| json!([{"type": "text", "text": text, "cache_control": mark}]);
    let rewritten = json!({"name": "weigh", "arguments": "{ \"crab\":1 }"});
    let otherwise = json!([
        {"content": parts("Be brief."), "role": "system"},
        {"role": "user", "content": parts("How heavy?"), "cache_control": mark},
        {"role": "assistant", "content": "", "refusal": null, "reasoning_content": "Hm.", "name": null,
         "tool_calls": [{"function": rewritten, "index": 0, "id": "c1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "c1", "content": parts("7")},
        {"role": "user", "content": [{"type": "input_text", "text": "And this?"}]},
    ]);
    assert_eq!(of(&plain), of(&otherwise));
    let shown = |part: Value| of(&json!([{"role": "user", "content": [part]}]));
    let image = json!({"url": "https://example.com/a.png"});
    assert_eq!(
        shown(json!({"type": "image_url", "image_url": image})),
        shown(json!({"type": "image_url", "image_url": image, "cache_control": mark})),
    );
}

#[test]
fn everything_that_counts_makes_another_key() {
    let called = |id: &str, name: &str, arguments: &str| json!({"role": "assistant", "tool_calls": [{"id": id, "function": {"name": name, "arguments": arguments}}]});
    let image = |url: &str| json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]});
    let variants = [
        user("a"),
        user("b"),
        user("a "),
        user("A"),
        json!({"role": "system", "content": "a"}),
        json!({"role": "developer", "content": "a"}),
        json!({"role": "user", "name": "kim", "content": "a"}),
        json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
        user("ab"),
        json!({"role": "user", "content": [{"type": "refusal", "refusal": "a"}]}),
        image("https://example.com/a"),
        image("https://example.com/b"),
        json!({"role": "user", "content": [{"type": "file", "file": {"file_id": "a"}}]}),
        called("c1", "f", "{}"),
        called("c2", "f", "{}"),
        called("c1", "g", "{}"),
        called("", "f", "{}"),
        called("", "f", "[]"),
        json!({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}),
        json!({"role": "assistant", "function_call": {"name": "f", "arguments": "[]"}}),
        json!({"role": "assistant", "refusal": "a"}),
        result("c1", "a"),
        result("c2", "a"),
        json!({"role": "function", "name": "f", "content": "a"}),
        json!({"role": "function", "name": "g", "content": "a"}),
        json!({"role": "user", "content": 1}),
        json!({"role": "user", "content": {"a": [true, false, null]}}),
        json!(["user", "a"]),
        json!(null),
    ];
    let keys: std::collections::HashSet<_> = (variants.iter())
        .map(|message| of(&json!([message, user("next")])).becomes)
        .collect();
    assert_eq!(keys.len(), variants.len());
}

#[test]
fn scope_and_model_make_another_key() {
    let messages = [user("a"), assistant("b"), user("c")];
    let key = keys(scope("a"), "m", &messages);
    for other in [
        keys(scope("b"), "m", &messages),
        keys(scope("a"), "n", &messages),
        keys(scope("a"), "", &messages),
    ] {
        assert_ne!(key.becomes, other.becomes);
        assert_ne!(key.continues, other.continues);
    }
    assert_eq!(keys(scope("a"), "m", &messages), key);
}

/// Messages that differ in what counts exactly if they differ at all; made of few and empty texts and of
/// the bytes that frames are made of, so that they would collide if anything could.
fn message() -> impl Strategy<Value = Value> {
    let text = || {
        select(vec![
            "a",
            "b",
            "aa",
            "ab",
            "m",
            "t\u{1}\0\0\0\0\0\0\0a",
            "user",
            "{",
            "}",
        ])
    };
    let part = prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        text().prop_map(|url| json!({"type": "image_url", "image_url": {"url": url}})),
        text().prop_map(|url| json!({"type": "image_url", "image_url": [url]})),
        (text(), text()).prop_map(|(a, b)| json!({"type": "x", a: b, "y": [[], b]})),
    ];
    // A single text part is the same as a plain text, so the lists here are longer.
    let parts = proptest::collection::vec(part, 2..4);
    let call =
        (text(), text()).prop_map(|(id, name)| json!({"id": id, "function": {"name": name}}));
    let calls = proptest::collection::vec(call, 1..3);
    let role = || select(vec!["system", "user", "tool", "a"]);
    prop_oneof![
        (role(), text()).prop_map(|(role, text)| json!({"role": role, "content": text})),
        (role(), text(), text()).prop_map(
            |(role, id, text)| json!({"role": role, "tool_call_id": id, "content": text})
        ),
        (role(), parts).prop_map(|(role, parts)| json!({"role": role, "content": parts})),
        (text(), calls).prop_map(
            |(text, calls)| json!({"role": "assistant", "content": text, "tool_calls": calls})
        ),
    ]
}

proptest! {
    #[test]
    fn no_two_lists_collide(
        one in proptest::collection::vec(message(), 0..5),
        other in proptest::collection::vec(message(), 0..5),
        cut in any::<proptest::sample::Index>(),
    ) {
        // Ends that are answers are not of the request.
        let close = |mut messages: Vec<Value>| {
            messages.push(user("end"));
            messages
        };
        let key = |messages: &[Value]| keys(scope("a"), "m", messages).becomes;
        let part = one[..cut.index(one.len() + 1)].to_vec();
        let (one, other, part) = (close(one), close(other), close(part));
        prop_assert_eq!(key(&one) == key(&other), one == other);
        prop_assert_eq!(key(&one) == key(&part), one == part);
    }

    /// Whatever was said before: an answer and a question more continue the request.
    #[test]
    fn what_was_asked_is_continued(mut messages in proptest::collection::vec(message(), 0..6), text in ".{0,8}") {
        messages.push(user("question"));
        let before = keys(scope("a"), "m", &messages);
        prop_assert_ne!(before.continues, Some(before.becomes));
        messages.push(assistant(&text));
        prop_assert_eq!(keys(scope("a"), "m", &messages).becomes, before.becomes);
        messages.push(user("next"));
        let next = keys(scope("a"), "m", &messages);
        prop_assert_eq!(next.continues, Some(before.becomes));
    }
}
