//! The configuration as operators see it.

use serde_json::{Value, json};

use super::config;

#[test]
fn no_secret_is_shown_and_no_setting_is_forgotten() {
    let env = [
        ("OPENAI_API_KEY", "sk-planted-one"),
        ("REFRAIN_ADMIN_KEY", "planted-admin-key-of-the-page"),
        ("WEB_KEY", "planted-client-key-of-the-web"),
    ];
    let shipped = include_str!("../../../providers.toml");
    let text = format!(
        "{shipped}\n[[clients]]\nname = \"web\"\nkey_env = \"WEB_KEY\"\n\
         [[providers]]\nname = \"own\"\nkind = \"openai\"\nbase_url = \"http://localhost:1/v1\"\n\
         headers = {{ x-own = \"planted-header\" }}\n"
    );
    let shown = config(&text, &env).shown();
    let written = shown.to_string();
    assert!(!written.contains("planted"), "{written}");
    assert_eq!(shown["admin"]["key"], "set");
    assert_eq!(shown["clients"][0]["name"], "web");
    assert_eq!(shown["cache"]["policy"], "balanced");
    assert_eq!(shown["cache"]["threshold"], serde_json::Value::Null);

    // Every setting that the shipped file names, a secret's variable for the secret.
    let mut section = String::new();
    for line in shipped.lines() {
        let header = line.strip_prefix("# ").unwrap_or(line).strip_prefix('[');
        if let Some(name) = header.and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        }
        let setting = line.strip_prefix("# ").unwrap_or(line);
        let key = setting.split(" = ").next().unwrap_or_default();
        let is_key = setting.contains(" = ")
            && !key.is_empty()
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let Some(of_section) = shown.get(&section).filter(|of| of.is_object() && is_key) else {
            continue;
        };
        if section != "endpoints" {
            assert!(of_section.get(key).is_some(), "[{section}] {key}");
        }
    }
}

#[test]
fn what_is_shown_is_what_would_be_written() {
    let text = r#"
[server]
allow_public = true
[telemetry]
sample = 0.25
otlp_headers_env = "COLLECTOR"
[endpoints]
rerank = { provider = "azure", path = "/v2/rerank", usd_per_request = 0.002 }
audio = "azure"
[[clients]]
name = "web"
key_env = "WEB_KEY"
ttl = "1h"
limits = { concurrent = 3 }
budget = { daily_usd = 5.0 }
expires = 2030-01-01
[[clients]]
name = "batch"
key_sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
[[providers]]
name = "azure"
kind = "openai"
base_url = "https://host"
api_key_envs = ["ONE", "TWO"]
headers = { x-team = "planted-header" }
api_key_header = "api-key"
chat_path = "/d/{model}/chat/completions?api-version=1"
developer_role = "system"
interfaces = ["responses"]
params = [{ models = "o*", drop = ["logprobs", "messages[].name"], rename = { max_tokens = "most" } }]
timeout = { connect = "2s" }
limits = { requests_per_minute = 10, max_wait = "2s" }
model_limits = [{ models = "o*", concurrent = 1 }]
[[models]]
name = "m"
targets = ["azure/m"]
price = { input = 2.5, output = 10.0 }
supports = ["tools", "images"]
hedge = false
threshold = 0.93
"#;
    let env = [("WEB_KEY", "planted-web"), ("TWO", "planted-two")];
    let shown = config(text, &env).shown();
    assert!(!shown.to_string().contains("planted"), "{shown}");
    assert_eq!(shown["server"]["allow_public"], true);
    let telemetry = &shown["telemetry"];
    assert_eq!(
        (&telemetry["sample"], &telemetry["otlp_headers_env"]),
        (&json!(0.25), &json!("COLLECTOR"))
    );
    assert_eq!(telemetry["otlp_endpoint"], Value::Null);
    let endpoint = json!({"provider": "azure", "path": "/v2/rerank", "usd_per_request": 0.002});
    assert_eq!(shown["endpoints"]["rerank"], endpoint);
    let [web, batch] = &shown["clients"].as_array().unwrap()[..] else {
        panic!("two are written");
    };
    assert_eq!(
        (&web["key_env"], &web["key_sha256"]),
        (&json!("WEB_KEY"), &Value::Null)
    );
    assert_eq!(
        (&batch["key_env"], &batch["key_sha256"]),
        (&Value::Null, &json!("set"))
    );
    assert_eq!(
        (&web["ttl"], &web["limits"]["concurrent"], &web["expires"]),
        (&json!("1h"), &json!(3), &json!("2030-01-01T00:00:00Z"))
    );
    let provider = &shown["providers"][0];
    for (key, expected) in [
        ("keys", json!(1)),
        ("api_key_envs", json!(["ONE", "TWO"])),
        ("api_key_header", json!("api-key")),
        ("headers", json!({"x-team": "set"})),
        (
            "chat_path",
            json!("/d/{model}/chat/completions?api-version=1"),
        ),
        ("developer_role", json!("system")),
        ("interfaces", json!(["responses"])),
        (
            "params",
            json!([{"models": ["o*"], "drop": ["logprobs", "messages[].name"],
                "rename": {"max_tokens": "most"}}]),
        ),
        (
            "model_limits",
            json!([{"models": ["o*"], "requests_per_minute": null, "tokens_per_minute": null,
                "concurrent": 1}]),
        ),
    ] {
        assert_eq!(provider[key], expected, "{key}");
    }
    assert_eq!(provider["timeout"]["connect"], "2s");
    assert_eq!(provider["limits"]["max_wait"], "2s");
    let model = &shown["models"][0];
    for (key, expected) in [
        ("price", json!({"input": 2.5, "output": 10.0})),
        ("supports", json!(["images", "tools"])),
        ("threshold", json!(0.93)),
        ("hedge", json!(false)),
        ("strategy", json!("priority")),
    ] {
        assert_eq!(model[key], expected, "{key}");
    }
}
