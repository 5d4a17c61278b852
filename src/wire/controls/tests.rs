use super::*;
use crate::units::{Policy, Similarity};
use proptest::prelude::*;
use serde_json::json;

const HEADERS: [&str; 13] = [
    "cache-control",
    "x-refrain-cache-ttl",
    "x-refrain-cache-namespace",
    "x-refrain-cache-threshold",
    "x-refrain-cache-policy",
    "x-refrain-cache-tags",
    "x-refrain-task",
    "x-refrain-prefer-fast",
    "x-portkey-cache-namespace",
    "x-portkey-cache-force-refresh",
    "cf-aig-skip-cache",
    "cf-aig-cache-ttl",
    "helicone-cache-enabled",
];

fn of_headers(headers: &[(&str, &str)]) -> Result<Controls, InvalidControl> {
    let mut controls = Controls::default();
    for (name, value) in headers {
        assert!(Controls::is_control_header(name), "{name}");
        controls.apply_header(name, value)?;
    }
    Ok(controls)
}

fn of_header(name: &str, value: &str) -> Result<Controls, InvalidControl> {
    of_headers(&[(name, value)])
}

fn of_refrain(object: &Value) -> Result<Controls, InvalidControl> {
    let mut controls = Controls::default();
    controls.apply_refrain(object).map(|()| controls)
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn tags(controls: &Controls) -> Vec<&str> {
    controls.tags.iter().map(Tag::as_str).collect()
}

#[test]
fn cache_control_is_read_as_rfc_9111_says() {
    let read = |value| of_header("cache-control", value).unwrap();
    assert!(read("no-cache, no-store").no_cache && read("No-Store").no_store);
    assert_eq!(read("max-age=60").max_age, seconds(60));
    assert_eq!(read("max-age=60, max-age=5").max_age, seconds(5));
    assert!(read("max-age=soon").no_cache && read("max-age=0").no_cache);
    assert!(read("max-age=+5").no_cache && read("max-age").no_cache);
    assert_eq!(
        read("max-age=99999999999999999999").max_age,
        seconds(1 << 31)
    );
    assert!(read("only-if-cached").only_if_cached);
    assert_eq!(read("public, immutable"), Controls::default());
}

#[test]
fn staleness_is_allowed_as_far_as_it_can_be_read() {
    let read = |value| of_header("cache-control", value).unwrap();
    assert_eq!(read("max-stale").max_stale, Some(Duration::MAX));
    assert_eq!(read("Max-Stale=\"60\"").max_stale, seconds(60));
    assert_eq!(read("max-stale, max-stale=60").max_stale, seconds(60));
    assert_eq!(read("stale-if-error=600").stale_if_error, seconds(600));
    for nothing in [
        "max-stale=0",
        "max-stale=soon",
        "max-stale=",
        "stale-if-error",
    ] {
        assert_eq!(read(nothing), Controls::default(), "{nothing}");
    }
}

#[test]
fn values_out_of_range_are_named() {
    for (name, value) in [
        ("x-refrain-cache-ttl", "-1"),
        ("x-refrain-cache-ttl", ""),
        ("x-refrain-cache-ttl", "1.5"),
        ("x-refrain-cache-ttl", "1h"),
        ("x-refrain-cache-ttl", "NaN"),
        ("x-refrain-cache-ttl", "315360001"),
        ("x-refrain-cache-ttl", "99999999999999999999"),
        ("cf-aig-cache-ttl", "soon"),
        ("x-refrain-cache-threshold", "0.2"),
        ("x-refrain-cache-threshold", "NaN"),
        ("x-refrain-cache-threshold", "inf"),
        ("x-refrain-cache-policy", "lax"),
        ("x-refrain-cache-policy", ""),
        ("x-refrain-cache-namespace", "a b"),
        ("x-refrain-cache-tags", "ok, two words"),
        ("x-refrain-task", "code generation"),
        ("x-refrain-task", ""),
        ("x-refrain-prefer-fast", "very"),
    ] {
        assert_eq!(of_header(name, value).unwrap_err().name, name, "{value}");
    }
    for (field, value) in [
        ("ttl", json!(-1)),
        ("ttl", json!(315_360_001)),
        ("ttl", json!("60")),
        ("max_stale", json!(true)),
        ("stale_if_error", json!(-1)),
        ("threshold", json!("high")),
        ("policy", json!("lax")),
        ("policy", json!(1)),
        ("task", json!("")),
        ("task", json!(["a"])),
        ("tags", json!("a,b")),
        ("tags", json!(["a,b"])),
        ("tags", json!(["a", 1])),
        ("tags", json!([""])),
        ("prefer_fast", json!("yes")),
        ("no_cash", json!(true)),
    ] {
        let name = format!("refrain.{field}");
        assert_eq!(of_refrain(&json!({field: value})).unwrap_err().name, name);
    }
}

#[test]
fn a_ttl_of_nothing_and_of_ten_years_are_in_range() {
    let ttl = |value| of_header("x-refrain-cache-ttl", value).unwrap().ttl;
    assert_eq!(ttl("0"), Some(Duration::ZERO));
    assert_eq!(ttl(" 315360000 "), seconds(315_360_000));
}

#[test]
fn a_header_and_its_field_say_the_same() {
    for (name, value, object) in [
        ("cache-control", "no-cache", json!({"no_cache": true})),
        ("cache-control", "max-age=9", json!({"max_age": 9})),
        ("cache-control", "max-age=0", json!({"max-age": 0})),
        ("cache-control", "max-stale=9", json!({"max_stale": 9})),
        (
            "cache-control",
            "stale-if-error=9",
            json!({"stale_if_error": 9}),
        ),
        ("x-refrain-cache-ttl", "9", json!({"ttl": 9})),
        ("x-refrain-cache-namespace", "n", json!({"namespace": " n"})),
        (
            "x-refrain-cache-threshold",
            "0.95",
            json!({"threshold": 0.95}),
        ),
        (
            "x-refrain-cache-policy",
            "Strict",
            json!({"policy": "strict"}),
        ),
        (
            "x-refrain-cache-tags",
            "a, b,,a",
            json!({"tags": ["a ", "b"]}),
        ),
        ("x-refrain-task", "sql", json!({"task": "sql"})),
        (
            "x-refrain-prefer-fast",
            "true",
            json!({"prefer_fast": true}),
        ),
        (
            "x-refrain-trim-messages",
            "true",
            json!({"trim_messages": true}),
        ),
    ] {
        let header = of_header(name, value).unwrap();
        assert_eq!(header, of_refrain(&object).unwrap(), "{name}");
        assert_ne!(header, Controls::default(), "{name}");
    }
}

#[test]
fn a_policy_and_a_threshold_are_refused_together() {
    let threshold = ("x-refrain-cache-threshold", "0.95");
    let policy = ("x-refrain-cache-policy", "strict");
    let refused = |headers: &[_]| of_headers(headers).unwrap_err().name;
    assert_eq!(refused(&[threshold, policy]), policy.0);
    assert_eq!(refused(&[policy, threshold]), threshold.0);
    let body = json!({"policy": "strict", "threshold": 0.95});
    assert!(of_refrain(&body).is_err());
    let mut controls = of_headers(&[threshold]).unwrap();
    let body = of_refrain(&json!({"policy": "strict"})).unwrap();
    assert_eq!(controls.overlay(body).unwrap_err().name, "refrain.policy");
}

#[test]
fn a_header_that_contradicts_another_is_refused() {
    for [first, second] in [
        [("x-refrain-cache-ttl", "1"), ("cf-aig-cache-ttl", "2")],
        [("x-refrain-task", "a"), ("x-refrain-task", "b")],
        [
            ("x-refrain-cache-threshold", "0.9"),
            ("x-refrain-cache-threshold", "0.8"),
        ],
        [
            ("x-refrain-cache-policy", "loose"),
            ("x-refrain-cache-policy", "strict"),
        ],
        [
            ("x-refrain-cache-namespace", "a"),
            ("x-portkey-cache-namespace", "b"),
        ],
    ] {
        assert_eq!(of_headers(&[first, second]).unwrap_err().name, second.0);
        assert!(of_headers(&[first, first]).is_ok());
    }
}

#[test]
fn the_body_goes_before_the_headers() {
    let mut controls = of_headers(&[
        ("cache-control", "max-age=1, max-stale=1, stale-if-error=1"),
        ("x-refrain-cache-ttl", "1"),
        ("x-refrain-cache-policy", "loose"),
        ("x-refrain-cache-namespace", "header"),
        ("x-refrain-task", "header"),
        ("x-refrain-cache-tags", "header, both"),
    ])
    .unwrap();
    let without_body = controls.clone();
    controls.overlay(Controls::default()).unwrap();
    assert_eq!(controls, without_body);
    let body = json!({
        "max_age": 2, "max_stale": 2, "stale_if_error": 2, "ttl": 2, "policy": "strict",
        "namespace": "body", "task": "body", "tags": ["both", "body"],
    });
    let body = of_refrain(&body).unwrap();
    controls.overlay(body.clone()).unwrap();
    assert_eq!(tags(&controls), ["header", "both", "body"]);
    assert_eq!(
        Controls {
            tags: body.tags.clone(),
            ..controls
        },
        body
    );
    assert_eq!(body.admission, Some(Admission::Policy(Policy::Strict)));
}

#[test]
fn tags_are_counted_over_header_and_body() {
    let many: Vec<String> = (0..16).map(|number| format!("t{number}")).collect();
    let mut controls = of_header("x-refrain-cache-tags", &many.join(",")).unwrap();
    assert_eq!(controls.tags.len(), 16);
    let known = of_refrain(&json!({"tags": ["t3"]})).unwrap();
    controls.overlay(known).unwrap();
    let one_more = of_refrain(&json!({"tags": ["u"]})).unwrap();
    assert_eq!(controls.overlay(one_more).unwrap_err().name, "refrain.tags");
    let lines = [
        ("x-refrain-cache-tags", "a"),
        ("x-refrain-cache-tags", ", b"),
    ];
    assert_eq!(tags(&of_headers(&lines).unwrap()), ["a", "b"]);
}

#[test]
fn a_task_may_stand_in_the_body_itself() {
    let mut controls = Controls::default();
    controls.apply_top_level("task_type", &json!(null)).unwrap();
    assert_eq!(controls, Controls::default());
    for name in ["prefer_fast", "trim_messages"] {
        controls.apply_top_level(name, &json!(true)).unwrap();
    }
    assert_eq!(controls.prefer_fast, Some(true));
    assert_eq!(controls.trim_messages, Some(true));
    controls
        .apply_top_level("task_type", &json!("sql"))
        .unwrap();
    assert_eq!(controls.task.as_ref().map(TaskName::as_str), Some("sql"));
    let refused = controls.apply_top_level("task_type", &json!("code"));
    assert_eq!(refused.unwrap_err().name, "task_type");
    for (name, value) in [
        ("task_type", json!(["sql"])),
        ("prefer_fast", json!("fast")),
        ("trim_messages", json!(1)),
    ] {
        assert_eq!(
            controls.apply_top_level(name, &value).unwrap_err().name,
            name
        );
    }
}

#[test]
fn a_foreign_cache_object_is_left_alone() {
    let mut controls = Controls::default();
    assert_eq!(
        controls.apply_litellm(&json!({"no-cache": true, "ttl": 5})),
        Ok(true)
    );
    assert!(controls.no_cache && controls.ttl == seconds(5));
    assert_eq!(
        controls.apply_litellm(&json!({"type": "ephemeral"})),
        Ok(false)
    );
    let ours = json!({"no-cache": true, "tags": ["a"]});
    assert_eq!(controls.apply_litellm(&ours), Ok(false));
}

proptest! {
    #[test]
    fn whatever_a_header_says_the_controls_are_in_range(
        said in prop::collection::vec((prop::sample::select(&HEADERS[..]), "[ -~]{0,30}|[0-9]{1,25}|\\PC{0,8}"), 0..6),
    ) {
        let mut controls = Controls::default();
        for (name, value) in said {
            if let Err(error) = controls.apply_header(name, &value) {
                prop_assert_eq!(error.name, name);
            }
        }
        let allowance = |duration: Option<Duration>| duration != Some(Duration::ZERO);
        prop_assert!(allowance(controls.max_age) && allowance(controls.max_stale));
        prop_assert!(allowance(controls.stale_if_error) && controls.tags.len() <= 16);
        prop_assert!(controls.ttl <= seconds(315_360_000));
        if let Some(Admission::Threshold(threshold)) = controls.admission {
            prop_assert!(Some(threshold) >= Similarity::new(0.5));
        }
    }
}
