//! The canonical surface form of a question: a second exact key for wordings that differ in nothing
//! but case, politeness, contractions, number words and punctuation.
//!
//! It makes no judgement of meaning: two texts with one form are the same question to any reader, or
//! there is no form at all. So code, quotes, hidden and foreign letters have none, and where a capital
//! may carry meaning ("Polish", "US") it stays.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::{
    question::readable,
    wording::{Wording, numbers::cardinal, plain_sign, scan::contraction, unfold},
};

/// A form with fewer words says too little to be sure of.
const MIN_WORDS: usize = 2;

/// The canonical surface form of `question`; `None` if there is none that is surely the same
/// question.
#[must_use]
pub fn surface(question: &str) -> Option<String> {
    let plain: String = unfold(question).nfkc().map(plain_sign).collect();
    readable(question).and_then(|()| readable(&plain)).ok()?;
    let wording = Wording::of(&plain);
    let has_exact_text = !wording.quotes().is_empty() || !wording.code().is_empty();
    if has_exact_text || plain.contains(['"', '`', '\\', '\n']) || is_shouted(&plain) {
        return None;
    }
    let mut cased: Vec<String> = Vec::new();
    for word in plain.split_whitespace() {
        let place = match cased.last().map(String::as_str) {
            None => Place::First,
            Some("the") => Place::BehindThe,
            Some(_) => Place::Other,
        };
        cased.push(in_plain_case(word, place));
    }
    // Of a word that is talked about, the spelling is the matter: "what does cant mean".
    let is_about_words = cased.iter().any(|word| is_about_words(bare_end(word)));
    let mut words = Vec::new();
    for word in cased {
        if is_about_words {
            words.push(word);
            continue;
        }
        if let Some((tens, ones)) = word.split_once('-')
            && cardinal(&[tens, bare_end(ones)], 0).is_some_and(|(_, used)| used == 2)
        {
            words.extend([tens.to_owned(), ones.to_owned()]);
            continue;
        }
        let (first, second) = spelled_out(&word);
        words.push(first.to_owned());
        if !second.is_empty() {
            words.push(second.to_owned());
        }
    }
    let words = if is_about_words {
        words
    } else {
        in_digits(&words)
    };
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    // What is polite may stand in layers: "hi, could you please tell me ..., thanks!"
    while strip_before(&mut words) || strip_behind(&mut words) {}
    let is_request = begins_request(&words);
    let mut last = "";
    while last.is_empty() {
        last = without_end(words.pop()?, is_request);
    }
    words.push(last);
    let form = words.join(" ");
    (form.split(' ').count() >= MIN_WORDS).then_some(form)
}

/// The politeness table.
struct Polite {
    before: Vec<Vec<&'static str>>,
    greeting: Vec<Vec<&'static str>>,
    apart: Vec<Vec<&'static str>>,
    asking: Vec<Vec<&'static str>>,
    behind: Vec<Vec<&'static str>>,
    ask: Vec<&'static str>,
    aux: Vec<&'static str>,
    request: Vec<&'static str>,
    about: Vec<&'static str>,
}

static POLITE: LazyLock<Polite> = LazyLock::new(|| {
    let lines: Vec<Vec<&str>> = include_str!("surface/polite.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let phrases = |kind: &str| -> Vec<Vec<&'static str>> {
        let mut phrases: Vec<Vec<&str>> = (lines.iter())
            .filter_map(|line| line.split_first())
            .filter(|(first, _)| **first == kind)
            .map(|(_, phrase)| phrase.to_vec())
            .collect();
        phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
        phrases
    };
    Polite {
        before: phrases("before"),
        greeting: phrases("greeting"),
        apart: phrases("apart"),
        asking: phrases("asking"),
        behind: phrases("behind"),
        ask: phrases("ask").concat(),
        aux: phrases("aux").concat(),
        request: phrases("do").concat(),
        about: phrases("about").concat(),
    }
});

/// Words whose capital is part of their meaning.
static CASED: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    include_str!("surface/case.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect()
});

/// Whether most words of two letters and more are in capitals, so that they say nothing.
fn is_shouted(text: &str) -> bool {
    let letters = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).count();
    let words = text.split_whitespace().filter(|word| letters(word) > 1);
    let (all, shouted) = words.fold((0, 0), |(all, shouted), word| {
        let is_shouted =
            word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase);
        (all + 1, shouted + usize::from(is_shouted))
    });
    shouted > 1 && shouted * 2 > all
}

/// Where in its question a word stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    /// "the Doors" and "the doors": behind an article a capital is a name's.
    BehindThe,
    Other,
}

/// A word in lower case, unless its capitals may mean something.
fn in_plain_case(word: &str, place: Place) -> String {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let bare = bare.strip_suffix("'s").unwrap_or(bare);
    let lower: String = word.to_lowercase().nfkc().collect();
    let inner_capital = bare.chars().skip(1).any(char::is_uppercase);
    let is_i = bare == "I" || bare.starts_with("I'");
    let single = bare.chars().count() == 1 && !is_i && !(bare == "A" && place == Place::First);
    // "Who", "May" and "Will" begin questions.
    let begins =
        place == Place::First && (is_one_of(bare, &POLITE.ask) || is_one_of(bare, &POLITE.aux));
    let is_cased = !begins && CASED.iter().any(|cased| cased.eq_ignore_ascii_case(bare));
    if (inner_capital && !is_i) || single || is_cased || place == Place::BehindThe {
        word.to_owned()
    } else {
        lower
    }
}

/// A word with its contraction opened; an owner's "'s" stays.
fn spelled_out(word: &str) -> (&str, &str) {
    // Without its apostrophe it may be another word: "wont", "cant".
    if !word.contains('\'') && word != "cannot" {
        return (word, "");
    }
    match contraction(word) {
        (_, "" | "would" | "us", _) => (word, ""),
        (first, second, _) => (first, second),
    }
}

fn bare_end(word: &str) -> &str {
    word.trim_end_matches([',', '.', '?', '!', ';', ':'])
}

/// The words with numbers in digits.
fn in_digits(words: &[String]) -> Vec<String> {
    let bare: Vec<&str> = (words.iter()).map(|word| bare_end(word)).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if let Some((number, used)) = cardinal(&bare, at) {
            let end = words.get(at + used - 1).map_or("", String::as_str);
            let sign = bare
                .get(at + used - 1)
                .and_then(|bare| end.get(bare.len()..));
            found.push(format!("{number}{}", sign.unwrap_or("")));
            at += used;
        } else {
            found.push(word.clone());
            at += 1;
        }
    }
    found
}

fn is_one_of(word: &str, table: &[&str]) -> bool {
    table.iter().any(|entry| entry.eq_ignore_ascii_case(word))
}

fn begins_question(words: &[&str]) -> bool {
    words
        .first()
        .is_some_and(|word| is_one_of(word, &POLITE.ask))
}

fn begins_order(words: &[&str]) -> bool {
    words
        .first()
        .is_some_and(|word| is_one_of(word, &POLITE.request))
}

fn begins_request(words: &[&str]) -> bool {
    let is_aux = |word: &&str| is_one_of(word, &POLITE.aux);
    begins_question(words) || begins_order(words) || words.first().is_some_and(is_aux)
}

const SEPARATORS: [char; 6] = [',', '.', '!', ':', ';', '-'];

/// What stands behind `phrase` at the beginning of `words`, and whether a sign separates the two;
/// `None` if they do not begin so or nothing is behind.
fn behind<'a, 'b>(words: &'b [&'a str], phrase: &[&str]) -> Option<(&'b [&'a str], bool)> {
    let (before, rest) = words.split_at_checked(phrase.len())?;
    let is_begun = rest.len() >= MIN_WORDS
        && (phrase.iter().zip(before))
            .all(|(polite, word)| polite.eq_ignore_ascii_case(word.trim_end_matches(SEPARATORS)));
    let is_separate = before.last().is_some_and(|word| word.ends_with(SEPARATORS));
    is_begun.then_some((rest, is_separate))
}

/// What is left without one polite beginning, if it is a whole request, perhaps behind more
/// politeness.
fn without_before<'a, 'b>(words: &'b [&'a str]) -> Option<&'b [&'a str]> {
    let follows =
        |phrases: &'static [Vec<&str>]| (phrases.iter()).filter_map(|phrase| behind(words, phrase));
    // "Tell me when to stop" is no question.
    let asking = follows(&POLITE.asking).find(|(rest, _)| {
        begins_question(rest) && !rest.first().is_some_and(|word| is_one_of(word, &["when"]))
    });
    // "Please is a verb": without a sign, what follows has to begin as nothing but a request does.
    let before = follows(&POLITE.before).find(|(rest, is_separate)| {
        begins_question(rest)
            || begins_order(rest)
            || (*is_separate && begins_request(rest))
            || without_before(rest).is_some()
    });
    // "Question what you read", "hello play by Adele".
    let apart = follows(&POLITE.apart).find(|(rest, is_separate)| {
        *is_separate && (begins_request(rest) || without_before(rest).is_some())
    });
    let greeting = follows(&POLITE.greeting).find(|(rest, is_separate)| {
        begins_question(rest)
            || (*is_separate && begins_request(rest))
            || without_before(rest).is_some()
    });
    asking
        .or(before)
        .or(greeting)
        .or(apart)
        .map(|(rest, _)| rest)
}

/// Drops one polite beginning if what is left is a whole request.
fn strip_before(words: &mut Vec<&str>) -> bool {
    let Some(left) = without_before(words).map(<[&str]>::len) else {
        return false;
    };
    words.drain(..words.len() - left);
    true
}

/// Drops one polite ending, unless the request is about words: "how to say thank you". Thanks have to
/// be set apart by a sign, "please" has to in a question: "whom should I please".
fn strip_behind(words: &mut Vec<&str>) -> bool {
    const END: [char; 4] = ['.', '!', '?', ','];
    let ending = POLITE.behind.iter().find(|phrase| {
        let rest = words.len().checked_sub(phrase.len());
        rest.is_some_and(|rest| {
            let (left, right) = words.split_at_checked(rest).unwrap_or((&[], &[]));
            let last = left.last().map_or("", |word| word.trim_end_matches(END));
            let is_separate = left.last().is_some_and(|word| word.ends_with(END));
            let is_please = matches!(***phrase, ["please" | "pls" | "plz"]);
            left.len() >= MIN_WORDS
                && begins_request(left)
                && (is_separate || (is_please && begins_order(left) && last != "please"))
                && !is_one_of(last, &POLITE.about)
                && !left
                    .iter()
                    .any(|word| word.ends_with(':') || is_about_words(bare_end(word)))
                && (phrase.iter().zip(right))
                    .all(|(polite, word)| polite.eq_ignore_ascii_case(word.trim_end_matches(END)))
        })
    });
    let kept = ending.map_or(words.len(), |phrase| words.len() - phrase.len());
    let stripped = kept < words.len();
    words.truncate(kept);
    stripped
}

/// Whether a request with this word is about words. Of the table only those that can't be avoided in
/// other requests count anywhere; the short ones count only as the last word.
fn is_about_words(word: &str) -> bool {
    word.len() > 3 && word != "with" && word != "than" && is_one_of(word, &POLITE.about)
}

/// A last word without the punctuation that says nothing. Of something that is no question by its
/// form the question mark stays, and the factorial's "!" does.
fn without_end(word: &str, is_request: bool) -> &str {
    let mut word = word;
    loop {
        let shorter = word.strip_suffix(['.', ',', ';']).or_else(|| {
            let shorter = word.strip_suffix('?').filter(|_| is_request);
            shorter.or_else(|| {
                let shorter = word.strip_suffix('!')?;
                let mut last = shorter.chars().rev();
                // "n!" is a factorial, too.
                let letters = match last.next() {
                    Some('!' | '?' | '.') => true,
                    c => {
                        c.is_some_and(char::is_alphabetic)
                            && last.next().is_some_and(char::is_alphanumeric)
                    }
                };
                (letters && is_request).then_some(shorter)
            })
        });
        match shorter {
            Some(shorter) => word = shorter,
            None => return word,
        }
    }
}

#[cfg(test)]
mod tests;
