//! Whatever is in the file, parsing ends with a value.

use proptest::prelude::*;

use super::parse;

const SHIPPED: &str = include_str!("../../../providers.toml");

/// Fragments that meet the code more often than random characters do.
const FRAGMENTS: [&str; 60] = [
    "[cache]\n",
    "[[providers]]\n",
    "[[providers.params]]\n",
    "params = ",
    "rename = ",
    "drop = ",
    "chat_path = ",
    "keep_alive = ",
    "\"/{model}?\"\n",
    "[[models]]\n",
    "[[clients]]\n",
    "[[tasks]]\n",
    "name = ",
    "kind = ",
    "targets = ",
    "timeout = ",
    "headers = ",
    "key_env = ",
    "[routing]\n",
    "default_task = ",
    "examples = ",
    "weights = ",
    "strategy = \"weighted\"\n",
    "fallbacks = ",
    "hedge = ",
    "hedge = true\n",
    "retry = ",
    "breaker = ",
    "limits = ",
    "model_limits = ",
    "[[providers.model_limits]]\n",
    "budget = ",
    "expires = ",
    "api_key_envs = [\"A\", \"B\", \"A\"]\n",
    "{ window = \"1s\", slow_after = \"3s\" }\n",
    "{ daily_usd = 5, until = 2027-01-31 }\n",
    "2027-01-31T12:00:00-23:59\n",
    "9999-12-31T23:59:60Z\n",
    "content_policy_fallbacks = ",
    "supports = ",
    "max_input_tokens = ",
    "[\"gpt-4o\", \"a\"]\n",
    "ttl = ",
    "threshold = ",
    "policy = ",
    "volatile_patterns = ",
    "judge_model = ",
    "secret_env = ",
    "cache = ",
    "base_url = ",
    "\"a/*\"\n",
    "\"é*\"\n",
    "{ a = 1 }\n",
    "[\"\", 1, {}]\n",
    "-1\n",
    "1e999\n",
    "0xffffffffffffffffff\n",
    "\"99999999999999999999y\"\n",
    "1979-05-27\n",
    "\"\\u0000\"\n",
];

fn check(text: &str) {
    match parse(
        text,
        &[
            ("A", "a"),
            ("REFRAIN_CACHE__TTL", text),
            ("REFRAIN_CACHE__VOLATILE_PATTERNS", text),
            ("OLLAMA_HOST", text),
        ],
    ) {
        Ok((config, notices)) => drop(format!("{config:?} {notices:?}")),
        Err(problems) => {
            assert_ne!(problems.iter().count(), 0);
            let printed = problems.to_string();
            let lines: Vec<&str> = printed.split('\n').collect();
            assert_eq!(lines.len(), problems.iter().count() + 1, "{printed}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn fragments_never_panic(picks in proptest::collection::vec(0..FRAGMENTS.len(), 0..40)) {
        check(&picks.iter().map(|pick| FRAGMENTS[*pick]).collect::<String>());
    }

    #[test]
    fn a_mutated_file_never_panics(
        edits in proptest::collection::vec(
            (any::<prop::sample::Index>(), 0..20_usize, 0..FRAGMENTS.len()),
            1..6,
        ),
    ) {
        let mut text: Vec<char> = SHIPPED.chars().collect();
        for (at, removed, inserted) in edits {
            let start = at.index(text.len());
            let end = (start + removed).min(text.len());
            text.splice(start..end, FRAGMENTS[inserted].chars());
        }
        check(&text.into_iter().collect::<String>());
    }
}

#[test]
fn deep_nesting_is_a_problem() {
    check(&format!("a = {}", "[".repeat(100_000)));
    check(&format!("a{} = 1", ".a".repeat(100_000)));
}
