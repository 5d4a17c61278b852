//! In what two questions differ, for people: every guard that refuses the pair, with the words that it refuses it for.
//!
//! Whether a guard refuses is [`super::veto`]'s to say; here is only found what to show. Invariant: the first difference
//! is the one that [`super::veto`] names, and there is none where it names none.

use super::{Veto, applies, gap::Gap};
use crate::policy::wording::{
    Word, Wording, kind,
    shown::{Marked, Shown},
};

/// The most words that are shown of one question, and the most bytes of one of them.
const MOST_WORDS: usize = 8;
const LONGEST: usize = 80;

/// One way in which two questions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The guard that refuses the pair.
    pub veto: Veto,
    /// The words of the first question that it is about; none where it is about the whole.
    pub a: Vec<String>,
    /// Those of the second one.
    pub b: Vec<String>,
}

impl Difference {
    /// What differs, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (both, one) = words_of(self.veto);
        match (&*self.a, &*self.b) {
            ([], []) => self.veto.sentence().to_owned(),
            (words, []) | ([], words) => format!("{one}: {}.", words.join(", ")),
            (a, b) => format!("{both}: {} and {}.", a.join(", "), b.join(", ")),
        }
    }
}

/// How a sentence begins that goes on with words of both questions, or of one.
fn words_of(veto: Veto) -> (&'static str, &'static str) {
    match veto {
        Veto::Numbers => ("The numbers differ", "Only one has this number"),
        Veto::Opposites => ("They say opposite things", "They say opposite things"),
        Veto::Quotes => ("The quoted texts differ", "Only one quotes this"),
        Veto::Code => ("The pieces of code differ", "Only one has this code"),
        Veto::Script => (
            "The writing systems differ",
            "Only one is in another writing system",
        ),
        Veto::Negation => ("They are negated differently", "Only one is negated"),
        Veto::Names => ("They name different things", "Only one names this"),
        Veto::Demand => (
            "They ask for different forms of the answer",
            "Only one asks for this form of the answer",
        ),
        Veto::Modifier => (
            "Words change the request in different ways",
            "Only one has this word, which changes any request",
        ),
        Veto::Modality => (
            "They ask whether different things must, can, should or will be",
            "Only one asks whether something must, can, should or will be",
        ),
        Veto::Persons => (
            "The same persons play other parts",
            "The same persons play other parts",
        ),
        Veto::Order => (
            "The same words play other parts",
            "The same words play other parts",
        ),
        Veto::Limit => ("Each is about another part", "Only one is about this part"),
        Veto::Word => ("They differ in a word", "Only one has this word"),
    }
}

/// All ways in which two questions differ that a guard refuses, in the order of [`Veto::ALL`].
#[must_use]
pub fn differences(a: &str, b: &str) -> Vec<Difference> {
    let (wording_a, wording_b) = (Wording::of(a), Wording::of(b));
    if wording_a == wording_b {
        return Vec::new();
    }
    let gap = Gap::between(&wording_a, &wording_b);
    let (shown_a, shown_b) = (Shown::of(a), Shown::of(b));
    let (a, b) = (
        Side {
            wording: &wording_a,
            only: &gap.only_a,
        },
        Side {
            wording: &wording_b,
            only: &gap.only_b,
        },
    );
    let differing = Veto::ALL
        .into_iter()
        .filter(|veto| applies(*veto, &wording_a, &wording_b, &gap));
    differing
        .map(|veto| {
            let (a, b) = match veto {
                Veto::Numbers => lacking_or_all(&shown_a.numbers, &shown_b.numbers),
                Veto::Quotes => lacking_or_all(&shown_a.quotes, &shown_b.quotes),
                Veto::Code => lacking_or_all(&shown_a.code, &shown_b.code),
                Veto::Demand => lacking_or_all(&shown_a.demands, &shown_b.demands),
                Veto::Modifier => lacking_or_all(&shown_a.modifiers, &shown_b.modifiers),
                Veto::Opposites => match opposites(&shown_a.opposites, &shown_b.opposites) {
                    (of_a, of_b) if of_a.is_empty() && of_b.is_empty() => {
                        let pair = gap.opposites(&wording_a, &wording_b);
                        let spelled = |side: &Side<'_>, word| side.spelled(|other| *other == word);
                        pair.map_or_else(Default::default, |(of_a, of_b)| {
                            (spelled(&a, of_a), spelled(&b, of_b))
                        })
                    }
                    found => found,
                },
                Veto::Negation => {
                    let negations = |side: &Side<'_>| side.spelled(|word| word.is(kind::NEGATION));
                    (negations(&a), negations(&b))
                }
                Veto::Names => {
                    let names = |side: &Side<'_>| side.lacking(|word| word.is(kind::NAME));
                    (names(&a), names(&b))
                }
                Veto::Modality => (a.first(), b.first()),
                Veto::Limit | Veto::Word => (a.lacking(|_| true), b.lacking(|_| true)),
                Veto::Script | Veto::Persons | Veto::Order => Default::default(),
            };
            Difference {
                veto,
                a: shortened(a),
                b: shortened(b),
            }
        })
        .collect()
}

/// One of two questions.
struct Side<'a> {
    wording: &'a Wording,
    /// The words of matter that the other one lacks.
    only: &'a [Word],
}

impl Side<'_> {
    fn spelled(&self, which: impl Fn(&Word) -> bool) -> Vec<String> {
        let words = self.wording.words().iter().filter(|word| which(word));
        words
            .map(|word| self.wording.spelling(*word).to_owned())
            .collect()
    }

    fn lacking(&self, which: impl Fn(&Word) -> bool) -> Vec<String> {
        self.spelled(|word| self.only.contains(word) && which(word))
    }

    /// The word with which it asks for yes or no.
    fn first(&self) -> Vec<String> {
        let first = self.wording.words().first();
        first
            .map(|word| self.wording.spelling(*word).to_owned())
            .into_iter()
            .collect()
    }
}

/// What each has and the other lacks; where that is nothing, the order differs, and all is shown.
fn lacking_or_all(a: &Marked, b: &Marked) -> (Vec<String>, Vec<String>) {
    let (only_a, only_b) = (without(a, b), without(b, a));
    if only_a.is_empty() && only_b.is_empty() {
        (without(a, &[]), without(b, &[]))
    } else {
        (only_a, only_b)
    }
}

/// The words of `some` whose marks are not among those of `others`, each of which takes one away.
fn without(some: &[(u64, String)], others: &[(u64, String)]) -> Vec<String> {
    let mut left: Vec<u64> = others.iter().map(|(mark, _)| *mark).collect();
    let mut only = Vec::new();
    for (mark, words) in some {
        match left.iter().position(|other| other == mark) {
            Some(place) => {
                left.swap_remove(place);
            }
            None => only.push(words.clone()),
        }
    }
    only
}

/// The members of one group of opposites of which each has another.
fn opposites(a: &Marked, b: &Marked) -> (Vec<String>, Vec<String>) {
    let only = |some: &Marked, others: &Marked| -> Marked {
        let lacks = |(mark, _): &&(u64, String)| !others.iter().any(|(other, _)| other == mark);
        some.iter().filter(lacks).cloned().collect()
    };
    let (only_a, only_b) = (only(a, b), only(b, a));
    let facing = |some: &Marked, others: &Marked| -> Vec<String> {
        let faces =
            |(mark, _): &&(u64, String)| others.iter().any(|(other, _)| other >> 16 == mark >> 16);
        some.iter()
            .filter(faces)
            .map(|(_, words)| words.clone())
            .collect()
    };
    (facing(&only_a, &only_b), facing(&only_b, &only_a))
}

/// Each word once, few of them, and none too long.
fn shortened(words: Vec<String>) -> Vec<String> {
    let mut short: Vec<String> = Vec::new();
    for mut word in words {
        if word.len() > LONGEST {
            word.truncate(word.floor_char_boundary(LONGEST));
            word.push('…');
        }
        if !short.contains(&word) {
            short.push(word);
        }
        if short.len() == MOST_WORDS {
            break;
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::veto::veto;

    fn sentences(a: &str, b: &str) -> Vec<String> {
        let all = differences(a, b);
        all.iter().map(Difference::sentence).collect()
    }

    #[track_caller]
    fn check(a: &str, b: &str, expected: &str) {
        let sentences = sentences(a, b);
        assert!(
            sentences.iter().any(|sentence| sentence == expected),
            "{sentences:#?}"
        );
    }

    #[test]
    fn what_differs_is_named() {
        check(
            "Name 3 rivers of Peru",
            "Name 5 rivers of Peru",
            "The numbers differ: 3 and 5.",
        );
        check(
            "How heavy are 2 kg of feathers",
            "How heavy are 2 lb of feathers",
            "The numbers differ: 2 kg and 2 lb.",
        );
        check(
            "What can I buy for $5",
            "What can I buy for €5",
            "The numbers differ: $ 5 and € 5.",
        );
        check(
            "Turn the lamp on",
            "Turn the lamp off",
            "They say opposite things: on and off.",
        );
        check(
            "Is this legal in Chile?",
            "Is this illegal in Chile?",
            "They say opposite things: legal and illegal.",
        );
        check(
            "Translate \"good night\"",
            "Translate \"good day\"",
            "The quoted texts differ: good night and good day.",
        );
        check(
            "What does `ls -a` print",
            "What does `ls -l` print",
            "The pieces of code differ: ls -a, -a and ls -l, -l.",
        );
        check(
            "Can I eat the peel?",
            "Can I not eat the peel?",
            "Only one is negated: not.",
        );
        check(
            "the tallest tower in Asia",
            "the tallest tower",
            "Only one is about this part: asia.",
        );
        check(
            "Can I park here at night?",
            "Must I park here at night?",
            "They ask whether different things must, can, should or will be: can and must.",
        );
        check(
            "A train from Lima to Quito",
            "A train from Quito to Lima",
            "The same words play other parts.",
        );
    }

    #[test]
    fn all_differences_are_found_and_not_only_the_first() {
        let kinds: Vec<Veto> = differences("Turn on 3 lamps", "Turn off 5 lamps")
            .iter()
            .map(|difference| difference.veto)
            .collect();
        assert_eq!(kinds, [Veto::Numbers, Veto::Opposites]);
    }

    #[test]
    fn order_alone_shows_all_of_it() {
        check(
            "what is 5 - 3",
            "what is 3 - 5",
            "The numbers differ: 5, 3 and 3, 5.",
        );
    }

    #[test]
    fn long_texts_stay_short() {
        let a = format!("Translate \"{}\"", "é".repeat(5_000));
        let b: String = (0..500).map(|number| format!("{number} ")).collect();
        for difference in differences(&a, &b) {
            assert!(difference.sentence().len() < 2_000, "{difference:?}");
        }
    }

    #[test]
    fn every_veto_has_its_own_sentence() {
        let mut sentences: Vec<&str> = Veto::ALL.iter().map(|veto| veto.sentence()).collect();
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
        sentences.sort_unstable();
        sentences.dedup();
        assert_eq!(sentences.len(), Veto::ALL.len());
    }

    proptest! {
        #[test]
        fn the_first_difference_is_the_veto(
            a in "([a-cA-C0-9\"'`$€-]{0,5} ?|not |on |off |must |from ){0,8}",
            b in "([a-cA-C0-9\"'`$€-]{0,5} ?|not |on |off |must |from ){0,8}",
        ) {
            let all = differences(&a, &b);
            let first = veto(&Wording::of(&a), &Wording::of(&b));
            prop_assert_eq!(all.first().map(|difference| difference.veto), first);
            let back = differences(&b, &a);
            prop_assert_eq!(all.len(), back.len());
            for (there, back) in all.iter().zip(&back) {
                prop_assert_eq!((&there.a, &there.b), (&back.b, &back.a));
                prop_assert!(there.sentence().ends_with('.'));
            }
        }
    }
}
