//! What is left out is left out of the bytes and the fields alike, and nothing else is.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::{ChatRequest, Controls, Edit, parse};
use crate::wire::chat::Cut;

const BODY: &str = r#"{"model": "m", "x": [1.50],
 "messages": [ {"role":"system", "content":"a"},
  {"role":"user","content":"long \u00e9","name":"ann", "x":{"b":1.0}},
  {"content": [ {"type":"text", "text":"one"}, {"type":"image_url","image_url":{"url":"u"}},
    {"cache_control":{"type":"ephemeral"},"text":"two","type":"text"} ], "role":"user"} ],"seed":-0.0}"#;

fn text(message: usize, part: usize, shorter: &str) -> Cut {
    let shorter = shorter.to_owned();
    Cut::Text {
        message,
        part,
        shorter,
    }
}

fn raw(request: &ChatRequest) -> &str {
    std::str::from_utf8(request.raw()).unwrap()
}

#[test]
fn what_is_not_cut_keeps_its_bytes_and_its_place() {
    let request = parse(BODY).unwrap();
    let cuts = [Cut::Message(0), text(1, 0, "l\n\"é"), text(2, 2, "t")];
    let shortened = request.shortened(&cuts);
    let expected = concat!(
        r#"{"model":"m","x":[1.50],"messages":[{"role":"user","content":"l\n\"é","name":"ann","x":{"b":1.0}},"#,
        r#"{"content":[{"type":"text", "text":"one"},{"type":"image_url","image_url":{"url":"u"}},"#,
        r#"{"cache_control":{"type":"ephemeral"},"text":"t","type":"text"}],"role":"user"}],"seed":-0.0}"#,
    );
    assert_eq!(raw(&shortened), expected);
    assert_eq!(shortened.body_for("m", &[]).bytes, expected);
    assert_eq!(
        shortened.body_for("n", &[]).bytes,
        expected.replacen(r#""m""#, r#""n""#, 1)
    );
    assert_eq!(shortened.model(), "m");

    let kept = request.shortened(&[Cut::Message(1)]);
    assert!(raw(&kept).contains(r#"[{"role":"system", "content":"a"},{"content": [ {"type""#));
    assert_eq!(raw(&request.shortened(&[])), BODY);
}

#[test]
fn cuts_of_what_is_not_there_change_nothing() {
    let request = parse(BODY).unwrap();
    let cuts = [
        Cut::Message(3),
        text(9, 0, ""),
        text(0, 1, ""),
        text(2, 1, ""),
        text(2, 7, ""),
    ];
    assert_eq!(request.shortened(&cuts).fields(), request.fields());
    let both = [text(0, 0, "b"), Cut::Message(0), text(0, 0, "b")];
    assert_eq!(
        request.shortened(&both).messages(),
        &request.messages()[1..]
    );
}

#[test]
fn controls_stay_taken_out_and_edits_are_made() {
    let body = BODY.replacen('{', r#"{"refrain":{"ttl":1},"stream":true,"#, 1);
    let shortened = parse(&body).unwrap().shortened(&[Cut::Message(0)]);
    assert_eq!(shortened.delivery(), parse(&body).unwrap().delivery());
    let sent = shortened.body_for("m", &[]).bytes;
    assert!(sent.starts_with(br#"{"stream":true,"model":"m""#));
    let edits = [
        Edit::drop("x").unwrap(),
        Edit::drop("messages[].name").unwrap(),
    ];
    let sent = shortened.body_for("m", &edits.each_ref());
    assert_eq!(sent.dropped, ["x", "messages[].name"]);
    let sent = parse(std::str::from_utf8(&sent.bytes).unwrap()).unwrap();
    assert_eq!(sent.messages().len(), 2);
    assert!(sent.fields().get("refrain").is_none() && sent.messages()[0].get("name").is_none());
}

fn message() -> impl Strategy<Value = String> {
    let text = r#""([a-z é]|\\n|\\u00e9|\\")*""#;
    let part = prop_oneof![
        text.prop_map(|text| format!(r#"{{"type": "text","text":{text}}}"#)),
        text.prop_map(|text| format!(r#"{{"te\u0078t":{text} ,"type":"text"}}"#)),
        Just(r#"{"type":"file","text":7,"n":1.0}"#.to_owned()),
    ];
    let content = prop_oneof![
        text.prop_map(|text| format!(r#""role":"user","content" : {text}"#)),
        prop::collection::vec(part, 1..4)
            .prop_map(|parts| format!(r#""c\u006fntent":[ {} ],"role":"tool""#, parts.join(" , "))),
        Just(r#""role":"assistant","content":null"#.to_owned()),
    ];
    (content, "[a-z]{0,3}")
        .prop_map(|(content, name)| format!(r#"{{ {content}, "name":"{name}"}}"#))
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        (1_usize..8).prop_map(Cut::Message),
        (0_usize..8, 0_usize..4, "\\PC{0,4}\n?")
            .prop_map(|(message, part, shorter)| text(message, part, &shorter)),
    ]
}

proptest! {
    #[test]
    fn bytes_and_fields_agree(
        messages in prop::collection::vec(message(), 0..6),
        cuts in prop::collection::vec(cut(), 0..8),
        control in any::<bool>(),
    ) {
        let control = if control { r#" "refrain" : {"ttl": 5} ,"# } else { "" };
        let first = r#"{"role":"assistant","content":"x"}"#.to_owned();
        let messages = [vec![first], messages].concat().join(" ,");
        let body = format!(r#"{{{control} "model":"m","messages":[{messages}], "seed":1 }}"#);
        let Ok(request) = parse(&body) else { return Ok(()) };
        let shortened = request.shortened(&cuts);
        let read: Value = serde_json::from_slice(shortened.raw()).unwrap();
        prop_assert_eq!(&read["messages"], &shortened.fields()["messages"]);
        let sent = shortened.body_for("m", &[]).bytes;
        let again = ChatRequest::parse(Bytes::clone(&sent), &mut Controls::default());
        // The last text may have become one without words, which is no request of a client's.
        if let Ok(again) = again {
            prop_assert_eq!(again.fields(), shortened.fields());
        }
        prop_assert!(shortened.fields().keys().eq(request.fields().keys()));
    }
}
