//! What in the wording of two questions says that they do not ask the same, however near their
//! vectors are.
//!
//! Encoders place "turn on" beside "turn off" and 15 beside 50; no threshold separates them
//! (semantic-router issue 2691, GPTCache issue 694), but the words do. Guards only ever refuse. Each
//! wording is read once and kept with its entry; comparing two takes microseconds.

use std::{collections::HashMap, sync::LazyLock};

use super::wording::Wording;

/// Why two questions are not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Veto {
    /// Other numbers, dates, versions, or another order of them beside an operator.
    Numbers,
    /// One is negated.
    Negation,
    /// A word of one excludes a word of the other: on/off, before/after, Monday/Tuesday.
    Opposites,
    /// Each names somebody or something that the other does not.
    Names,
    /// Other quoted texts.
    Quotes,
    /// Other code: back-ticked spans, operators, identifiers.
    Code,
    /// The same words in another order: "Paris to Rome", "Rome to Paris".
    Order,
}

impl Veto {
    /// The word for header, metric and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Numbers => "veto_numbers",
            Self::Negation => "veto_negation",
            Self::Opposites => "veto_opposites",
            Self::Names => "veto_names",
            Self::Quotes => "veto_quotes",
            Self::Code => "veto_code",
            Self::Order => "veto_order",
        }
    }
}

/// The reason why two questions are not the same, if the wording shows one.
#[must_use]
pub fn veto(a: &Wording, b: &Wording) -> Option<Veto> {
    if a == b {
        return None;
    }
    if numbers_differ(a, b) {
        return Some(Veto::Numbers);
    }
    if a.negations % 2 != b.negations % 2 {
        return Some(Veto::Negation);
    }
    if has_opposites(a, b) {
        return Some(Veto::Opposites);
    }
    if a.quotes != b.quotes {
        return Some(Veto::Quotes);
    }
    if a.code != b.code {
        return Some(Veto::Code);
    }
    if lacks_a_name(a, b) && lacks_a_name(b, a) {
        return Some(Veto::Names);
    }
    is_reordered(a, b).then_some(Veto::Order)
}

fn numbers_differ(a: &Wording, b: &Wording) -> bool {
    if a.numbers == b.numbers {
        return false;
    }
    let sorted = |wording: &Wording| {
        let mut numbers = wording.numbers.clone();
        numbers.sort_unstable();
        numbers
    };
    // "5 - 3" and "3 - 5": beside an operator the order counts.
    !a.code.is_empty() || !b.code.is_empty() || sorted(a) != sorted(b)
}

fn has_opposites(a: &Wording, b: &Wording) -> bool {
    let only = |one: &Wording, other: &Wording| -> Vec<(u16, Box<str>)> {
        let mut found = Vec::new();
        for word in one.words.iter().filter(|word| !other.words.contains(word)) {
            let groups = OPPOSITES.get(&**word).into_iter().flatten();
            found.extend(groups.map(|group| (*group, word.clone())));
        }
        found
    };
    let only_b = only(b, a);
    only(a, b).iter().any(|(group, word)| {
        only_b
            .iter()
            .any(|(other, word_b)| group == other && word != word_b)
    })
}

/// Whether `a` names something of which `b` has no word.
fn lacks_a_name(a: &Wording, b: &Wording) -> bool {
    let known = |name: &str| {
        let stem = name
            .strip_suffix("'s")
            .or(name.strip_suffix('s'))
            .unwrap_or(name);
        b.words.iter().any(|word| {
            **word == *name
                || word
                    .strip_suffix("'s")
                    .or(word.strip_suffix('s'))
                    .unwrap_or(word)
                    == stem
        })
    };
    a.names.iter().any(|name| !known(name))
}

/// Whether the same words come in another order, and not around a word that joins equals.
fn is_reordered(a: &Wording, b: &Wording) -> bool {
    const JOINS_EQUALS: [&str; 12] = [
        "and",
        "or",
        "vs",
        "versus",
        "between",
        "compare",
        "comparing",
        "comparison",
        "difference",
        "distance",
        "plus",
        "times",
    ];
    if a.words == b.words || a.words.len() != b.words.len() {
        return false;
    }
    let sorted = |wording: &Wording| {
        let mut words = wording.words.clone();
        words.sort_unstable();
        words
    };
    sorted(a) == sorted(b) && !a.words.iter().any(|word| JOINS_EQUALS.contains(&&**word))
}

static OPPOSITES: LazyLock<HashMap<&'static str, Vec<u16>>> = LazyLock::new(|| {
    let mut table: HashMap<&str, Vec<u16>> = HashMap::new();
    let groups = include_str!("veto/opposites.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    for (group, line) in (0..).zip(groups) {
        for word in line.split_whitespace() {
            table.entry(word).or_default().push(group);
        }
    }
    table
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(a: &str, b: &str) -> Option<Veto> {
        let (a, b) = (Wording::of(a), Wording::of(b));
        assert_eq!(veto(&a, &b), veto(&b, &a), "a veto has no direction");
        veto(&a, &b)
    }

    #[test]
    fn what_differs_in_one_telling_word_is_vetoed() {
        for (a, b, expected) in [
            ("turn on dark mode", "turn off dark mode", Veto::Opposites),
            (
                "enable two-factor login",
                "disable two-factor login",
                Veto::Opposites,
            ),
            (
                "sort the list ascending",
                "sort the list descending",
                Veto::Opposites,
            ),
            (
                "what to eat before a run",
                "what to eat after a run",
                Veto::Opposites,
            ),
            (
                "shops open on Monday",
                "shops open on Tuesday",
                Veto::Opposites,
            ),
            (
                "convert 5 miles to metres",
                "convert 5 kilometers to metres",
                Veto::Opposites,
            ),
            ("what is 15 % of 80", "what is 50 % of 80", Veto::Numbers),
            ("meet at 5 pm", "meet at 5 am", Veto::Numbers),
            ("list two reasons", "list three reasons", Veto::Numbers),
            (
                "is it 3 hours",
                "is it three hours long or 4",
                Veto::Numbers,
            ),
            ("compute 5 - 3", "compute 3 - 5", Veto::Numbers),
            (
                "who is the president of france",
                "who was the president of france",
                Veto::Opposites,
            ),
            (
                "is aspirin safe for dogs",
                "isn't aspirin safe for dogs",
                Veto::Negation,
            ),
            ("food with nuts", "food containing no nuts", Veto::Negation),
            ("capital of France", "capital of Spain", Veto::Names),
            ("translate \"bank\"", "translate \"bench\"", Veto::Quotes),
            ("what does `ls -l` do", "what does `ls -a` do", Veto::Code),
            ("what is max_len", "what is min_len", Veto::Code),
            (
                "flights from rome into oslo",
                "flights from oslo into rome",
                Veto::Order,
            ),
        ] {
            assert_eq!(check(a, b), Some(expected), "{a} | {b}");
        }
    }

    #[test]
    fn other_wordings_of_one_question_pass() {
        for (a, b) in [
            (
                "How many planets are there in the solar system?",
                "how many planets are in our solar system",
            ),
            (
                "What's the capital of France?",
                "what is the capital of france",
            ),
            (
                "Please tell me how to reverse a string",
                "How do I reverse a string?",
            ),
            ("list 3 reasons", "list three reasons"),
            (
                "difference between tcp and udp",
                "difference between udp and tcp",
            ),
            ("I can't log in", "I cannot log in"),
            ("population of 1,000 people", "population of 1000 people"),
        ] {
            assert_eq!(check(a, b), None, "{a} | {b}");
        }
    }

    #[test]
    fn every_group_of_the_table_vetoes() {
        for line in include_str!("veto/opposites.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(words.len() >= 2, "{line}");
            for pair in words.windows(2) {
                let with = |word: &str| format!("tell us about {word} things");
                assert!(check(&with(pair[0]), &with(pair[1])).is_some(), "{pair:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_is_vetoed_against_itself(text in "\\PC{0,80}") {
            prop_assert_eq!(check(&text, &text), None);
        }
    }
}
