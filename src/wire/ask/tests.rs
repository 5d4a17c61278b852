use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::wire::{chat::ChatRequest, controls::Controls};

mod content;

fn request(fields: &Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    ChatRequest::parse(Bytes::from(body.to_string()), &mut Controls::default()).unwrap()
}

fn read(fields: &Value) -> Result<Ask, Unable> {
    Ask::read(&request(fields), &mut Cannot::new("p", false))
}

fn messages(messages: &Value) -> Result<Ask, Unable> {
    read(&json!({"messages": messages}))
}

/// The field that a request is refused for, and whether for want of something in the provider.
#[track_caller]
fn refused(ask: Result<Ask, Unable>) -> (String, bool) {
    match ask.unwrap_err() {
        Unable::Unsupported { param, .. } => (param, true),
        Unable::Invalid(invalid) => (invalid.param.unwrap(), false),
        Unable::TooLong { .. } => ("messages".to_owned(), false),
    }
}

#[test]
fn every_documented_field_has_its_place() {
    let ask = read(&json!({
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
        "temperature": 0.5, "top_p": 0.9, "presence_penalty": 0, "frequency_penalty": 1,
        "seed": 7, "max_tokens": 5, "max_completion_tokens": 9, "stop": "END", "n": 2,
        "logprobs": true, "top_logprobs": 3, "reasoning_effort": "low",
        "user": "u", "metadata": {"a": "b"}, "store": true, "service_tier": "auto",
        "stream": true, "stream_options": {"include_usage": true}, "logit_bias": {}, "modalities": ["text"],
        "top_k": 4, "verbosity": null, "safety_identifier": "s", "prompt_cache_key": "k",
    }))
    .unwrap();
    assert_eq!(ask.tools[0].name, "f");
    assert_eq!(ask.tool_choice, ToolChoice::Named("f".into()));
    assert!(!ask.parallel_calls && ask.tools[0].strict);
    assert!(matches!(&ask.format, Format::JsonSchema { name, strict: true, .. } if name == "n"));
    assert_eq!(
        ask.sampling,
        Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            presence_penalty: None,
            frequency_penalty: Some(1.0),
            seed: Some(7),
            max_tokens: Some(9),
            stop: vec!["END".into()],
        }
    );
    assert_eq!((ask.choices, ask.logprobs), (2, Some(3)));
    assert_eq!(ask.effort, Some(Effort::Low));
    assert_eq!(ask.user.as_deref(), Some("s"));
    assert_eq!(ask.delivery, Delivery::Stream { usage: true });
    assert_eq!(Value::Object(ask.rest), json!({"top_k": 4}));
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let ask = read(&json!({})).unwrap();
    assert_eq!(ask.sampling, Sampling::default());
    assert_eq!((ask.choices, ask.logprobs, ask.effort), (1, None, None));
    assert_eq!(ask.tool_choice, ToolChoice::Auto);
    assert_eq!(ask.format, Format::Text);
    assert!(ask.parallel_calls && ask.tools.is_empty() && ask.rest.is_empty());
}

#[test]
fn results_belong_to_the_calls_before_them() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": format!("f_{id}"), "arguments": "{}"}});
    let user = json!({"role": "user", "content": "Hi"});
    let calls = |ids: &[&str]| json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(|id| call(id)).collect::<Vec<_>>()});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "r"});
    let ask = messages(&json!([
        user,
        calls(&["a", "b"]),
        result("b"),
        result("a"),
        user
    ]))
    .unwrap();
    let names: Vec<_> = ask
        .turns
        .iter()
        .filter_map(|turn| match turn {
            Turn::Tool(result) => Some((result.name.as_str(), result.text())),
            Turn::System(_) | Turn::User(_) | Turn::Assistant(_) => None,
        })
        .collect();
    assert_eq!(names, [("f_b", "r".to_owned()), ("f_a", "r".to_owned())]);

    for (wrong, at) in [
        (json!([user, result("a")]), "messages[1].tool_call_id"),
        (
            json!([user, calls(&["a"]), result("x")]),
            "messages[2].tool_call_id",
        ),
        (
            json!([user, calls(&["a"]), result("a"), result("a")]),
            "messages[3].tool_call_id",
        ),
        (
            json!([user, calls(&["a"]), user, result("a")]),
            "messages[1].tool_calls",
        ),
        (
            json!([user, calls(&["a", "b"]), result("a")]),
            "messages[1].tool_calls",
        ),
        (json!([user, calls(&["a"])]), "messages[1].tool_calls"),
        (
            json!([user, calls(&["a", "a"]), result("a")]),
            "messages[1].tool_calls[1].id",
        ),
        (
            json!([user, calls(&[""]), result("")]),
            "messages[1].tool_calls[0].id",
        ),
        (
            json!([user, {"role": "tool", "content": "r"}]),
            "messages[1].tool_call_id",
        ),
    ] {
        assert_eq!(refused(messages(&wrong)), (at.to_owned(), false), "{wrong}");
    }
}

#[test]
fn tools_are_checked() {
    let tool =
        |function: Value| read(&json!({"tools": [{"type": "function", "function": function}]}));
    for name in ["", "a b", "a.b", &"x".repeat(65)] {
        assert_eq!(
            refused(tool(json!({"name": name}))).0,
            "tools[0].function.name"
        );
    }
    for schema in [
        json!(7),
        json!([]),
        json!({"type": "string"}),
        json!({"type": 7}),
        json!({"enum": ["a"]}),
        json!({"type": "object", "properties": []}),
    ] {
        let refusal = refused(tool(json!({"name": "f", "parameters": schema})));
        assert_eq!(
            refusal,
            ("tools[0].function.parameters".into(), false),
            "{schema}"
        );
    }
    for schema in [json!(null), json!({}), json!({"type": ["object", "null"]})] {
        let ask = tool(json!({"name": "f", "parameters": schema})).unwrap();
        assert_eq!(ask.tools[0].parameters["type"], "object");
    }
    let f = json!({"type": "function", "function": {"name": "f"}});
    let g = json!({"type": "function", "function": {"name": "g"}});
    assert_eq!(
        refused(read(&json!({"tools": [f, f]}))).0,
        "tools[1].function.name"
    );
    let custom = read(&json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}));
    assert_eq!(refused(custom), ("tools[0].type".into(), true));
    for (choice, fields) in [
        (json!("required"), json!({})),
        (
            json!({"type": "function", "function": {"name": "x"}}),
            json!({"tools": [f]}),
        ),
        (json!("sometimes"), json!({"tools": [f]})),
    ] {
        let mut fields = fields;
        fields["tool_choice"] = choice;
        assert_eq!(
            refused(read(&fields)),
            ("tool_choice".into(), false),
            "{fields}"
        );
    }
    let allowed =
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [g]}});
    let ask = read(&json!({"tools": [f, g], "tool_choice": allowed})).unwrap();
    assert_eq!(
        (ask.tools.len(), ask.tool_choice),
        (1, ToolChoice::Required)
    );
}

#[test]
fn what_only_openai_has_is_refused_or_left_out() {
    for (fields, param) in [
        (json!({"logit_bias": {"50256": -100}}), "logit_bias"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (
            json!({"messages": [{"role": "user", "content": "x", "name": "bob"}, {"role": "user", "content": "y"}]}),
            "messages[0].name",
        ),
        (
            json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}),
            "messages[0].role",
        ),
    ] {
        assert_eq!(refused(read(&fields)), (param.to_owned(), true));
        let mut cannot = Cannot::new("p", true);
        Ask::read(&request(&fields), &mut cannot).unwrap();
        assert_eq!(cannot.dropped(), [param]);
    }
    // With one speaker for each role, names say nothing.
    assert!(
        messages(&json!([
            {"role": "user", "content": "x", "name": "ann"},
            {"role": "assistant", "content": "x", "name": "helper"},
            {"role": "user", "content": "y", "name": "ann"},
        ]))
        .is_ok()
    );
    let mut cannot = Cannot::new("main", false);
    let error = cannot.carry("seed", "has no seed").unwrap_err();
    assert_eq!(
        error.to_string(),
        "provider `main` can't do `seed`: it has no seed; leave it out, or send \
         `drop_unsupported: true` to have it left out"
    );
}

#[test]
fn fields_with_values_out_of_their_range() {
    for (fields, param) in [
        (json!({"stop": ""}), "stop"),
        (json!({"stop": ["a", 7]}), "stop"),
        (json!({"stop": 7}), "stop"),
        (json!({"seed": 1.5}), "seed"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"logprobs": 2}), "logprobs"),
        (json!({"reasoning_effort": "huge"}), "reasoning_effort"),
        (json!({"tools": {}}), "tools"),
        (json!({"response_format": "json"}), "response_format"),
        (
            json!({"response_format": {"type": "xml"}}),
            "response_format.type",
        ),
        (
            json!({"response_format": {"type": "json_schema"}}),
            "response_format.json_schema",
        ),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
            "response_format.json_schema.schema",
        ),
    ] {
        assert_eq!(
            refused(read(&fields)),
            (param.to_owned(), false),
            "{fields}"
        );
    }
}

#[test]
fn arguments_that_are_no_object_stay_readable() {
    let call = |arguments: &str| ToolCall {
        id: "a".into(),
        name: "f".into(),
        arguments: arguments.into(),
        extra: serde_json::Map::new(),
    };
    let object = |arguments| Value::Object(call(arguments).arguments_object());
    assert_eq!(object("{\"a\": 1}"), json!({"a": 1}));
    assert_eq!(object(" "), json!({}));
    assert_eq!(object("null"), json!({}));
    assert_eq!(object("{\"a\":"), json!({"INVALID_JSON": "{\"a\":"}));
    assert_eq!(object("[1]"), json!({"INVALID_JSON": "[1]"}));
}

#[test]
fn what_a_client_sends_back_of_an_answer_is_kept_or_says_nothing() {
    let ask = messages(&json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "refusal": null, "annotations": [], "audio": null, "function_call": null,
         "reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
         "extra_content": {"google": {"thought_signature": "g"}},
         "tool_calls": [{"id": "call_1", "type": "function", "index": 0,
            "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "t"}}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "r"}], "name": "f"},
    ]))
    .unwrap();
    let Turn::Assistant(assistant) = &ask.turns[1] else {
        panic!("{:?}", ask.turns);
    };
    assert_eq!(assistant.reasoning.as_deref(), Some("hm"));
    assert_eq!(assistant.thinking.len(), 1);
    assert!(assistant.parts.is_empty());
    assert_eq!(
        assistant.extra["extra_content"]["google"]["thought_signature"],
        "g"
    );
    let extra = &assistant.calls[0].extra;
    assert_eq!(
        Value::Object(extra.clone()),
        json!({"extra_content": {"google": {"thought_signature": "t"}}})
    );
}

#[test]
fn calls_by_the_ten_thousand_are_read_in_one_go() {
    let call = |n: u32| json!({"id": format!("c{n}"), "type": "function", "function": {"name": "f", "arguments": {"n": n}}});
    let calls: Vec<Value> = (0..20_000).map(call).collect();
    let results = (0..20_000).rev();
    let results =
        results.map(|n| json!({"role": "tool", "tool_call_id": format!("c{n}"), "content": "r"}));
    let mut all = vec![
        json!({"role": "user", "content": "x"}),
        json!({"role": "assistant", "content": null, "tool_calls": calls}),
    ];
    all.extend(results);
    let tools: Vec<Value> = (0..20_000)
        .map(|n| json!({"type": "function", "function": {"name": format!("f{n}")}}))
        .collect();
    let ask = read(&json!({"messages": all, "tools": tools})).unwrap();
    assert_eq!((ask.turns.len(), ask.tools.len()), (20_002, 20_000));
    let Turn::Assistant(assistant) = &ask.turns[1] else {
        panic!("the assistant's turn");
    };
    // Arguments that a client has parsed are as good as their text.
    assert_eq!(assistant.calls[7].arguments, "{\"n\":7}");
}
