//! Images, documents, sound.

use serde_json::{Value, json};

use super::{MODEL, lenient, refused, sent};

/// `1` and `%PDF-1.4`, as far as anybody reads them here.
const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";
const PDF: &str = "data:application/pdf;base64,JVBERi0xLjQ=";

fn saying(parts: Value) -> Value {
    json!({"messages": [{"role": "user", "content": parts}]})
}

#[test]
fn images_and_documents() {
    let parts = json!([
        {"type": "text", "text": "Compare."},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "data:image/JPG;base64,/9j/4A"}},
        {"type": "image_url", "image_url": {"url": "https://birds.example/stork.webp"}},
        {"type": "file", "file": {"file_data": PDF, "filename": "nest.pdf"}},
        {"type": "file", "file": {"file_data": "JVBERi0xLjQ=", "filename": "bare.pdf"}},
        {"type": "file", "file": {"file_id": "https://birds.example/nest.pdf"}},
        {"type": "file", "file": {"file_data": "data:text/csv;base64,YSxiCjEs4oKs", "filename": "t.csv"}},
        {"type": "file", "file": {"file_data": PNG}},
        {"type": "image_url", "image_url": {"url": PDF}},
    ]);
    insta::assert_json_snapshot!(sent(saying(parts))["messages"][0]["content"]);
}

#[test]
fn a_file_by_its_id_needs_a_header() {
    let parts = json!([
        {"type": "text", "text": "Sum it up."},
        {"type": "file", "file": {"file_id": "file_011CNha8iCJcU1wXNR6q4V8w"}},
    ]);
    insta::assert_json_snapshot!(sent(saying(parts)));
}

#[test]
fn what_it_does_not_read_is_named() {
    let one = |part: Value| saying(json!([{"type": "text", "text": "What is it?"}, part]));
    let refusals = [
        one(json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})),
        one(json!({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,SUkqAA=="}})),
        one(json!({"type": "image_url", "image_url": {"url": "http://birds.example/stork.png"}})),
        one(json!({"type": "image_url", "image_url": {"url": "gs://birds/stork.png"}})),
        one(json!({"type": "file", "file": {"file_data": "data:application/zip;base64,UEsDBA=="}})),
        one(json!({"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}})),
        one(json!({"type": "video_url", "video_url": {"url": "https://birds.example/a.mp4"}})),
        json!({"messages": [
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
            {"role": "user", "content": "Hello"},
        ]}),
        json!({"messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
            {"role": "user", "content": "Hello"},
        ]}),
    ];
    let refusals = refusals.map(|fields| refused(MODEL, fields));
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn what_it_does_not_read_can_be_left_out() {
    let parts = json!([
        {"type": "text", "text": "What is it?"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,SUkqAA=="}},
    ]);
    insta::assert_json_snapshot!(lenient(MODEL, saying(parts)));
}
