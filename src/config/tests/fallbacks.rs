//! Where the lists of fallbacks lead.

use std::fmt::Write as _;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{config, parse, problems};
use crate::config::{Target, TargetModel};

const PROVIDERS: &str = r#"
[[providers]]
name = "p"
kind = "demo"
[[providers]]
name = "q"
kind = "demo"
"#;

/// `provider/model`.
pub(super) fn shown(target: &Target) -> String {
    let model = match &target.model {
        TargetModel::Named(name) => name.as_str(),
        TargetModel::AsRequested => "*",
    };
    format!("{}/{model}", target.provider)
}

/// The three lists of a model, in their order in the file.
fn lists(text: &str, model: &str) -> String {
    let config = config(&format!("{PROVIDERS}{text}"), &[]);
    let rules = &config.models.resolve(model).unwrap().rules;
    let list = |targets: &[Target]| targets.iter().map(shown).collect::<Vec<_>>().join(" ");
    [
        &rules.fallbacks,
        &rules.context_window_fallbacks,
        &rules.content_policy_fallbacks,
    ]
    .map(|targets| list(targets))
    .join(" | ")
}

#[test]
fn a_name_stands_for_its_targets_and_then_for_its_own_list_of_the_kind() {
    let text = r#"
[[models]]
name = "a"
targets = ["p/a"]
fallbacks = ["b", "q/z"]
context_window_fallbacks = ["b"]
content_policy_fallbacks = ["q/free"]
[[models]]
name = "b"
targets = ["p/b", "q/b"]
fallbacks = ["c"]
context_window_fallbacks = ["d"]
content_policy_fallbacks = ["p/never"]
[[models]]
name = "c"
aliases = ["sea"]
targets = ["p/c"]
[[models]]
name = "d"
targets = ["p/d"]
fallbacks = ["sea"]
"#;
    assert_eq!(lists(text, "a"), "p/b q/b p/c q/z | p/b q/b p/d | q/free");
    assert_eq!(lists(text, "b"), "p/c | p/d | p/never");
    assert_eq!(lists(text, "d"), "p/c |  | ");
}

#[test]
fn nobody_is_there_twice() {
    let text = r#"
[[models]]
name = "a"
targets = ["p/a", "p/b"]
fallbacks = ["p/b", "b", "p/c", "p/a", "p/c"]
context_window_fallbacks = ["p/a", "b", "p/a"]
content_policy_fallbacks = ["b", "c", "b"]
[[models]]
name = "b"
targets = ["p/b", "p/c"]
[[models]]
name = "c"
targets = ["p/c", "p/d"]
"#;
    // A route's own targets were asked by then; a longer prompt or a filter may find them again.
    assert_eq!(lists(text, "a"), "p/c | p/a p/b p/c | p/b p/c p/d");
}

#[test]
fn a_pattern_passes_the_name_on() {
    let text = r#"
[[models]]
name = "gpt-*"
targets = ["p/*"]
fallbacks = ["q/*", "gpt-best", "p/*"]
[[models]]
name = "gpt-best"
targets = ["p/gpt-best"]
"#;
    assert_eq!(lists(text, "gpt-x"), "q/* p/gpt-best |  | ");
}

#[test]
fn names_with_a_slash() {
    let text = r#"
[[models]]
name = "org/model"
targets = ["p/m"]
[[models]]
name = "p/local"
targets = ["q/elsewhere"]
[[models]]
name = "a"
targets = ["p/a"]
fallbacks = ["org/model", "p/local", "q/org/model"]
"#;
    // `p` is a provider, so `p/local` is its model and not the entry of that name.
    assert_eq!(lists(text, "a"), "p/m p/local q/org/model |  | ");
}

#[test]
fn places_that_there_are_not() {
    let text = format!(
        r#"{PROVIDERS}
[[models]]
name = "gpt-4o"
aliases = ["best"]
targets = ["p/x"]
fallbacks = ["gpt4o", "bset", "gpt-*", "*", "p/*", "p/", "r/x", "", 5]
context_window_fallbacks = "best"
[[models]]
name = "gpt-*"
targets = ["p/*"]
content_policy_fallbacks = ["p/a*", "gpt-5", "r/*"]
"#
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:13:14: `models.fallbacks`: no `[[models]]` has the name "gpt4o", did you mean `gpt-4o`?
    providers.toml:13:23: `models.fallbacks`: no `[[models]]` has the name "bset", did you mean `best`?
    providers.toml:13:31: `models.fallbacks`: "gpt-*": `*` stands for many names; write one of them, or "provider/model"
    providers.toml:13:40: `models.fallbacks`: "*": `*` stands for many names; write one of them, or "provider/model"
    providers.toml:13:45: `models.fallbacks`: "p/*": `*` passes on what was asked for and needs a name that ends in `*`; name the model
    providers.toml:13:52: `models.fallbacks`: "p/": a model's name is 1-256 visible ASCII characters without ? # % \ " < > or `..`
    providers.toml:13:58: `models.fallbacks`: unknown provider "r" (there are: p, q)
    providers.toml:13:65: `models.fallbacks`: no `[[models]]` has the name "" (there are: best, gpt-4o)
    providers.toml:13:69: `models.fallbacks`: expected a list of "provider/model" or names of `[[models]]`
    providers.toml:14:28: `models.context_window_fallbacks`: expected a list of "provider/model" or names of `[[models]]`
    providers.toml:18:29: `models.content_policy_fallbacks`: "p/a*": `*` stands for the whole name or not at all
    providers.toml:18:37: `models.content_policy_fallbacks`: no `[[models]]` has the name "gpt-5", did you mean `gpt-4o`?
    providers.toml:18:46: `models.content_policy_fallbacks`: unknown provider "r" (there are: p, q)
    13 problems
    "#);
}

#[test]
fn circles() {
    let text = format!(
        r#"{PROVIDERS}
[[models]]
name = "a"
targets = ["p/a"]
fallbacks = ["p/x", "b"]
[[models]]
name = "b"
aliases = ["bee"]
targets = ["p/b"]
fallbacks = ["a", "c"]
context_window_fallbacks = ["c"]
[[models]]
name = "c"
targets = ["p/c"]
fallbacks = ["d", "bee"]
context_window_fallbacks = ["a"]
[[models]]
name = "d"
targets = ["p/d"]
content_policy_fallbacks = ["d"]
[[tasks]]
name = "t"
targets = ["p/a"]
examples = ["Do it."]
fallbacks = ["a"]
"#
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:17:14: `models.fallbacks`: leads back to where it comes from: a -> b -> a
    providers.toml:22:19: `models.fallbacks`: leads back to where it comes from: b -> c -> b
    providers.toml:27:29: `models.content_policy_fallbacks`: leads back to where it comes from: d -> d
    3 problems
    "#);
}

/// Models of which each leads to the next.
fn chain(length: usize, last: &str) -> String {
    let mut text = PROVIDERS.to_owned();
    for i in 0..length {
        let next = if i + 1 < length {
            format!("m{}", i + 1)
        } else {
            last.to_owned()
        };
        let _ = writeln!(
            text,
            "[[models]]\nname = \"m{i}\"\ntargets = [\"p/m{i}\"]\nfallbacks = [\"{next}\"]"
        );
    }
    text
}

#[test]
fn a_long_circle_is_told_in_a_line() {
    assert_snapshot!(problems(&chain(30, "m0"), &[]), @r#"
    providers.toml:127:14: `models.fallbacks`: leads back to where it comes from: m0 -> m1 -> m2 -> m3 -> m4 -> m5 -> m6 -> m7 -> m8 -> m9 -> … -> m0
    1 problem
    "#);
}

#[test]
fn long_chains_come_to_an_end() {
    let config = config(&chain(90, "q/last"), &[]);
    let fallbacks = &config.models.resolve("m0").unwrap().rules.fallbacks;
    assert_eq!(fallbacks.len(), 90);
    assert_eq!(fallbacks.last().map(shown).as_deref(), Some("q/last"));
    let printed = problems(&chain(103, "q/last"), &[]);
    assert_snapshot!(printed, @r#"
    providers.toml:11:14: `models.fallbacks`: leads to more than 100 targets or models
    providers.toml:15:14: `models.fallbacks`: leads to more than 100 targets or models
    providers.toml:19:14: `models.fallbacks`: leads to more than 100 targets or models
    3 problems
    "#);
    assert!(parse(&chain(2000, "m0"), &[]).is_err());
}

proptest! {
    /// Whoever names whom: either somebody leads back to themselves, or every list is what following the
    /// names by hand gives.
    #[test]
    fn lists_are_written_out(
        edges in proptest::collection::vec(proptest::collection::vec(0..6_usize, 0..4), 6),
    ) {
        let mut text = PROVIDERS.to_owned();
        for (i, next) in edges.iter().enumerate() {
            let next: Vec<String> = next.iter().map(|next| format!("\"m{next}\"")).collect();
            let _ = writeln!(
                text,
                "[[models]]\nname = \"m{i}\"\ntargets = [\"p/m{i}\"]\nfallbacks = [{}]",
                next.join(", ")
            );
        }
        fn follow(edges: &[Vec<usize>], from: usize, path: &mut Vec<usize>, all: &mut Vec<usize>) -> bool {
            if path.contains(&from) {
                return false;
            }
            path.push(from);
            let ends = edges[from].iter().all(|next| {
                if !all.contains(next) {
                    all.push(*next);
                }
                follow(edges, *next, path, all)
            });
            path.pop();
            ends
        }
        let followed: Vec<(bool, Vec<usize>)> = (0..edges.len())
            .map(|from| {
                let mut all = Vec::new();
                (follow(&edges, from, &mut Vec::new(), &mut all), all)
            })
            .collect();
        match parse(&text, &[]) {
            Ok((config, _)) => {
                for (model, (ends, all)) in config.models.iter().zip(followed) {
                    prop_assert!(ends);
                    let expected: Vec<String> = all.iter().map(|i| format!("p/m{i}")).collect();
                    let found: Vec<String> = model.rules.fallbacks.iter().map(shown).collect();
                    prop_assert_eq!(found, expected);
                }
            }
            Err(problems) => {
                prop_assert!(followed.iter().any(|(ends, _)| !ends), "{}", problems);
                prop_assert!(problems.iter().all(|problem| problem.message.contains(" -> ")));
            }
        }
    }
}
