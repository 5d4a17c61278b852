//! What holds for any two texts.

use proptest::prelude::*;

use super::check;

/// Texts made of what the guards look at.
fn texts() -> impl Strategy<Value = String> {
    const WORDS: [&str; 40] = [
        "how",
        "is",
        "the",
        "Paris",
        "paris",
        "to",
        "from",
        "of",
        "by",
        "not",
        "can't",
        "5",
        "five",
        "pm",
        "km",
        "1,000",
        "-3",
        "x",
        "=",
        "<",
        "`ls -l`",
        "\"bank\"",
        "'bank'",
        "max_len",
        "--force",
        "Москва",
        "c++",
        "and",
        "largest",
        "city",
        "cities",
        "JSON",
        "step",
        "one",
        "2024-01-05",
        "$",
        "%",
        "U.S.",
        "don’t",
        "3*4",
    ];
    prop_oneof![
        "\\PC{0,80}",
        proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..12)
            .prop_map(|words| words.join(" ")),
    ]
}

/// `text` with its first letter in the other case, if it is an English one.
fn other_first_letter(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    let other = if first.is_ascii_uppercase() {
        first.to_ascii_lowercase()
    } else {
        first.to_ascii_uppercase()
    };
    format!("{other}{}", chars.as_str())
}

proptest! {
    #[test]
    fn nothing_is_vetoed_against_itself(text in texts(), end in "[.?! ]{0,3}", start in "[ \n\t]{0,3}") {
        prop_assert_eq!(check(&text, &text), None);
        prop_assert_eq!(check(&text, &other_first_letter(&text)), None);
        prop_assert_eq!(check(&text, &format!("{start}{text}")), None);
        if text.ends_with(char::is_alphanumeric) {
            prop_assert_eq!(check(&text, &format!("{text}{end}")), None);
        }
    }

    #[test]
    fn no_veto_has_a_direction(a in texts(), b in texts()) {
        check(&a, &b);
    }
}
