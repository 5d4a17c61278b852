//! Problems between entries: names that lead nowhere, or are there twice.

use insta::assert_snapshot;

use super::problems;

#[test]
fn targets() {
    let text = r#"
[[providers]]
name = "gemini"
kind = "gemini"
[[models]]
name = "m"
targets = ["gemni/x", "gemini", "gemini/*", "gemini/a*", "gemini/", "gemini/a?b", "gemini/a", "gemini/a", 5]
[[models]]
name = "p-*"
targets = ["gemini/*", "zzz/*"]
aliases = ["q"]
[[models]]
name = "empty"
targets = []
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:7:12: `models.targets`: unknown provider "gemni", did you mean `gemini`?
    providers.toml:7:23: `models.targets`: not a target: "gemini" (write "provider/model")
    providers.toml:7:33: `models.targets`: "gemini/*": `*` passes on what was asked for and needs a name that ends in `*`; name the model
    providers.toml:7:45: `models.targets`: "gemini/a*": `*` stands for the whole name or not at all
    providers.toml:7:58: `models.targets`: "gemini/": a model's name is 1-256 visible ASCII characters without ? # % \ " < > or `..`
    providers.toml:7:69: `models.targets`: "gemini/a?b": a model's name is 1-256 visible ASCII characters without ? # % \ " < > or `..`
    providers.toml:7:95: `models.targets`: "gemini/a" is there twice
    providers.toml:7:107: `models.targets`: expected a list of "provider/model"
    providers.toml:10:24: `models.targets`: unknown provider "zzz" (there are: gemini)
    providers.toml:11:11: `models.aliases`: a pattern has no aliases; write an entry of its own for the name
    providers.toml:14:11: `models.targets`: nobody would answer; write for example `targets = ["openai/gpt-4o"]`
    11 problems
    "#);
}

#[test]
fn a_provider_with_a_wrong_name_is_reported_once() {
    let text = r#"[[providers]]
name = "Open AI"
kind = "openai"
[[models]]
name = "m"
targets = ["Open AI/x"]
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:8: `providers.name`: a provider's name is 1-64 of a-z, 0-9, `-`, `_`, `.`, not "Open AI"
    1 problem
    "#);
}

#[test]
fn target_without_any_provider() {
    assert_snapshot!(problems("[[models]]\nname = \"m\"\ntargets = [\"openai/x\"]\n", &[]), @r#"
    providers.toml:3:12: `models.targets`: unknown provider "openai"; there are no `[[providers]]`
    1 problem
    "#);
}

#[test]
fn duplicates() {
    let text = r#"
[[clients]]
name = "a"
key_env = "A"
[[clients]]
name = "a"
key_sha256 = "2C70E12B7A0646F92279F427C7B38E7334D8E5389CFF167A1DC30E73F826B683"
[[clients]]
name = "b"
key_env = "ADMIN"
[admin]
key_env = "ADMIN"
[[providers]]
name = "p"
kind = "demo"
[[providers]]
name = "p"
kind = "demo"
[[models]]
name = "m"
targets = ["p/x"]
[[models]]
name = "m"
targets = ["p/x"]
[[models]]
name = "n"
aliases = ["m", "o", "o"]
targets = ["p/x"]
[[models]]
name = "x-*"
targets = ["p/*"]
[[models]]
name = "x-*"
targets = ["p/*"]
[[tasks]]
name = "t"
targets = ["p/x"]
examples = ["Do it."]
[[tasks]]
name = "t"
targets = ["p/x"]
examples = ["Do it."]
"#;
    assert_snapshot!(problems(text, &[("A", "key"), ("ADMIN", "admin")]), @r#"
    providers.toml:6:8: `clients.name`: there are two clients of this name; see line 3
    providers.toml:7:14: `clients.key_sha256`: another client has the same key; see line 4. Each needs its own; clients that should share answers share a `namespace`
    providers.toml:10:11: `clients.key_env`: this is the admin key, too; a client needs one of its own
    providers.toml:17:8: `providers.name`: there are two providers of this name; see line 14
    providers.toml:23:8: `models.name`: "m" is there twice; see line 20
    providers.toml:27:12: `models.aliases`: "m" is there twice; see line 23
    providers.toml:27:22: `models.aliases`: "o" is there twice; see line 27
    providers.toml:33:8: `models.name`: "x-*" is there twice; see line 30
    providers.toml:40:8: `tasks.name`: "t" is there twice; see line 36
    9 problems
    "#);
}

#[test]
fn clients() {
    let text = r#"
[[clients]]
name = "white space"
key_env = "NOT_SET"
[[clients]]
name = "both"
key_env = "A"
key_sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
[[clients]]
name = "digest"
key_sha256 = "2c70"
namespace = "two words"
allowed_models = []
[[clients]]
name = "models"
key_env = "B"
allowed_models = ["a*b", "ok", 1]
"#;
    assert_snapshot!(problems(text, &[("A", "a"), ("B", "b")]), @r#"
    providers.toml:3:8: `clients.name`: a client's name is 1-64 of letters, digits, `-`, `_`, `.`, not "white space"
    providers.toml:4:11: `clients.key_env`: NOT_SET is not set; set it to the key of this client
    providers.toml:8:1: `clients.key_sha256`: a client has one key: write `key_env` or `key_sha256`, not both
    providers.toml:11:14: `clients.key_sha256`: not a SHA-256 in 64 hexadecimal digits (`refrain key new` makes a key and prints it, `refrain key hash` prints that of a key you have)
    providers.toml:12:13: `clients.namespace`: a namespace is 1-128 visible ASCII characters, not "two words"
    providers.toml:13:18: `clients.allowed_models`: nothing would be allowed; leave the key out to allow every model
    providers.toml:17:19: `clients.allowed_models`: a pattern has one `*`, at its end (for example `gpt-*`), not "a*b"
    providers.toml:17:32: `clients.allowed_models`: expected a list of model names in quotes
    8 problems
    "#);
}

#[test]
fn providers() {
    let text = r#"
[[providers]]
name = "a"
kind = "opnai"
base_url = "api.openai.com/v1"
[[providers]]
name = "b"
kind = "openai"
base_url = "https://h/v1?x=1"
api_key_env = "A"
api_key_envs = ["A", "b"]
headers = { Host = "h", "sp ace" = "x", x-a = "ok", X-A = "ok", x-b = 5, x-c = "\u0001" }
timeout = { connect = "0s", total = 5 }
discover = 1
[[providers]]
name = "c"
kind = "demo"
base_url = "http://h"
api_key_env = "A"
timeout = "30s"
headers = []
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:4:8: `providers.kind`: unknown value "opnai", did you mean `openai`?
    providers.toml:5:12: `providers.base_url`: not an http or https address: "api.openai.com/v1" (write for example "https://api.openai.com/v1")
    providers.toml:9:12: `providers.base_url`: an address has no `?` and no `#`; a key goes into the variable that `api_key_env` names
    providers.toml:11:16: `providers.api_key_envs`: write `api_key_env` or `api_key_envs`, not both
    providers.toml:11:22: `providers.api_key_envs`: not the name of an environment variable: capital letters, digits and `_`, at most 64 (the key itself is not written into this file)
    providers.toml:12:20: `providers.headers.Host`: this header is written by the gateway itself
    providers.toml:12:36: `providers.headers.sp ace`: not a header name
    providers.toml:12:47: `providers.headers.x-a`: the same header twice; case makes no difference
    providers.toml:12:71: `providers.headers.x-b`: expected text in quotes
    providers.toml:12:80: `providers.headers.x-c`: a header's value is visible ASCII and spaces
    providers.toml:13:23: `providers.timeout.connect`: must be more than zero (for example "3s")
    providers.toml:13:37: `providers.timeout.total`: expected a duration in quotes, for example "10m", found 5
    providers.toml:14:12: `providers.discover`: expected true or false, found 1
    providers.toml:18:1: `providers.base_url`: a provider of kind `demo` is inside the gateway and has none
    providers.toml:19:1: `providers.api_key_env`: a provider of kind `demo` is inside the gateway and has none
    providers.toml:20:11: `providers.timeout`: expected a table, for example `timeout = { connect = "3s" }`, found the text "30s"
    providers.toml:21:1: `providers.headers`: a provider of kind `demo` is inside the gateway and has none
    providers.toml:21:11: `providers.headers`: expected a table of texts: `{ name = "value" }`
    18 problems
    "#);
}

#[test]
fn ollama_host() {
    let text = "[[providers]]\nname = \"o\"\nkind = \"ollama\"\n";
    assert_snapshot!(problems(text, &[("OLLAMA_HOST", "a b")]), @r#"
    environment OLLAMA_HOST: `providers.base_url`: not a host or address: "a b" (write for example "127.0.0.1:11434")
    1 problem
    "#);
}

#[test]
fn prices() {
    let text = r#"[[providers]]
name = "a"
kind = "demo"
[[models]]
name = "m"
targets = ["a/m"]
context_window = 0
max_output_tokens = "4k"
price = { input = -1, output = inf }
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:7:18: `models.context_window`: must be at least 1 and at most 1000000000, found 0
    providers.toml:8:21: `models.max_output_tokens`: expected a whole number, found the text "4k"
    providers.toml:9:19: `models.price.input`: must be at least 0, found -1
    providers.toml:9:32: `models.price.output`: must be at least 0, found inf
    4 problems
    "#);
}
