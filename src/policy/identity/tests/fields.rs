//! Every documented field of a request, and fields that nobody has heard of.

use std::collections::BTreeSet;

use super::*;
use crate::{policy::identity::canonical::DEFAULTS, wire::chat::WITHOUT_INFLUENCE};

/// A field of OpenAI's chat request.
struct Field {
    name: &'static str,
    /// Values that say what leaving it out says.
    as_absent: &'static [&'static str],
    /// Values that differ from each other and from leaving it out; each list is spellings of one.
    /// Empty if the field has no influence.
    values: &'static [&'static [&'static str]],
}

const fn field(
    name: &'static str,
    as_absent: &'static [&'static str],
    values: &'static [&'static [&'static str]],
) -> Field {
    Field {
        name,
        as_absent,
        values,
    }
}

const fn without_influence(name: &'static str, values: &'static [&'static str]) -> Field {
    field(name, values, &[])
}

/// Source: <https://platform.openai.com/docs/api-reference/chat/create> (seen 2026-11).
const FIELDS: [Field; 35] = [
    field(
        "audio",
        &[],
        &[
            &[r#"{"voice":"ash","format":"wav"}"#],
            &[r#"{"voice":"ash","format":"mp3"}"#],
        ],
    ),
    field(
        "frequency_penalty",
        &["0", "0.0", "0e0"],
        &[&["0.5", "5e-1", "0.50"], &["-0.5"]],
    ),
    field(
        "function_call",
        &[],
        &[&[r#""auto""#], &[r#""none""#], &[r#"{"name":"f"}"#]],
    ),
    field(
        "functions",
        &["[]"],
        &[
            &[r#"[{"name":"f"}]"#],
            &[r#"[{"name":"g"}]"#],
            &[r#"[{"name":"f"},{"name":"g"}]"#],
        ],
    ),
    field(
        "logit_bias",
        &["{}"],
        &[
            &[r#"{"1":1}"#, r#"{"1":1.0}"#],
            &[r#"{"1":2}"#],
            &[r#"{"2":1}"#],
        ],
    ),
    field("logprobs", &["false"], &[&["true"]]),
    field("max_completion_tokens", &[], &[&["5"], &["50"]]),
    field("max_tokens", &[], &[&["5"], &["50"]]),
    without_influence("metadata", &["{}", r#"{"a":"b"}"#]),
    field(
        "modalities",
        &[r#"["text"]"#],
        &[&[r#"["text","audio"]"#], &[r#"["audio"]"#]],
    ),
    field("moderation", &[], &[&[r#"{"model":"omni"}"#]]),
    field("n", &["1"], &[&["2"], &["3"]]),
    field("parallel_tool_calls", &["true"], &[&["false"]]),
    field(
        "prediction",
        &[],
        &[
            &[r#"{"type":"content","content":"a"}"#],
            &[r#"{"type":"content","content":"b"}"#],
        ],
    ),
    field("presence_penalty", &["0", "0.0"], &[&["0.5"], &["-0.5"]]),
    without_influence("prompt_cache_key", &[r#""a""#, r#""b""#]),
    without_influence("prompt_cache_retention", &[r#""24h""#]),
    field(
        "reasoning_effort",
        &[],
        &[&[r#""low""#], &[r#""high""#], &[r#""none""#]],
    ),
    field(
        "response_format",
        &[r#"{"type":"text"}"#],
        &[
            &[r#"{"type":"json_object"}"#],
            &[
                r#"{"type":"json_schema","json_schema":{"name":"a","schema":{}}}"#,
                r#"{"json_schema":{"schema":{},"name":"a"},"type":"json_schema"}"#,
            ],
            &[r#"{"type":"json_schema","json_schema":{"name":"b","schema":{}}}"#],
            &[r#"{"type":"text","more":1}"#],
        ],
    ),
    without_influence("safety_identifier", &[r#""a""#, r#""b""#]),
    field(
        "seed",
        &[],
        &[
            &["0"],
            &["1"],
            &["-1"],
            &["9007199254740993"],
            &["9007199254740992"],
        ],
    ),
    without_influence("service_tier", &[r#""auto""#, r#""flex""#]),
    field(
        "stop",
        &["[]"],
        &[
            &[r#""x""#, r#"["x"]"#],
            &[r#""y""#],
            &[r#"["x","y"]"#],
            &[r#"["y","x"]"#],
            &[r#""""#, r#"[""]"#],
        ],
    ),
    without_influence("store", &["true", "false"]),
    without_influence("stream", &["true", "false"]),
    without_influence("stream_options", &[r#"{"include_usage":true}"#]),
    field(
        "temperature",
        &[],
        &[&["1", "1.0", "1e0"], &["0", "0.0", "0e3"], &["0.7"], &["2"]],
    ),
    field(
        "tool_choice",
        &[],
        &[
            &[r#""required""#],
            &[r#"{"type":"function","function":{"name":"f"}}"#],
        ],
    ),
    field(
        "tools",
        &["[]"],
        &[
            &[r#"[{"type":"function","function":{"name":"f"}}]"#],
            &[r#"[{"type":"function","function":{"name":"f","strict":true}}]"#],
        ],
    ),
    field("top_logprobs", &[], &[&["1"], &["5"], &["0"]]),
    field("top_p", &[], &[&["1", "1.00"], &["0.1"], &["0"]]),
    without_influence("user", &[r#""a""#, r#""b""#]),
    field(
        "verbosity",
        &[],
        &[&[r#""low""#], &[r#""medium""#], &[r#""high""#]],
    ),
    field(
        "web_search_options",
        &[],
        &[&["{}"], &[r#"{"search_context_size":"low"}"#]],
    ),
    field(
        "reasoning",
        &[],
        &[&["{}"], &["[]"], &[r#""""#], &["false"]],
    ),
];

#[test]
fn every_special_rule_has_its_row() {
    let names = |of: &dyn Fn(&Field) -> bool| -> BTreeSet<&str> {
        FIELDS
            .iter()
            .filter(|field| of(field))
            .map(|field| field.name)
            .collect()
    };
    assert_eq!(names(&|_| true).len(), FIELDS.len(), "a field has two rows");
    assert_eq!(
        names(&|field| field.values.is_empty()),
        WITHOUT_INFLUENCE.into_iter().collect(),
        "what is excluded has a row, and nothing else is"
    );
    let with_default = names(&|field| !field.values.is_empty() && !field.as_absent.is_empty());
    let mut rules: BTreeSet<&str> = DEFAULTS.iter().map(|(name, _)| *name).collect();
    // Depends on the tools: has a test of its own.
    assert!(rules.remove("tool_choice"));
    assert_eq!(
        with_default, rules,
        "every default has a row, and nothing else has one"
    );
}

/// The bodies that fields are tried in, without the end of the object.
fn base() -> impl Strategy<Value = Value> {
    let system = prop_oneof![
        Just(None),
        "[a-z ]{1,20}".prop_map(|text| Some(json!({"role": "system", "content": text}))),
        Just(Some(
            json!({"role": "developer", "content": [{"type": "text", "text": "Be brief."}]})
        )),
    ];
    let turn = prop_oneof![
        ("[a-z ]{1,12}", "[a-z ]{0,12}").prop_map(|(asked, said)| vec![
            json!({"role": "user", "content": asked}),
            json!({"role": "assistant", "content": said}),
        ]),
        "[a-z]{1,5}".prop_map(|id| vec![
            json!({"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]}),
            json!({"role": "tool", "tool_call_id": id, "content": "1"}),
        ]),
    ];
    let last = prop_oneof![
        Just(json!({"role": "user", "content": "How many planets are there?"})),
        Just(json!({"role": "user", "content": [{"type": "text", "text": "How many?"}]})),
        Just(
            json!({"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]})
        ),
        Just(
            json!({"role": "user", "content": format!("{}\n\nWho jumps?", "The fox jumps. ".repeat(60))})
        ),
        Just(json!({"role": "user", "content": "The fox jumps over it ".repeat(60)})),
        Just(json!({"role": "tool", "tool_call_id": "c", "content": "7"})),
        Just(json!({"role": "user", "content": "Где мой заказ?"})),
    ];
    let history = prop::collection::vec(turn, 0..3);
    (system, history, last).prop_map(|(system, history, last)| {
        let mut messages: Vec<Value> = system.into_iter().collect();
        messages.extend(history.into_iter().flatten());
        messages.push(last);
        json!({"model": "m", "messages": messages})
    })
}

/// `body` with one more field, whose value is written exactly so.
fn plus(body: &Value, name: &str, value: &str) -> String {
    let body = body.to_string();
    let open = body.strip_suffix('}').unwrap();
    // An option of streams is only allowed in streams.
    let stream = if name == "stream_options" {
        r#","stream":true"#
    } else {
        ""
    };
    format!("{open}{stream},{}:{value}}}", json!(name))
}

/// Whether neither an equal request nor a neighbour of one can be taken for one of the other.
fn are_apart(a: &Identity, b: &Identity) -> bool {
    a.fingerprint != b.fingerprint
        && a.partition != b.partition
        && (a.surface.is_none() || a.surface != b.surface)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_field_counts_as_documented(base in base()) {
        let plain = of(&base);
        for field in &FIELDS {
            for value in ["null"].iter().chain(field.as_absent) {
                prop_assert_eq!(of_bytes(plus(&base, field.name, value)), plain.clone(), "{}: {}", field.name, value);
            }
            let mut seen = vec![plain.clone()];
            for spellings in field.values {
                let found = of_bytes(plus(&base, field.name, spellings[0]));
                for spelling in *spellings {
                    prop_assert_eq!(of_bytes(plus(&base, field.name, spelling)), found.clone(), "{}: {}", field.name, spelling);
                }
                for other in &seen {
                    prop_assert!(are_apart(&found, other), "{}: {}", field.name, spellings[0]);
                }
                seen.push(found);
            }
        }
    }

    #[test]
    fn two_fields_never_pass_for_each_other(base in base()) {
        let mut seen: Vec<(Identity, &str)> = Vec::new();
        for field in FIELDS.iter().filter(|field| field.name != "max_tokens") {
            for spellings in field.values {
                let found = of_bytes(plus(&base, field.name, spellings[0]));
                for (other, name) in &seen {
                    prop_assert!(are_apart(&found, other), "{} | {name}", field.name);
                }
                seen.push((found, field.name));
            }
        }
    }

    #[test]
    fn a_field_of_tomorrow_counts_whatever_it_says(base in base(), name in "[a-z_]{1,12}", value in json_value()) {
        let is_known = name == "model" || name == "messages" || FIELDS.iter().any(|field| field.name == name)
            || ["refrain", "cache", "task_type", "prefer_fast", "trim_messages"].contains(&&*name);
        prop_assume!(!is_known);
        let found = of_bytes(plus(&base, &name, &value.to_string()));
        prop_assert!(are_apart(&found, &of(&base)));
    }

    #[test]
    fn no_spelling_of_the_same_body_counts(base in base(), extra in json_value(), seed in any::<u64>()) {
        let mut body = base;
        body["x_extra"] = extra;
        let written = shuffled(&body, seed);
        prop_assert_eq!(of_bytes(escaped(&written)), of_bytes(written.clone()));
        prop_assert_eq!(of_bytes(written), of(&body));
    }
}

/// `json` with each letter `e` in its texts as an escape.
fn escaped(json: &str) -> String {
    let mut out = String::new();
    let (mut inside, mut after_backslash) = (false, false);
    for c in json.chars() {
        inside ^= c == '"' && !after_backslash;
        if inside && c == 'e' && !after_backslash {
            out.push_str("\\u0065");
        } else {
            out.push(c);
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    out
}

#[test]
fn tool_choice_has_the_default_that_the_tools_give_it() {
    let tools = r#"[{"type":"function","function":{"name":"f"}}]"#;
    let plain = asking("How many?");
    let armed: Value = serde_json::from_str(&plus(&plain, "tools", tools)).unwrap();
    let choosing = |body: &Value, choice: &str| of_bytes(plus(body, "tool_choice", choice));
    assert_eq!(choosing(&plain, r#""none""#), of(&plain));
    assert_eq!(choosing(&armed, r#""auto""#), of(&armed));
    assert!(are_apart(&choosing(&armed, r#""none""#), &of(&armed)));
    assert!(are_apart(&choosing(&plain, r#""auto""#), &of(&plain)));
}

#[test]
fn the_two_names_of_the_length_limit_are_one_and_conflicts_are_kept_apart() {
    let limits = |old: Option<u32>, new: Option<u32>| {
        let mut body = asking("How many?");
        old.into_iter()
            .for_each(|value| body["max_tokens"] = json!(value));
        new.into_iter()
            .for_each(|value| body["max_completion_tokens"] = json!(value));
        of(&body)
    };
    assert_eq!(limits(Some(5), None), limits(None, Some(5)));
    assert_ne!(limits(Some(5), Some(7)), limits(Some(7), Some(5)));
    assert_ne!(limits(Some(5), Some(7)), limits(None, Some(7)));
}

#[test]
fn numbers_that_one_float_stands_for_are_kept_apart() {
    let with = |number: &str| of_bytes(plus(&asking("How many?"), "x", number));
    for (a, b) in [
        ("18446744073709551616", "18446744073709551617"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("1e400", "1e401"),
        ("1", "\"1\""),
        ("0", "false"),
        ("[]", "{}"),
        ("[[],[]]", "[[[]]]"),
        ("\"\"", "[]"),
    ] {
        let parse = |number: &str| {
            let body = plus(&asking("How many?"), "x", number);
            ChatRequest::parse(Bytes::from(body), &mut Controls::default()).is_ok()
        };
        // What JSON can't hold is refused, not merged.
        if parse(a) && parse(b) {
            assert_ne!(with(a).fingerprint, with(b).fingerprint, "{a} | {b}");
        }
    }
}
