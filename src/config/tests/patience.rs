//! `timeout`, `retry`, `breaker`, `max_wait` and `hedge`: what is refused, and which default gives way.

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{config, parse, problems};
use crate::{
    config::{Provider, defaults},
    units::Share,
};

const PROVIDER: &str = "[[providers]]\nname = \"a\"\nkind = \"demo\"\n";

fn provider(settings: &str) -> Provider {
    config(&format!("{PROVIDER}{settings}\n"), &[])
        .providers
        .remove(0)
}

fn wrong(settings: &str) -> String {
    problems(&format!("{PROVIDER}{settings}\n"), &[])
}

#[test]
fn all_is_read() {
    let provider = provider(
        "timeout = { connect = \"1s\", first_token = \"20s\", idle = \"10s\", total = \"5m\" }\n\
         retry = { attempts = 0, base = \"1s\", cap = \"2s\", budget = 0.5 }\n\
         breaker = { window = \"40s\", min_requests = 4, failure_ratio = 1, slow_after = \"7s\", open_for = \"3s\", probes = 2 }\n\
         limits = { max_wait = \"4s\" }",
    );
    assert_snapshot!(format!("{:?}\n{:?}\n{:?}\n{:?}", provider.timeout, provider.retry, provider.breaker, provider.limits), @r#"
    Timeouts { connect: 1s, first_token: 20s, idle: 10s, total: 300s }
    Rules { attempts: 0, base: 1s, cap: 2s, budget: Share(0.5) }
    Rules { window: 40s, min_requests: 4, failure_ratio: Share(1.0), slow_after: 7s, open_for: 3s, probes: 2 }
    ProviderLimits { all: Limits { requests_per_minute: None, tokens_per_minute: None, concurrent: None }, models: [], max_wait: 4s }
    "#);
}

#[test]
fn without_a_word_all_is_as_usual() {
    let provider = provider("");
    assert_eq!(provider.timeout, defaults::TIMEOUTS);
    assert_eq!(provider.retry, defaults::RETRY);
    assert_eq!(provider.breaker, defaults::BREAKER);
    assert_eq!(provider.limits.max_wait, defaults::MAX_WAIT);
    assert!(provider.limits.all.is_empty() && provider.limits.models.is_empty());
}

#[test]
fn out_of_range() {
    let text = r#"timeout = { connect = "0s" }
retry = { attempts = 11, base = "0s", cap = 5, budget = 1.5 }
breaker = { window = "0s", min_requests = 0, failure_ratio = 0.0, slow_after = "0s", open_for = 15, probes = 0, ratio = 1 }
limits = { requests_per_minute = 0, tokens_per_minute = 0, concurrent = 0, max_wait = "0s", rps = 1 }"#;
    assert_snapshot!(wrong(text), @r#"
    providers.toml:4:23: `providers.timeout.connect`: must be more than zero (for example "3s")
    providers.toml:5:22: `providers.retry.attempts`: must be at least 0 and at most 10, found 11
    providers.toml:5:33: `providers.retry.base`: must be more than zero (for example "250ms")
    providers.toml:5:45: `providers.retry.cap`: expected a duration in quotes, for example "5s", found 5
    providers.toml:5:57: `providers.retry.budget`: must be at least 0 and at most 1, found 1.5
    providers.toml:6:22: `providers.breaker.window`: must be more than zero (for example "60s")
    providers.toml:6:43: `providers.breaker.min_requests`: must be at least 1 and at most 1000000, found 0
    providers.toml:6:62: `providers.breaker.failure_ratio`: must be more than 0 and at most 1, found 0.0
    providers.toml:6:80: `providers.breaker.slow_after`: must be more than zero (for example "30s")
    providers.toml:6:97: `providers.breaker.open_for`: expected a duration in quotes, for example "15s", found 15
    providers.toml:6:110: `providers.breaker.probes`: must be at least 1 and at most 1000, found 0
    providers.toml:6:113: `providers.breaker.ratio`: unknown key, did you mean `failure_ratio`?
    providers.toml:7:34: `providers.limits.requests_per_minute`: must be at least 1 and at most 1000000000, found 0
    providers.toml:7:57: `providers.limits.tokens_per_minute`: must be at least 1 and at most 1000000000000, found 0
    providers.toml:7:73: `providers.limits.concurrent`: must be at least 1 and at most 1000000, found 0
    providers.toml:7:87: `providers.limits.max_wait`: must be more than zero; write `max_wait = "1ms"` for hardly any wait
    providers.toml:7:93: `providers.limits.rps`: unknown key (there are: requests_per_minute, tokens_per_minute, concurrent, max_wait)
    17 problems
    "#);
    let text = "breaker = { failure_ratio = nan, min_requests = 1.5, probes = -1 }\nretry = { budget = -0.1 }\nlimits = { concurrent = inf }";
    assert_snapshot!(wrong(text), @r#"
    providers.toml:4:29: `providers.breaker.failure_ratio`: must be more than 0 and at most 1, found nan
    providers.toml:4:49: `providers.breaker.min_requests`: expected a whole number, found 1.5
    providers.toml:4:63: `providers.breaker.probes`: must be at least 1 and at most 1000, found -1
    providers.toml:5:20: `providers.retry.budget`: must be at least 0 and at most 1, found -0.1
    providers.toml:6:25: `providers.limits.concurrent`: expected a whole number, found inf
    5 problems
    "#);
}

#[test]
fn empty_tables_set_nothing() {
    let text = "timeout = {}\nretry = {}\nbreaker = {}\nlimits = {}\nmodel_limits = []";
    assert_snapshot!(wrong(text), @r#"
    providers.toml:4:11: `providers.timeout`: sets nothing; write for example `timeout = { connect = "3s" }`
    providers.toml:5:9: `providers.retry`: sets nothing; write for example `retry = { attempts = 2, base = "250ms", cap = "5s" }`
    providers.toml:6:11: `providers.breaker`: sets nothing; write for example `breaker = { window = "60s", failure_ratio = 0.5 }`
    providers.toml:7:10: `providers.limits`: sets nothing; write for example `limits = { requests_per_minute = 500 }`
    providers.toml:8:1: `providers.model_limits`: sets nothing; write for example `model_limits = [{ models = "gpt-4o*", requests_per_minute = 100 }]`
    5 problems
    "#);
    assert_snapshot!(wrong("breaker = false\nretry = 3\nlimits = [5]\nmodel_limits = { models = \"a\" }"), @r#"
    providers.toml:4:11: `providers.breaker`: expected a table, for example `breaker = { window = "60s", failure_ratio = 0.5 }`, found false
    providers.toml:5:9: `providers.retry`: expected a table, for example `retry = { attempts = 2, base = "250ms", cap = "5s" }`, found 3
    providers.toml:6:10: `providers.limits`: expected a table, for example `limits = { requests_per_minute = 500 }`, found a list
    providers.toml:7:16: `providers.model_limits`: expected a list of tables, for example `model_limits = [{ models = "gpt-4o*", requests_per_minute = 100 }]`
    4 problems
    "#);
}

#[test]
fn times_that_contradict_each_other() {
    let text = r#"timeout = { connect = "2m", first_token = "90s", idle = "70s", total = "1m" }
breaker = { window = "30s", slow_after = "100s" }
limits = { max_wait = "65s" }
retry = { base = "9s", cap = "5s" }"#;
    assert_snapshot!(wrong(text), @r#"
    providers.toml:4:23: `providers.timeout.connect`: must be at most `timeout.first_token`, which is 90s, found 2m
    providers.toml:4:43: `providers.timeout.first_token`: must be at most `timeout.total`, which is 60s, found 90s
    providers.toml:4:57: `providers.timeout.idle`: must be at most `timeout.total`, which is 60s, found 70s
    providers.toml:5:22: `providers.breaker.window`: must be at least `timeout.first_token`, which is 90s, found 30s: calls that take that long to fail would never count together
    providers.toml:5:42: `providers.breaker.slow_after`: must be at most `timeout.first_token`, which is 90s, found 100s
    providers.toml:6:23: `providers.limits.max_wait`: must be at most `timeout.total`, which is 60s, found 65s
    providers.toml:7:18: `providers.retry.base`: must be at most `cap`, which is 5s, found 9s
    7 problems
    "#);
    let text = "timeout = { connect = \"2m\", total = \"1m\" }\nbreaker = { window = \"30s\", slow_after = \"100s\" }";
    assert_snapshot!(wrong(text), @r#"
    providers.toml:4:23: `providers.timeout.connect`: must be at most `timeout.total`, which is 60s, found 2m
    providers.toml:5:22: `providers.breaker.window`: must be at least `timeout.connect`, which is 2m, found 30s: calls that take that long to fail would never count together
    providers.toml:5:22: `providers.breaker.window`: must be at least `breaker.slow_after`, which is 100s, found 30s: calls that take that long to fail would never count together
    providers.toml:5:22: `providers.breaker.window`: must be at least `timeout.first_token`, which is 60s where it is not written, found 30s: calls that take that long to fail would never count together
    providers.toml:5:42: `providers.breaker.slow_after`: must be at most `timeout.total`, which is 60s, found 100s
    5 problems
    "#);
}

#[test]
fn a_default_gives_way_to_what_is_written() {
    // connect, first_token, idle, total; window, slow_after; max_wait
    let check = |settings: &str, expect: [u64; 7]| {
        let provider = provider(settings);
        let (timeout, breaker) = (provider.timeout, provider.breaker);
        let times = [
            timeout.connect,
            timeout.first_token,
            timeout.idle,
            timeout.total,
            breaker.window,
            breaker.slow_after,
            provider.limits.max_wait,
        ];
        assert_eq!(times.map(|time| time.as_secs()), expect, "{settings}");
    };
    check("", [3, 60, 30, 600, 60, 30, 1]);
    check("timeout = { total = \"20s\" }", [3, 20, 20, 20, 60, 20, 1]);
    check(
        "timeout = { first_token = \"2s\" }",
        [2, 2, 30, 600, 60, 2, 1],
    );
    check(
        "timeout = { first_token = \"120s\" }",
        [3, 120, 30, 600, 120, 30, 1],
    );
    check(
        "timeout = { first_token = \"20m\" }",
        [3, 1200, 30, 1200, 1200, 30, 1],
    );
    check(
        "timeout = { connect = \"90s\" }",
        [90, 90, 30, 600, 90, 30, 1],
    );
    check(
        "timeout = { connect = \"20m\" }",
        [1200, 1200, 30, 1200, 1200, 30, 1],
    );
    check(
        "timeout = { idle = \"20m\" }",
        [3, 60, 1200, 1200, 60, 30, 1],
    );
    check(
        "breaker = { window = \"20m\" }",
        [3, 60, 30, 600, 1200, 30, 1],
    );
    check(
        "breaker = { window = \"20s\" }\ntimeout = { total = \"15s\" }",
        [3, 15, 15, 15, 20, 15, 1],
    );
    check(
        "limits = { max_wait = \"20m\" }",
        [3, 60, 30, 1200, 60, 30, 1200],
    );
    let retry = provider("retry = { base = \"9s\" }").retry;
    assert_eq!(
        (retry.base, retry.cap),
        (Duration::from_secs(9), Duration::from_secs(9))
    );
    let retry = provider("retry = { cap = \"100ms\" }").retry;
    assert_eq!(retry.base, Duration::from_millis(100));
}

#[test]
fn a_breaker_moves_no_timeout() {
    let said = |settings: &str| problems(&format!("{PROVIDER}{settings}\n"), &[]);
    assert_snapshot!(said("breaker = { window = \"20s\" }"), @r#"
    providers.toml:4:22: `providers.breaker.window`: must be at least `timeout.first_token`, which is 60s where it is not written, found 20s: calls that take that long to fail would never count together
    1 problem
    "#);
    assert_snapshot!(said("breaker = { slow_after = \"90s\" }"), @r#"
    providers.toml:4:26: `providers.breaker.slow_after`: must be at most `timeout.first_token`, which is 60s where it is not written, found 90s: a stream that is later is given up
    1 problem
    "#);
}

proptest! {
    /// What is not refused keeps to the bounds; what says one timeout only is never refused.
    #[test]
    fn times_keep_to_their_bounds(times in proptest::array::uniform7(proptest::option::weighted(0.3, 1..2_000_u64))) {
        let names = ["connect", "first_token", "idle", "total", "window", "slow_after", "max_wait"];
        let table = |range: std::ops::Range<usize>, name: &str| {
            let set: Vec<String> = range
                .filter_map(|at| Some(format!("{} = \"{}s\"", names[at], times[at]?)))
                .collect();
            if set.is_empty() { String::new() } else { format!("{name} = {{ {} }}\n", set.join(", ")) }
        };
        let text = format!("{PROVIDER}{}{}{}", table(0..4, "timeout"), table(4..6, "breaker"), table(6..7, "limits"));
        let written = times.iter().flatten().count();
        match parse(&text, &[]) {
            Err(problems) => prop_assert!(written > 1 || times[4].or(times[5]).is_some(), "{problems}"),
            Ok((config, _)) => {
                let provider = &config.providers[0];
                let (timeout, breaker) = (provider.timeout, provider.breaker);
                prop_assert!(timeout.connect <= timeout.first_token);
                prop_assert!(timeout.first_token <= timeout.total);
                prop_assert!(timeout.idle <= timeout.total);
                prop_assert!(breaker.slow_after <= timeout.first_token);
                prop_assert!(timeout.first_token <= breaker.window);
                prop_assert!(provider.limits.max_wait <= timeout.total);
                let all = [timeout.connect, timeout.first_token, timeout.idle, timeout.total, breaker.window, breaker.slow_after, provider.limits.max_wait];
                for (time, written) in all.into_iter().zip(times) {
                    prop_assert!(!time.is_zero());
                    prop_assert!(written.is_none_or(|seconds| time == Duration::from_secs(seconds)));
                }
            }
        }
    }
}

fn routes(model: &str, task: &str) -> String {
    format!(
        "{PROVIDER}[[models]]\nname = \"m\"\n{model}\n[[tasks]]\nname = \"t\"\nexamples = [\"Fold a napkin\"]\n{task}\n"
    )
}

#[test]
fn hedging_is_switched_or_described() {
    let check = |hedge: &str, expect: Option<(f64, u64, f64)>| {
        let text = routes(
            &format!("targets = [\"a/x\", \"a/y\"]\n{hedge}"),
            &format!("targets = [\"a/x\"]\nfast = [\"a/y\"]\n{hedge}"),
        );
        let mut config = config(&text, &[]);
        let shown = |rules: Option<crate::policy::hedge::Rules>| {
            rules.map(|rules| {
                let wait = u64::try_from(rules.min_wait.as_millis()).unwrap();
                (rules.quantile.get(), wait, rules.budget.get())
            })
        };
        let task = config.tasks.remove(0).route.unwrap().rules.hedge;
        let model = config.models.resolve("m").unwrap().rules.hedge;
        assert_eq!((shown(model), shown(task)), (expect, expect), "{hedge}");
    };
    check("", None);
    check("hedge = false", None);
    check("hedge = true", Some((0.95, 100, 0.05)));
    check("hedge = \"on\"", Some((0.95, 100, 0.05)));
    check("hedge = { quantile = 0.5 }", Some((0.5, 100, 0.05)));
    check(
        "hedge = { min_wait = \"2s\", budget = 0.5, quantile = 0.999 }",
        Some((0.999, 2000, 0.5)),
    );
    assert_eq!(defaults::HEDGE.quantile, Share::percent(95));
}

#[test]
fn hedging_that_makes_no_sense() {
    let text = routes(
        "targets = [\"a/x\"]\nfallbacks = [\"a/y\"]\nhedge = true",
        "targets = [\"a/x\", \"a/y\"]\nhedge = { quantile = 0.4, min_wait = \"0s\", budget = 0, after = \"1s\" }",
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:8:9: `models.hedge`: a second target is needed, to be asked where the first is slow
    providers.toml:13:22: `tasks.hedge.quantile`: must be at least 0.5 and at most 0.999, found 0.4
    providers.toml:13:38: `tasks.hedge.min_wait`: must be more than zero (for example "100ms")
    providers.toml:13:53: `tasks.hedge.budget`: must be more than 0 and at most 0.5, found 0
    providers.toml:13:56: `tasks.hedge.after`: unknown key (there are: quantile, min_wait, budget)
    5 problems
    "#);
    let text = routes(
        "targets = [\"a/x\", \"a/y\"]\nhedge = {}",
        "targets = [\"a/x\"]\nhedge = { budget = 0.1 }",
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:7:9: `models.hedge`: sets nothing; write for example `hedge = { quantile = 0.95, min_wait = "100ms", budget = 0.05 }`
    providers.toml:12:9: `tasks.hedge`: a second target is needed, to be asked where the first is slow
    2 problems
    "#);
    assert_snapshot!(problems(&routes("targets = [\"a/x\", \"a/y\"]\nhedge = 3", "hedge = true"), &[]), @r#"
    providers.toml:7:9: `models.hedge`: expected true or false, found 3
    providers.toml:8:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    2 problems
    "#);
}
