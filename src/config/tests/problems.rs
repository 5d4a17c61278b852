//! Problems of single values, keys and sections, and of the environment.

use insta::assert_snapshot;

use super::problems;

#[test]
fn wrong_type() {
    let text = r#"[cache]
ttl = 24
max_bytes = true
enabled = "yes"
threshold = "high"
[embedding]
threads = 1.5
[server]
listen = 8080
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:7: `cache.ttl`: expected a duration in quotes, for example "24h", found 24
    providers.toml:3:13: `cache.max_bytes`: expected a size in quotes, for example "512MiB", found true
    providers.toml:4:11: `cache.enabled`: expected true or false, found the text "yes"
    providers.toml:5:13: `cache.threshold`: expected a number, found the text "high"
    providers.toml:7:11: `embedding.threads`: expected a whole number, found 1.5
    providers.toml:9:10: `server.listen`: expected an address and port in quotes, for example "127.0.0.1:8080", found 8080
    6 problems
    "#);
}

#[test]
fn wrong_text() {
    let text = r#"[server]
listen = "8080"
max_body = "10M"
drain_timeout = "24x"
[cache]
policy = "balancd"
data_dir = ""
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:10: `server.listen`: not an address and port: "8080" (write for example "127.0.0.1:8080", or "0.0.0.0:8080" for every interface)
    providers.toml:3:12: `server.max_body`: not a size: "10M" (write for example "10MiB"; units: bytes, KiB, MiB, GiB, KB, MB, GB)
    providers.toml:4:17: `server.drain_timeout`: not a duration: "24x" (write for example "30s")
    providers.toml:6:10: `cache.policy`: unknown value "balancd", did you mean `balanced`?
    providers.toml:7:12: `cache.data_dir`: not a path: ""
    5 problems
    "#);
}

#[test]
fn out_of_range() {
    let text = r#"[server]
max_connections = 0
max_body = "1"
header_timeout = "0s"
[embedding]
threads = 65
queue = -1
[cache]
threshold = 0.3
ttl = "900y"
index_above = 99999999999999999999
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:19: `server.max_connections`: must be at least 1 and at most 1000000, found 0
    providers.toml:3:12: `server.max_body`: must be at least 1KiB and at most 1GiB, found "1"
    providers.toml:4:18: `server.header_timeout`: must be more than zero (for example "30s")
    providers.toml:6:11: `embedding.threads`: must be at least 1 and at most 64, found 65
    providers.toml:7:9: `embedding.queue`: must be at least 1 and at most 100000, found -1
    providers.toml:9:13: `cache.threshold`: must be at least 0.5 and at most 1, found 0.3
    providers.toml:10:7: `cache.ttl`: longer than a year: "900y"
    providers.toml:11:15: `cache.index_above`: must be at least 64 and at most 1000000000, found 99999999999999999999
    8 problems
    "#);
}

#[test]
fn threshold_is_a_number() {
    assert_snapshot!(problems("[cache]\nthreshold = nan\n", &[]), @r#"
    providers.toml:2:13: `cache.threshold`: must be at least 0.5 and at most 1, found nan
    1 problem
    "#);
}

#[test]
fn entry_larger_than_the_cache() {
    assert_snapshot!(problems("[cache]\nmax_bytes = \"1MiB\"\nmax_entry_bytes = \"2MiB\"\n", &[]), @r#"
    providers.toml:3:19: `cache.max_entry_bytes`: must be at most `max_bytes`, which is 1MiB
    1 problem
    "#);
}

#[test]
fn policy_and_threshold() {
    assert_snapshot!(problems("[cache]\npolicy = \"strict\"\nthreshold = 0.95\n", &[]), @r#"
    providers.toml:2:10: `cache.policy`: a policy stands for a threshold; leave out one of the two
    1 problem
    "#);
}

#[test]
fn unknown_key() {
    let text = r#"[cache]
tll = "1h"
similarity-threshold = 0.9
colour = 1
[[providers]]
name = "a"
kind = "openai"
url = "http://a"
timeout = { conect = "1s" }
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:1: `cache.tll`: unknown key, did you mean `ttl`?
    providers.toml:3:1: `cache.similarity-threshold`: unknown key, did you mean `threshold`?
    providers.toml:4:1: `cache.colour`: unknown key (there are: enabled, semantic, mode, threshold, policy, learning, max_false_hits, shadow_checks, judge_model, scope, ttl, volatile_ttl, volatile_patterns, stale_while_revalidate, stale_if_error, generation, max_bytes, max_entry_bytes, max_embedding_bytes, data_dir, index_above, show_similarity, secret_env)
    providers.toml:8:1: `providers.url`: unknown key, did you mean `base_url`?
    providers.toml:9:13: `providers.timeout.conect`: unknown key, did you mean `connect`?
    5 problems
    "#);
}

#[test]
fn unknown_section() {
    let text = r#"listen = "127.0.0.1:1"
[chace]
ttl = "1h"
[[model]]
name = "a"
[frobnicate]
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:1:1: `listen`: a setting outside of its section, which is `[server]`
    providers.toml:2:2: `chace`: unknown section, did you mean `cache`?
    providers.toml:4:3: `model`: unknown section, did you mean `models`?
    providers.toml:6:2: `frobnicate`: unknown section (there are: server, admin, embedding, cache, responses, telemetry, routing, clients, providers, models, tasks, endpoints)
    4 problems
    "#);
}

#[test]
fn section_with_the_wrong_brackets() {
    assert_snapshot!(problems("[[cache]]\nttl = \"1h\"\n[providers]\nname = \"a\"\n", &[]), @r#"
    providers.toml:1:1: `cache`: expected a section `[cache]`, with one bracket
    providers.toml:3:1: `providers`: expected one or more `[[providers]]`, with two brackets
    2 problems
    "#);
}

#[test]
fn syntax_errors_at_once() {
    let text = r#"[server
listen = "127.0.0.1:1"
[cache]
ttl = 24h
ttl = "1h"
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:1:8: `syntax`: unclosed table, expected `]`
    providers.toml:4:7: `syntax`: string values must be quoted, expected literal string
    providers.toml:5:1: `syntax`: duplicate key
    3 problems of syntax; the settings are checked once it is right
    "#);
}

#[test]
fn missing_keys() {
    let text = r#"[[clients]]
[[providers]]
[[models]]
price = { input = 1 }
[[tasks]]
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:1:1: `clients.name`: missing; write for example `name = "web"`
    providers.toml:1:1: `clients.key_env`: missing; write `key_env = "WEB_KEY"` to name the variable with the client's key, or `key_sha256 = "…"`
    providers.toml:2:1: `providers.name`: missing; write for example `name = "openai"`
    providers.toml:2:1: `providers.kind`: missing; write for example `kind = "openai"`
    providers.toml:3:1: `models.name`: missing; write for example `name = "gpt-4o"`
    providers.toml:3:1: `models.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:4:9: `models.price.output`: missing; write for example `output = 10.0`
    providers.toml:5:1: `tasks.name`: missing; write for example `name = "code_generation"`
    providers.toml:5:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:5:1: `tasks.examples`: missing; write for example `examples = ["Write a function that …"]`
    10 problems
    "#);
}

#[test]
fn public_listening() {
    let public = "[server]\nlisten = \"0.0.0.0:8080\"\n";
    assert_snapshot!(problems(public, &[]), @r#"
    providers.toml:2:10: `server.listen`: anybody who reaches 0.0.0.0:8080 could use your providers and the admin page; add `[[clients]]` and set the admin key, or listen on 127.0.0.1, or write `allow_public = true` if something else guards it
    1 problem
    "#);
    assert_snapshot!(problems(public, &[("REFRAIN_ADMIN_KEY", "k")]), @r#"
    providers.toml:2:10: `server.listen`: anybody who reaches 0.0.0.0:8080 could use your providers and the admin page; add `[[clients]]`, or listen on 127.0.0.1, or write `allow_public = true` if something else guards it
    1 problem
    "#);
    let guarded = r#"[server]
listen = "[::]:8080"
[[clients]]
name = "a"
key_env = "A"
"#;
    assert_snapshot!(problems(guarded, &[("A", "a")]), @r#"
    providers.toml:2:10: `server.listen`: anybody who reaches [::]:8080 could use your providers and the admin page; set the admin key, or listen on 127.0.0.1, or write `allow_public = true` if something else guards it
    1 problem
    "#);
    assert_snapshot!(problems(guarded, &[("A", "a"), ("REFRAIN_ADMIN_KEY", "k")]), @"no problem");
    let allowed = "[server]\nlisten = \"0.0.0.0:8080\"\nallow_public = true\n";
    assert_snapshot!(problems(allowed, &[]), @"no problem");
    let mapped = "[server]\nlisten = \"[::ffff:127.0.0.1]:8080\"\n";
    assert_snapshot!(problems(mapped, &[]), @"no problem");
}

#[test]
fn public_listening_where_operators_have_their_own_address() {
    let at = |server: &str, admin: &str, more: &str| {
        format!("[server]\nlisten = \"{server}\"\n{more}[admin]\nlisten = \"{admin}\"\n")
    };
    let (local, public) = ("127.0.0.1:9090", "0.0.0.0:9090");
    assert_snapshot!(problems(&at("127.0.0.1:8080", local, ""), &[]), @"no problem");
    assert_snapshot!(problems(&at("0.0.0.0:8080", local, ""), &[]), @r#"
    providers.toml:2:10: `server.listen`: anybody who reaches 0.0.0.0:8080 could use your providers; add `[[clients]]`, or listen on 127.0.0.1, or write `allow_public = true` if something else guards it
    1 problem
    "#);
    let clients = "[[clients]]\nname = \"a\"\nkey_env = \"A\"\n";
    let with_clients = |text: String| format!("{text}{clients}");
    assert_snapshot!(problems(&with_clients(at("0.0.0.0:8080", local, "")), &[("A", "a")]), @"no problem");
    assert_snapshot!(problems(&with_clients(at("0.0.0.0:8080", public, "")), &[("A", "a")]), @r#"
    providers.toml:4:10: `admin.listen`: anybody who reaches 0.0.0.0:9090 could use the admin page; set the admin key, or listen on 127.0.0.1, or write `server.allow_public = true` if something else guards it
    1 problem
    "#);
    let key = ("REFRAIN_ADMIN_KEY", "k");
    assert_snapshot!(problems(&at("127.0.0.1:8080", public, ""), &[key]), @"no problem");
    assert_snapshot!(problems(&at("0.0.0.0:8080", public, "allow_public = true\n"), &[]), @"no problem");
    assert_snapshot!(problems(&at("127.0.0.1:9090", local, ""), &[]), @r#"
    providers.toml:4:10: `admin.listen`: 127.0.0.1:9090 is the address of `server.listen`; name another one, or leave this out to have the admin page there
    1 problem
    "#);
    assert_snapshot!(problems(&at("127.0.0.1:0", "127.0.0.1:0", ""), &[]), @"no problem");
}

#[test]
fn environment_overrides() {
    let env = [
        ("REFRAIN_CACHE__TTL", "24x"),
        ("REFRAIN_CACHE__SEMANTIC", "maybe"),
        ("REFRAIN_EMBEDDING__THREADS", "many"),
        ("REFRAIN_SERVER__LISTEN", "0.0.0.0:1"),
        ("REFRAIN_CACHE__TLL", "1h"),
        ("REFRAIN_CHACE__TTL", "1h"),
        ("REFRAIN_ADMIN__COLOUR", "red"),
        ("REFRAIN_PROVIDERS__NAME", "x"),
        ("REFRAIN_SOMETHING__ELSE", "x"),
        ("REFRAIN_CONFIG", "x.toml"),
        ("REFRAIN_SERVER__MAX_BODY", ""),
    ];
    assert_snapshot!(problems("[cache]\nttl = 5\n", &env), @r#"
    environment REFRAIN_ADMIN__COLOUR: `admin.colour`: unknown setting (there are: REFRAIN_ADMIN__KEY_ENV, REFRAIN_ADMIN__LISTEN)
    environment REFRAIN_CACHE__SEMANTIC: `cache.semantic`: expected true or false, found "maybe"
    environment REFRAIN_CACHE__TLL: `cache.tll`: unknown setting, did you mean `REFRAIN_CACHE__TTL`?
    environment REFRAIN_CACHE__TTL: `cache.ttl`: not a duration: "24x" (write for example "24h")
    environment REFRAIN_CHACE__TTL: `chace.ttl`: only settings of [server], [admin], [embedding], [cache], [responses], [telemetry] and [routing] can be set by environment; did you mean `REFRAIN_CACHE__TTL`?
    environment REFRAIN_EMBEDDING__THREADS: `embedding.threads`: expected a whole number, found "many"
    environment REFRAIN_PROVIDERS__NAME: `providers.name`: only settings of [server], [admin], [embedding], [cache], [responses], [telemetry] and [routing] can be set by environment
    environment REFRAIN_SERVER__LISTEN: `server.listen`: anybody who reaches 0.0.0.0:1 could use your providers and the admin page; add `[[clients]]` and set the admin key, or listen on 127.0.0.1, or write `allow_public = true` if something else guards it
    environment REFRAIN_SOMETHING__ELSE: `something.else`: only settings of [server], [admin], [embedding], [cache], [responses], [telemetry] and [routing] can be set by environment
    9 problems
    "#);
}

#[test]
fn a_variable_named_for_a_key_is_no_override() {
    let text = "[[clients]]\nname = \"a\"\nkey_env = \"REFRAIN_TEAM__KEY\"\n";
    assert_snapshot!(problems(text, &[("REFRAIN_TEAM__KEY", "k")]), @"no problem");
}

#[test]
fn many_problems_in_the_order_of_the_file() {
    let text = r#"[server]
listen = "nowhere"
port = 1

[[models]]
name = "m"
targets = ["gone/x"]

[[providers]]
name = "Big"
kind = "opnai"

[cache]
ttl = "0s"
"#;
    assert_snapshot!(problems(text, &[("REFRAIN_CACHE__THRESHOLD", "2")]), @r#"
    providers.toml:2:10: `server.listen`: not an address and port: "nowhere" (write for example "127.0.0.1:8080", or "0.0.0.0:8080" for every interface)
    providers.toml:3:1: `server.port`: unknown key (there are: listen, max_body, max_in_flight_bytes, max_in_flight, drain_timeout, header_timeout, read_timeout, write_timeout, max_connections, compress_above, reload, allow_public)
    providers.toml:7:12: `models.targets`: unknown provider "gone" (there are: Big)
    providers.toml:10:8: `providers.name`: a provider's name is 1-64 of a-z, 0-9, `-`, `_`, `.`, not "Big"
    providers.toml:11:8: `providers.kind`: unknown value "opnai", did you mean `openai`?
    providers.toml:14:7: `cache.ttl`: must be more than zero (for example "24h")
    environment REFRAIN_CACHE__THRESHOLD: `cache.threshold`: must be at least 0.5 and at most 1, found "2"
    7 problems
    "#);
}

#[test]
fn text_in_messages_is_cut_and_escaped() {
    let text = format!(
        "[cache]\nttl = \"\\u001b[2J{}\"\n\"a\\nb\" = 1\n",
        "x".repeat(500)
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:2:7: `cache.ttl`: not a duration: "\u{1b}[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" (write for example "24h")
    providers.toml:3:1: `cache.a\nb`: unknown key (there are: enabled, semantic, mode, threshold, policy, learning, max_false_hits, shadow_checks, judge_model, scope, ttl, volatile_ttl, volatile_patterns, stale_while_revalidate, stale_if_error, generation, max_bytes, max_entry_bytes, max_embedding_bytes, data_dir, index_above, show_similarity, secret_env)
    2 problems
    "#);
}

#[test]
fn bodies_and_the_room_for_them() {
    let text = "[server]\nmax_body = \"2MiB\"\nmax_in_flight_bytes = \"1MiB\"\nmax_in_flight = 0\nread_timeout = \"0s\"\nwrite_timeout = 5\n";
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:3:23: `server.max_in_flight_bytes`: must be at least `max_body`, which is 2MiB, found 1MiB
    providers.toml:4:17: `server.max_in_flight`: must be at least 1 and at most 1000000, found 0
    providers.toml:5:16: `server.read_timeout`: must be more than zero (for example "30s")
    providers.toml:6:17: `server.write_timeout`: expected a duration in quotes, for example "60s", found 5
    4 problems
    "#);
    assert_snapshot!(problems("[server]\nmax_in_flight_bytes = \"1\"\n", &[]), @r#"
    providers.toml:2:23: `server.max_in_flight_bytes`: must be at least 1KiB and at most 1024GiB, found "1"
    1 problem
    "#);
}
