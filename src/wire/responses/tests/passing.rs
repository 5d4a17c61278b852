//! Words that pass.

use bytes::Bytes;
use serde_json::Value;

use crate::wire::{error_body::ErrorObject, responses::Passing, sse};

const STREAM: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"previous_response_id\":null,\"t\":1.0},\"sequence_number\":0}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"\\\"response\\\":{}\",\"sequence_number\":1}\n\nevent: response.completed\r\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"},\"sequence_number\":2}\r\n\r\n";

#[test]
fn words_pass_as_they_are_and_the_end_is_seen() {
    let mut passing = Passing::new(None);
    assert_eq!(
        passing.events(Bytes::from_static(STREAM.as_bytes())),
        STREAM
    );
    let (id, response) = passing.ended().unwrap();
    assert_eq!(id, "resp_1");
    assert_eq!(response, r#"{"id":"resp_1","status":"completed"}"#);
    assert_eq!(passing.ended(), None);
    let body = Bytes::from_static(br#"{ "id": "resp_2", "status": "incomplete" }"#);
    assert_eq!(passing.whole(body.clone()), body);
    assert_eq!(passing.ended().unwrap().0, "resp_2");
    for other in [
        &b"{}"[..],
        b"nothing",
        br#"{"id":"resp_3","status":"failed"}"#,
    ] {
        passing.whole(Bytes::from_static(other));
        assert_eq!(passing.ended(), None);
    }
}

#[test]
fn the_response_that_is_continued_is_named() {
    let mut passing = Passing::new(Some("resp_\"0".into()));
    let told = passing.events(Bytes::from_static(STREAM.as_bytes()));
    let named = STREAM
        .replace(
            "\"previous_response_id\":null",
            "\"previous_response_id\":\"resp_\\\"0\"",
        )
        .replace(
            "\"status\":\"completed\"}",
            "\"status\":\"completed\",\"previous_response_id\":\"resp_\\\"0\"}",
        );
    assert_eq!(std::str::from_utf8(&told).unwrap(), named);
    let whole = passing.whole(Bytes::from_static(br#"{"id":"resp_1","x":1.50}"#));
    let named = r#"{"id":"resp_1","x":1.50,"previous_response_id":"resp_\"0"}"#;
    assert_eq!(whole, named);
}

#[test]
fn a_break_is_numbered_behind_what_passed() {
    let error = ErrorObject {
        message: "gone".into(),
        kind: None,
        param: None,
        code: None,
    };
    let number = |passing: &Passing| {
        let event = passing.broken(&error);
        let data: Value = serde_json::from_slice(sse::data(&event).next().unwrap()).unwrap();
        data["sequence_number"].as_u64().unwrap()
    };
    let mut passing = Passing::new(None);
    assert_eq!(number(&passing), 0);
    passing.events(Bytes::from_static(STREAM.as_bytes()));
    passing.events(Bytes::new());
    assert_eq!(number(&passing), 3);
}
