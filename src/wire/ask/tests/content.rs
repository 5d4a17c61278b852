//! The parts of messages.

use super::*;

const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

#[test]
fn parts_are_read_and_checked() {
    let user = |part: &Value| messages(&json!([{"role": "user", "content": [part]}]));
    let part = |part: &Value| match user(part).unwrap().turns.remove(0) {
        Turn::User(mut spoken) => spoken.parts.remove(0),
        other @ (Turn::System(_) | Turn::Assistant(_) | Turn::Tool(_)) => panic!("{other:?}"),
    };
    let inline = |media_type: &str, data: &str| Source::Inline {
        media_type: media_type.into(),
        data: data.into(),
    };
    let image = part(&json!({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}));
    assert_eq!(image.at, "messages[0].content[0]");
    assert_eq!(
        image.content,
        Content::Image {
            source: inline("image/png", "iVBORw0KGgo="),
            detail: Some("low".into())
        }
    );
    let bare = part(&json!({"type": "image_url", "image_url": "https://h/x.png"}));
    assert_eq!(
        bare.content,
        Content::Image {
            source: Source::Url("https://h/x.png".into()),
            detail: None
        }
    );
    // Without padding and with line ends, as some clients send it.
    let audio =
        part(&json!({"type": "input_audio", "input_audio": {"data": "AAE\nC", "format": "WAV"}}));
    assert_eq!(
        audio.content,
        Content::Audio {
            data: "AAEC".into(),
            format: "wav".into()
        }
    );
    let file = part(
        &json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}),
    );
    assert!(
        matches!(file.content, Content::File { source, .. } if source == inline("application/pdf", "JVBERg=="))
    );
    for (name, media_type) in [
        (json!("a.pdf"), "application/pdf"),
        (json!(null), "application/pdf"),
        (json!("report"), "application/pdf"),
        (json!("v1.2/report"), "application/pdf"),
        (json!("notes.TXT"), "text/plain"),
        (json!("a.b.json"), "application/json"),
        (json!("data.csv"), "text/csv"),
        (json!("main.py"), "text/x-python"),
        (json!("main.rs"), "text/plain"),
        (json!("crab.png"), "image/png"),
    ] {
        let file =
            part(&json!({"type": "file", "file": {"filename": name, "file_data": "JVBERg=="}}));
        assert!(
            matches!(file.content, Content::File { source, .. } if source == inline(media_type, "JVBERg==")),
            "{name}"
        );
    }
    let marked =
        part(&json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}));
    assert_eq!(marked.cache_control, Some(json!({"type": "ephemeral"})));

    let at = |field: &str| (format!("messages[0].content[0]{field}"), false);
    for (wrong, field) in [
        (json!({"type": "image_url"}), ".image_url"),
        (
            json!({"type": "image_url", "image_url": {}}),
            ".image_url.url",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "x.png"}}),
            ".image_url.url",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}),
            ".image_url.url",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}),
            ".image_url.url",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,*"}}),
            ".image_url.url",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png,x"}}),
            ".image_url.url",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:;base64,AAAA"}}),
            ".image_url.url",
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64"}}),
            ".image_url.url",
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}),
            ".input_audio.data",
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "AAAA"}}),
            ".input_audio.format",
        ),
        (json!({"type": "file", "file": {}}), ".file"),
        (
            json!({"type": "file", "file": {"filename": "a.docx", "file_data": "JVBERg=="}}),
            ".file.filename",
        ),
        (
            json!({"type": "file", "file": {"file_data": "%"}}),
            ".file.file_data",
        ),
    ] {
        assert_eq!(refused(user(&wrong)), at(field), "{wrong}");
    }
    let unknown = user(&json!({"type": "video_url", "video_url": {}}));
    assert_eq!(
        refused(unknown),
        ("messages[0].content[0].type".into(), true)
    );
}
