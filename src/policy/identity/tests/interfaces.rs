//! Requests of other interfaces.

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::wire::{generate_content, messages, native::Translated, responses};

fn identity(translated: Translated) -> Fingerprint {
    let request = ChatRequest::translated(translated, &mut Controls::default()).unwrap();
    identity_of(&request, scope("k"), "p/m").fingerprint
}

/// A request for an answer in Anthropic's interface.
fn message_with(fields: &Value, betas: &[&'static str]) -> Fingerprint {
    let mut body = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Where do storks sleep?"}],
    });
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    let mut headers = HeaderMap::new();
    for beta in betas {
        headers.append("anthropic-beta", HeaderValue::from_static(beta));
    }
    let inbound = messages::read(&Bytes::from(body.to_string()), &headers).unwrap();
    identity(inbound.translated)
}

fn message(fields: &Value) -> Fingerprint {
    message_with(fields, &[])
}

/// A request in OpenAI's newer interface.
fn response(fields: &Value) -> Fingerprint {
    let mut body = json!({"model": "m", "input": "Where do storks sleep?"});
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    let request = responses::Request::read(Bytes::from(body.to_string())).unwrap();
    let inbound = request.understand(None, HeaderMap::new(), &|_| true);
    identity(inbound.unwrap().translated)
}

/// A request in Google's interface.
fn content(fields: &Value) -> Fingerprint {
    let mut body = json!({"contents": [{"parts": [{"text": "Where do storks sleep?"}]}]});
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    let inbound = generate_content::read(&body.to_string().into(), "m", false).unwrap();
    identity(inbound.translated)
}

#[track_caller]
fn all_differ(read: impl Fn(&Value) -> Fingerprint, variants: &[Value]) {
    for (place, one) in variants.iter().enumerate() {
        for other in variants.iter().skip(place + 1) {
            assert_ne!(read(one), read(other), "{one}\n{other}");
        }
    }
}

#[track_caller]
fn all_are_one(read: impl Fn(&Value) -> Fingerprint, variants: &[Value]) {
    for other in variants {
        assert_eq!(read(&variants[0]), read(other), "{other}");
    }
}

#[test]
fn what_anthropic_answers_by_keeps_messages_apart() {
    all_differ(
        message,
        &[
            json!({}),
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}),
            json!({"output_config": {"effort": "low"}}),
            json!({"output_config": {"effort": "medium"}}),
            json!({"thinking": {"type": "adaptive"}}),
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            json!({"thinking": {"type": "enabled", "budget_tokens": 4096}}),
            json!({"output_config": {"task_budget": {"type": "tokens", "total": 9000}}}),
            json!({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}),
            json!({"fallbacks": [{"model": "other"}]}),
        ],
    );
    let tool = |more: Value| {
        let mut tool = json!({"name": "t", "input_schema": {"type": "object"}});
        let object = tool.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        json!({"tools": [tool]})
    };
    all_differ(
        message,
        &[
            tool(json!({})),
            tool(json!({"strict": true})),
            tool(json!({"defer_loading": true})),
            tool(json!({"input_examples": [{"a": 1}]})),
        ],
    );
    let betas = ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"];
    assert_ne!(message(&json!({})), message_with(&json!({}), &betas[..1]));
    assert_eq!(
        message_with(&json!({}), &betas),
        message_with(
            &json!({}),
            &["interleaved-thinking-2025-05-14, context-1m-2025-08-07"]
        )
    );
}

#[test]
fn the_order_of_a_messages_blocks_tells() {
    let call = json!({"type": "tool_use", "id": "t", "name": "look", "input": {}});
    let said = json!({"type": "text", "text": "I look."});
    let picture = |data: &str| json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
    let broken = json!({"type": "text", "text": "this one is broken:"});
    let turns = |said: Value, result: Value| {
        json!({"messages": [
            {"role": "user", "content": "Which is broken?"}, {"role": "assistant", "content": said},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": result}]},
        ]})
    };
    all_differ(
        message,
        &[
            turns(json!([said, call]), json!("ok")),
            turns(json!([call, said]), json!("ok")),
            turns(
                json!([call]),
                json!([broken, picture("QQ=="), picture("Qg==")]),
            ),
            turns(
                json!([call]),
                json!([picture("QQ=="), broken, picture("Qg==")]),
            ),
            turns(
                json!([call]),
                json!([picture("QQ=="), picture("Qg=="), broken]),
            ),
        ],
    );
}

#[test]
fn what_openai_answers_by_keeps_responses_apart() {
    let after = |thought: Value| json!({"input": [{"role": "user", "content": "Go on."}, thought, {"role": "assistant", "content": "I did."}, {"role": "user", "content": "And?"}]});
    all_differ(
        response,
        &[
            after(json!({"type": "reasoning", "summary": [], "id": "rs_1"})),
            after(json!({"type": "reasoning", "summary": [], "id": "rs_2"})),
            after(json!({"type": "reasoning", "summary": [], "encrypted_content": "a"})),
            after(json!({"type": "reasoning", "summary": [], "encrypted_content": "b"})),
            after(json!({"type": "reasoning", "summary": [], "id": "rs_refrain0_x"})),
            json!({"input": [{"role": "user", "content": "Go on."}, {"role": "assistant", "phase": "commentary", "content": "I did."}, {"role": "user", "content": "And?"}]}),
        ],
    );
    let tool = |strict: Value| json!({"tools": [{"type": "function", "name": "t", "parameters": {"type": "object"}, "strict": strict}]});
    all_differ(
        response,
        &[tool(json!(null)), tool(json!(true)), tool(json!(false))],
    );
    let file = |detail: &str| json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "Sum it up."}, {"type": "input_file", "file_data": "data:application/pdf;base64,QQ==", "detail": detail}]}]});
    all_differ(response, &[file("low"), file("high"), file("auto")]);
}

#[test]
fn what_gemini_answers_by_keeps_contents_apart() {
    let thinking =
        |budget: i64| json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": budget}}});
    all_differ(
        content,
        &[
            json!({}),
            thinking(-1),
            thinking(0),
            thinking(100),
            thinking(1000),
            json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}),
        ],
    );
    let parts = |parts: Value| json!({"contents": [{"parts": parts}]});
    let picture = |more: Value| {
        let mut data = json!({"data": "QQ==", "mimeType": "image/png"});
        let object = data.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        json!({"inlineData": data})
    };
    let text = json!({"text": "Which is it?"});
    let close = json!({"inlineData": {"data": "QQ==", "mimeType": "image/png"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}});
    let sound =
        |kind: &str| parts(json!([{"inlineData": {"data": "QQ==", "mimeType": kind}}, text]));
    all_differ(
        content,
        &[
            parts(json!([picture(json!({})), text])),
            parts(json!([close, text])),
            parts(json!([picture(json!({"displayName": "a.png"})), text])),
            parts(json!([picture(json!({"displayName": "b.png"})), text])),
            sound("audio/l16;rate=16000"),
            sound("audio/l16;rate=48000"),
        ],
    );
    let call = json!({"functionCall": {"name": "t"}});
    let turns = |said: Value| json!({"contents": [{"parts": [text]}, {"role": "model", "parts": said}, {"parts": [{"functionResponse": {"name": "t", "response": {}}}]}]});
    let said = |seal: &str| json!({"text": "I look.", "thoughtSignature": seal});
    all_differ(
        content,
        &[
            turns(json!([said("QQ=="), said("Qg=="), call])),
            turns(json!([said("Qg=="), said("Qg=="), call])),
            turns(json!([call, said("Qg==")])),
            turns(json!([said("Qg=="), call])),
        ],
    );
    let tool = |more: Value| {
        let mut body = json!({"tools": [{"functionDeclarations": [{"name": "t"}]}]});
        let object = body.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        body
    };
    let mode = |mode: &str| tool(json!({"toolConfig": {"functionCallingConfig": {"mode": mode}}}));
    all_differ(
        content,
        &[
            tool(json!({})),
            mode("VALIDATED"),
            mode("ANY"),
            mode("NONE"),
        ],
    );
    all_are_one(content, &[tool(json!({})), mode("AUTO")]);
}

#[test]
fn what_means_the_same_is_one_in_every_interface() {
    let chat = of(&json!({
        "model": "m", "messages": [{"role": "user", "content": "Where do storks sleep?"}], "max_tokens": 9,
    }));
    let plain = [
        json!({}),
        json!({"betas": [], "context_management": {}, "fallbacks": null}),
        json!({"service_tier": "auto", "metadata": {"user_id": "u"}, "speed": "fast"}),
    ];
    all_are_one(message, &plain);
    assert_eq!(message(&json!({})), chat.fingerprint);
    assert_eq!(
        response(&json!({"max_output_tokens": 9, "text": {"verbosity": "medium"}})),
        chat.fingerprint
    );
    let config = json!({"generationConfig": {"maxOutputTokens": 9, "thinkingConfig": {"includeThoughts": true}}});
    assert_eq!(content(&config), chat.fingerprint);
}
