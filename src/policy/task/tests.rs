use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    policy::question::Asked,
    wire::{chat::ChatRequest, controls::Controls},
};

fn request(body: &Value) -> ChatRequest {
    ChatRequest::parse(body.to_string().into(), &mut Controls::default()).unwrap()
}

fn asking(content: impl Into<Value>) -> ChatRequest {
    request(&json!({"model": "auto", "messages": [{"role": "user", "content": content.into()}]}))
}

fn signs(request: &ChatRequest) -> Vec<Sign> {
    Signals::of(request).signs().to_vec()
}

/// The paragraphs of a document, none of which could be an instruction.
fn document(bytes: usize) -> String {
    let paragraph = "The harbour was built in stone, for wood does not last. ".repeat(12);
    let mut document = String::new();
    while document.len() < bytes {
        document.push_str(&paragraph);
        document.push_str("\n\n");
    }
    document
}

fn named(name: &str) -> TaskName {
    TaskName::new(name).unwrap()
}

/// Each task has one example, along an axis of its own.
fn examples(names: &[&str]) -> Examples {
    let axis = |at: usize| {
        (0..names.len())
            .map(|i| f32::from(u8::from(i == at)))
            .collect()
    };
    let tasks = names.iter().enumerate();
    Examples::new(tasks.map(|(at, name)| (named(name), vec![axis(at)]))).unwrap()
}

fn rule(margin: f32) -> Rule {
    Rule {
        default: named("chat"),
        margin: Similarity::new(margin).unwrap(),
    }
}

fn decided(signals: &Signals, vector: Option<&[f32]>, names: &[&str]) -> (String, Why) {
    let classified = classify(signals, vector, &examples(names), &rule(0.02));
    (classified.task.to_string(), classified.why)
}

#[test]
fn the_text_is_what_the_cache_embeds() {
    let long = format!("Which rule is this about?\n\n{}", document(3000));
    for text in ["  Who built it? ", &long] {
        let request = asking(text);
        let asked = Asked::of(&request).unwrap();
        assert_eq!(text_of(&request), Some(asked.parts.unwrap().question));
    }
    let parts = json!([{"type": "text", "text": "Who built it?"}]);
    assert_eq!(text_of(&asking(parts)).as_deref(), Some("Who built it?"));
}

#[test]
fn the_text_is_found_where_the_cache_has_none() {
    let picture = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let parts = json!([{"type": "text", "text": "What is this?"}, picture, {"type": "text", "text": "Briefly."}]);
    assert_eq!(
        text_of(&asking(parts)).as_deref(),
        Some("What is this?\nBriefly.")
    );
    assert_eq!(text_of(&asking(json!([picture]))), None);

    let tools = request(&json!({"model": "auto", "messages": [
        {"role": "user", "content": "Is it raining?"},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "yes"},
    ]}));
    assert_eq!(text_of(&tools).as_deref(), Some("Is it raining?"));

    // Nothing in it is short enough to be an instruction.
    let text = text_of(&asking("é".repeat(5000))).unwrap();
    assert!(text.len() <= 2048 && text.len() > 2000);
    let system = json!({"model": "auto", "messages": [{"role": "system", "content": "Be kind."}]});
    assert_eq!(text_of(&request(&system)), None);
}

#[test]
fn code_and_statements_are_seen() {
    let long = |block: &str| asking(format!("{}\n\n{block}", document(700)));
    let code = [Sign::Code];
    assert_eq!(signs(&long("```python\nx = 1\n```")), code);
    assert_eq!(signs(&long("```\nif a {\n  b();\n}\n```")), code);
    assert_eq!(
        signs(&long("Traceback (most recent call last):\n  File \"a\"")),
        code
    );
    assert_eq!(signs(&long("```json\n{\"a\": 1}\n```")), []);
    assert_eq!(signs(&long("```\nDear Ann,\nit rains.\n```")), []);
    assert_eq!(signs(&long("SELECT a\nFROM b")), [Sign::Sql]);
    assert_eq!(signs(&long("```sql\nvacuum\n```")), [Sign::Sql]);
    assert_eq!(signs(&long("ships(id, name, port)")), [Sign::Sql]);
    assert_eq!(signs(&long("```")), []);
}

#[test]
fn the_purpose_in_a_short_system_prompt_counts() {
    let with = |system: &str| {
        let user =
            "The ferry leaves at eight in the morning and comes back at nine in the evening.";
        signs(&request(&json!({"model": "auto", "messages": [
            {"role": "system", "content": system}, {"role": "user", "content": user},
        ]})))
    };
    assert_eq!(
        with("You translate what the user writes."),
        [Sign::Translation]
    );
    assert_eq!(with(&format!("You translate. {}", document(700))), []);
}

#[test]
fn few_words_count_only_alone() {
    assert_eq!(signs(&asking("Who built it?")), [Sign::Short]);
    assert_eq!(
        signs(&asking(
            "Was it Ann that built the old harbour of the town, or her brother Ben?"
        )),
        []
    );
    let mut body =
        json!({"model": "auto", "messages": [{"role": "user", "content": "Who built it?"}]});
    body["tools"] = json!([{"type": "function", "function": {"name": "look"}}]);
    assert_eq!(signs(&request(&body)), []);
    let later = json!({"model": "auto", "messages": [
        {"role": "user", "content": "Who built it?"},
        {"role": "assistant", "content": "Ann."},
        {"role": "user", "content": "And when?"},
    ]});
    assert_eq!(signs(&request(&later)), []);
    let picture =
        json!([{"type": "text", "text": "Who?"}, {"type": "input_audio", "input_audio": {}}]);
    assert_eq!(signs(&asking(picture)), []);
}

#[test]
fn length_decides_about_long_context_only_where_it_is_a_task() {
    let names = ["simple", "long_context"];
    let long = Signals::of(&asking(document(100_000)));
    assert_eq!(long.signs(), [Sign::LongInput]);
    let expected = ("long_context".to_owned(), Why::Sign(Sign::LongInput));
    assert_eq!(decided(&long, Some(&[1.0, 0.0]), &names), expected);
    assert_eq!(decided(&long, None, &names), expected);
    assert_eq!(
        decided(&long, Some(&[1.0]), &["simple"]),
        ("simple".to_owned(), Why::Nearest)
    );

    // Asking about long texts is not long, unless there is a file.
    let about = Signals::of(&asking("How would you go through the whole book?"));
    assert!(!about.may_be_long());
    assert_eq!(decided(&about, Some(&[0.0, 1.0]), &names).0, "simple");
    let file = json!([{"type": "text", "text": "Go through it."}, {"type": "file", "file": {"file_id": "f"}}]);
    let file = Signals::of(&asking(file));
    let nearest = ("long_context".to_owned(), Why::Nearest);
    assert_eq!(decided(&file, Some(&[0.0, 1.0]), &names), nearest);
    let middle = Signals::of(&asking(document(16_000)));
    assert_eq!(decided(&middle, Some(&[0.0, 1.0]), &names), nearest);
}

#[test]
fn a_long_conversation_is_long_and_pictures_are_not() {
    let turns: Vec<Value> = (0..50)
        .flat_map(|_| [("user", document(1000)), ("assistant", document(1000))])
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect();
    assert_eq!(
        signs(&request(&json!({"model": "auto", "messages": turns}))),
        [Sign::LongInput]
    );
    let url = format!("data:image/png;base64,{}", "A".repeat(200_000));
    let picture = json!([{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]);
    assert!(!Signals::of(&asking(picture)).may_be_long());
}

#[test]
fn signs_turn_the_scale_and_the_margin_leaves_it() {
    let names = ["chat", "sql", "extract"];
    let none = Signals::of(&asking(
        "It rains a lot here, more than anywhere else I have ever been to.",
    ));
    assert_eq!(none.signs(), []);
    let sql = Signals::of(&asking(
        "the left join of both of these, and only the rows that have no partner",
    ));
    assert_eq!(sql.signs(), [Sign::Sql]);

    let nearer_extract = [0.1, 0.45, 0.5];
    let check = |signals, vector: &[f32], task: &str, why| {
        assert_eq!(
            decided(signals, Some(vector), &names),
            (task.to_owned(), why)
        );
    };
    check(&none, &nearer_extract, "extract", Why::Nearest);
    check(&sql, &nearer_extract, "sql", Why::Sign(Sign::Sql));
    check(&sql, &[0.1, 0.5, 0.45], "sql", Why::Nearest);
    check(&sql, &[0.1, 0.2, 0.5], "extract", Why::Nearest);
    check(&none, &[0.1, 0.49, 0.5], "chat", Why::BelowMargin);
    check(&sql, &[0.1, 0.39, 0.5], "chat", Why::BelowMargin);
    // Nothing can be made of such vectors.
    for vector in [&[][..], &[1.0], &[f32::NAN, 0.0, 0.0]] {
        check(&sql, vector, "sql", Why::Sign(Sign::Sql));
        check(&none, vector, "chat", Why::NoVector);
    }
}

#[test]
fn without_examples_there_are_signs_or_the_default() {
    let sql = Signals::of(&asking("a left join for this"));
    let names = [named("chat"), named("sql"), named("simple")];
    let no_vectors = Examples::new(names.map(|name| (name, Vec::new()))).unwrap();
    let classified = classify(&sql, Some(&[1.0]), &no_vectors, &rule(0.02));
    assert_eq!(
        (classified.task.as_str(), classified.why),
        ("sql", Why::Sign(Sign::Sql))
    );
    assert_eq!(classified.scores[0], (named("sql"), 0.12));
    // Two signs of the same weight.
    let both = Signals::of(&asking("a left join for this in python"));
    let of_both =
        Examples::new([named("sql"), named("code_generation")].map(|name| (name, Vec::new())));
    let classified = classify(&both, None, &of_both.unwrap(), &rule(0.02));
    assert_eq!(
        (classified.task.as_str(), classified.why),
        ("chat", Why::BelowMargin)
    );

    let nothing = classify(&sql, Some(&[1.0]), &Examples::default(), &rule(0.0));
    assert_eq!(
        (nothing.task.as_str(), nothing.why),
        ("chat", Why::NoVector)
    );
    assert_eq!((nothing.scores, nothing.margin), (vec![], None));
}

proptest! {
    #[test]
    fn an_answer_is_a_task_or_the_default(
        text in "\\PC{1,200}",
        vectors in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 3), 0..12),
        vector in prop::option::of(prop::collection::vec(prop::num::f32::ANY, 0..5)),
        margin in 0.0_f32..1.0,
    ) {
        prop_assume!(!text.trim().is_empty());
        let names = ["own", "sql", "long_context", "simple"];
        let tasks = names.iter().enumerate().map(|(at, name)| {
            let own = vectors.iter().skip(at).step_by(names.len()).cloned().collect();
            (named(name), own)
        });
        let examples = Examples::new(tasks).unwrap();
        let signals = Signals::of(&asking(text));
        let classified = classify(&signals, vector.as_deref(), &examples, &rule(margin));
        let task = classified.task.as_str();
        prop_assert!(task == "chat" || names.contains(&task));
        prop_assert!(classified.scores.is_sorted_by(|a, b| a.1 >= b.1));
        prop_assert!(classified.margin.is_none_or(|margin| margin >= 0.0));
        let is_best = classified.scores.first().is_some_and(|(best, _)| best.as_str() == task);
        let is_default = matches!(classified.why, Why::BelowMargin | Why::NoVector);
        prop_assert!(is_default || is_best);
        if let Why::BelowMargin = classified.why {
            prop_assert!(classified.margin.unwrap() < margin);
        }
    }
}
