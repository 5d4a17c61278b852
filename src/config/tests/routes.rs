//! What models, clients and `[routing]` say about routes.

use insta::assert_snapshot;

use super::{config, problems};
use crate::{
    config::Routing,
    policy::{
        routing::{
            ability::{Abilities, Ability},
            strategy::Strategy,
        },
        truncate::Overflow,
    },
    units::{Similarity, Tokens},
};

const PROVIDER: &str = "[[providers]]\nname = \"p\"\nkind = \"demo\"\n";
const ROUTED: &str = "[[tasks]]\nname = \"sql\"\ntargets = [\"p/s\"]\nexamples = [\"Join these.\"]\n\
     [[tasks]]\nname = \"chat\"\ntargets = [\"p/c\"]\nexamples = [\"Hi there!\"]\n\
     [[tasks]]\nname = \"support\"\nttl = \"1h\"\n";

#[test]
fn without_a_word_the_defaults_hold() {
    let text = format!("{PROVIDER}[[models]]\nname = \"m\"\ntargets = [\"p/x\"]\n");
    let config = config(&text, &[]);
    assert_eq!(config.routing, Routing::default());
    assert!(config.server.reload);
    let model = config.models.resolve("m").unwrap();
    assert_eq!(model.rules, crate::config::RouteRules::default());
    assert_eq!(model.supports, None);
}

#[test]
fn everything_can_be_set() {
    let text = format!(
        r#"{PROVIDER}
[server]
reload = false
[routing]
default_task = "sql"
margin = 0.25
pin_conversations = false
on_overflow = "trim"
[[models]]
name = "m"
targets = ["p/x", "p/y"]
strategy = "weighted"
weights = [3, 0]
supports = ["tools", "images"]
context_window = 9000
max_output_tokens = 8999
max_input_tokens = 9000
on_overflow = "reject"
[[models]]
name = "words"
targets = ["p/w"]
strategy = "lowest_cost"
supports = []
[[clients]]
name = "c"
key_env = "C"
max_input_tokens = 10
on_overflow = "trim"
{ROUTED}"#
    );
    let config = config(&text, &[("C", "c")]);
    assert!(!config.server.reload);
    let routing = &config.routing;
    assert_eq!(routing.default_task.as_ref().unwrap().as_str(), "sql");
    assert_eq!(Some(routing.margin), Similarity::new(0.25));
    assert!(!routing.pin_conversations);
    assert_eq!(routing.on_overflow, Overflow::Trim);
    let model = config.models.resolve("m").unwrap();
    assert_eq!(model.rules.strategy, Strategy::Weighted);
    assert_eq!(model.rules.weights, [3, 0]);
    assert_eq!(model.rules.max_input_tokens, Some(Tokens(9000)));
    assert_eq!(model.rules.on_overflow, Some(Overflow::Reject));
    let abilities = Abilities::default();
    let expected = abilities.with(Ability::Images).with(Ability::Tools);
    assert_eq!(model.supports, Some(expected));
    let words = config.models.resolve("words").unwrap();
    assert_eq!(words.supports, Some(abilities));
    assert_eq!(words.rules.strategy, Strategy::LowestCost);
    let client = &config.clients[0];
    assert_eq!(client.max_input_tokens, Some(Tokens(10)));
    assert_eq!(client.on_overflow, Some(Overflow::Trim));
}

#[test]
fn the_environment_goes_before_the_file() {
    let env = [
        ("REFRAIN_ROUTING__DEFAULT_TASK", "sql"),
        ("REFRAIN_ROUTING__MARGIN", "1"),
        ("REFRAIN_ROUTING__PIN_CONVERSATIONS", "off"),
        ("REFRAIN_ROUTING__ON_OVERFLOW", "reject"),
        ("REFRAIN_SERVER__RELOAD", "false"),
    ];
    let text = format!("[routing]\nmargin = 0.5\ndefault_task = \"chat\"\n{PROVIDER}{ROUTED}");
    let config = config(&text, &env);
    assert_eq!(
        config.routing,
        Routing {
            default_task: config.tasks.first().map(|task| task.name.clone()),
            margin: Similarity::ONE,
            pin_conversations: false,
            on_overflow: Overflow::Reject,
        }
    );
    assert!(!config.server.reload);
    assert_snapshot!(problems("", &[("REFRAIN_ROUTING__MARGIN", "wide"), ("REFRAIN_ROUTING__MARGINS", "1")]), @r#"
    environment REFRAIN_ROUTING__MARGIN: `routing.margin`: expected a number, found "wide"
    environment REFRAIN_ROUTING__MARGINS: `routing.margins`: unknown setting, did you mean `REFRAIN_ROUTING__MARGIN`?
    2 problems
    "#);
}

#[test]
fn the_default_task_is_chat_or_the_first_with_a_route() {
    let default = |tasks: &str| {
        let config = config(&format!("{PROVIDER}{tasks}"), &[]);
        config.routing.default_task.map(|task| task.to_string())
    };
    assert_eq!(default(ROUTED).as_deref(), Some("chat"));
    let other = ROUTED.replace("\"chat\"", "\"talk\"");
    assert_eq!(default(&other).as_deref(), Some("sql"));
    // A task that is there for the cache alone answers nobody.
    let cached = ROUTED
        .replace("\"chat\"", "\"talk\"")
        .replace("\"support\"", "\"chat\"");
    assert_eq!(default(&cached).as_deref(), Some("sql"));
    assert_eq!(default("[[tasks]]\nname = \"chat\"\nttl = \"1h\"\n"), None);
}

#[test]
fn the_default_task_has_a_route() {
    let with = |task: &str| {
        problems(
            &format!("[routing]\ndefault_task = \"{task}\"\n{PROVIDER}{ROUTED}"),
            &[],
        )
    };
    assert_snapshot!(with("chat"), @"no problem");
    assert_snapshot!(with("chatt"), @r#"
    providers.toml:2:16: `routing.default_task`: no `[[tasks]]` has the name "chatt", did you mean `chat`?
    1 problem
    "#);
    assert_snapshot!(with("poetry"), @r#"
    providers.toml:2:16: `routing.default_task`: no `[[tasks]]` has the name "poetry" (there are: sql, chat)
    1 problem
    "#);
    assert_snapshot!(with("support"), @r#"
    providers.toml:2:16: `routing.default_task`: the task "support" has no `targets`, so nobody would answer
    1 problem
    "#);
    assert_snapshot!(with("two words"), @r#"
    providers.toml:2:16: `routing.default_task`: a task's name is 1-64 of letters, digits, `-`, `_`, `.`, not "two words"
    1 problem
    "#);
    assert_snapshot!(problems("[routing]\ndefault_task = \"chat\"\n", &[]), @r#"
    providers.toml:2:16: `routing.default_task`: no `[[tasks]]` has the name "chat"
    1 problem
    "#);
}

#[test]
fn values_of_routing() {
    let text = r#"[routing]
default_task = 1
margin = 1.01
pin_conversations = "always"
on_overflow = "trimm"
pin = true
[server]
reload = "never"
"#;
    assert_snapshot!(problems(text, &[]), @r#"
    providers.toml:2:16: `routing.default_task`: expected a task's name in quotes, found 1
    providers.toml:3:10: `routing.margin`: must be at least 0 and at most 1, found 1.01
    providers.toml:4:21: `routing.pin_conversations`: expected true or false, found the text "always"
    providers.toml:5:15: `routing.on_overflow`: unknown value "trimm", did you mean `trim`?
    providers.toml:6:1: `routing.pin`: unknown key, did you mean `pin_conversations`?
    providers.toml:8:10: `server.reload`: expected true or false, found the text "never"
    6 problems
    "#);
    for margin in ["nan", "-0.1", "inf", "1e400"] {
        let printed = problems(&format!("[routing]\nmargin = {margin}\n"), &[]);
        assert!(
            printed.starts_with("providers.toml:2:10: `routing.margin`: must be at least 0"),
            "{printed}"
        );
    }
}

#[test]
fn weights() {
    let text = format!(
        r#"{PROVIDER}
[[models]]
name = "number"
targets = ["p/a", "p/b"]
strategy = "weighted"
weights = [1, 2, 3]
[[models]]
name = "nobody"
targets = ["p/a", "p/b"]
strategy = "weighted"
weights = [0, 0]
[[models]]
name = "none"
targets = ["p/a"]
strategy = "weighted"
weights = []
[[models]]
name = "no strategy"
targets = ["p/a"]
weights = [1]
[[models]]
name = "other"
targets = ["p/a"]
strategy = "least_busy"
weights = [1]
[[models]]
name = "values"
targets = ["p/a", "p/b", "p/c", "p/d"]
strategy = "weighted"
weights = [-1, 0.5, "2", 1000001]
[[models]]
name = "typo"
targets = ["p/a"]
strategy = "wieghted"
weights = [1]
[[models]]
name = "list"
targets = ["p/a"]
strategy = "weighted"
weights = 3
[[tasks]]
name = "t"
targets = ["p/a"]
fast = ["p/b"]
examples = ["Do it."]
strategy = "weighted"
weights = [1, 1]
"#
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:9:11: `models.weights`: must be one for each target, 2 in all, found 3
    providers.toml:14:11: `models.weights`: nobody would answer: one of them has to be more than 0
    providers.toml:19:11: `models.weights`: must be one for each target, 1 in all, found 0
    providers.toml:21:8: `models.name`: a model's name is 1-256 visible ASCII characters without ? # % \ " < > or `..`, not "no strategy"
    providers.toml:23:1: `models.weights`: have no effect without `strategy = "weighted"`
    providers.toml:28:1: `models.weights`: have no effect without `strategy = "weighted"`
    providers.toml:33:12: `models.weights`: must be at least 0 and at most 1000000, found -1
    providers.toml:33:16: `models.weights`: expected a list of whole numbers
    providers.toml:33:21: `models.weights`: expected a list of whole numbers
    providers.toml:33:26: `models.weights`: must be at least 0 and at most 1000000, found 1000001
    providers.toml:37:12: `models.strategy`: unknown value "wieghted", did you mean `weighted`?
    providers.toml:43:11: `models.weights`: expected a list of whole numbers
    providers.toml:50:11: `tasks.weights`: must be one for each target, 1 in all, found 2
    13 problems
    "#);
}

#[test]
fn a_wrong_target_says_nothing_about_the_weights() {
    let text = format!(
        "{PROVIDER}[[models]]\nname = \"m\"\ntargets = [\"p/a\", 5]\nstrategy = \"weighted\"\nweights = [1, 1]\n"
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:6:19: `models.targets`: expected a list of "provider/model"
    1 problem
    "#);
}

#[test]
fn limits_leave_room() {
    let text = format!(
        r#"{PROVIDER}
[[models]]
name = "a"
targets = ["p/a"]
context_window = 1000
max_output_tokens = 1000
max_input_tokens = 1001
[[models]]
name = "b"
targets = ["p/a"]
context_window = 0
max_output_tokens = 0
max_input_tokens = 0
price = {{ input = nan, output = -0.5 }}
[[models]]
name = "c"
targets = ["p/a"]
max_input_tokens = 2_000_000_000
on_overflow = "cut"
[[clients]]
name = "c"
key_env = "C"
max_input_tokens = 0
on_overflow = "larger-model"
"#
    );
    assert_snapshot!(problems(&text, &[("C", "c")]), @r#"
    providers.toml:8:18: `models.context_window`: must be more than `max_output_tokens`, which is 1000: it is for prompt and answer together, found 1000
    providers.toml:10:20: `models.max_input_tokens`: must be at most `context_window`, which is 1000, found 1001
    providers.toml:14:18: `models.context_window`: must be at least 1 and at most 1000000000, found 0
    providers.toml:15:21: `models.max_output_tokens`: must be at least 1 and at most 1000000000, found 0
    providers.toml:16:20: `models.max_input_tokens`: must be at least 1 and at most 1000000000, found 0
    providers.toml:17:19: `models.price.input`: must be at least 0, found nan
    providers.toml:17:33: `models.price.output`: must be at least 0, found -0.5
    providers.toml:21:20: `models.max_input_tokens`: must be at least 1 and at most 1000000000, found 2000000000
    providers.toml:22:15: `models.on_overflow`: unknown value "cut" (there are: larger_model, trim, reject)
    providers.toml:26:20: `clients.max_input_tokens`: must be at least 1 and at most 1000000000, found 0
    providers.toml:27:15: `clients.on_overflow`: unknown value "larger-model", did you mean `larger_model`?
    11 problems
    "#);
}

#[test]
fn abilities() {
    let text = format!(
        "{PROVIDER}[[models]]\nname = \"m\"\ntargets = [\"p/a\"]\nsupports = [\"image\", \"tools\", \"tools\", \"smell\", 1]\n\
         [[models]]\nname = \"n\"\ntargets = [\"p/a\"]\nsupports = \"tools\"\n"
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:7:13: `models.supports`: unknown value "image", did you mean `images`?
    providers.toml:7:31: `models.supports`: "tools" is there twice
    providers.toml:7:40: `models.supports`: unknown value "smell" (there are: images, audio, files, tools, json_schema)
    providers.toml:7:49: `models.supports`: expected a list of abilities in quotes
    providers.toml:11:12: `models.supports`: expected a list of abilities in quotes
    5 problems
    "#);
}

#[test]
fn names_that_are_reserved() {
    let text = format!(
        r#"{PROVIDER}
[[models]]
name = "auto"
targets = ["p/a"]
[[models]]
name = "auto:sql"
targets = ["p/a"]
[[models]]
name = "auto:*"
targets = ["p/*"]
[[models]]
name = "m"
aliases = ["auto", "auto:x", "automatic"]
targets = ["p/a"]
[[models]]
name = "auto*"
targets = ["p/*"]
[[tasks]]
name = "auto"
ttl = "1h"
"#
    );
    assert_snapshot!(problems(&text, &[]), @r#"
    providers.toml:6:8: `models.name`: `auto` leaves the model to `[[tasks]]`; take another name, not "auto"
    providers.toml:9:8: `models.name`: `auto` leaves the model to `[[tasks]]`; take another name, not "auto:sql"
    providers.toml:12:8: `models.name`: `auto` leaves the model to `[[tasks]]`; take another name, not "auto:*"
    providers.toml:16:12: `models.aliases`: `auto` leaves the model to `[[tasks]]`; take another name, not "auto"
    providers.toml:16:20: `models.aliases`: `auto` leaves the model to `[[tasks]]`; take another name, not "auto:x"
    providers.toml:22:8: `tasks.name`: `auto` asks for the task to be recognised; take another name
    6 problems
    "#);
}
