//! A planted secret never comes out again: not in problems, not in notices, not in `Debug`.

use insta::assert_snapshot;

use super::{config, parse, problems};

const PLANTED: &str = "sk-PLANTED-0123456789";

#[test]
fn inline_secrets() {
    let text = r#"
[admin]
key = "sk-PLANTED-0123456789"
[[clients]]
name = "a"
key = "sk-PLANTED-0123456789"
[[clients]]
name = "b"
key_env = "sk-PLANTED-0123456789"
[[clients]]
name = "c"
key_sha256 = "sk-PLANTED-0123456789"
[[providers]]
name = "p"
kind = "openai"
api_key = "sk-PLANTED-0123456789"
[[providers]]
name = "q"
kind = "openai"
api_key_env = "sk-PLANTED-0123456789"
headers = { Authorization = "Bearer sk-PLANTED-0123456789", x-api-key = "sk-PLANTED-0123456789" }
[[providers]]
name = "r"
kind = "openai"
base_url = "https://user:sk-PLANTED-0123456789@host/v1"
api_key_envs = ["sk-PLANTED-0123456789"]
[[providers]]
name = "s"
kind = "gemini"
base_url = "https://host/v1?key=sk-PLANTED-0123456789"
headers = "sk-PLANTED-0123456789"
[[providers]]
name = "t"
kind = "openai"
api_key_envs = "sk-PLANTED-0123456789"
"#;
    let printed = problems(text, &[]);
    assert!(!printed.contains("PLANTED"), "{printed}");
    assert_snapshot!(printed, @r#"
    providers.toml:3:1: `admin.key`: secrets are not written into this file; put it into an environment variable and write the variable's name: `key_env = "MY_KEY"`
    providers.toml:6:1: `clients.key`: secrets are not written into this file; put it into an environment variable and write the variable's name: `key_env = "MY_KEY"`
    providers.toml:9:11: `clients.key_env`: not the name of an environment variable: capital letters, digits and `_`, at most 64 (the key itself is not written into this file)
    providers.toml:12:14: `clients.key_sha256`: not a SHA-256 in 64 hexadecimal digits (`refrain key new` makes a key and prints it, `refrain key hash` prints that of a key you have)
    providers.toml:16:1: `providers.api_key`: secrets are not written into this file; put it into an environment variable and write the variable's name: `api_key_env = "OPENAI_API_KEY"`
    providers.toml:20:15: `providers.api_key_env`: not the name of an environment variable: capital letters, digits and `_`, at most 64 (the key itself is not written into this file)
    providers.toml:21:29: `providers.headers.Authorization`: secrets are not written into this file; put the key into an environment variable and name it with `api_key_env` (`api_key_header` says which header it goes into)
    providers.toml:21:73: `providers.headers.x-api-key`: secrets are not written into this file; put the key into an environment variable and name it with `api_key_env` (`api_key_header` says which header it goes into)
    providers.toml:25:12: `providers.base_url`: an address has no user or password; a key goes into the variable that `api_key_env` names
    providers.toml:26:17: `providers.api_key_envs`: not the name of an environment variable: capital letters, digits and `_`, at most 64 (the key itself is not written into this file)
    providers.toml:30:12: `providers.base_url`: an address has no `?` and no `#`; a key goes into the variable that `api_key_env` names
    providers.toml:31:11: `providers.headers`: expected a table of texts: `{ name = "value" }`
    providers.toml:35:16: `providers.api_key_envs`: expected a list of names of environment variables
    13 problems
    "#);
}

#[test]
fn unusable_keys_are_named_by_their_variable() {
    let text = r#"[[clients]]
name = "a"
key_env = "A"
[[providers]]
name = "p"
kind = "openai"
api_key_env = "P"
"#;
    let env = [
        ("A", "sk-PLANTED\n"),
        ("P", "sk-PLANTED two"),
        ("REFRAIN_ADMIN_KEY", " sk-PLANTED"),
    ];
    let printed = problems(text, &env);
    assert!(!printed.contains("PLANTED"), "{printed}");
    assert_snapshot!(printed, @r#"
    environment A: `clients.key_env`: the key has white space or a line break at an end; set it without
    environment P: `providers.api_key_env`: the key has white space, control characters or other than ASCII characters in it
    environment REFRAIN_ADMIN_KEY: `admin.key_env`: the key has white space or a line break at an end; set it without
    3 problems
    "#);
}

#[test]
fn a_key_of_the_admin_that_is_named_has_to_be_there() {
    let text = "[admin]\nkey_env = \"OPS\"\n";
    let named = "[admin]\nkey_env = \"REFRAIN_ADMIN_KEY\"\n";
    assert_snapshot!(problems(text, &[]), @r"
    providers.toml:2:11: `admin.key_env`: OPS is not set; set it to the key of the admin page, or take this out to have no key there
    1 problem
    ");
    assert_eq!(problems(text, &[("OPS", "")]), problems(text, &[]));
    assert_snapshot!(problems("", &[("REFRAIN_ADMIN__KEY_ENV", "OPS")]), @r"
    environment REFRAIN_ADMIN__KEY_ENV: `admin.key_env`: OPS is not set; set it to the key of the admin page, or take this out to have no key there
    1 problem
    ");
    assert_snapshot!(problems(named, &[]), @r"
    providers.toml:2:11: `admin.key_env`: REFRAIN_ADMIN_KEY is not set; set it to the key of the admin page, or take this out to have no key there
    1 problem
    ");
    // It is not missed a second time where others reach the address.
    let public = format!(
        "[server]\nlisten = \"0.0.0.0:1\"\n[[clients]]\nname = \"c\"\nkey_env = \"C\"\n{text}"
    );
    let printed = problems(&public, &[("C", "key")]);
    assert_eq!(printed.lines().count(), 2, "{printed}");
    assert!(config(text, &[("OPS", "key")]).admin.key.is_some());
    assert!(config("[admin]\n", &[]).admin.key.is_none());
}

#[test]
fn syntax_errors_do_not_repeat_the_line() {
    for text in [
        format!("[[providers]]\napi_key = {PLANTED}\n"),
        format!("api_key = \"{PLANTED}\napi_key = '{PLANTED}\n"),
        format!("{PLANTED} = \n"),
    ] {
        let printed = problems(&text, &[]);
        assert!(!printed.contains("PLANTED"), "{printed}");
    }
}

#[test]
fn overrides_do_not_repeat_what_may_be_a_secret() {
    let env = [
        ("REFRAIN_ADMIN__KEY", PLANTED),
        ("REFRAIN_ADMIN__KEY_ENV", PLANTED),
    ];
    let printed = problems("", &env);
    assert!(!printed.contains("PLANTED"), "{printed}");
    assert_snapshot!(printed, @r#"
    environment REFRAIN_ADMIN__KEY: `admin.key`: unknown setting, did you mean `REFRAIN_ADMIN__KEY_ENV`?
    environment REFRAIN_ADMIN__KEY_ENV: `admin.key_env`: not the name of an environment variable: capital letters, digits and `_`, at most 64 (the key itself is not written into this file)
    2 problems
    "#);
}

#[test]
fn debug_prints_no_secret() {
    let text = r#"[[clients]]
name = "a"
key_env = "A"
[[providers]]
name = "p"
kind = "openai"
api_key_env = "P"
headers = { x-team = "sk-PLANTED-header" }
"#;
    let env = [
        ("A", "sk-PLANTED-a"),
        ("P", "sk-PLANTED-p"),
        ("REFRAIN_ADMIN_KEY", "sk-PLANTED-r"),
    ];
    let printed = format!("{:?}", parse(text, &env));
    assert!(
        printed.contains("Secret(…)") && !printed.contains("PLANTED"),
        "{printed}"
    );
    let config = config(text, &env);
    assert_eq!(
        config.providers[0].api_keys.first().unwrap().expose(),
        "sk-PLANTED-p"
    );
    assert_eq!(config.admin.key.unwrap().expose(), "sk-PLANTED-r");
}
