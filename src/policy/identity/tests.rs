use super::*;
use crate::wire::controls::Controls;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

mod fields;
mod interfaces;
mod messages;

const SECRET: [u8; 32] = [7; 32];

fn scope(key: &str) -> Scope {
    Scope::new(&SECRET, ScopeKind::Key, key.as_bytes())
}

fn of(body: &Value) -> Identity {
    of_bytes(body.to_string())
}

fn of_bytes(body: String) -> Identity {
    let request = ChatRequest::parse(Bytes::from(body), &mut Controls::default()).unwrap();
    identity_of(&request, scope("k"), "p/m")
}

fn identity_of(request: &ChatRequest, scope: Scope, target: &str) -> Identity {
    let setting = Setting {
        scope,
        target,
        by_user: false,
        by_surface: true,
        same_as: &|_| None,
    };
    identify(request, Asked::of(request).as_ref(), &setting)
}

fn asking(question: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]})
}

fn with(key: &str, value: Value) -> Value {
    let mut body = asking("How many planets are there?");
    body[key] = value;
    body
}

#[test]
fn equivalent_spellings_are_one_request() {
    let plain = of(&asking("How many planets are there?"));
    for same in [
        with("n", json!(1)),
        with("stop", json!(null)),
        with("stop", json!([])),
        with("tools", json!([])),
        with("tool_choice", json!("none")),
        with("logprobs", json!(false)),
        with("response_format", json!({"type": "text"})),
        with("stream", json!(true)),
        with("user", json!("someone")),
        with("metadata", json!({"a": "b"})),
        with("service_tier", json!("flex")),
        with("refrain", json!({"ttl": 5})),
    ] {
        assert_eq!(of(&same), plain, "{same}");
    }
    assert_eq!(
        of(&with("temperature", json!(1))),
        of(&with("temperature", json!(1.0)))
    );
    assert_eq!(
        of(&with("stop", json!("x"))),
        of(&with("stop", json!(["x"])))
    );
    assert_eq!(
        of(&with("max_tokens", json!(5))),
        of(&with("max_completion_tokens", json!(5)))
    );
    let parts = json!([{"type": "text", "text": "How many planets are there?"}]);
    let mut as_parts = asking("");
    as_parts["messages"][1]["content"] = parts;
    assert_eq!(of(&as_parts), plain);
}

#[test]
fn whatever_can_change_the_answer_keeps_requests_apart() {
    let plain = of(&asking("How many planets are there?"));
    for (key, value) in [
        ("temperature", json!(0.5)),
        ("top_p", json!(0.5)),
        ("n", json!(2)),
        ("stop", json!("x")),
        ("seed", json!(1)),
        ("max_tokens", json!(5)),
        ("presence_penalty", json!(0.1)),
        ("frequency_penalty", json!(0.1)),
        ("logprobs", json!(true)),
        ("logit_bias", json!({"1": 1})),
        ("reasoning_effort", json!("low")),
        ("verbosity", json!("low")),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "f"}}]),
        ),
        ("tool_choice", json!("required")),
        ("response_format", json!({"type": "json_object"})),
        ("web_search_options", json!({})),
        ("a_field_of_tomorrow", json!(false)),
    ] {
        let other = of(&with(key, value));
        assert_ne!(other.partition, plain.partition, "{key}");
        assert_ne!(other.fingerprint, plain.fingerprint, "{key}");
    }
}

#[test]
fn only_the_question_may_vary_within_a_partition() {
    let a = of(&asking("How many planets are there?"));
    let b = of(&asking("What is the number of planets?"));
    assert_eq!(a.partition, b.partition);
    assert_ne!(a.fingerprint, b.fingerprint);
    assert_eq!(a.question.as_deref(), Some("How many planets are there?"));

    let mut other_system = asking("How many planets are there?");
    other_system["messages"][0]["content"] = json!("Be brief!");
    assert_ne!(of(&other_system).partition, a.partition);

    let document = "The fox jumps over the dog. ".repeat(30);
    let about = |document: &str, question: &str| of(&asking(&format!("{document}\n\n{question}")));
    let (who, whom) = (
        about(&document, "Who jumps?"),
        about(&document, "Over whom?"),
    );
    assert_eq!(who.partition, whom.partition);
    assert_eq!(who.question.as_deref(), Some("Who jumps?"));
    let changed = about(&document.replacen("fox", "cat", 1), "Who jumps?");
    assert_ne!(changed.partition, who.partition);
}

#[test]
fn two_keys_and_two_targets_never_share() {
    let body = asking("hi").to_string();
    let request = ChatRequest::parse(Bytes::from(body), &mut Controls::default()).unwrap();
    let mine = identity_of(&request, scope("k1"), "p/m");
    assert_ne!(identity_of(&request, scope("k2"), "p/m"), mine);
    assert_ne!(identity_of(&request, scope("k1"), "q/m"), mine);
    let part = scope("k1").within(&Namespace::new("a").unwrap());
    assert_ne!(identity_of(&request, part, "p/m"), mine);
    let shared = Scope::new(&SECRET, ScopeKind::Shared, b"k1");
    assert_ne!(identity_of(&request, shared, "p/m"), mine);
}

#[test]
fn a_personal_question_is_scoped_to_the_person() {
    let by = |user: &str, question: &str| {
        let mut body = asking(question);
        body["user"] = json!(user);
        of(&body).partition
    };
    assert_ne!(by("a", "Where is my order?"), by("b", "Where is my order?"));
    for question in [
        "Am I eligible?",
        "When do I get paid?",
        "What do I owe?",
        "Wo ist meine Bestellung?",
        "Où est ma commande ?",
        "Which plan do I have?",
        "WHERE’S MY ORDER",
    ] {
        assert_ne!(by("a", question), by("b", question), "{question}");
    }
    assert_eq!(
        by("a", "How do I reverse a string?"),
        by("b", "How do I reverse a string?")
    );
}

#[test]
fn what_is_not_plain_user_text_has_no_question() {
    let mut body = asking("");
    body["messages"][1]["content"] = json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]);
    let with_image = of(&body);
    assert_eq!(with_image.question, None);
    body["messages"][1]["content"][1]["image_url"]["url"] = json!("data:image/png;base64,AB==");
    assert_ne!(of(&body).fingerprint, with_image.fingerprint);

    let tail = json!({"model": "m", "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]});
    assert_eq!(of(&tail).question, None);
}

fn shuffled(value: &Value, seed: u64) -> String {
    fn write(value: &Value, out: &mut String, random: &mut fastrand::Rng) {
        let space = |out: &mut String, random: &mut fastrand::Rng| {
            for _ in 0..random.u8(0..3) {
                out.push([' ', '\n', '\t'][random.usize(0..3)]);
            }
        };
        space(out, random);
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                random.shuffle(&mut fields);
                out.push('{');
                for (at, (key, value)) in fields.into_iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    space(out, random);
                    out.push_str(&json!(key).to_string());
                    out.push(':');
                    write(value, out, random);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    write(item, out, random);
                }
                out.push(']');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                out.push_str(&value.to_string());
            }
        }
        space(out, random);
    }
    let mut out = String::new();
    write(value, &mut out, &mut fastrand::Rng::with_seed(seed));
    out
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e6..1e6).prop_map(|number: f64| json!(number)),
        "[a-zé\"\\\\]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_order_of_keys_and_white_space_do_not_matter(extra in json_value(), seed in any::<u64>()) {
        let body = with("x_extra", extra);
        prop_assert_eq!(of_bytes(shuffled(&body, seed)), of(&body));
    }

    #[test]
    fn different_values_of_an_unknown_field_are_different_requests(a in json_value(), b in json_value()) {
        prop_assume!(a != b);
        prop_assert_ne!(of(&with("x_extra", a)).fingerprint, of(&with("x_extra", b)).fingerprint);
    }
}
