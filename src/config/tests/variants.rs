//! Keys that only some kinds of providers have.

use insta::assert_snapshot;

use super::{config, problems};
use crate::{
    config::{Compat, Provider},
    wire::{chat::Edit, native::Interface},
};

/// The only provider of `[[providers]]` with these lines.
fn provider(lines: &str) -> Provider {
    let text = format!("[[providers]]\nname = \"p\"\n{lines}\n");
    config(&text, &[("K", "key")]).providers.remove(0)
}

/// The problems of `[[providers]]` with these lines; the first of them is line 3.
fn wrong(lines: &str) -> String {
    let text = format!("[[providers]]\nname = \"p\"\n{lines}\n");
    problems(&text, &[("K", "key")])
}

#[test]
fn without_a_word_all_is_as_openai_has_it() {
    for kind in ["openai", "gemini", "anthropic", "ollama", "demo"] {
        let provider = provider(&format!("kind = \"{kind}\""));
        let interfaces = match kind {
            "openai" => vec![Interface::Responses, Interface::Completions],
            _ => Vec::new(),
        };
        let compat = Compat {
            interfaces,
            ..Compat::default()
        };
        assert_eq!(provider.compat, compat);
        assert_eq!(provider.compat.chat_path.path("m"), "/chat/completions");
        assert_eq!(provider.compat.models_path.path(""), "/models");
        assert!(!provider.drop_unsupported && provider.prompt_caching);
        assert_eq!((provider.keep_alive, provider.num_ctx), (None, None));
    }
}

#[test]
fn azure() {
    let compat = provider(
        r#"kind = "openai"
base_url = "https://acme.openai.azure.com"
api_key_env = "K"
api_key_header = "Api-Key"
chat_path = "/openai/deployments/{model}/chat/completions?api-version=2024-10-21"
models_path = "/openai/models?api-version=2024-10-21""#,
    )
    .compat;
    assert_eq!(compat.key_header.unwrap(), "api-key");
    assert_eq!(
        compat.chat_path.path("my/gpt"),
        "/openai/deployments/my%2Fgpt/chat/completions"
    );
    assert_eq!(
        compat.chat_path.query("m").unwrap(),
        "api-version=2024-10-21"
    );
    assert_eq!(compat.models_path.path(""), "/openai/models");
}

#[test]
fn entries_of_params_apply_in_order_to_the_models_they_mean() {
    let compat = provider(
        r#"kind = "openai"
developer_role = "system"
params = [
    { models = ["o1*", "o3-mini"], drop = ["temperature", "messages[].name"], rename = { max_tokens = "max_completion_tokens" } },
    { models = "o1-pro", drop = ["top_p"] },
    { rename = { seed = "random_seed", user = "end_user" } },
]"#,
    )
    .compat;
    let check = |model: &str, expect: &[Edit]| {
        assert_eq!(
            compat.edits_for(model),
            expect.iter().collect::<Vec<_>>(),
            "{model}"
        );
    };
    let role = Edit::developer_as_system();
    let drop = |name: &str| Edit::drop(name).unwrap();
    let rename = |from: &str, to: &str| Edit::rename(from, to).unwrap();
    let for_all = [rename("seed", "random_seed"), rename("user", "end_user")];
    let some = [
        role.clone(),
        drop("temperature"),
        drop("messages[].name"),
        rename("max_tokens", "max_completion_tokens"),
    ];
    check("gpt-4o", &[&[role][..], &for_all].concat());
    check("o3-mini", &[&some[..], &for_all].concat());
    check("o1-pro", &[&some[..], &[drop("top_p")], &for_all].concat());
}

#[test]
fn the_role_developer_stays_by_default() {
    assert!(
        provider("kind = \"openai\"\ndeveloper_role = \"developer\"")
            .compat
            .edits
            .is_empty()
    );
    assert_snapshot!(wrong("kind = \"openai\"\ndeveloper_role = \"user\""), @r#"
    providers.toml:4:18: `providers.developer_role`: unknown value "user" (there are: developer, system)
    1 problem
    "#);
}

#[test]
fn params_written_as_tables_of_their_own() {
    let lines = "kind = \"openai\"\n[[providers.params]]\ndrop = [\"user\"]\n[[providers.params]]\ndrop = [\"seed\"]";
    assert_eq!(provider(lines).compat.edits_for("m").len(), 2);
}

#[test]
fn what_ollama_and_anthropic_have() {
    let ollama = provider(
        "kind = \"ollama\"\nkeep_alive = \"600\"\nnum_ctx = 8192\ndrop_unsupported = true",
    );
    assert_eq!(
        (ollama.keep_alive.as_deref(), ollama.num_ctx),
        (Some("600s"), Some(8192))
    );
    assert!(ollama.drop_unsupported);
    assert!(!provider("kind = \"anthropic\"\nprompt_caching = false").prompt_caching);
    assert!(provider("kind = \"gemini\"\ndrop_unsupported = \"on\"").drop_unsupported);
}

#[test]
fn a_key_of_another_kind() {
    let all = r#"api_key_header = "api-key"
chat_path = "/chat"
models_path = "/models"
developer_role = "system"
params = []
drop_unsupported = false
prompt_caching = true
keep_alive = "10m"
num_ctx = 4096"#;
    let report: Vec<String> = ["openai", "gemini", "anthropic", "ollama", "demo"]
        .iter()
        .map(|kind| wrong(&format!("kind = \"{kind}\"\n{all}")))
        .collect();
    assert_snapshot!(report.join("\n"), @r#"
    providers.toml:9:1: `providers.drop_unsupported`: only for kind `gemini`, `anthropic` and `ollama`, and this provider is of kind `openai`; write what to drop into `params`
    providers.toml:10:1: `providers.prompt_caching`: only for kind `anthropic`, and this provider is of kind `openai`
    providers.toml:11:1: `providers.keep_alive`: only for kind `ollama`, and this provider is of kind `openai`
    providers.toml:12:1: `providers.num_ctx`: only for kind `ollama`, and this provider is of kind `openai`
    4 problems
    providers.toml:4:1: `providers.api_key_header`: only for kind `openai`, and this provider is of kind `gemini`
    providers.toml:5:1: `providers.chat_path`: only for kind `openai`, and this provider is of kind `gemini`
    providers.toml:6:1: `providers.models_path`: only for kind `openai`, and this provider is of kind `gemini`
    providers.toml:7:1: `providers.developer_role`: only for kind `openai`, and this provider is of kind `gemini`
    providers.toml:8:1: `providers.params`: only for kind `openai`, and this provider is of kind `gemini`
    providers.toml:10:1: `providers.prompt_caching`: only for kind `anthropic`, and this provider is of kind `gemini`
    providers.toml:11:1: `providers.keep_alive`: only for kind `ollama`, and this provider is of kind `gemini`
    providers.toml:12:1: `providers.num_ctx`: only for kind `ollama`, and this provider is of kind `gemini`
    8 problems
    providers.toml:4:1: `providers.api_key_header`: only for kind `openai`, and this provider is of kind `anthropic`
    providers.toml:5:1: `providers.chat_path`: only for kind `openai`, and this provider is of kind `anthropic`
    providers.toml:6:1: `providers.models_path`: only for kind `openai`, and this provider is of kind `anthropic`
    providers.toml:7:1: `providers.developer_role`: only for kind `openai`, and this provider is of kind `anthropic`
    providers.toml:8:1: `providers.params`: only for kind `openai`, and this provider is of kind `anthropic`
    providers.toml:11:1: `providers.keep_alive`: only for kind `ollama`, and this provider is of kind `anthropic`
    providers.toml:12:1: `providers.num_ctx`: only for kind `ollama`, and this provider is of kind `anthropic`
    7 problems
    providers.toml:4:1: `providers.api_key_header`: only for kind `openai`, and this provider is of kind `ollama`
    providers.toml:5:1: `providers.chat_path`: only for kind `openai`, and this provider is of kind `ollama`
    providers.toml:6:1: `providers.models_path`: only for kind `openai`, and this provider is of kind `ollama`
    providers.toml:7:1: `providers.developer_role`: only for kind `openai`, and this provider is of kind `ollama`
    providers.toml:8:1: `providers.params`: only for kind `openai`, and this provider is of kind `ollama`
    providers.toml:10:1: `providers.prompt_caching`: only for kind `anthropic`, and this provider is of kind `ollama`
    6 problems
    providers.toml:4:1: `providers.api_key_header`: only for kind `openai`, and this provider is of kind `demo`
    providers.toml:5:1: `providers.chat_path`: only for kind `openai`, and this provider is of kind `demo`
    providers.toml:6:1: `providers.models_path`: only for kind `openai`, and this provider is of kind `demo`
    providers.toml:7:1: `providers.developer_role`: only for kind `openai`, and this provider is of kind `demo`
    providers.toml:8:1: `providers.params`: only for kind `openai`, and this provider is of kind `demo`
    providers.toml:9:1: `providers.drop_unsupported`: only for kind `gemini`, `anthropic` and `ollama`, and this provider is of kind `demo`
    providers.toml:10:1: `providers.prompt_caching`: only for kind `anthropic`, and this provider is of kind `demo`
    providers.toml:11:1: `providers.keep_alive`: only for kind `ollama`, and this provider is of kind `demo`
    providers.toml:12:1: `providers.num_ctx`: only for kind `ollama`, and this provider is of kind `demo`
    9 problems
    "#);
}

#[test]
fn wrong_values() {
    let lines = r#"kind = "openai"
api_key_header = 7
chat_path = "chat"
models_path = "/models/{model}"
developer_role = true
params = { drop = ["x"] }
[[providers]]
name = "q"
kind = "openai"
chat_path = "/{deployment}/chat"
params = ["o1*", { models = 7, drop = "x" }, { models = ["o1*", "a*b", 7], drop = ["x"] }, { models = [], drop = ["x"] }]
[[providers]]
name = "r"
kind = "ollama"
keep_alive = 600
num_ctx = 255
[[providers]]
name = "s"
kind = "ollama"
keep_alive = "10min"
num_ctx = "4k"
[[providers]]
name = "t"
kind = "anthropic"
prompt_caching = "sometimes"
drop_unsupported = 1"#;
    assert_snapshot!(wrong(lines), @r#"
    providers.toml:4:18: `providers.api_key_header`: not the name of a header; write for example `api_key_header = "api-key"` (the key itself is not written into this file)
    providers.toml:5:13: `providers.chat_path`: a path begins with `/` and has visible ASCII characters without `#` and `\`
    providers.toml:6:15: `providers.models_path`: models are listed without naming one
    providers.toml:7:18: `providers.developer_role`: expected one of developer, system, found true
    providers.toml:8:10: `providers.params`: expected a list of tables, for example `params = [{ models = "o3*", drop = ["temperature"] }]`
    providers.toml:12:13: `providers.chat_path`: `{model}` stands for the model, with no `.` beside it; there are no other braces
    providers.toml:13:11: `providers.params`: expected a list of tables, for example `params = [{ models = "o3*", drop = ["temperature"] }]`
    providers.toml:13:29: `providers.params.models`: expected names of models in quotes, one or a list, found 7
    providers.toml:13:39: `providers.params.drop`: expected a list of names of fields in quotes
    providers.toml:13:65: `providers.params.models`: a pattern has one `*`, at its end (for example `gpt-*`)
    providers.toml:13:72: `providers.params.models`: expected a list of names of models in quotes
    providers.toml:13:103: `providers.params.models`: an empty list; leave it out for all models
    providers.toml:17:14: `providers.keep_alive`: expected a duration in quotes, for example "10m", found 600
    providers.toml:18:11: `providers.num_ctx`: must be at least 256 and at most 16777216, found 255
    providers.toml:22:14: `providers.keep_alive`: not a duration of Ollama's: "10min" (write for example "10m", "1h30m", a number of seconds, or "-1" for ever)
    providers.toml:23:11: `providers.num_ctx`: expected a whole number, found the text "4k"
    providers.toml:27:18: `providers.prompt_caching`: expected true or false, found the text "sometimes"
    providers.toml:28:20: `providers.drop_unsupported`: expected true or false, found 1
    18 problems
    "#);
}

#[test]
fn wrong_params() {
    let lines = r#"kind = "openai"
params = [
    { models = "o1*" },
    { drop = [] },
    { dropp = ["x"], drop = ["stream", "messages[].content", "a.b", "logprobs"] },
    { rename = { model = "deployment", a = "messages", b = "b", "c d" = "e", f = 7 } },
    { rename = { a = "b", b = "c" } },
    { rename = { a = "c", b = "c" } },
    { drop = ["a"], rename = { a = "b" } },
    { rename = "a" },
]"#;
    assert_snapshot!(wrong(lines), @r#"
    providers.toml:5:5: `providers.params.drop`: missing, as is `rename`; write for example `drop = ["logprobs"]` or `rename = { max_tokens = "max_completion_tokens" }`
    providers.toml:6:5: `providers.params.drop`: missing, as is `rename`; write for example `drop = ["logprobs"]` or `rename = { max_tokens = "max_completion_tokens" }`
    providers.toml:7:7: `providers.params.dropp`: unknown key, did you mean `drop`?
    providers.toml:7:30: `providers.params.drop`: a field that no request does without: "stream"
    providers.toml:7:40: `providers.params.drop`: a field that no request does without: "messages[].content"
    providers.toml:7:62: `providers.params.drop`: not the name of a field (such as `logprobs`) or of a field of every message (such as `messages[].name`): "a.b"
    providers.toml:8:26: `providers.params.rename.model`: `model`, `messages` and `stream` keep their names, which are theirs alone: "deployment"
    providers.toml:8:44: `providers.params.rename.a`: `model`, `messages` and `stream` keep their names, which are theirs alone: "messages"
    providers.toml:8:60: `providers.params.rename.b`: the old and the new name are the same: "b"
    providers.toml:8:73: `providers.params.rename.c d`: not two names of fields (such as `max_tokens`): "e"
    providers.toml:8:82: `providers.params.rename.f`: expected text in quotes
    providers.toml:9:22: `providers.params.rename.a`: `b` has another name itself; write two entries
    providers.toml:10:31: `providers.params.rename.b`: `c` is the new name of two; write two entries
    providers.toml:11:36: `providers.params.rename.a`: is dropped as well
    providers.toml:12:16: `providers.params.rename`: expected a table of names: `{ old = "new" }`
    15 problems
    "#);
}

#[test]
fn wrong_headers_for_a_key() {
    let lines = r#"kind = "openai"
base_url = "http://h"
api_key_header = "api-key"
[[providers]]
name = "q"
kind = "openai"
api_key_env = "K"
api_key_header = "Host"
[[providers]]
name = "r"
kind = "openai"
api_key_env = "K"
api_key_header = "x-team"
headers = { X-Team = "search" }
[[providers]]
name = "s"
kind = "openai"
api_key_env = "K"
api_key_header = "two words""#;
    assert_snapshot!(wrong(lines), @r#"
    providers.toml:5:18: `providers.api_key_header`: there is no key to send; name its variable with `api_key_env`
    providers.toml:10:18: `providers.api_key_header`: this header is written by the gateway itself
    providers.toml:15:18: `providers.api_key_header`: `headers` has this header too
    providers.toml:21:18: `providers.api_key_header`: not the name of a header; write for example `api_key_header = "api-key"` (the key itself is not written into this file)
    4 problems
    "#);
}

#[test]
fn a_key_in_the_wrong_place_is_not_repeated() {
    let lines = r#"kind = "openai"
api_key_header = "sk-PLANTED-0123456789"
chat_path = "/chat?api-key=sk-PLANTED-0123456789"
models_path = "/models?sig=sk-PLANTED-0123456789"
[[providers]]
name = "q"
kind = "openai"
api_key_header = "Bearer sk-PLANTED-0123456789"
chat_path = "/sk-PLANTED-0123456789#""#;
    let printed = wrong(lines);
    assert!(!printed.contains("PLANTED"), "{printed}");
    assert_snapshot!(printed, @r#"
    providers.toml:4:18: `providers.api_key_header`: not the name of a header; write for example `api_key_header = "api-key"` (the key itself is not written into this file)
    providers.toml:5:13: `providers.chat_path`: secrets are not written into this file; a key goes into the variable that `api_key_env` names, and is sent in a header
    providers.toml:6:15: `providers.models_path`: secrets are not written into this file; a key goes into the variable that `api_key_env` names, and is sent in a header
    providers.toml:10:18: `providers.api_key_header`: not the name of a header; write for example `api_key_header = "api-key"` (the key itself is not written into this file)
    providers.toml:11:13: `providers.chat_path`: a path begins with `/` and has visible ASCII characters without `#` and `\`
    5 problems
    "#);
}

#[test]
fn interfaces_are_named_where_the_address_does_not_tell() {
    let at = |lines: &str| {
        let lines = format!("kind = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n{lines}");
        provider(&lines).compat.interfaces
    };
    assert_eq!(at(""), []);
    assert_eq!(
        at("interfaces = [\"completions\"]"),
        [Interface::Completions]
    );
    assert_snapshot!(wrong("kind = \"openai\"\ninterfaces = [\"messages\"]"), @r#"
    providers.toml:4:15: `providers.interfaces`: there are "responses" and "completions", not "messages"
    1 problem
    "#);
    assert_snapshot!(wrong("kind = \"ollama\"\ninterfaces = []"), @"
    providers.toml:4:1: `providers.interfaces`: only for kind `openai`, and this provider is of kind `ollama`
    1 problem
    ");
}
