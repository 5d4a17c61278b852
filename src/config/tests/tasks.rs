//! `[[tasks]]` with routes.

use insta::assert_snapshot;

use super::{config, notices, problems};
use crate::{
    config::Target,
    policy::{routing::strategy::Strategy, truncate::Overflow},
    units::Tokens,
};

const PROVIDER: &str = "[[providers]]\nname = \"p\"\nkind = \"demo\"\n";

#[test]
fn a_task_has_a_route() {
    let text = format!(
        r#"{PROVIDER}
[[models]]
name = "m"
targets = ["p/m", "p/a"]
fallbacks = ["p/n"]
[[tasks]]
name = "sql"
targets = ["p/a", "p/b"]
fast = ["p/b", "p/c"]
examples = ["  Which table has the orders? ", "Was heißt JOIN?"]
strategy = "lowest_latency"
fallbacks = ["p/b", "m", "p/c"]
context_window_fallbacks = ["p/a", "p/a"]
max_input_tokens = 5
on_overflow = "larger_model"
ttl = "1h"
[[tasks]]
name = "support"
policy = "strict"
"#
    );
    assert_eq!(notices(&text), "");
    let tasks = config(&text, &[]).tasks;
    let route = tasks[0].route.as_ref().unwrap();
    assert_eq!(shown(&route.targets), "p/a p/b");
    assert_eq!(shown(&route.fast), "p/b p/c");
    assert_eq!(
        route.examples,
        ["  Which table has the orders? ", "Was heißt JOIN?"]
    );
    assert_eq!(route.rules.strategy, Strategy::LowestLatency);
    assert_eq!(shown(&route.rules.fallbacks), "p/m p/n p/c");
    assert_eq!(shown(&route.rules.context_window_fallbacks), "p/a");
    assert_eq!(route.rules.max_input_tokens, Some(Tokens(5)));
    assert_eq!(route.rules.on_overflow, Some(Overflow::LargerModel));
    assert!(tasks[0].cache.ttl.is_some());
    assert_eq!(tasks[1].route, None);
}

fn shown(targets: &[Target]) -> String {
    let names = targets.iter().map(super::fallbacks::shown);
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_route_has_targets_and_examples() {
    let text = format!(
        r#"{PROVIDER}
[[tasks]]
name = "no-examples"
targets = ["p/a"]
[[tasks]]
name = "empty"
targets = ["p/a"]
examples = []
[[tasks]]
name = "blank"
targets = ["p/a"]
examples = ["good", "", " \n\t"]
[[tasks]]
name = "no-targets"
examples = ["good"]
[[tasks]]
name = "fast-alone"
ttl = "1h"
fast = ["p/a"]
[[tasks]]
name = "nobody"
targets = []
examples = ["good"]
[[tasks]]
name = "strategy-alone"
cache = true
strategy = "priority"
[[tasks]]
name = "overflow-alone"
ttl = "1h"
on_overflow = "trim"
[[tasks]]
name = "nothing"
"#
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:5:1: `tasks.examples`: missing; write for example `examples = ["Write a function that …"]`
    providers.toml:11:12: `tasks.examples`: no prompt would be recognised as such work; write some that are
    providers.toml:15:21: `tasks.examples`: must not be empty
    providers.toml:15:25: `tasks.examples`: must not be empty
    providers.toml:16:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:19:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:19:1: `tasks.examples`: missing; write for example `examples = ["Write a function that …"]`
    providers.toml:25:11: `tasks.targets`: nobody would answer; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:27:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:27:1: `tasks.examples`: missing; write for example `examples = ["Write a function that …"]`
    providers.toml:31:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:31:1: `tasks.examples`: missing; write for example `examples = ["Write a function that …"]`
    providers.toml:35:1: `tasks.targets`: missing; write for example `targets = ["openai/gpt-4o"]`
    providers.toml:35:1: `tasks.examples`: missing; write for example `examples = ["Write a function that …"]`
    14 problems
    "#);
}

#[test]
fn values_of_a_route() {
    let text = format!(
        r#"{PROVIDER}
[[models]]
name = "m"
targets = ["p/m"]
[[tasks]]
name = "t"
targets = ["m", "p/*", "q/a", "p/a", "p/a"]
fast = ["p/f", "p/f"]
examples = "Do it."
strategy = "lowest-cost"
fallbacks = ["n", "m*", "q/a", 1]
max_input_tokens = 0
on_overflow = "Trim"
supports = ["tools"]
context_window = 5
price = {{ input = 1, output = 1 }}
"#
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:10:12: `tasks.targets`: not a target: "m" (write "provider/model")
    providers.toml:10:17: `tasks.targets`: "p/*": `*` passes on what was asked for and needs a name that ends in `*`; name the model
    providers.toml:10:24: `tasks.targets`: unknown provider "q" (there are: p)
    providers.toml:10:38: `tasks.targets`: "p/a" is there twice
    providers.toml:11:16: `tasks.fast`: "p/f" is there twice
    providers.toml:12:12: `tasks.examples`: expected a list of prompts in quotes
    providers.toml:13:12: `tasks.strategy`: unknown value "lowest-cost", did you mean `lowest_cost`?
    providers.toml:14:14: `tasks.fallbacks`: no `[[models]]` has the name "n" (there are: m)
    providers.toml:14:19: `tasks.fallbacks`: "m*": `*` stands for many names; write one of them, or "provider/model"
    providers.toml:14:25: `tasks.fallbacks`: unknown provider "q" (there are: p)
    providers.toml:14:32: `tasks.fallbacks`: expected a list of "provider/model" or names of `[[models]]`
    providers.toml:15:20: `tasks.max_input_tokens`: must be at least 1 and at most 1000000000, found 0
    providers.toml:16:15: `tasks.on_overflow`: unknown value "Trim", did you mean `trim`?
    providers.toml:17:1: `tasks.supports`: unknown key (there are: name, ttl, threshold, policy, cache, targets, fast, examples, strategy, weights, fallbacks, context_window_fallbacks, content_policy_fallbacks, max_input_tokens, on_overflow, hedge)
    providers.toml:18:1: `tasks.context_window`: unknown key, did you mean `context_window_fallbacks`?
    providers.toml:19:1: `tasks.price`: unknown key (there are: name, ttl, threshold, policy, cache, targets, fast, examples, strategy, weights, fallbacks, context_window_fallbacks, content_policy_fallbacks, max_input_tokens, on_overflow, hedge)
    16 problems
    "#);
}

#[test]
fn examples_are_prompts_and_not_repeated_in_messages() {
    let with = |examples: &str| {
        let task = format!("[[tasks]]\nname = \"t\"\ntargets = [\"p/a\"]\nexamples = {examples}\n");
        problems(&format!("{PROVIDER}{task}"), &[])
    };
    let longest = "ß".repeat(2000);
    assert_eq!(with(&format!("[\"{longest}\"]")), "no problem");
    assert_snapshot!(with(&format!("[\"ok\", \"{longest}!\"]")), @r#"
    providers.toml:7:19: `tasks.examples`: must be at most 2000 characters, found 2001
    1 problem
    "#);
    assert_snapshot!(with("[{ prompt = \"private\" }, 5]"), @r#"
    providers.toml:7:13: `tasks.examples`: expected a list of prompts in quotes
    providers.toml:7:37: `tasks.examples`: expected a list of prompts in quotes
    2 problems
    "#);
    let many = |number: usize| format!("[{}]", "\"a\",".repeat(number));
    assert_eq!(with(&many(1000)), "no problem");
    assert_snapshot!(with(&many(1001)), @r#"
    providers.toml:7:12: `tasks.examples`: must be at most 1000 examples, found 1001
    1 problem
    "#);
}

#[test]
fn there_are_a_hundred_tasks_at_most() {
    let tasks = |number: usize| {
        let task = |i| format!("[[tasks]]\nname = \"t{i}\"\nttl = \"1h\"\n");
        problems(&(0..number).map(task).collect::<String>(), &[])
    };
    assert_eq!(tasks(100), "no problem");
    assert_snapshot!(tasks(102), @r#"
    providers.toml:301:1: `tasks`: must be at most 100 tasks, found 102
    1 problem
    "#);
}
