//! Whether two questions of the same words give them other parts: "Paris to Rome" and "Rome to
//! Paris", "who beat whom".
//!
//! Not every other order is another question. A phrase may move ("in Python, how ..."), an owner may
//! be named before or behind ("France's capital"), "by" turns a sentence round without changing it,
//! and things joined by "and", compared or married may be named in either order.

use crate::policy::wording::{Wording, kind};

/// A word of matter and the preposition it stands behind (0: none), both as senses.
#[derive(Debug, Clone, Copy)]
struct Part {
    sense: u32,
    role: u32,
    is_superlative: bool,
}

/// Whether the words of matter, known to be the same in both, play other parts.
pub(super) fn differs(a: &Wording, b: &Wording) -> bool {
    let (parts_a, parts_b) = (parts(a), parts(b));
    let senses = |parts: &[Part]| {
        let mut senses: Vec<u32> = parts.iter().map(|part| part.sense).collect();
        senses.sort_unstable();
        senses
    };
    if parts_a.len() < 2
        || senses(&parts_a) != senses(&parts_b)
        || [a, b]
            .iter()
            .any(|of| of.words().iter().any(|word| word.is(kind::SYMMETRIC)))
    {
        return false;
    }
    // "Who is older than Bob", "who is Bob older than".
    let ends_in_than =
        |of: &Wording| (of.words().last()).is_some_and(|word| of.spelling(*word) == "than");
    if ends_in_than(a) != ends_in_than(b) {
        return true;
    }
    match (agent(a, &parts_a), agent(b, &parts_b)) {
        (Some(agent), None) => return !is_active_form(agent, &parts_a, &parts_b),
        (None, Some(agent)) => return !is_active_form(agent, &parts_b, &parts_a),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let joins = |of: &Wording| of.words().iter().any(|word| word.is(kind::JOINS));
    has_other_objects(&parts_a, &parts_b)
        || (has_same_words(a, b) && is_reordered(&parts_a, &parts_b) && !(joins(a) && joins(b)))
}

/// Whether all words but articles and auxiliaries are the same: more than the order differs between
/// "why was it declined" and "why did you decline it".
fn has_same_words(a: &Wording, b: &Wording) -> bool {
    let senses = |of: &Wording| {
        let words = of.words().iter().filter(|word| !word.is(kind::ARTICLE));
        let mut senses: Vec<u32> = words.map(|word| word.sense).collect();
        senses.sort_unstable();
        senses
    };
    senses(a) == senses(b)
}

/// The words of matter in order, owners before what they own: "capital of France" is read as
/// "France's capital".
fn parts(of: &Wording) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut role = 0;
    let mut owned: Option<usize> = None;
    // Whether the preposition has its object, so that the next empty word ends the phrase.
    let mut filled = false;
    for word in of.words() {
        if word.is_content() {
            let part = Part {
                sense: word.sense,
                role,
                is_superlative: word.is(kind::SUPERLATIVE),
            };
            match owned {
                Some(at) if at <= parts.len() => {
                    parts.insert(at, part);
                    owned = Some(at + 1);
                }
                _ => parts.push(part),
            }
            filled = true;
        } else if word.is(kind::OF) {
            owned = parts.len().checked_sub(1);
            role = parts.last().map_or(0, |part| part.role);
            filled = false;
        } else if word.is(kind::PREPOSITION) {
            role = word.sense;
            owned = None;
            filled = false;
        } else if filled && !word.is(kind::ARTICLE | kind::JOINS | kind::NUMBER) {
            role = 0;
            owned = None;
        }
    }
    parts
}

/// Who acts in a passive sentence: the word behind "by".
fn agent(of: &Wording, parts: &[Part]) -> Option<u32> {
    let by = of.words().iter().find(|word| word.is(kind::BY))?;
    let is_passive = of.words().iter().any(|word| word.is(kind::BE));
    let agent = parts.iter().find(|part| part.role == by.sense)?;
    is_passive.then_some(agent.sense)
}

/// Whether `active` names who acts before who is acted on, the first of `passive`.
fn is_active_form(agent: u32, passive: &[Part], active: &[Part]) -> bool {
    let place = |sense: u32| active.iter().position(|part| part.sense == sense);
    let patient = passive.first().map(|part| part.sense);
    match (place(agent), patient.and_then(place)) {
        (Some(agent), Some(patient)) => agent < patient,
        _ => false,
    }
}

/// Whether a preposition of both has other words behind it.
fn has_other_objects(a: &[Part], b: &[Part]) -> bool {
    let objects = |parts: &[Part], role: u32| {
        let mut objects: Vec<u32> = (parts.iter())
            .filter(|part| part.role == role)
            .map(|part| part.sense)
            .collect();
        objects.sort_unstable();
        objects
    };
    a.iter()
        .map(|part| part.role)
        .filter(|role| *role != 0)
        .any(|role| {
            let of_b = objects(b, role);
            !of_b.is_empty() && of_b != objects(a, role)
        })
}

/// Whether the words that stand behind no preposition in either come in another order.
fn is_reordered(a: &[Part], b: &[Part]) -> bool {
    // One superlative may stand before or behind: "which is the largest planet".
    let mut superlatives: Vec<u32> = (a.iter().chain(b))
        .filter(|part| part.is_superlative)
        .map(|part| part.sense)
        .collect();
    superlatives.sort_unstable();
    superlatives.dedup();
    let single = match *superlatives {
        [single] => Some(single),
        _ => None,
    };
    let core = |of: &[Part], other: &[Part]| -> Vec<u32> {
        of.iter()
            .filter(|part| part.role == 0 && Some(part.sense) != single)
            .filter(|part| {
                other
                    .iter()
                    .any(|twin| twin.sense == part.sense && twin.role == 0)
            })
            .map(|part| part.sense)
            .collect()
    };
    core(a, b) != core(b, a)
}
