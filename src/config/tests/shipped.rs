//! The shipped `providers.toml`: it works without an edit, and what it says about defaults is true.

use super::{config, parse};
use crate::config::{Activation, Config, ModelPattern};

const SHIPPED: &str = include_str!("../../../providers.toml");

/// The file with every commented setting and table switched on.
fn uncommented() -> String {
    let is_setting = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (is_key && line.contains(" = ")) || (line.starts_with("[[") && line.ends_with("]]"))
    };
    let switched_on = |line: &'static str| match line.strip_prefix("# ") {
        Some(rest) if is_setting(rest) => rest,
        _ => line,
    };
    SHIPPED
        .lines()
        .map(switched_on)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn starts_without_any_key() {
    let (config, notices) = parse(SHIPPED, &[]).unwrap();
    assert_eq!(notices, []);
    let inactive: Vec<String> = config
        .providers
        .iter()
        .map(|provider| match &provider.activation {
            Activation::Active => format!("{}: active", provider.name),
            Activation::Inactive(reason) => format!("{}: {reason}", provider.name),
        })
        .collect();
    insta::assert_snapshot!(inactive.join("\n"), @r#"
    openai: OPENAI_API_KEY is not set
    gemini: GEMINI_API_KEY is not set
    anthropic: ANTHROPIC_API_KEY is not set
    ollama: active
    "#);
}

#[test]
fn keys_in_the_environment_activate_providers() {
    let env = [
        ("OPENAI_API_KEY", "a"),
        ("GEMINI_API_KEY", "b"),
        ("ANTHROPIC_API_KEY", "c"),
    ];
    assert!(
        config(SHIPPED, &env)
            .providers
            .iter()
            .all(|p| p.activation.is_active())
    );
}

#[test]
fn commented_defaults_are_the_defaults() {
    let text = uncommented();
    let scalar = |config: &Config| {
        let Config {
            server,
            embedding,
            cache,
            ..
        } = config;
        format!(
            "{server:#?}{embedding:#?}{cache:#?}{}",
            config.admin.key_env
        )
    };
    let written = config(&text, &[("WEB_KEY", "k")]);
    assert_eq!(scalar(&written), scalar(&config("", &[])));
    assert_eq!((written.clients.len(), written.tasks.len()), (1, 1));

    // The lines that are switched on must not be fewer than there are settings.
    for section in ["server", "admin", "embedding", "cache"] {
        let without = [
            "admin.listen",
            "embedding.threads",
            "cache.threshold",
            "cache.judge_model",
            "cache.data_dir",
            "cache.secret_env",
        ];
        let unknown = format!("[{section}]\nzzzzzz = 1\n");
        let printed = parse(&unknown, &[]).unwrap_err().to_string();
        let (_, rest) = printed.split_once("there are: ").unwrap();
        let (names, _) = rest.split_once(')').unwrap();
        let (_, body) = text.split_once(&format!("\n[{section}]\n")).unwrap();
        let body = body.split("\n[").next().unwrap();
        for name in names.split(", ") {
            let listed = body.contains(&format!("\n{name} = "));
            let expected = !without.contains(&format!("{section}.{name}").as_str());
            assert_eq!(listed, expected, "{section}.{name}");
        }
    }
}

#[test]
fn written_defaults_of_providers_are_the_defaults() {
    let written = config(&uncommented(), &[("WEB_KEY", "k")]);
    for provider in &written.providers {
        let bare = format!(
            "[[providers]]\nname = \"x\"\nkind = \"{}\"\n",
            provider.kind.as_str()
        );
        let bare = config(&bare, &[]).providers.remove(0);
        assert_eq!(provider.timeout, bare.timeout);
        assert_eq!(provider.discover, bare.discover);
        assert_eq!(provider.chat_base, bare.chat_base);
        assert_eq!(provider.activation, bare.activation);
    }
}

#[test]
fn well_known_names_are_answered() {
    let config = config(SHIPPED, &[]);
    let check = |requested: &str, expect: &str| {
        let model = config.models.resolve(requested);
        let found = model.map(|model| format!("{} -> {}", model.name, model.targets[0].provider));
        assert_eq!(found.as_deref(), Some(expect), "{requested}");
    };
    check("gpt-4o", "gpt-4o -> openai");
    check("gpt-4o-2024-08-06", "gpt-* -> openai");
    check("chatgpt-4o-latest", "chatgpt-* -> openai");
    check("o3-mini", "o3-mini -> openai");
    check("o1", "o1* -> openai");
    check("o4-mini", "o4* -> openai");
    check("gemini-2.5-flash-lite", "gemini-* -> gemini");
    check("claude-sonnet-4-5-20250929", "claude-* -> anthropic");
    assert!(config.models.resolve("llama3.2").is_none());
}

#[test]
fn concrete_entries_are_priced() {
    for model in config(SHIPPED, &[]).models.iter() {
        let is_exact = matches!(model.name, ModelPattern::Exact(_));
        assert_eq!(model.price.is_some(), is_exact, "{}", model.name);
        assert_eq!(model.context_window.is_some(), is_exact, "{}", model.name);
    }
}
