//! Everything beside messages and tools.

use super::*;

#[test]
fn all_of_sampling() {
    let sent = sent(json!({
        "temperature": 0.5, "top_p": 0.25, "presence_penalty": 0.5, "frequency_penalty": -0.5,
        "seed": 7, "max_completion_tokens": 99, "max_tokens": 1, "stop": ["END", "\n\n"],
        "logprobs": true, "top_logprobs": 3, "n": 2, "user": "u-1", "top_k": 40,
        "metadata": {"a": "b"}, "store": false, "service_tier": "auto",
    }));
    insta::assert_snapshot!(pretty(&sent["generationConfig"]));
}

#[test]
fn numbers_that_google_has_no_room_for() {
    let config = sent(json!({"seed": -1, "max_tokens": u32::MAX, "logprobs": true, "stop": "x"}));
    assert_eq!(
        config["generationConfig"],
        json!({"seed": -1, "maxOutputTokens": i32::MAX, "responseLogprobs": true, "stopSequences": ["x"]})
    );
    let large = sent(json!({"seed": (5_i64 << 32) + 3}));
    assert_eq!(large["generationConfig"]["seed"], 3);
}

#[test]
fn what_is_the_default_is_not_sent() {
    let sent = sent(json!({
        "presence_penalty": 0, "frequency_penalty": 0, "logprobs": false, "n": 1, "stop": null,
        "tool_choice": "none", "parallel_tool_calls": false, "tools": null, "top_k": null,
        "response_format": {"type": "text"}, "logit_bias": {}, "modalities": ["text"],
    }));
    assert!(
        sent.get("generationConfig").is_none() && sent.get("tools").is_none(),
        "{sent}"
    );
}

#[test]
fn json_of_any_form() {
    let sent = sent(json!({"response_format": {"type": "json_object"}}));
    assert_eq!(
        sent["generationConfig"],
        json!({"responseMimeType": "application/json"})
    );
}

#[test]
fn json_of_a_schema() {
    let sent = sent(
        json!({"response_format": {"type": "json_schema", "json_schema": {
            "name": "trip", "description": "A trip.", "strict": true,
            "schema": {
                "type": "object",
                "properties": {
                    "reasoning": {"type": "string"},
                    "stops": {"type": "array", "items": {"$ref": "#/$defs/Stop"}, "minItems": 1},
                    "budget": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
                    "answer": {"type": ["string", "null"], "enum": ["go", "stay", null]},
                },
                "required": ["reasoning", "stops", "budget", "answer"],
                "additionalProperties": false,
                "$defs": {"Stop": {
                    "type": "object",
                    "properties": {
                        "at": {"type": "string", "format": "date-time"},
                        "mail": {"type": "string", "format": "email"},
                        "next": {"anyOf": [{"$ref": "#/$defs/Stop"}, {"type": "null"}]},
                    },
                    "required": ["at"],
                }},
            },
        }}}),
    );
    insta::assert_snapshot!(pretty(&sent["generationConfig"]));
}

#[test]
fn json_of_a_schema_that_openapi_can_say() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "verdict", "schema": {
        "type": "object",
        "properties": {
            "why": {"type": "string", "maxLength": 200},
            "ok": {"type": ["boolean", "null"]},
            "grades": {"type": "array", "items": {"type": "integer", "enum": [1, 2, 3]}},
        },
        "required": ["why", "ok", "grades"], "additionalProperties": false,
    }}});
    let sent = sent(json!({"response_format": format}));
    insta::assert_snapshot!(pretty(&sent["generationConfig"]));
}

#[test]
fn json_of_a_schema_with_properties_of_any_name() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "scores", "schema": {
        "type": "object",
        "properties": {"scores": {"type": "object", "additionalProperties": {"type": "number"}}},
    }}});
    let config = |model: &str| {
        sent_to(model, json!({"response_format": format}))["generationConfig"].clone()
    };
    insta::assert_snapshot!(config(MODEL));
    insta::assert_snapshot!(config("gemma-3-27b-it"));
}

#[test]
fn json_and_tools_together_only_where_a_model_can() {
    let fields = |choice: &str| {
        json!({
            "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": choice,
            "response_format": {"type": "json_object"},
        })
    };
    assert_eq!(refused(fields("auto")), "unsupported response_format");
    let both = sent_to(RECENT, fields("auto"));
    assert!(both["tools"].is_array());
    assert_eq!(
        both["generationConfig"]["responseMimeType"],
        "application/json"
    );
    let none = sent(fields("none"));
    assert!(none.get("tools").is_none() && none.get("toolConfig").is_none());
    assert_eq!(
        none["generationConfig"]["responseMimeType"],
        "application/json"
    );
}

#[test]
fn effort_in_openais_words() {
    let thinking = |model: &str, effort: &str| {
        let sent = sent_to(model, json!({"reasoning_effort": effort}));
        sent["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(
        thinking(MODEL, "low"),
        json!({"includeThoughts": true, "thinkingBudget": 1024})
    );
    assert_eq!(thinking(MODEL, "none"), json!({"thinkingBudget": 0}));
    assert_eq!(
        thinking("gemini-2.5-pro", "none"),
        json!({"thinkingBudget": 128})
    );
    assert_eq!(
        thinking(RECENT, "medium"),
        json!({"includeThoughts": true, "thinkingLevel": "MEDIUM"})
    );
    assert_eq!(thinking("gemma-3-27b-it", "none"), json!(null));
    let refused = refused_by("gemma-3-27b-it", json!({"reasoning_effort": "high"}));
    assert_eq!(refused, "unsupported reasoning_effort");
}

#[test]
fn what_google_has_in_its_own_words() {
    let google = json!({
        "thinking_config": {"include_thoughts": true, "thinking_budget": -1},
        "cached_content": "cachedContents/abc",
    });
    let expected = sent(json!({"google": google}));
    insta::assert_snapshot!(pretty(&expected));
    assert_eq!(sent(json!({"extra_body": {"google": google}})), expected);
    let flat = json!({
        "thinking_config": {"includeThoughts": true, "thinkingBudget": -1},
        "cached_content": "cachedContents/abc",
    });
    assert_eq!(sent(flat), expected);
}

#[test]
fn safety_and_resolution() {
    let sent = sent(json!({
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "media_resolution": "low",
        "thinking_config": {"thinking_level": "low"},
    }));
    insta::assert_snapshot!(pretty(&sent));
}

#[test]
fn thoughts_can_be_shown_without_saying_how_many() {
    let fields = json!({
        "reasoning_effort": "low", "google": {"thinking_config": {"include_thoughts": false}},
    });
    let sent = sent_to(RECENT, fields);
    let expected = json!({"includeThoughts": false, "thinkingLevel": "LOW"});
    assert_eq!(sent["generationConfig"]["thinkingConfig"], expected);
}

#[test]
fn what_gemini_cannot_do() {
    let list = [
        json!({"logit_bias": {"1": 5}}),
        json!({"modalities": ["text", "audio"]}),
        json!({"stop": ["1", "2", "3", "4", "5", "6"]}),
        json!({"verbosity": "low"}),
        json!({"labels": {"a": "b"}}),
        json!({"google": {"surprise": 1}}),
        json!({"google": 1}),
        json!({"extra_body": {"min_p": 0.1}}),
        json!({"google": {"thinking_config": {"depth": 1}}}),
        json!({"messages": [{"role": "user", "content": "a", "name": "ann"}, {"role": "user", "content": "b", "name": "bob"}]}),
    ];
    let told: Vec<String> = list.into_iter().map(refused).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_is_wrong() {
    let list = [
        json!({"top_k": "many"}),
        json!({"safety_settings": {"category": "x"}}),
        json!({"safety_settings": [{"category": "x"}]}),
        json!({"cached_content": 1}),
        json!({"media_resolution": 1}),
        json!({"thinking_config": true}),
        json!({"google": {"thinking_config": {"include_thoughts": "yes"}}}),
        json!({"google": {"thinking_config": {"thinking_budget": "all"}}}),
        json!({"reasoning_effort": "low", "google": {"thinking_config": {"thinking_budget": 5}}}),
        json!({"reasoning_effort": "extreme"}),
    ];
    let told: Vec<String> = list.into_iter().map(refused).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_says_what_holds_anyhow_is_no_error() {
    sent(json!({"functions": [], "function_call": "none", "verbosity": "medium"}));
    assert_eq!(
        refused(json!({"verbosity": "low"})),
        "unsupported verbosity"
    );
}
