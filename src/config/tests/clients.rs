//! What clients may spend, when their keys end, hashes of keys; and several keys of a provider.

use insta::assert_snapshot;

use super::{config, notices, parse, problems};
use crate::{clock::UnixMillis, units::Usd};

const CLIENT: &str = "[[clients]]\nname = \"c\"\nkey_sha256 = \"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683\"\n";
const PRICED: &str = "[cache]\ndata_dir = \"d\"\n[[providers]]\nname = \"a\"\nkind = \"demo\"\n[[models]]\nname = \"m\"\ntargets = [\"a/m\"]\nprice = { input = 1, output = 2 }\n";

fn wrong(settings: &str) -> String {
    problems(&format!("{CLIENT}{settings}\n"), &[])
}

#[test]
fn budgets_and_ends_are_read() {
    let text = format!(
        "{PRICED}{CLIENT}budget = {{ daily_usd = 2.5, monthly_usd = 2.5, until = 2027-01-31 }}\nexpires = \"2027-01-31T12:00:00+01:00\"\n"
    );
    assert_eq!(notices(&text), "");
    let client = config(&text, &[]).clients.remove(0);
    let budget = client.budget.unwrap();
    assert_eq!(
        (budget.daily, budget.monthly),
        (Usd::new(2.5), Usd::new(2.5))
    );
    assert_eq!(budget.until, Some(UnixMillis(1_801_353_600_000)));
    assert_eq!(client.expires, Some(UnixMillis(1_801_393_200_000)));
    let bare = config(&format!("{CLIENT}expires = 2027-01-31T11:00:00Z\n"), &[])
        .clients
        .remove(0);
    assert_eq!(bare.expires, client.expires);
    assert!(bare.budget.is_none());
}

#[test]
fn budgets_that_can_not_be() {
    assert_snapshot!(wrong("budget = {}"), @r#"
    providers.toml:4:10: `clients.budget`: sets nothing; write for example `budget = { daily_usd = 10.0 }`
    1 problem
    "#);
    assert_snapshot!(wrong("budget = { until = 2027-01-31 }"), @r#"
    providers.toml:4:10: `clients.budget.daily_usd`: missing: `until` alone sets no amount; write for example `budget = { daily_usd = 10.0 }`
    1 problem
    "#);
    assert_snapshot!(wrong("budget = { daily_usd = 0, monthly_usd = -1, until = 5, weekly_usd = 1 }"), @r#"
    providers.toml:4:24: `clients.budget.daily_usd`: must be at least 0.000001 and at most 1000000000, found 0
    providers.toml:4:41: `clients.budget.monthly_usd`: must be at least 0.000001 and at most 1000000000, found -1
    providers.toml:4:53: `clients.budget.until`: expected a date or a time, for example "2027-01-31" or "2027-01-31T12:00:00Z", found 5
    providers.toml:4:56: `clients.budget.weekly_usd`: unknown key, did you mean `daily_usd`?
    4 problems
    "#);
    assert_snapshot!(wrong("budget = { daily_usd = nan, monthly_usd = 1e300 }"), @r#"
    providers.toml:4:24: `clients.budget.daily_usd`: must be at least 0.000001 and at most 1000000000, found nan
    providers.toml:4:43: `clients.budget.monthly_usd`: must be at least 0.000001 and at most 1000000000, found 1e300
    2 problems
    "#);
    assert_snapshot!(wrong("budget = { daily_usd = 10, monthly_usd = 5 }"), @r#"
    providers.toml:4:24: `clients.budget.daily_usd`: must be at most `monthly_usd`, which is 5, found 10
    1 problem
    "#);
    assert_snapshot!(wrong("budget = 5"), @r#"
    providers.toml:4:10: `clients.budget`: expected a table, for example `budget = { daily_usd = 10.0 }`, found 5
    1 problem
    "#);
}

#[test]
fn what_has_ended_is_refused() {
    assert_snapshot!(wrong("expires = \"2023-11-14\"\nbudget = { daily_usd = 5, until = 2023-11-14T22:13:20Z }"), @r#"
    providers.toml:4:11: `clients.expires`: this key ended at 2023-11-14T00:00:00Z; write a later time, or take the client out
    providers.toml:5:35: `clients.budget.until`: this budget ended at 2023-11-14T22:13:20Z; write a later time, or take `until` out
    2 problems
    "#);
    assert_snapshot!(wrong("expires = \"2023-11-14T22:13:21Z\""), @"no problem");
    // A key that can't be read hides nothing else.
    assert_snapshot!(problems("[[clients]]\nname = \"C C\"\nkey_env = \"C\"\nexpires = 1979-05-27\n", &[]), @r#"
    providers.toml:2:8: `clients.name`: a client's name is 1-64 of letters, digits, `-`, `_`, `.`, not "C C"
    providers.toml:3:11: `clients.key_env`: C is not set; set it to the key of this client
    providers.toml:4:11: `clients.expires`: this key ended at 1979-05-27T00:00:00Z; write a later time, or take the client out
    3 problems
    "#);
}

#[test]
fn what_is_no_time_is_refused() {
    assert_snapshot!(wrong("expires = \"soon\""), @r#"
    providers.toml:4:11: `clients.expires`: not a date or a time, for example "2027-01-31" or "2027-01-31T12:00:00Z": "soon"
    1 problem
    "#);
    assert_snapshot!(wrong("expires = 1801353600"), @r#"
    providers.toml:4:11: `clients.expires`: expected a date or a time, for example "2027-01-31" or "2027-01-31T12:00:00Z", found 1801353600
    1 problem
    "#);
    assert_snapshot!(wrong("expires = 2027-01-31T12:00:00"), @r#"
    providers.toml:4:11: `clients.expires`: says no time zone: "2027-01-31T12:00:00" (write `Z` at its end for UTC)
    1 problem
    "#);
    assert_snapshot!(wrong("expires = 12:00:00"), @r#"
    providers.toml:4:11: `clients.expires`: not a date or a time, for example "2027-01-31" or "2027-01-31T12:00:00Z": "12:00:00"
    1 problem
    "#);
    assert_snapshot!(wrong("expires = \"\""), @r#"
    providers.toml:4:11: `clients.expires`: not a date or a time, for example "2027-01-31" or "2027-01-31T12:00:00Z": ""
    1 problem
    "#);
}

#[test]
fn a_budget_that_nothing_counts_against_is_said() {
    assert_snapshot!(notices(&format!("{CLIENT}budget = {{ daily_usd = 5 }}\n")), @r#"
    providers.toml:4:10: `clients.budget`: has no effect: no model has a `price`, so nothing that is asked costs anything
    providers.toml:4:10: `clients.budget`: what was spent is forgotten at a restart; write `cache.data_dir` to keep it
    "#);
}

#[test]
fn a_hash_of_another_kind_is_told_and_not_repeated() {
    let check = |hash: &str| {
        let text = format!("[[clients]]\nname = \"c\"\nkey_sha256 = \"{hash}\"\n");
        let printed = problems(&text, &[]);
        assert!(hash.is_empty() || !printed.contains(hash), "{printed}");
        let line = printed.lines().next().unwrap();
        let (_, message) = line.split_once("`clients.key_sha256`: ").unwrap();
        message.to_owned()
    };
    let checked = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "01BA4719C80B6FE911B091A7C05124B64EEECE964E09C058EF8F9805DACA546B",
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG",
        "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",
        "rk-planted",
        "",
    ];
    let messages: Vec<String> = checked.into_iter().map(check).collect();
    assert_snapshot!(messages.join("\n"), @r#"
    the SHA-256 of no key at all: the variable that was hashed was probably empty (`refrain key new` makes a key and prints its hash)
    the SHA-256 of no key at all: the variable that was hashed was probably empty (`refrain key new` makes a key and prints its hash)
    as long as an MD5; expected is a SHA-256 in 64 hexadecimal digits, as `refrain key new` and `refrain key hash` print it
    as long as a SHA-1; expected is a SHA-256 in 64 hexadecimal digits, as `refrain key new` and `refrain key hash` print it
    a hash of bcrypt; expected is a plain SHA-256 in 64 hexadecimal digits, as `refrain key new` and `refrain key hash` print it
    a hash of Argon2; expected is a plain SHA-256 in 64 hexadecimal digits, as `refrain key new` and `refrain key hash` print it
    a hash of another kind; expected is a plain SHA-256 in 64 hexadecimal digits, as `refrain key new` and `refrain key hash` print it
    a SHA-256 is written without anything before its 64 hexadecimal digits
    not a SHA-256 in 64 hexadecimal digits (`refrain key new` makes a key and prints it, `refrain key hash` prints that of a key you have)
    not a SHA-256 in 64 hexadecimal digits (`refrain key new` makes a key and prints it, `refrain key hash` prints that of a key you have)
    "#);
    assert!(
        check(&"a".repeat(96)).contains("SHA-512")
            && check(&"é".repeat(16)).contains("not a SHA-256")
    );
}

#[test]
fn every_key_that_is_set_is_used_once() {
    let text = "[[providers]]\nname = \"a\"\nkind = \"openai\"\napi_key_envs = [\"A\", \"B\", \"C\", \"D\", \"A\"]\n";
    let (config, notices) = parse(
        text,
        &[("A", "sk-PLANTED"), ("C", "sk-PLANTED"), ("D", "k")],
    )
    .unwrap();
    let keys: Vec<&str> = config.providers[0]
        .api_keys
        .iter()
        .map(|key| key.expose())
        .collect();
    assert_eq!(keys, ["sk-PLANTED", "k"]);
    let notices: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_snapshot!(notices.join("\n"), @r#"
    providers.toml:4:22: `providers.api_key_envs`: B is not set; the other keys are used
    providers.toml:4:27: `providers.api_key_envs`: C holds the same key as A; it is used once
    providers.toml:4:37: `providers.api_key_envs`: A is there twice
    "#);
    // Nobody set is a provider that is not used, and no more.
    let (_, notices) = parse(text, &[]).unwrap();
    assert_eq!(notices, []);
}
