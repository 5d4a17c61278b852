//! What holds for every conversation, whoever counts.

use std::{cell::Cell, collections::HashMap};

use proptest::prelude::*;

use super::{
    counters::{Convex, Quarter, Words},
    *,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{1,6}( [a-z]{1,6}){0,4}",
        2 => ("[a-z]{1,4}", 1_usize..400).prop_map(|(word, count)| [&*word, " "].concat().repeat(count)),
        1 => "(\\PC{1,3}( |🇨🇭|👩‍🚀|e\u{301})){0,80}".prop_map(|text| format!("x{text}")),
        1 => "\\{\"a\":\\[[0-9,]{0,900}\\]\\}",
    ]
}

fn content() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        3 => text().prop_map(|text| json!({"type": "text", "text": text})),
        1 => Just(json!({"type": "image_url", "image_url": {"url": "data:,"}})),
    ];
    prop_oneof![
        3 => text().prop_map(Value::from),
        1 => prop::collection::vec(part, 1..4).prop_map(Value::from),
    ]
}

/// Some ids are those of calls, some are not, some are given more than once.
fn message() -> impl Strategy<Value = Value> {
    let ids = || prop::collection::vec("[a-e]", 1..3);
    prop_oneof![
        1 => content().prop_map(|content| json!({"role": "system", "content": content})),
        3 => content().prop_map(|content| json!({"role": "user", "content": content})),
        3 => content().prop_map(|content| json!({"role": "assistant", "content": content})),
        4 => ids().prop_map(|ids| {
            let calls: Vec<Value> = ids.iter().map(|id| {
                json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}})
            }).collect();
            json!({"role": "assistant", "content": null, "tool_calls": calls})
        }),
        5 => (content(), "[a-e]").prop_map(|(content, id)| {
            json!({"role": "tool", "tool_call_id": id, "content": content})
        }),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(message(), 1..16)
}

fn counter() -> impl Strategy<Value = &'static dyn Counter> {
    prop_oneof![
        Just(&Quarter as &dyn Counter),
        Just(&Words as &dyn Counter),
        Just(&Convex as &dyn Counter),
    ]
}

impl std::fmt::Debug for dyn Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one that takes \"a b\" for {}", self.count("a b").0)
    }
}

fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap()
}

/// Each result with the call before it.
fn pairs(messages: &[Value]) -> Vec<(usize, usize)> {
    let mut calls = HashMap::new();
    let mut pairs = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            calls.insert(call["id"].as_str().unwrap(), position);
        }
        if let Some(id) = message["tool_call_id"].as_str()
            && let Some(call) = calls.get(id)
        {
            pairs.push((*call, position));
        }
    }
    pairs
}

/// Whether `left` is the beginning and the end of `text`, with a mark between them that is about right.
fn is_cut_of(left: &str, text: &str, counter: &dyn Counter) -> bool {
    let mut marks = left.match_indices("\n[... ");
    marks.any(|(at, mark)| {
        let head = &left[..at];
        let Some((number, tail)) = left[at + mark.len()..].split_once(" tokens left out ...]\n")
        else {
            return false;
        };
        let number: u64 = number.parse().unwrap();
        text.starts_with(head)
            && text.ends_with(tail)
            && head.len() + tail.len() < text.len()
            && number > 0
            && number <= counter.count(text).0
    })
}

/// The message with its texts taken out, and these.
fn without_texts(message: &Value) -> (Value, Vec<String>) {
    let mut message = message.clone();
    let mut texts = Vec::new();
    let mut take = |value: &mut Value| {
        if let Value::String(text) = value {
            texts.push(std::mem::take(text));
        }
    };
    let content = &mut message["content"];
    if let Value::Array(parts) = content {
        for part in parts.iter_mut().filter(|part| part["type"] == "text") {
            take(&mut part["text"]);
        }
    } else {
        take(content);
    }
    (message, texts)
}

proptest! {
    #[test]
    fn fits_and_keeps_what_must_stay(
        messages in conversation(),
        share in 0_u64..110,
        counter in counter(),
    ) {
        let before = total(&messages, counter);
        let budget = before * share / 100;
        match fitted(&messages, budget, counter) {
            Err(error) => {
                prop_assert!(error.pinned.0 > budget && error.pinned.0 <= before);
                prop_assert_eq!(error.budget, Tokens(budget));
                // What it says is what it takes.
                let fits = fitted(&messages, error.pinned.0, counter).unwrap();
                prop_assert!(fits.after <= error.pinned);
            }
            Ok(fits) => {
                prop_assert_eq!(fits.before, Tokens(before));
                prop_assert!(fits.after.0 <= budget);
                prop_assert_eq!(fits.cuts.is_empty(), before <= budget);
                let kept = kept(&messages, &fits.cuts);
                let left = request(&messages).shortened(&fits.cuts);
                let left = left.messages();
                prop_assert_eq!(total(left, counter), fits.after.0);
                let again = fitted(left, budget, counter).unwrap();
                prop_assert!(again.cuts.is_empty());

                // Order, and nothing but texts has changed.
                prop_assert_eq!(left.len(), kept.len());
                for (left, position) in left.iter().zip(&kept) {
                    let (left, now) = without_texts(left);
                    let (came, texts) = without_texts(&messages[*position]);
                    prop_assert_eq!(left, came);
                    prop_assert_eq!(now.len(), texts.len());
                    for (now, text) in now.iter().zip(&texts) {
                        let is_system = role(&messages[*position]) == "system";
                        prop_assert!(now == text || !is_system && is_cut_of(now, text, counter));
                    }
                }

                // What is pinned, and what belongs together.
                let last_user = messages.iter().rposition(|message| role(message) == "user");
                for (position, message) in messages.iter().enumerate() {
                    let stays = role(message) == "system" || Some(position) == last_user;
                    prop_assert!(!stays || kept.contains(&position));
                }
                for (call, result) in pairs(&messages) {
                    prop_assert_eq!(kept.contains(&call), kept.contains(&result));
                }
                let speaks = |position: &usize| role(&messages[*position]) != "system";
                let first = kept.iter().copied().find(speaks);
                let first_before = (0..messages.len()).find(speaks);
                prop_assert_eq!(first.is_none(), first_before.is_none());
                let role = first.map(|first| role(&messages[first]));
                prop_assert!(
                    first == first_before
                        || role == Some("user")
                        || role == Some("assistant") && last_user.is_none()
                );
            }
        }
    }

    /// More room is filled, but for what a cut may fall short of: the room that the mark takes, and
    /// characters and words that are not cut.
    #[test]
    fn more_room_keeps_more(
        messages in conversation(),
        shares in (0_u64..110, 0_u64..110),
        counter in prop_oneof![Just(&Quarter as &dyn Counter), Just(&Words as &dyn Counter)],
    ) {
        let before = total(&messages, counter);
        let less = before * shares.0.min(shares.1) / 100;
        let more = before * shares.0.max(shares.1) / 100;
        if let Ok(fits) = fitted(&messages, less, counter) {
            let roomier = fitted(&messages, more, counter).unwrap();
            prop_assert!(
                fits.after.0 <= roomier.after.0 + 15,
                "{} of {less}, {} of {more}", fits.after.0, roomier.after.0
            );
            let kept_then = kept(&messages, &roomier.cuts);
            prop_assert!(kept(&messages, &fits.cuts).iter().all(|at| kept_then.contains(at)));
        }
    }

    #[test]
    fn odd_messages_do_no_harm(
        messages in prop::collection::vec(odd(), 0..8),
        tokens in prop::collection::vec(prop_oneof![0_u64..300, Just(u64::MAX)], 0..9),
        fixed in prop_oneof![0_u64..50, Just(u64::MAX)],
        budget in prop_oneof![0_u64..800, Just(u64::MAX)],
        counter in counter(),
    ) {
        let tokens: Vec<Tokens> = tokens.into_iter().map(Tokens).collect();
        match fit(&messages, &tokens, Tokens(fixed), Tokens(budget), counter) {
            Ok(fits) => prop_assert!(fits.after.0 <= budget),
            Err(error) => prop_assert!(error.pinned.0 > budget || budget == u64::MAX),
        }
    }
}

/// Messages that no client should send.
fn odd() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        Just(json!("user")),
        Just(json!("tool")),
        Just(json!("assistant")),
        Just(json!(7)),
        Just(json!([7, {"type": "text", "text": 7}, {"type": "text"}, {"text": "x"}])),
        Just(json!([{"id": "a"}, {"id": 7}, "a"])),
        text().prop_map(|text| json!([{"type": "text", "text": text}])),
        text().prop_map(Value::from),
    ];
    let name = prop::sample::select(&["role", "content", "tool_calls", "tool_call_id", "name"][..]);
    prop_oneof![
        4 => prop::collection::hash_map(name, value.clone(), 0..6).prop_map(|map| json!(map)),
        1 => value,
    ]
}

#[test]
fn only_texts_are_cut() {
    let long = "word ".repeat(300);
    let part = json!({"type": "file", "text": long, "file": {"file_data": long}});
    let messages = [json!({"role": "user", "content": [part], "name": long, "text": long})];
    let refused = fit(&messages, &[Tokens(900)], FIXED, Tokens(500), &Words);
    assert_eq!(refused.unwrap_err().pinned, Tokens(907));
}

/// Counts the bytes that it is asked for.
struct Watched(Cell<usize>);

impl Watched {
    fn look_at(&self, text: &str) {
        self.0.set(self.0.get() + text.len());
    }
}

impl Counter for Watched {
    fn count(&self, text: &str) -> Tokens {
        self.look_at(text);
        Quarter.count(text)
    }

    fn beginning(&self, text: &str, most: Tokens) -> usize {
        let end = Quarter.beginning(text, most);
        self.look_at(&text[..end]);
        end
    }

    fn end(&self, text: &str, most: Tokens) -> usize {
        let start = Quarter.end(text, most);
        self.look_at(&text[start..]);
        start
    }
}

#[test]
fn a_long_conversation_is_counted_a_few_times_at_most() {
    let turn = |number: usize| {
        let id = format!("c{number}");
        let words = "some words ".repeat(if number.is_multiple_of(4) { 250 } else { 4 });
        [
            json!({"role": "user", "content": "And this?"}),
            json!({"role": "assistant", "tool_calls": [{"id": id}]}),
            json!({"role": "tool", "tool_call_id": id, "content": words}),
            json!({"role": "assistant", "content": "That."}),
        ]
    };
    let messages: Vec<Value> = (0..3000).flat_map(turn).collect();
    let size: usize = messages
        .iter()
        .map(|message| message.to_string().len())
        .sum();
    assert!(size > 2_000_000 && messages.len() > 10_000);
    let tokens = tokens(&messages, &Quarter);
    let all = total(&messages, &Quarter);
    let one = [json!({"role": "user", "content": "x".repeat(2_000_000)})];
    for budget in [all - 1, all / 2, all / 10, 1000, 100, 10] {
        let counter = Watched(Cell::new(0));
        let _ = fit(&messages, &tokens, FIXED, Tokens(budget), &counter);
        assert!(counter.0.get() < 3 * size, "{budget}: {}", counter.0.get());

        let counter = Watched(Cell::new(0));
        let _ = fit(&one, &[Tokens(500_000)], FIXED, Tokens(budget), &counter);
        assert!(counter.0.get() < 6_100_000, "{budget}: {}", counter.0.get());
    }
}

/// As if no more than one token in a byte could be told, which is more than the mark has room for.
struct Dear;

impl Counter for Dear {
    fn count(&self, text: &str) -> Tokens {
        Tokens(text.len() as u64 * 100)
    }

    fn beginning(&self, text: &str, _: Tokens) -> usize {
        // Not a border, nor within the text.
        text.len() + 3
    }

    fn end(&self, _: &str, _: Tokens) -> usize {
        1
    }
}

#[test]
fn a_counter_that_is_wrong_does_no_harm() {
    let messages = [
        json!({"role": "user", "content": "é".repeat(100)}),
        json!({"role": "assistant", "content": "é"}),
        json!({"role": "user", "content": "é".repeat(100)}),
    ];
    for budget in [0, 1, 30_000, 40_000, 41_000] {
        if let Ok(fits) = fitted(&messages, budget, &Dear) {
            assert!(fits.after.0 <= budget);
        }
    }
}
