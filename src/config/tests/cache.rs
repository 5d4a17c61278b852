//! `[cache]`, and what models, clients and tasks say instead.

use std::time::Duration;

use insta::assert_snapshot;

use super::{config, notices, problems, threshold};
use crate::{
    config::{CacheMode, CacheOverrides, CacheScope},
    units::{Admission, Policy, Share},
};

const SECRET: &str = "0123456789abcdef";

/// A provider, and two models of it.
const MODELS: &str = r#"
[[providers]]
name = "p"
kind = "demo"
[[models]]
name = "gpt-4o"
aliases = ["best"]
targets = ["p/x"]
[[models]]
name = "llama-*"
targets = ["p/*"]
"#;

#[test]
fn without_a_word_the_defaults_hold() {
    let cache = config("", &[]).cache;
    assert_eq!(cache.mode, CacheMode::Serve);
    assert_eq!(cache.admission, Admission::Policy(Policy::Balanced));
    assert_eq!(cache.scope, CacheScope::Key);
    assert!(cache.learning && cache.judge_model.is_none() && cache.secret.is_none());
    assert!(cache.data_dir.is_none() && cache.volatile_patterns.is_empty());
    assert_eq!(
        (cache.max_false_hits, cache.shadow_checks),
        (Share::percent(1), Share::percent(2))
    );
    assert_eq!(
        (cache.stale_while_revalidate, cache.stale_if_error),
        (Duration::ZERO, Duration::ZERO)
    );
    assert_eq!(cache.generation, 0);
}

#[test]
fn everything_can_be_set() {
    let text = r#"[cache]
mode = "shadow"
policy = "strict"
learning = false
max_false_hits = 0.2
shadow_checks = 1
judge_model = "llama-3"
scope = "user"
volatile_patterns = ["  Opening \t Hours ", "Straße", "ÉTÉ"]
stale_while_revalidate = "1h"
stale_if_error = "720h"
generation = 9223372036854775807
data_dir = "/var/lib/refrain"
secret_env = "REFRAIN_SHARED__SECRET"
"#;
    let env = [("REFRAIN_SHARED__SECRET", SECRET)];
    let cache = config(&format!("{text}{MODELS}"), &env).cache;
    assert!(!format!("{cache:?}").contains(SECRET));
    assert_eq!(cache.mode, CacheMode::Shadow);
    assert_eq!(cache.admission, Admission::Policy(Policy::Strict));
    assert!(!cache.learning);
    assert_eq!(
        (cache.max_false_hits.get(), cache.shadow_checks.get()),
        (0.2, 1.0)
    );
    assert_eq!(cache.judge_model.unwrap().as_str(), "llama-3");
    assert_eq!(cache.scope, CacheScope::User);
    assert_eq!(cache.volatile_patterns, ["opening hours", "straße", "été"]);
    assert_eq!(cache.stale_while_revalidate.as_secs(), 3600);
    assert_eq!(cache.stale_if_error.as_secs(), 30 * 24 * 3600);
    assert_eq!(cache.generation, 9_223_372_036_854_775_807);
    assert_eq!(cache.secret.unwrap().expose(), SECRET);
}

#[test]
fn the_environment_sets_lists_and_goes_before_the_other_kind_of_admission() {
    let env = [
        ("REFRAIN_CACHE__THRESHOLD", "0.95"),
        (
            "REFRAIN_CACHE__VOLATILE_PATTERNS",
            "Opening hours, scoreboard",
        ),
        ("REFRAIN_CACHE__JUDGE_MODEL", "best"),
        ("REFRAIN_CACHE__GENERATION", "7"),
    ];
    let text = format!("[cache]\npolicy = \"loose\"\n{MODELS}");
    let cache = config(&text, &env).cache;
    assert_eq!(cache.admission, threshold(0.95));
    assert_eq!(cache.volatile_patterns, ["opening hours", "scoreboard"]);
    assert_eq!(cache.judge_model.unwrap().as_str(), "best");
    assert_eq!(cache.generation, 7);
    let env = [("REFRAIN_CACHE__POLICY", "strict")];
    let cache = config("[cache]\nthreshold = 0.9\n", &env).cache;
    assert_eq!(cache.admission, Admission::Policy(Policy::Strict));
    let both = [env[0], ("REFRAIN_CACHE__THRESHOLD", "0.95")];
    assert_snapshot!(problems("", &both), @r#"
    environment REFRAIN_CACHE__POLICY: `cache.policy`: a policy stands for a threshold; leave out one of the two
    1 problem
    "#);
}

#[test]
fn values_of_the_cache() {
    let text = r#"[cache]
mode = "observe"
policy = 1
learning = "maybe"
max_false_hits = 0
shadow_checks = nan
judge_model = "gpt-*"
scope = "users"
volatile_patterns = ["price*", " ", "?!", "Score", "score", 5, "a\u0000b"]
stale_while_revalidate = "31d"
stale_if_error = 5
generation = -1
data_dir = 5
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:8: `cache.mode`: unknown value "observe", did you mean `serve`?
    providers.toml:3:10: `cache.policy`: expected one of strict, balanced, loose, found 1
    providers.toml:4:12: `cache.learning`: expected true or false, found the text "maybe"
    providers.toml:5:18: `cache.max_false_hits`: must be at least 0.0001 and at most 0.2, found 0
    providers.toml:6:17: `cache.shadow_checks`: must be at least 0 and at most 1, found nan
    providers.toml:7:15: `cache.judge_model`: one model judges, so its whole name, without `*`: "gpt-*"
    providers.toml:8:9: `cache.scope`: unknown value "users", did you mean `user`?
    providers.toml:9:22: `cache.volatile_patterns`: `*` stands for nothing here; write whole words: "price*"
    providers.toml:9:32: `cache.volatile_patterns`: no word: " "
    providers.toml:9:37: `cache.volatile_patterns`: no word: "?!"
    providers.toml:9:52: `cache.volatile_patterns`: "score" is there twice
    providers.toml:9:61: `cache.volatile_patterns`: expected a list of words or phrases in quotes
    providers.toml:9:64: `cache.volatile_patterns`: a control character in "a\0b"
    providers.toml:10:26: `cache.stale_while_revalidate`: longer than 30 days: "31d"
    providers.toml:11:18: `cache.stale_if_error`: expected a duration in quotes, for example "0s", found 5
    providers.toml:12:14: `cache.generation`: must be at least 0 and at most 18446744073709551615, found -1
    providers.toml:13:12: `cache.data_dir`: expected a path in quotes, found 5
    17 problems
    "#);
}

#[test]
fn volatile_patterns_are_short_and_few() {
    let pattern = |length: usize| {
        format!(
            "[cache]\nvolatile_patterns = [\"{}\"]\n",
            "é".repeat(length)
        )
    };
    assert_snapshot!(problems(&pattern(100), &[]), @"no problem");
    assert_snapshot!(problems(&pattern(101), &[]), @r#"
    providers.toml:2:22: `cache.volatile_patterns`: must be at most 100 characters, found 101: "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…"
    1 problem
    "#);
    let list = |count: usize| {
        let words: Vec<String> = (0..count).map(|number| format!("\"w{number}\"")).collect();
        format!("[cache]\nvolatile_patterns = [{}]\n", words.join(","))
    };
    assert_snapshot!(problems(&list(200), &[]), @"no problem");
    assert_snapshot!(problems(&list(201), &[]), @r#"
    providers.toml:2:21: `cache.volatile_patterns`: must be at most 200 patterns, found 201
    1 problem
    "#);
}

#[test]
fn the_judge_is_a_configured_model() {
    let judged_by = |name: &str| {
        let text = format!("[cache]\njudge_model = \"{name}\"\n{MODELS}");
        problems(&text, &[])
    };
    for known in ["gpt-4o", "best", "llama-3.2"] {
        assert_eq!(judged_by(known), "no problem");
    }
    assert_snapshot!(judged_by("gpt-4"), @r#"
    providers.toml:2:15: `cache.judge_model`: no `[[models]]` has the name "gpt-4", did you mean `gpt-4o`?
    1 problem
    "#);
    assert_snapshot!(judged_by("p/x"), @r#"
    providers.toml:2:15: `cache.judge_model`: no `[[models]]` has the name "p/x" (there are: gpt-4o, best)
    1 problem
    "#);
    // Also if there is more that is wrong.
    let text = "[cache]\njudge_model = \"m\"\n[[models]]\nname = \"n\"\ntargets = [\"gone/n\"]\n";
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:15: `cache.judge_model`: no `[[models]]` has the name "m" (there are: n)
    providers.toml:5:12: `models.targets`: unknown provider "gone"; there are no `[[providers]]`
    2 problems
    "#);
}

#[test]
fn the_secret_is_long_enough_and_nobodys_key() {
    let text = r#"
[cache]
secret_env = "SECRET"
[admin]
key_env = "ADMIN"
[[clients]]
name = "a"
key_env = "A"
"#;
    let with = |secret: &str| {
        let keys = [
            ("ADMIN", "the-key-of-the-admin"),
            ("A", "the-key-of-a-client"),
        ];
        problems(text, &[keys[0], keys[1], ("SECRET", secret)])
    };
    assert_snapshot!(with(SECRET), @"no problem");
    assert_snapshot!(with(""), @r#"
    providers.toml:3:14: `cache.secret_env`: SECRET is not set; set it to a secret of 16 characters or more (`openssl rand -hex 32` prints one), or take this line out
    1 problem
    "#);
    assert_snapshot!(with("0123456789abcde"), @r#"
    providers.toml:3:14: `cache.secret_env`: the secret in SECRET is shorter than 16 characters (`openssl rand -hex 32` prints one)
    1 problem
    "#);
    assert_snapshot!(with("0123456789 abcdef"), @r#"
    environment SECRET: `cache.secret_env`: the key has white space, control characters or other than ASCII characters in it
    1 problem
    "#);
    assert_snapshot!(with("the-key-of-the-admin"), @r#"
    providers.toml:3:14: `cache.secret_env`: the secret in SECRET is somebody's key, too; it needs to be one of its own
    1 problem
    "#);
    assert_snapshot!(with("the-key-of-a-client"), @r#"
    providers.toml:3:14: `cache.secret_env`: the secret in SECRET is somebody's key, too; it needs to be one of its own
    1 problem
    "#);
    let pasted = problems("[cache]\nsecret_env = \"sk-planted\"\n", &[]);
    assert!(
        pasted.contains("cache.secret_env") && !pasted.contains("planted"),
        "{pasted}"
    );
    let inline = "[cache]\nsecret = \"0123456789abcdef\"\n";
    assert_snapshot!(problems(inline, &[]), @r#"
    providers.toml:2:1: `cache.secret`: secrets are not written into this file; put it into an environment variable and write the variable's name: `secret_env = "REFRAIN_SECRET"`
    1 problem
    "#);
}

#[test]
fn models_clients_and_tasks_say_something_else() {
    let text = r#"
[cache]
ttl = "1h"
[[clients]]
name = "c"
key_env = "C"
policy = "loose"
[[tasks]]
name = "support"
ttl = "48h"
threshold = 0.97
[[tasks]]
name = "Chat.v2"
cache = false
[[providers]]
name = "p"
kind = "demo"
[[models]]
name = "m"
targets = ["p/x"]
cache = true
"#;
    assert_eq!(notices(&text.replace("key_env = \"C\"", KEY)), "");
    let config = config(text, &[("C", "c")]);
    let nothing = CacheOverrides::default();
    assert_eq!(
        config.clients[0].cache,
        CacheOverrides {
            admission: Some(Admission::Policy(Policy::Loose)),
            ..nothing
        }
    );
    let tasks: Vec<_> = config
        .tasks
        .iter()
        .map(|task| (task.name.as_str(), task.cache))
        .collect();
    let support = CacheOverrides {
        ttl: Some(Duration::from_secs(48 * 3600)),
        admission: Some(threshold(0.97)),
        enabled: None,
    };
    let chat = CacheOverrides {
        enabled: Some(false),
        ..nothing
    };
    assert_eq!(tasks, [("support", support), ("Chat.v2", chat)]);
    let model = config.models.resolve("m").unwrap();
    assert_eq!(
        model.cache,
        CacheOverrides {
            enabled: Some(true),
            ..nothing
        }
    );
}

const KEY: &str =
    "key_sha256 = \"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683\"";

#[test]
fn values_of_overrides() {
    let text = r#"
[[clients]]
name = "c"
key_env = "C"
ttl = "0s"
cache = "never"
[[tasks]]
name = "two words"
policy = "strict"
threshold = 0.9
[[tasks]]
name = "t"
fast = []
ttl = 5
[[tasks]]
name = "t"
threshold = 0.4
tll = "1h"
[[models]]
name = "m"
targets = []
ttl = "900y"
policy = "lax"
cache = { ttl = "1h" }
"#;
    assert_snapshot!(problems(text, &[("C", "c")]), @r#"
    providers.toml:5:7: `clients.ttl`: must be more than zero; write `cache = false` to leave the cache alone
    providers.toml:6:9: `clients.cache`: expected true or false, found the text "never"
    providers.toml:8:8: `tasks.name`: a task's name is 1-64 of letters, digits, `-`, `_`, `.`, not "two words"
    providers.toml:9:10: `tasks.policy`: a policy stands for a threshold; leave out one of the two
    providers.toml:11:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:11:1: `tasks.examples`: missing; write for example `examples = ["Write a function that …"]`
    providers.toml:14:7: `tasks.ttl`: expected a duration in quotes, for example "24h", found 5
    providers.toml:16:8: `tasks.name`: "t" is there twice; see line 12
    providers.toml:17:13: `tasks.threshold`: must be at least 0.5 and at most 1, found 0.4
    providers.toml:18:1: `tasks.tll`: unknown key, did you mean `ttl`?
    providers.toml:21:11: `models.targets`: nobody would answer; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:22:7: `models.ttl`: longer than a year: "900y"
    providers.toml:23:10: `models.policy`: unknown value "lax" (there are: strict, balanced, loose)
    providers.toml:24:9: `models.cache`: expected true or false, found a table
    14 problems
    "#);
}

#[test]
fn settings_of_the_cache_without_effect() {
    let text = format!(
        "[cache]\nenabled = false\nlearning = false\nshadow_checks = 0\njudge_model = \"best\"\n\
         [[tasks]]\nname = \"a\"\ncache = true\n\
         [[tasks]]\nname = \"b\"\ncache = false\nttl = \"1h\"\nthreshold = 0.9\n\
         [[clients]]\nname = \"c\"\n{KEY}\ncache = true\n{MODELS}cache = true\n"
    );
    assert_snapshot!(notices(&text), @r#"
    providers.toml:5:15: `cache.judge_model`: has nothing to judge: `learning` is off and `shadow_checks` is 0
    providers.toml:8:9: `tasks.cache`: has no effect: `[cache]` has `enabled = false`
    providers.toml:12:1: `tasks.ttl`: has no effect beside `cache = false`
    providers.toml:13:1: `tasks.threshold`: has no effect beside `cache = false`
    providers.toml:17:9: `clients.cache`: has no effect: `[cache]` has `enabled = false`
    providers.toml:29:9: `models.cache`: has no effect: `[cache]` has `enabled = false`
    "#);
}
