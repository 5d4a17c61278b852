//! Edits change what they name and nothing else.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{ChatRequest, Edit, parse, with};

fn drop(field: &str) -> Edit {
    Edit::drop(field).unwrap()
}

fn rename(from: &str, to: &str) -> Edit {
    Edit::rename(from, to).unwrap()
}

fn newer() -> Edit {
    rename("max_tokens", "max_completion_tokens")
}

/// What is sent, and what was left out.
fn edited(body: &str, edits: &[Edit]) -> (String, Vec<String>) {
    let edits: Vec<&Edit> = edits.iter().collect();
    let body = parse(body).unwrap().body_for("m", &edits);
    (
        String::from_utf8(body.bytes.to_vec()).unwrap(),
        body.dropped,
    )
}

#[track_caller]
fn check(field: &str, edits: &[Edit], sent: &str, dropped: &[&str]) {
    let (body, left_out) = edited(&with(field), edits);
    let expected = if sent.is_empty() {
        with("").replace(",}", "}")
    } else {
        with(sent)
    };
    assert_eq!(
        (body, left_out),
        (expected, dropped.iter().map(ToString::to_string).collect())
    );
}

#[test]
fn a_dropped_field_is_gone_and_told_of() {
    check(
        r#""top_p":1,"seed":7"#,
        &[drop("top_p")],
        r#""seed":7"#,
        &["top_p"],
    );
    check(
        r#""top_p":1"#,
        &[drop("top_p"), drop("top_p")],
        "",
        &["top_p"],
    );
    check(r#""top_p":null"#, &[drop("top_p")], "", &[]);
}

#[test]
fn a_renamed_field_keeps_its_place_and_its_spelling() {
    let odd = r#""max_tokens":1e2,"x":[1.50]"#;
    // The value is not judged here: the ranges are, when the request is read.
    let odd_but_whole = odd.replace("1e2", "100");
    check(
        &odd_but_whole,
        &[newer()],
        r#""max_completion_tokens":100,"x":[1.50]"#,
        &[],
    );
    check(
        r#""seed":-0.0"#,
        &[rename("seed", "random_seed")],
        r#""random_seed":-0.0"#,
        &[],
    );
}

#[test]
fn of_both_names_the_new_one_counts() {
    let both = r#""max_tokens":5,"max_completion_tokens":9"#;
    check(both, &[newer()], r#""max_completion_tokens":9"#, &[]);
    let other_way_round = r#""max_completion_tokens":9,"max_tokens":5"#;
    check(
        other_way_round,
        &[newer()],
        r#""max_completion_tokens":9"#,
        &[],
    );
    // `null` is as good as nothing, whichever of the two says it.
    let new_is_null = r#""max_completion_tokens":null,"max_tokens":5"#;
    check(new_is_null, &[newer()], r#""max_completion_tokens":5"#, &[]);
    let new_is_null = r#""max_tokens":5,"max_completion_tokens":null"#;
    check(new_is_null, &[newer()], r#""max_completion_tokens":5"#, &[]);
    let old_is_null = r#""max_tokens":null,"max_completion_tokens":9"#;
    check(old_is_null, &[newer()], r#""max_completion_tokens":9"#, &[]);
}

#[test]
fn edits_are_made_one_after_another() {
    let chain = [rename("a", "b"), rename("b", "c"), drop("d")];
    check(r#""a":1,"d":2"#, &chain, r#""c":1"#, &["d"]);
    check(r#""a":1"#, &[rename("a", "b"), drop("b")], "", &["b"]);
    check(
        r#""b":1,"a":2"#,
        &[drop("b"), rename("a", "b")],
        r#""b":2"#,
        &["b"],
    );
}

const CONVERSATION: &str = r#"{"model":"m","messages":[
    { "role" : "developer", "content" : "Be br\u0069ef.", "name" : "ops" },
    { "role":"user",  "content":"developer" },
    {"content":"ok","role":"deve\u006coper"}],"n":1}"#;

#[test]
fn only_the_messages_that_are_meant_are_touched() {
    let sent = edited(CONVERSATION, &[Edit::developer_as_system()]);
    insta::assert_snapshot!(sent.0, @r#"{"model":"m","messages":[{"role":"system","content":"Be br\u0069ef.","name":"ops"},{ "role":"user",  "content":"developer" },{"content":"ok","role":"system"}],"n":1}"#);
    assert!(sent.1.is_empty());
    let sent = edited(CONVERSATION, &[drop("messages[].name")]);
    insta::assert_snapshot!(sent.0, @r#"{"model":"m","messages":[{"role":"developer","content":"Be br\u0069ef."},{ "role":"user",  "content":"developer" },{"content":"ok","role":"deve\u006coper"}],"n":1}"#);
    assert_eq!(sent.1, ["messages[].name"]);
}

#[test]
fn edits_that_find_nothing_leave_the_bytes_alone() {
    let edits = [drop("top_p"), drop("messages[].refusal"), newer()];
    let edits: Vec<&Edit> = edits.iter().collect();
    let request = parse(CONVERSATION).unwrap();
    let sent = request.body_for("m", &edits);
    assert_eq!(
        sent.bytes.as_ptr(),
        request.raw().as_ptr(),
        "not even a copy"
    );
    // A field of the same name elsewhere is another one.
    let nested = with(r#""x":{"top_p":1,"max_tokens":2,"messages":[{"name":1}]}"#);
    assert_eq!(
        edited(&nested, &[drop("top_p"), newer(), drop("messages[].name")]).0,
        nested
    );
}

#[test]
fn the_model_keeps_its_bytes_unless_it_is_another() {
    let body = with(r#""top_p":1"#).replacen(r#""m""#, r#""\u006d""#, 1);
    let sent = edited(&body, &[drop("top_p")]).0;
    assert!(sent.starts_with(r#"{"model":"\u006d","#), "{sent}");
}

/// Values in spellings that a rewrite would not keep.
const SPELLINGS: [&str; 8] = [
    "1.50",
    "1E2",
    "-0.0",
    "12345678901234567890123",
    r#""\u00e9\/""#,
    r#"[ 1, {"a" :null} ]"#,
    "null",
    r#"{"max_tokens": 1}"#,
];
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "seed", "user"];

fn object(fields: &[(usize, usize)]) -> String {
    let mut seen = Vec::new();
    let mut body = with("").replace(",}", "");
    for (name, value) in fields {
        if !seen.contains(name) {
            seen.push(*name);
            body += &format!(r#" , "{}" : {}"#, NAMES[*name], SPELLINGS[*value]);
        }
    }
    body + "}"
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let name = || 0..NAMES.len();
    prop_oneof![
        name().prop_map(|name| drop(NAMES[name])),
        (name(), 1..NAMES.len())
            .prop_map(|(from, by)| { rename(NAMES[from], NAMES[(from + by) % NAMES.len()]) }),
    ]
}

/// What the edits mean, without any care for bytes.
fn model_of(mut fields: Map<String, Value>, edits: &[Edit]) -> Map<String, Value> {
    use crate::wire::chat::edit::Change;
    for edit in edits {
        match &edit.0 {
            Change::Drop(name) => {
                fields.remove(name);
            }
            Change::Rename { from, to } => {
                if let Some(old) = fields.remove(from)
                    && fields.get(to).is_none_or(Value::is_null)
                {
                    fields.insert(to.clone(), old);
                }
            }
            Change::DropInMessages(_) | Change::DeveloperAsSystem => {}
        }
    }
    fields
}

proptest! {
    #[test]
    fn what_is_sent_is_what_the_edits_mean(
        fields in prop::collection::vec((0..NAMES.len(), 0..SPELLINGS.len()), 0..8),
        edits in prop::collection::vec(any_edit(), 0..5),
    ) {
        let body = object(&fields);
        let (sent, _) = edited(&body, &edits);
        let before: Map<String, Value> = serde_json::from_str(&body).unwrap();
        let after: Map<String, Value> = serde_json::from_str(&sent).unwrap();
        prop_assert_eq!(after, model_of(before, &edits));
        // Each value that is left is spelled as it was.
        let request = parse(&sent).unwrap();
        for value in SPELLINGS {
            if sent.contains(value) {
                prop_assert!(body.contains(value));
            }
        }
        prop_assert_eq!(request.model(), "m");
    }

    #[test]
    fn untouched_fields_keep_bytes_and_order(
        fields in prop::collection::vec((0..NAMES.len(), 0..SPELLINGS.len()), 0..8),
        gone in 0..NAMES.len(),
    ) {
        let (sent, _) = edited(&object(&fields), &[drop(NAMES[gone])]);
        let kept: Vec<_> = fields.iter().copied().filter(|(name, _)| *name != gone).collect();
        let squeezed = |text: &str| text.replace(" , \"", ",\"").replace("\" : ", "\":");
        prop_assert_eq!(squeezed(&sent), squeezed(&object(&kept)));
    }

    #[test]
    fn an_edit_made_twice_is_an_edit_made_once(
        fields in prop::collection::vec((0..NAMES.len(), 0..SPELLINGS.len()), 0..8),
        edit in any_edit(),
    ) {
        let (once, _) = edited(&object(&fields), std::slice::from_ref(&edit));
        prop_assert_eq!(&edited(&once, std::slice::from_ref(&edit)).0, &once);
    }

    #[test]
    fn never_panics_on_damaged_conversations(at in 0_usize..240, byte in any::<u8>()) {
        let mut body = CONVERSATION.as_bytes().to_vec();
        let at = at % body.len();
        body[at] = byte;
        let mut controls = super::Controls::default();
        if let Ok(request) = ChatRequest::parse(Bytes::from(body), &mut controls) {
            let edits = [drop("messages[].name"), Edit::developer_as_system(), newer()];
            let sent = request.body_for("other", &edits.iter().collect::<Vec<_>>());
            let read: Result<Value, _> = serde_json::from_slice(&sent.bytes);
            prop_assert!(read.is_ok());
        }
    }
}
