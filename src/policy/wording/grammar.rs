//! Of the small words, those that turn a question into another one: modal verbs and pronouns.

/// A person, by the pronouns for it; one that speaks and several are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Person {
    /// "I", "we".
    Speaker,
    /// "you".
    Listener,
    /// "he".
    He,
    /// "she".
    She,
    /// "they".
    They,
}

/// The persons that pronouns among `words` (lower case) name, in order.
pub(super) fn persons(words: &[&str]) -> Box<[Person]> {
    /// More of them than two questions can differ in.
    const MOST: usize = 32;
    let person = |word: &&str| {
        Some(match *word {
            "i" | "me" | "my" | "mine" | "we" | "us" | "our" | "ours" | "myself" => Person::Speaker,
            "you" | "your" | "yours" | "yourself" => Person::Listener,
            "he" | "him" | "his" | "himself" => Person::He,
            "she" | "her" | "hers" | "herself" => Person::She,
            "they" | "them" | "their" | "theirs" | "themselves" => Person::They,
            _ => return None,
        })
    };
    words.iter().filter_map(person).take(MOST).collect()
}

const CAN: u8 = 1;
const MUST: u8 = 2;
const SHOULD: u8 = 4;
const WILL: u8 = 8;
const MIGHT: u8 = 16;

/// What a question for yes or no asks for, as bits: whether something can, must, should, will or might
/// be. 0 if it asks for something else.
///
/// Only such questions: "what should I do" and "what can I do" ask the same, and "could you" is polite.
pub(super) fn modality(words: &[&str]) -> u8 {
    let [first, second, ..] = words else { return 0 };
    match *first {
        _ if *second == "you" => 0,
        "can" => CAN,
        "may" | "could" => CAN | MIGHT,
        "might" => MIGHT,
        "must" => MUST,
        "should" | "shall" => SHOULD,
        "will" | "would" => WILL,
        "do" | "does" | "did" | "am" | "is" | "are" => (words.windows(2))
            .map(|pair| match pair {
                [
                    "have" | "need" | "needed" | "required" | "obliged" | "forced",
                    "to",
                ] => MUST,
                ["supposed", "to"] => SHOULD,
                ["allowed" | "permitted" | "able", "to"] => CAN,
                _ => 0,
            })
            .fold(0, std::ops::BitOr::bitor),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modal_verbs_count_where_yes_or_no_is_asked_for() {
        let of = |text: &str| modality(&text.split(' ').collect::<Vec<_>>());
        assert_eq!(of("can i park here"), CAN);
        assert_eq!(of("do i have to park here"), MUST);
        assert_eq!(of("should i park here"), SHOULD);
        assert_ne!(of("may i park here") & of("can i park here"), 0);
        for text in [
            "could you park here",
            "where can i park",
            "do i park",
            "can",
            "",
        ] {
            assert_eq!(of(text), 0, "{text}");
        }
    }

    #[test]
    fn persons_come_in_order() {
        let of = |text: &str| persons(&text.split(' ').collect::<Vec<_>>()).into_vec();
        assert_eq!(of("did she pay me"), [Person::She, Person::Speaker]);
        assert_eq!(of("is it theirs"), [Person::They]);
    }
}
