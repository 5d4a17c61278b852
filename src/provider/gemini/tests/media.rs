//! Pictures, sound and documents.

use super::*;

fn user(content: Value) -> Value {
    let mut message = json!({"role": "user"});
    message["content"] = content;
    message
}

fn parts(content: Value) -> Value {
    let sent = sent(json!({"messages": [user(content)]}));
    sent["contents"][0]["parts"].clone()
}

fn image(url: &str) -> Value {
    json!([{"type": "image_url", "image_url": {"url": url, "detail": "high"}}])
}

fn refusal(content: Value) -> String {
    refused(json!({"messages": [user(json!("Hi")), user(content)]}))
}

#[test]
fn pictures() {
    let told = parts(json!([
        {"type": "text", "text": "What are these?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/4AAQ"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a/Cat.WEBP?size=1.png#x"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/picture"}},
        {"type": "image_url", "image_url": "gs://bucket/cat.heic"},
        {"type": "image_url", "image_url": {"url": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
    ]));
    insta::assert_snapshot!(pretty(&told));
}

#[test]
fn sound() {
    let told = parts(json!([
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "MP3"}},
        {"type": "input_audio", "input_audio": {"data": "ZkxhQw==", "format": "flac"}},
    ]));
    insta::assert_snapshot!(pretty(&told));
}

#[test]
fn documents() {
    let told = parts(json!([
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "file", "file": {"filename": "notes.md", "file_data": "IyBIaQ=="}},
        {"type": "file", "file": {"file_data": "data:application/json;base64,e30="}},
        {"type": "file", "file": {"file_data": "data:text/x-rust;charset=utf-8;base64,Zm4="}},
        {"type": "file", "file": {"file_id": "files/abc-123"}},
        {"type": "file", "file": {"file_id": "https://example.com/report", "filename": "report.csv"}},
        {"type": "file", "file": {"file_id": "https://example.com/report"}},
    ]));
    insta::assert_snapshot!(pretty(&told));
}

#[test]
fn what_google_does_not_take_is_named() {
    let list = [
        image("data:image/gif;base64,R0lGODlh"),
        image("data:image/svg+xml;base64,PHN2Zz4="),
        image("https://example.com/a.GIF?x"),
        json!([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "pcm16"}}]),
        json!([{"type": "file", "file": {"file_data": "data:application/zip;base64,UEsDBA=="}}]),
        json!([{"type": "file", "file": {"file_id": "file-abc"}}]),
        json!([{"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}]),
        image("ftp://example.com/a.png"),
        image("data:image/png;base64,%%%"),
        image("data:image/png,raw"),
    ];
    let told: Vec<String> = list.into_iter().map(refusal).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn instructions_are_text() {
    let fields = json!({"messages": [
        {"role": "system", "content": image("data:image/png;base64,iVBORw0KGgo=")},
        {"role": "user", "content": "Hi"},
    ]});
    assert_eq!(refused(fields), "unsupported messages[0].content[0]");
}
