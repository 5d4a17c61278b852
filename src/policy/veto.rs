//! What in the wording of two questions says that they do not ask the same, however near their
//! vectors are.
//!
//! Encoders place "turn on" beside "turn off" and 15 beside 50; no threshold separates them
//! (semantic-router issue 2691, GPTCache issue 694), but the words do. Guards only ever refuse. Each
//! wording is read once and kept with its entry; comparing two takes microseconds. Invariant: a veto
//! has no direction, and no text is vetoed against itself.

mod differs;
mod gap;
mod order;

pub use self::differs::{Difference, differences};
use super::wording::{Wording, grammar::Person, kind};
use gap::Gap;

/// Why two questions are not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Veto {
    /// Other numbers, units, times, dates, versions, or another order of them beside an operator.
    Numbers,
    /// A word of one excludes a word of the other: on/off, before/after, Monday/Tuesday.
    Opposites,
    /// Other quoted texts.
    Quotes,
    /// Other code: back-ticked spans, operators, identifiers, flags.
    Code,
    /// Other writing systems.
    Script,
    /// One is negated.
    Negation,
    /// Each names somebody or something that the other does not.
    Names,
    /// Only one demands a language, format, length or manner of the answer.
    Demand,
    /// Only one has a word that changes any request: "becoming", "instead", "avoid".
    Modifier,
    /// One asks whether something must be, the other whether it can, should or will be.
    Modality,
    /// The same persons in other parts: "should I trust you", "should you trust me".
    Persons,
    /// The same words in other parts: "Paris to Rome", "Rome to Paris".
    Order,
    /// Only one is about a part: "the fastest train", "the fastest train in Asia".
    Limit,
    /// One word stands where the other question has another that is no synonym of it.
    Word,
}

impl Veto {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 14] = [
        Self::Numbers,
        Self::Opposites,
        Self::Quotes,
        Self::Code,
        Self::Script,
        Self::Negation,
        Self::Names,
        Self::Demand,
        Self::Modifier,
        Self::Modality,
        Self::Persons,
        Self::Order,
        Self::Limit,
        Self::Word,
    ];

    /// The word for header, metric and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Numbers => "veto_numbers",
            Self::Opposites => "veto_opposites",
            Self::Quotes => "veto_quotes",
            Self::Code => "veto_code",
            Self::Script => "veto_script",
            Self::Negation => "veto_negation",
            Self::Names => "veto_names",
            Self::Demand => "veto_demand",
            Self::Modifier => "veto_modifier",
            Self::Modality => "veto_modality",
            Self::Persons => "veto_persons",
            Self::Order => "veto_order",
            Self::Limit => "veto_limit",
            Self::Word => "veto_word",
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Numbers => "The numbers of the two questions differ, or their order.",
            Self::Opposites => "A word of one question excludes a word of the other.",
            Self::Quotes => "The quoted texts differ.",
            Self::Code => "The pieces of code differ.",
            Self::Script => "The two questions are in different writing systems.",
            Self::Negation => "One of the two questions is negated.",
            Self::Names => "Each question names something that the other does not.",
            Self::Demand => {
                "Only one of the two asks for a language, form, length or manner of the answer."
            }
            Self::Modifier => "Only one of the two has a word that changes any request.",
            Self::Modality => {
                "One asks whether something must be, the other whether it can, should or will be."
            }
            Self::Persons => "The same persons play other parts.",
            Self::Order => "The same words play other parts.",
            Self::Limit => "Only one of the two questions is about a part.",
            Self::Word => "A word stands where the other question has another one.",
        }
    }
}

/// The reason why two questions are not the same, if the wording shows one; of several the first in
/// the order of [`Veto::ALL`].
#[must_use]
pub fn veto(a: &Wording, b: &Wording) -> Option<Veto> {
    if a == b {
        return None;
    }
    let gap = Gap::between(a, b);
    Veto::ALL
        .into_iter()
        .find(|veto| applies(*veto, a, b, &gap))
}

fn applies(veto: Veto, a: &Wording, b: &Wording, gap: &Gap) -> bool {
    match veto {
        Veto::Numbers => numbers_differ(a, b),
        Veto::Opposites => has_opposites(a, b) || gap.opposites(a, b).is_some(),
        Veto::Quotes => a.quotes() != b.quotes(),
        Veto::Code => a.code() != b.code(),
        Veto::Script => a.foreign.abs_diff(b.foreign) > 30,
        Veto::Negation => a.negations % 2 != b.negations % 2 && gap.is_mostly_covered(),
        Veto::Names => gap.has_other_names(a, b),
        Veto::Demand => a.demands() != b.demands(),
        Veto::Modifier => a.modifiers() != b.modifiers() && gap.is_mostly_covered(),
        Veto::Modality => {
            a.modality != 0
                && b.modality != 0
                && a.modality & b.modality == 0
                && gap.is_mostly_covered()
        }
        Veto::Persons => gap.is_empty() && persons_differ(a.persons(), b.persons()),
        Veto::Order => gap.is_empty() && order::differs(a, b),
        Veto::Limit => gap.is_limit(a, b),
        Veto::Word => {
            gap.is_substitution(a, b) || (gap.has_other_letter(a, b) && gap.is_mostly_covered())
        }
    }
}

fn numbers_differ(a: &Wording, b: &Wording) -> bool {
    // "one" may be the number 1 or a pronoun.
    let more_ones =
        |one: &Wording, other: &Wording| one.ones.0.saturating_sub(other.ones.0) > other.ones.1;
    if a.numbers() != b.numbers() || more_ones(a, b) || more_ones(b, a) {
        return true;
    }
    // "5 - 3" and "3 - 5": beside an operator the order counts.
    let is_calculation = !a.code().is_empty() || !b.code().is_empty();
    a.number_order() != b.number_order()
        && (is_calculation || a.orders_numbers || b.orders_numbers || counted(a) != counted(b))
}

/// What is counted: "3 apples and 5 pears" are not "5 apples and 3 pears".
fn counted(of: &Wording) -> Vec<(&str, u32)> {
    let mut counted: Vec<(&str, u32)> = (of.words().windows(2))
        .filter_map(|pair| match pair {
            [number, thing] if number.is(kind::NUMBER) && thing.is_content() => {
                Some((of.spelling(*number), thing.sense))
            }
            _ => None,
        })
        .collect();
    counted.sort_unstable();
    counted
}

/// Whether two or more persons have other parts. One alone is mostly anybody ("how do I", "how do
/// you"), and a list of another length is that of a polite request.
fn persons_differ(a: &[Person], b: &[Person]) -> bool {
    let several = |persons: &[Person]| persons.windows(2).any(|pair| pair.first() != pair.last());
    a.len() == b.len() && a != b && several(a) && several(b)
}

/// Whether each has a member of a group of the table that the other lacks.
fn has_opposites(a: &Wording, b: &Wording) -> bool {
    let group = |mark: u64| mark >> 16;
    let only =
        |one: &[u64], other: &[u64], mark: u64| one.contains(&mark) && !other.contains(&mark);
    let (a, b) = (a.opposites(), b.opposites());
    a.iter().filter(|mark| only(a, b, **mark)).any(|mark| {
        b.iter()
            .any(|other| group(*mark) == group(*other) && only(b, a, *other))
    })
}

#[cfg(test)]
mod tests;
