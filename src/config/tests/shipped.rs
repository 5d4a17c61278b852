//! The shipped `providers.toml`: it works without an edit, and what it says about defaults is true.

use super::{config, parse};
use crate::{
    config::{
        Activation, Config, ModelPattern, Provider, Routing, Target, TargetModel, defaults,
        overrides::SECTIONS,
    },
    wire::chat::Edit,
};

const SHIPPED: &str = include_str!("../../../providers.toml");
const README: &str = include_str!("../../../README.md");
const RESILIENCE: &str = include_str!("../../../docs/resilience.md");

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
            responses,
            telemetry,
            routing,
            ..
        } = config;
        let routing = Routing {
            default_task: None,
            ..routing.clone()
        };
        format!(
            "{server:#?}{embedding:#?}{cache:#?}{responses:#?}{telemetry:#?}{routing:#?}{}",
            config.admin.key_env
        )
    };
    let written = config(&text, &[("WEB_KEY", "k"), ("REFRAIN_ADMIN_KEY", "a")]);
    assert_eq!(scalar(&written), scalar(&config("", &[])));
    let shipped = config(SHIPPED, &[]);
    assert_eq!(written.routing, shipped.routing);
    assert_eq!(written.clients.len(), 1);
    assert_eq!(written.tasks.len(), shipped.tasks.len() + 1);

    // The lines that are switched on must not be fewer than there are settings.
    for section in SECTIONS {
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
    let written = config(
        &uncommented(),
        &[("WEB_KEY", "k"), ("REFRAIN_ADMIN_KEY", "a")],
    );
    for provider in &written.providers {
        let bare = format!(
            "[[providers]]\nname = \"x\"\nkind = \"{}\"\n",
            provider.kind.as_str()
        );
        let bare = config(&bare, &[]).providers.remove(0);
        assert_eq!(provider.timeout, bare.timeout);
        assert_eq!(provider.retry, bare.retry);
        assert_eq!(provider.breaker, bare.breaker);
        assert_eq!(provider.limits, bare.limits);
        assert_eq!(provider.discover, bare.discover);
        assert_eq!(provider.base_url, bare.base_url);
        assert_eq!(provider.activation, bare.activation);
        assert_eq!(provider.drop_unsupported, bare.drop_unsupported);
        assert_eq!(provider.prompt_caching, bare.prompt_caching);
        assert_eq!(provider.compat.key_header, bare.compat.key_header);
        assert_eq!(provider.compat.chat_path, bare.compat.chat_path);
        assert_eq!(provider.compat.models_path, bare.compat.models_path);
        assert_eq!(provider.keep_alive, bare.keep_alive);
        assert_eq!(provider.num_ctx, bare.num_ctx);
    }
}

#[test]
fn reasoning_models_get_the_name_of_the_limit_that_they_take() {
    let openai = config(SHIPPED, &[]).providers.remove(0);
    let rename = Edit::rename("max_tokens", "max_completion_tokens").unwrap();
    for model in ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5.1"] {
        assert_eq!(openai.compat.edits_for(model), [&rename], "{model}");
    }
    for model in ["gpt-4o", "gpt-4.1", "chatgpt-4o-latest"] {
        assert!(openai.compat.edits_for(model).is_empty(), "{model}");
    }
}

#[test]
fn every_kind_of_work_has_somebody_for_each_key() {
    let config = config(SHIPPED, &[]);
    let names: Vec<&str> = config.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "code_generation",
            "sql",
            "reasoning",
            "long_context",
            "chat",
            "summarise",
            "translate",
            "extract",
            "simple"
        ]
    );
    assert_eq!(config.routing.default_task.unwrap().as_str(), "chat");
    for task in &config.tasks {
        let route = task.route.as_ref().unwrap();
        let asks = |targets: &[Target], provider: &str| {
            let mut names = targets.iter().map(|target| target.provider.as_str());
            names.any(|name| name == provider)
        };
        for provider in ["openai", "gemini", "anthropic"] {
            assert!(asks(&route.targets, provider), "{}: {provider}", task.name);
        }
        assert!(!route.fast.is_empty(), "{}", task.name);
        // What a model costs and can take has to be known before it is chosen for somebody.
        for target in route.targets.iter().chain(&route.fast) {
            let TargetModel::Named(name) = &target.model else {
                panic!("{target:?}")
            };
            let model = config.models.resolve(name.as_str()).unwrap();
            assert!(model.price.is_some(), "{name}");
            assert_eq!(model.targets, std::slice::from_ref(target));
        }
    }
}

#[test]
fn longer_prompts_have_somewhere_to_go() {
    let config = config(SHIPPED, &[]);
    for model in config.models.iter() {
        for fallback in &model.rules.context_window_fallbacks {
            let TargetModel::Named(name) = &fallback.model else {
                panic!("{fallback:?}")
            };
            let larger = config.models.resolve(name.as_str()).unwrap();
            assert!(larger.context_window > model.context_window, "{name}");
            assert_eq!(larger.supports, model.supports, "{name}");
        }
    }
}

/// The examples below a line with these words, switched on.
fn examples(below: &str) -> String {
    let (_, examples) = SHIPPED.split_once(below).unwrap();
    let lines = examples
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('#') || line.starts_with(' '));
    let lines = lines.filter_map(|line| line.strip_prefix("#     "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_of_servers_are_good() {
    let keys = ["AZURE_OPENAI", "GROQ", "MISTRAL", "DEEPSEEK", "OPENROUTER"];
    let keys: Vec<String> = keys.iter().map(|name| format!("{name}_API_KEY")).collect();
    let env: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "k")).collect();
    // Behind the shipped file, as somebody would add them.
    let (config, notices) =
        parse(&format!("{SHIPPED}\n{}", examples("Some servers;")), &env).unwrap();
    assert_eq!(notices, []);
    let added: Vec<String> = config.providers.iter().skip(4).map(shown).collect();
    insta::assert_snapshot!(added.join("\n"), @r#"
    vllm: http://127.0.0.1:8000/v1/chat/completions  None 1 edits
    llamacpp: http://127.0.0.1:8080/v1/chat/completions  None 1 edits
    lmstudio: http://127.0.0.1:1234/v1/chat/completions  None 1 edits
    azure: https://your-resource.openai.azure.com/openai/deployments/m/chat/completions api-version=2024-10-21 Some("api-key") 0 edits
    groq: https://api.groq.com/openai/v1/chat/completions  None 4 edits
    mistral: https://api.mistral.ai/v1/chat/completions  None 14 edits
    deepseek: https://api.deepseek.com/chat/completions  None 4 edits
    openrouter: https://openrouter.ai/api/v1/chat/completions  None 0 edits
    "#);
}

#[test]
fn the_example_of_a_route_is_good() {
    let route = examples("# For example:");
    let text = format!("{SHIPPED}\n{}\n{route}", examples("Some servers;"));
    let config = config(&text, &[]);
    let model = config.models.resolve("house-model").unwrap();
    assert_eq!(model.rules.weights, [3, 1]);
    assert_eq!(model.rules.fallbacks.len(), 1);
    assert_eq!(model.rules.hedge, Some(defaults::HEDGE));
}

#[test]
fn the_examples_of_resilience_are_good() {
    let examples = RESILIENCE.split("```toml").skip(1);
    let examples = examples.filter_map(|rest| rest.split("```").next());
    let env = [
        ("OPENAI_API_KEY", "a"),
        ("OPENAI_API_KEY_2", "b"),
        ("AZURE_OPENAI_API_KEY", "c"),
    ];
    let (config, notices) = parse(&examples.collect::<String>(), &env).unwrap();
    assert_eq!(notices, []);
    assert_eq!(config.providers[0].api_keys.len(), 2);
    assert!(
        config
            .models
            .iter()
            .any(|model| model.rules.hedge.is_some())
    );
    assert!(config.clients.iter().any(|client| client.budget.is_some()));
}

/// The tables of docs/resilience.md say for each key what stands for it if it is not written.
#[test]
fn the_defaults_of_resilience_are_the_defaults() {
    let mut settings = std::collections::BTreeMap::<&str, Vec<String>>::new();
    for line in RESILIENCE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        let default = cells[2].trim_matches('`');
        if let Some((table, key)) = name.split_once('.').filter(|_| !default.is_empty()) {
            settings
                .entry(table)
                .or_default()
                .push(format!("{key} = {default}"));
        }
    }
    let table = |name: &str| format!("{name} = {{ {} }}\n", settings[name].join(", "));
    let provider = "[[providers]]\nname = \"a\"\nkind = \"demo\"\n";
    let route = "[[models]]\nname = \"m\"\ntargets = [\"a/x\", \"a/y\"]\n";
    let [timeout, retry, breaker, limits, hedge] =
        ["timeout", "retry", "breaker", "limits", "hedge"].map(table);
    let server = settings["server"].join("\n");
    let text =
        format!("[server]\n{server}\n{provider}{timeout}{retry}{breaker}{limits}{route}{hedge}");
    let (written, bare) = (config(&text, &[]), config(provider, &[]));
    assert_eq!(written.providers, bare.providers);
    assert_eq!(written.server, bare.server);
    assert_eq!(
        written.models.resolve("m").unwrap().rules.hedge,
        Some(defaults::HEDGE)
    );
    let named: Vec<usize> = settings.values().map(Vec::len).collect();
    assert_eq!(named, [6, 3, 1, 4, 6, 4], "{settings:?}");
}

#[test]
fn the_readme_has_a_good_example() {
    let (_, readme) = README.split_once("```toml").unwrap();
    let (example, _) = readme.split_once("```").unwrap();
    let provider = config(example, &[("AZURE_OPENAI_API_KEY", "k")])
        .providers
        .remove(0);
    assert_eq!(provider.compat.edits_for("o3").len(), 2);
}

fn shown(provider: &Provider) -> String {
    assert!(provider.activation.is_active(), "{}", provider.name);
    let url = format!(
        "{}{}",
        provider.base_url.as_deref().unwrap_or_default(),
        provider.compat.chat_path.path("m"),
    );
    let query = provider.compat.chat_path.query("m").unwrap_or_default();
    let edits = provider.compat.edits_for("deepseek-reasoner").len();
    format!(
        "{}: {url} {query} {:?} {edits} edits",
        provider.name, provider.compat.key_header
    )
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
    check("o4-mini", "o4-mini -> openai");
    check("o4-mini-high", "o4* -> openai");
    check("gemini-2.5-flash-lite", "gemini-2.5-flash-lite -> gemini");
    check("gemini-3-pro", "gemini-* -> gemini");
    check("claude-sonnet-4-5-20250929", "claude-* -> anthropic");
    assert!(config.models.resolve("llama3.2").is_none());
}

#[test]
fn concrete_entries_are_described() {
    for model in config(SHIPPED, &[]).models.iter() {
        let is_exact = matches!(model.name, ModelPattern::Exact(_));
        assert_eq!(model.price.is_some(), is_exact, "{}", model.name);
        assert_eq!(model.context_window.is_some(), is_exact, "{}", model.name);
        assert_eq!(model.supports.is_some(), is_exact, "{}", model.name);
    }
}
