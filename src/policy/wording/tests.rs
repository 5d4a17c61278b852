use super::*;
use proptest::prelude::*;

fn spellings(text: &str) -> Vec<String> {
    let wording = Wording::of(text);
    let words = wording.words().iter();
    words
        .map(|word| wording.spelling(*word).to_owned())
        .collect()
}

#[test]
fn words_are_lower_case_and_spelled_out() {
    assert_eq!(
        spellings("What's the U.S. e-mail law? I can’t say."),
        [
            "what", "is", "the", "us", "email", "law", "i", "can", "not", "say"
        ]
    );
}

#[test]
fn forms_and_synonyms_have_one_sense() {
    let sense = |text: &str| Wording::of(text).words()[0].sense;
    for (a, b) in [
        ("enables", "enabling"),
        ("bought", "purchase"),
        ("cities", "town"),
        ("men", "man"),
    ] {
        assert_eq!(sense(a), sense(b), "{a} | {b}");
    }
    for (a, b) in [
        ("new", "news"),
        ("even", "evening"),
        ("unit", "united"),
        ("window", "windows"),
    ] {
        assert_ne!(sense(a), sense(b), "{a} | {b}");
    }
}

#[test]
fn capitals_are_names_only_where_they_say_something() {
    let names = |text: &str| {
        let wording = Wording::of(text);
        let names = wording.words().iter().filter(|word| word.is(kind::NAME));
        names.count()
    };
    assert_eq!(names("Where did Anna meet Tom? She knew I was there."), 2);
    assert_eq!(names("iPhone or McDonald first"), 1);
    assert_eq!(names("How To Cook A Turkey"), 0);
    assert_eq!(names("WHERE DID ANNA GO"), 0);
}

#[test]
fn tables_are_sound() {
    let mut seen = std::collections::HashSet::new();
    let synonyms = include_str!("synonyms.txt").lines();
    for line in synonyms.filter(|line| !line.starts_with('#')) {
        assert!(line.split_whitespace().count() > 1, "{line}");
        for word in line.split_whitespace() {
            assert!(seen.insert(word), "{word} has two senses");
        }
    }
}

#[test]
fn a_wording_is_about_as_large_as_its_question() {
    let question = "How do I convert a list of strings into a list of integers in Python 3?";
    let bytes = Wording::of(question).bytes();
    assert!(bytes < 8 * question.len(), "{bytes}");
    assert_eq!(Wording::of("").bytes(), 0);
}

#[test]
fn of_a_text_without_end_the_rest_counts_as_a_whole() {
    let long = "word ".repeat(100_000);
    let (a, b) = (
        Wording::of(&format!("{long} x")),
        Wording::of(&format!("{long} y")),
    );
    assert!(a.bytes() < 100_000);
    assert_ne!(a, b);
}

proptest! {
    #[test]
    fn any_text_can_be_read(text in any::<String>()) {
        let wording = Wording::of(&text);
        prop_assert_eq!(&wording, &Wording::of(&text));
        for word in wording.words() {
            prop_assert!(!wording.spelling(*word).is_empty());
        }
    }
}
