//! Tools, calls and results.

use super::*;

fn weather() -> Value {
    json!({"type": "function", "function": {
        "name": "get_weather", "description": "The weather of a place.", "strict": true,
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["city"],
            "additionalProperties": false,
        },
    }})
}

#[test]
fn declarations() {
    let sent = sent(json!({"tools": [
        weather(),
        {"type": "function", "function": {"name": "2fa-code", "parameters": {"type": "object", "properties": {}}}},
        {"type": "function", "function": {"name": "now"}},
    ]}));
    insta::assert_snapshot!(pretty(&sent["tools"]));
}

#[test]
fn the_four_choices() {
    let config = |choice: Value| {
        let sent = sent(json!({"tools": [weather()], "tool_choice": choice}));
        sent.get("toolConfig").cloned().unwrap_or_default()
    };
    assert_eq!(config(json!("auto")), json!(null));
    let mode = |mode: &str| json!({"functionCallingConfig": {"mode": mode}});
    assert_eq!(config(json!("none")), mode("NONE"));
    assert_eq!(config(json!("required")), mode("ANY"));
    assert_eq!(
        config(json!({"type": "function", "function": {"name": "get_weather"}})),
        json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}})
    );
}

#[test]
fn a_choice_of_a_name_that_google_has_another_for() {
    let sent = sent(json!({
        "tools": [{"type": "function", "function": {"name": "2fa"}}],
        "tool_choice": {"type": "function", "function": {"name": "2fa"}},
    }));
    let config = &sent["toolConfig"]["functionCallingConfig"];
    assert_eq!(config["allowedFunctionNames"], json!(["_n_2fa"]));
    assert_eq!(
        sent["tools"][0]["functionDeclarations"][0]["name"],
        "_n_2fa"
    );
}

#[test]
fn calls_at_once_and_their_results_in_any_order() {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let sent = sent(json!({"tools": [weather()], "messages": [
        {"role": "user", "content": "Rome and Oslo?"},
        {"role": "assistant", "content": "I look it up.", "tool_calls": [
            call("call_1", "get_weather", "{\"city\": \"Rome\"}"),
            call("call_2", "get_weather", "not json"),
            call("call_3", "2fa", ""),
        ]},
        {"role": "tool", "tool_call_id": "call_3", "content": ""},
        {"role": "tool", "tool_call_id": "call_1", "content": "{\"celsius\": 20}"},
        {"role": "tool", "tool_call_id": "call_2", "content": [
            {"type": "text", "text": "Snow, "}, {"type": "text", "text": "see picture."},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ]},
        {"role": "user", "content": "Well?"},
    ]}));
    insta::assert_snapshot!(pretty(&sent["contents"]));
}

#[test]
fn a_result_is_an_object_only_where_google_keeps_it_as_it_is() {
    let response = |text: &str| {
        let sent = sent(json!({"messages": [
            {"role": "user", "content": "Go"},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": text},
        ]}));
        sent["contents"][2]["parts"][0]["functionResponse"]["response"].clone()
    };
    for text in [r#"{"a":1}"#, r#"{"a":[1.5,-2,null,{"b":"x"}]}"#, "{}"] {
        assert_eq!(response(text), serde_json::from_str::<Value>(text).unwrap());
    }
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
    for text in [
        "plain",
        "",
        "[1]",
        "1",
        "null",
        r#"{"id":9007199254740993}"#,
        r#"{"id":-9007199254740993}"#,
        r#"{"id":123456789012345678901234}"#,
        r##"{"$ref":"#/$defs/X"}"##,
        r##"{"a":[{"$ref":"#/$defs/X"}]}"##,
        &deep,
        r#"{"a":1"#,
    ] {
        assert_eq!(response(text), json!({"result": text}));
    }
}

#[test]
fn two_hundred_tools() {
    let tools: Vec<Value> = (0..200)
        .map(|number| {
            let mut tool = weather();
            tool["function"]["name"] = json!(format!("tool_{number}"));
            tool
        })
        .collect();
    let sent = sent(json!({"tools": tools}));
    let declarations = sent["tools"][0]["functionDeclarations"].as_array().unwrap();
    assert_eq!(declarations.len(), 200);
    let last = &declarations[199];
    assert_eq!(last["name"], "tool_199");
    assert_eq!(last["parameters"], declarations[0]["parameters"]);
}

#[test]
fn tools_of_other_types_and_bad_schemas() {
    let custom = json!({"tools": [{"type": "custom", "custom": {"name": "x"}}]});
    assert_eq!(refused(custom), "unsupported tools[0].type");
    for parameters in [
        json!({"type": "string"}),
        json!([]),
        json!({"properties": 1}),
    ] {
        let fields = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}]});
        assert_eq!(refused(fields), "invalid tools[0].function.parameters");
    }
}

#[test]
fn a_result_without_a_call() {
    let fields = json!({"messages": [
        {"role": "user", "content": "Go"},
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
    ]});
    assert_eq!(refused(fields), "invalid messages[1].tool_call_id");
}
