//! What can't be asked, and what becomes of it when it may be left out.

use serde_json::{Value, json};

use super::{Asking, model, saying, with};
use crate::wire::ask::Unable;

fn shown(unable: &Unable) -> String {
    match unable {
        Unable::Unsupported { param, message } => format!("unsupported {param}: {message}"),
        Unable::TooLong { message } => format!("too long: {message}"),
        Unable::Invalid(invalid) => format!("invalid {:?}: {}", invalid.param, invalid.message),
    }
}

#[test]
fn what_ollama_has_not_is_named() {
    let parts = |part: Value| {
        saying(json!([{"role": "user", "content": [{"type": "text", "text": "See."}, part]}]))
    };
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    let cases = [
        parts(json!({"type": "image_url", "image_url": {"url": "https://example.com/crab.png"}})),
        parts(json!({"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODdh"}})),
        parts(json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})),
        parts(
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}),
        ),
        parts(json!({"type": "file", "file": {"file_id": "file-1"}})),
        parts(json!({"type": "video_url", "video_url": {"url": "https://example.com/v"}})),
        with(json!({"tools": tool, "tool_choice": "required"})),
        with(
            json!({"tools": tool, "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ),
        with(json!({"logit_bias": {"50256": -100}})),
        with(json!({"verbosity": "low"})),
        with(json!({"raw": true})),
        with(json!({"web_search_options": {}})),
        with(json!({"options": {"warp": 9}})),
        with(json!({"modalities": ["text", "audio"]})),
        saying(
            json!([{"role": "user", "content": "x", "name": "Ann"}, {"role": "user", "content": "y"}]),
        ),
        saying(json!([{"role": "user", "content": "x", "mood": "good", "id": "7"}])),
    ];
    let mut told = String::new();
    for body in cases {
        told += &format!("{}\n", shown(&Asking::default().put(&body).unwrap_err()));
        let dropping = Asking {
            drops: true,
            ..Asking::default()
        };
        let (sent, dropped) = dropping.put(&body).unwrap();
        told += &format!("  without {}: {sent}\n", dropped.join(", "));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_a_model_is_known_to_lack_is_named() {
    let plain = |drops| Asking {
        facts: model(&["completion"], 8192),
        drops,
        ..Asking::default()
    };
    let image =
        json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    let cases = [
        with(json!({"reasoning_effort": "high"})),
        with(json!({"tools": [{"type": "function", "function": {"name": "f"}}]})),
        saying(json!([{"role": "user", "content": [{"type": "text", "text": "See."}, image]}])),
    ];
    let mut told = String::new();
    for body in cases {
        told += &format!("{}\n", shown(&plain(false).put(&body).unwrap_err()));
        let (sent, dropped) = plain(true).put(&body).unwrap();
        told += &format!("  without {}: {sent}\n", dropped.join(", "));
    }
    let (sent, _) = plain(false)
        .put(&with(json!({"reasoning_effort": "none"})))
        .unwrap();
    assert_eq!(sent["think"], false);
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_wrong_is_said() {
    let cases = [
        saying(json!([{"role": "system", "content": ""}, {"role": "assistant", "content": null}])),
        saying(json!([{"role": "tool", "tool_call_id": "x", "content": "y"}])),
        saying(json!([{"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}])),
        with(
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]}),
        ),
        with(
            json!({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}]}),
        ),
        with(json!({"options": "fast"})),
        with(json!({"keep_alive": true})),
        with(json!({"think": 3})),
    ];
    let mut told = String::new();
    for body in cases {
        told += &format!("{}\n", shown(&Asking::default().put(&body).unwrap_err()));
    }
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/crab.png"}});
    let only_images = saying(json!([{"role": "user", "content": [image]}]));
    let dropping = Asking {
        drops: true,
        ..Asking::default()
    };
    told += &format!("{}\n", shown(&dropping.put(&only_images).unwrap_err()));
    insta::assert_snapshot!(told);
}

#[test]
fn a_prompt_that_can_not_fit_is_refused_with_the_counts() {
    let long = saying(json!([{"role": "user", "content": "A crab walks. ".repeat(10_000)}]));
    let small = Asking {
        facts: model(&["completion"], 8192),
        ..Asking::default()
    };
    insta::assert_snapshot!(shown(&small.put(&long).unwrap_err()), @"too long: this model's context holds 8192 tokens; the messages have 17500 or more, by a rough estimate");
    let fixed = json!({"options": {"num_ctx": 4096}});
    let mut body = long.clone();
    body.as_object_mut().unwrap().extend(super::object(fixed));
    assert!(matches!(
        Asking::default().put(&body).unwrap_err(),
        Unable::TooLong { .. }
    ));
    body["truncate"] = json!(true);
    assert_eq!(Asking::default().sent(&body)["truncate"], true);
}
