//! What good files resolve to.

use std::path::Path;

use super::{NOW, config, parse, threshold};
use crate::config::{
    Activation, Config, KeyDigest, ModelPattern, ProviderKind, Sources, TargetModel,
};

#[test]
fn an_empty_file_is_all_defaults() {
    let config = config("", &[]);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.embedding.model, Path::new("models/all-MiniLM-L6-v2"));
    assert!(config.admin.key.is_none() && config.clients.is_empty() && config.providers.is_empty());
    assert!(config.models.resolve("gpt-4o").is_none());
}

#[test]
fn numbers_are_written_as_toml_allows() {
    let config = config(
        "[server]\nmax_connections = 20_000\n[embedding]\nqueue = 0x10\n",
        &[],
    );
    assert_eq!(config.server.max_connections, 20_000);
    assert_eq!(config.embedding.queue, 16);
}

#[test]
fn paths_count_from_the_file() {
    let sources = Sources {
        path: Path::new("/etc/refrain/providers.toml"),
        text: "[embedding]\nmodel = \"m\"\nruntime = \"/lib/ort.so\"\n[cache]\ndata_dir = \"d\"\n",
        env: &|_| None,
        env_overrides: &[],
        now: NOW,
    };
    let (config, _) = Config::parse(&sources).unwrap();
    assert_eq!(config.embedding.model, Path::new("/etc/refrain/m"));
    assert_eq!(config.embedding.runtime, Path::new("/lib/ort.so"));
    assert_eq!(
        config.cache.data_dir.as_deref(),
        Some(Path::new("/etc/refrain/d"))
    );
}

#[test]
fn the_environment_goes_before_the_file() {
    let env = [
        ("REFRAIN_SERVER__LISTEN", "localhost:0"),
        ("REFRAIN_CACHE__SEMANTIC", "off"),
        ("REFRAIN_CACHE__ENABLED", "false"),
        ("REFRAIN_CACHE__THRESHOLD", "0.95"),
        ("REFRAIN_EMBEDDING__THREADS", "2"),
        ("REFRAIN_EMBEDDING__QUEUE", ""),
        ("REFRAIN_ADMIN__KEY_ENV", "OPS"),
        ("OPS", "ops-key"),
    ];
    let config = config(
        "[server]\nlisten = \"127.0.0.1:1\"\n[cache]\nsemantic = true\n",
        &env,
    );
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:0");
    assert!(!config.cache.semantic && !config.cache.enabled);
    assert_eq!(config.cache.admission, threshold(0.95));
    assert_eq!(
        (config.embedding.threads, config.embedding.queue),
        (Some(2), 64)
    );
    assert_eq!(config.admin.key_env, "OPS");
    assert_eq!(config.admin.key.unwrap().expose(), "ops-key");
}

#[test]
fn a_setting_alone_drags_its_default_neighbour_along() {
    let config = config(
        "[cache]\nttl = \"30s\"\nmax_bytes = \"1MiB\"\nsemantic = \"off\"\n",
        &[],
    );
    assert_eq!(config.cache.volatile_ttl, config.cache.ttl);
    assert_eq!(config.cache.max_entry_bytes, config.cache.max_bytes);
    assert!(!config.cache.semantic);
}

#[test]
fn activation_and_addresses() {
    let check = |entry: &str, env: &[(&str, &str)], base: Option<&str>, inactive: Option<&str>| {
        let text = format!("[[providers]]\nname = \"p\"\n{entry}\n");
        let provider = config(&text, env).providers.remove(0);
        let reason = match &provider.activation {
            Activation::Active => None,
            Activation::Inactive(reason) => Some(reason.as_str()),
        };
        assert_eq!(
            (provider.base_url.as_deref(), reason),
            (base, inactive),
            "{entry}"
        );
        assert_eq!(
            !provider.api_keys.is_empty(),
            !env.is_empty() && env[0].0 != "OLLAMA_HOST"
        );
    };
    let openai = Some("https://api.openai.com/v1");
    let key = [("OPENAI_API_KEY", "k")];
    let lacks_key = Some("OPENAI_API_KEY is not set");
    check("kind = \"openai\"", &[], openai, lacks_key);
    check("kind = \"openai\"", &key, openai, None);
    check(
        "kind = \"openai\"\napi_key_env = \"OPENAI_API_KEY\"",
        &key,
        openai,
        None,
    );
    let two = "kind = \"openai\"\napi_key_envs = [\"A\", \"B\"]";
    check(two, &[], openai, Some("none of A, B is set"));
    check(two, &[("B", "k")], openai, None);
    let own = "kind = \"openai\"\nbase_url = \"http://h:1/v1/\"";
    check(own, &[], Some("http://h:1/v1"), None);
    let own = r#"kind = "openai"
base_url = "http://h:1/v1"
api_key_env = "K""#;
    check(own, &[], Some("http://h:1/v1"), Some("K is not set"));
    let google = Some("https://generativelanguage.googleapis.com/v1beta");
    check(
        "kind = \"gemini\"",
        &[("GEMINI_API_KEY", "k")],
        google,
        None,
    );
    let pasted = r#"kind = "gemini"
base_url = "https://generativelanguage.googleapis.com/v1beta/openai/""#;
    check(pasted, &[], google, None);
    let anthropic = Some("https://api.anthropic.com/v1");
    check(
        "kind = \"anthropic\"",
        &[("ANTHROPIC_API_KEY", "k")],
        anthropic,
        None,
    );
    check(
        "kind = \"ollama\"",
        &[],
        Some("http://127.0.0.1:11434"),
        None,
    );
    check(
        "kind = \"ollama\"",
        &[("OLLAMA_HOST", "0.0.0.0:1")],
        Some("http://127.0.0.1:1"),
        None,
    );
    let pasted = "kind = \"ollama\"\nbase_url = \"http://box:11434/v1/\"";
    check(pasted, &[], Some("http://box:11434"), None);
    check("kind = \"demo\"", &[], None, None);
}

#[test]
fn another_address_does_not_get_the_key_of_openai() {
    let text = r#"[[providers]]
name = "p"
kind = "openai"
base_url = "http://elsewhere"
"#;
    assert!(
        config(text, &[("OPENAI_API_KEY", "k")]).providers[0]
            .api_keys
            .is_empty()
    );
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let text = "[[providers]]\nname = \"p\"\nkind = \"openai\"\n";
    let config = config(text, &[("OPENAI_API_KEY", ""), ("REFRAIN_ADMIN_KEY", "")]);
    assert!(!config.providers[0].activation.is_active());
    assert!(config.admin.key.is_none());
}

#[test]
fn clients_have_digests_and_patterns() {
    let text = r#"[[clients]]
name = "a"
key_env = "A"
namespace = "team"
allowed_models = ["gpt-4o*", "x"]
"#;
    let client = config(text, &[("A", "key")]).clients.remove(0);
    assert_eq!(client.key, KeyDigest::of("key"));
    assert_eq!(client.namespace.unwrap().as_str(), "team");
    let allows = |name| client.allowed_models.allows(name);
    assert!(allows("gpt-4o-mini") && allows("x") && !allows("gpt-4") && !allows("xy"));
}

#[test]
fn exact_names_go_before_patterns_and_longer_patterns_before_shorter() {
    let text = r#"
[[providers]]
name = "p"
kind = "demo"
[[models]]
name = "*"
targets = ["p/*"]
[[models]]
name = "gpt-*"
targets = ["p/*"]
[[models]]
name = "gpt-4*"
targets = ["p/*", "p/spare"]
[[models]]
name = "gpt-4o"
aliases = ["gpt-4x"]
targets = ["p/real/name:free"]
"#;
    let config = config(text, &[]);
    let check = |requested: &str, expect: &str| {
        let model = config.models.resolve(requested).unwrap();
        assert_eq!(model.name.to_string(), expect, "{requested}");
    };
    check("gpt-4o", "gpt-4o");
    check("gpt-4x", "gpt-4o");
    check("gpt-4o-mini", "gpt-4*");
    check("gpt-5", "gpt-*");
    check("llama", "*");
    assert_eq!(config.models.iter().count(), 4);
    let model = config.models.resolve("gpt-4x").unwrap();
    assert!(matches!(&model.name, ModelPattern::Exact(name) if name.as_str() == "gpt-4o"));
    let TargetModel::Named(name) = &model.targets[0].model else {
        panic!("{model:?}")
    };
    assert_eq!(name.as_str(), "real/name:free");
    assert_eq!(
        config.models.resolve("gpt-5").unwrap().targets[0].model,
        TargetModel::AsRequested
    );
}

#[test]
fn discovery_is_for_ollama_unless_asked_for() {
    let text = r#"[[providers]]
name = "a"
kind = "ollama"
[[providers]]
name = "b"
kind = "demo"
[[providers]]
name = "c"
kind = "ollama"
discover = false
"#;
    let discover: Vec<bool> = config(text, &[])
        .providers
        .iter()
        .map(|p| p.discover)
        .collect();
    assert_eq!(discover, [true, false, false]);
}

#[test]
fn kinds_have_their_names() {
    for (name, kind) in ProviderKind::NAMES {
        assert_eq!(kind.as_str(), name);
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let config = config("\u{feff}[cache]\r\nttl = \"1h\"\r\n", &[]);
    assert_eq!(config.cache.ttl.as_secs(), 3600);
    let printed = parse("\u{feff}[cache]\r\nttl = 1\r\n", &[])
        .unwrap_err()
        .to_string();
    assert!(printed.starts_with("providers.toml:2:7: "), "{printed}");
}
