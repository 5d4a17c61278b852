//! A text cut into words, numbers and signs.
//!
//! A word may hold an apostrophe ("don't"), a number its separators ("1,000", "5:30", "2024-01-05"),
//! a name its dots ("a.m.", "node.js") or its signs ("c++").

/// A word, a number, or one of the signs `$ € £ ¥ % ° &`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Nothing but white space, or the end of a sentence, is before it.
    pub(super) starts_sentence: bool,
}

impl Token<'_> {
    /// Whether it is a word or a number, not a sign.
    pub(super) fn is_word(self) -> bool {
        let is_sign = |c: char| SIGNS.contains(c);
        !self.text.starts_with(is_sign)
    }
}

/// Signs that are read with numbers.
const SIGNS: &str = "$€£¥₹%°&";

/// The tokens of `text`, in order.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    let mut starts_sentence = true;
    std::iter::from_fn(move || {
        loop {
            let mut chars = rest.chars();
            let c = chars.next()?;
            let signed = matches!(c, '-' | '\u{2212}')
                && chars
                    .clone()
                    .next()
                    .is_some_and(|next| next.is_ascii_digit())
                && !ends_in_operand(text, rest);
            if c.is_alphanumeric() || c == '_' || signed {
                let length = if signed {
                    c.len_utf8() + word_length(chars.as_str())
                } else {
                    word_length(rest)
                };
                let (word, behind) = rest.split_at_checked(length)?;
                rest = behind;
                return Some(Token {
                    text: word,
                    starts_sentence: std::mem::take(&mut starts_sentence),
                });
            }
            if SIGNS.contains(c) {
                let (sign, behind) = rest.split_at_checked(c.len_utf8())?;
                rest = behind;
                return Some(Token {
                    text: sign,
                    starts_sentence,
                });
            }
            starts_sentence |= matches!(c, '.' | '?' | '!' | ':' | '\n');
            rest = chars.as_str();
        }
    })
}

/// Whether something that a minus could be subtracted from stands before `rest` in `text`.
fn ends_in_operand(text: &str, rest: &str) -> bool {
    let before = text.get(..text.len() - rest.len()).unwrap_or("");
    let near = before.chars().next_back();
    near.is_some_and(|c| !c.is_whitespace() && c != '(')
        || (before.trim_end().chars().next_back()).is_some_and(|c| c.is_ascii_digit() || c == ')')
}

/// How many bytes from the start of `text` are one word or number.
fn word_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let mut previous = ' ';
    let mut letters_only = true;
    while let Some((at, c)) = chars.next() {
        let next = chars.clone().next().map_or(' ', |(_, next)| next);
        let inside = c.is_alphanumeric()
            || c == '_'
            || match c {
                '\'' => previous.is_alphabetic() && next.is_alphabetic(),
                '.' => dot_inside(text, at, previous, next),
                ',' => previous.is_ascii_digit() && is_thousands(text.get(at + 1..)),
                ':' | '/' => previous.is_ascii_digit() && next.is_ascii_digit(),
                '-' => at == 1 && letters_only && next.is_alphabetic() || is_in_date(text, at),
                _ => false,
            };
        if !inside {
            let signs = text.get(at..).map_or(0, |rest| sign_length(rest, at));
            return at + signs;
        }
        letters_only &= c.is_alphabetic();
        previous = c;
    }
    text.len()
}

/// "c++" and "c#", but not "a+b".
fn sign_length(rest: &str, letters: usize) -> usize {
    let signs = ["++", "#"].iter().find(|signs| rest.starts_with(**signs));
    signs.map_or(0, |signs| {
        let behind = rest.get(signs.len()..).and_then(|rest| rest.chars().next());
        let ends = behind.is_none_or(|c| !c.is_alphanumeric() && c != '+');
        if letters == 1 && ends { signs.len() } else { 0 }
    })
}

/// "3.5", "u.s", "node.js"; not the end of a sentence without a space behind it.
fn dot_inside(text: &str, at: usize, previous: char, next: char) -> bool {
    if previous.is_ascii_digit() {
        return next.is_ascii_digit();
    }
    let before = text.get(..at).unwrap_or("");
    let initials = before.split('.').all(|part| part.chars().count() == 1);
    let behind = text.get(at + 1..).unwrap_or("");
    let ending = behind
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(behind.len());
    next.is_alphabetic() && (initials || (next.is_lowercase() && (1..=3).contains(&ending)))
}

/// Whether three digits and no fourth begin `text`.
fn is_thousands(text: Option<&str>) -> bool {
    let digits = text.map_or(0, |text| {
        text.bytes().take(4).take_while(u8::is_ascii_digit).count()
    });
    digits == 3
}

/// Whether the hyphen at `at` is one of two between digits, as in "2024-01-05".
fn is_in_date(text: &str, at: usize) -> bool {
    let run = text
        .find(|c: char| !c.is_ascii_digit() && c != '-')
        .unwrap_or(text.len());
    let digits = text.get(..run).unwrap_or("");
    at < run && digits.split('-').count() == 3 && digits.split('-').all(|part| !part.is_empty())
}

/// What a contraction stands for: its words, and whether an owner's "'s" was cut off.
pub(in crate::policy) fn contraction(word: &str) -> (&str, &'static str, bool) {
    const SUBJECTS: [&str; 15] = [
        "what",
        "who",
        "where",
        "how",
        "when",
        "why",
        "it",
        "that",
        "there",
        "here",
        "he",
        "she",
        "this",
        "which",
        "everything",
    ];
    const ENDINGS: [(&str, &str); 6] = [
        ("n't", "not"),
        ("'re", "are"),
        ("'ve", "have"),
        ("'ll", "will"),
        ("'d", "would"),
        ("'m", "am"),
    ];
    if let Some((first, second)) = irregular_contraction(word) {
        return (first, second, false);
    }
    if !word.contains('\'') {
        return (word, "", false);
    }
    if let Some(owner) = word.strip_suffix("'s") {
        return if SUBJECTS.contains(&owner) {
            (owner, "is", false)
        } else {
            (owner, "", true)
        };
    }
    (ENDINGS.iter())
        .find_map(|(ending, long)| Some((word.strip_suffix(ending)?, *long, false)))
        .filter(|(first, ..)| !first.is_empty())
        .unwrap_or((word, "", false))
}

fn irregular_contraction(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "can't" => ("can", "not"),
        "cannot" => ("can", "not"),
        "cant" => ("can", "not"),
        "won't" => ("will", "not"),
        "wont" => ("will", "not"),
        "shan't" => ("shall", "not"),
        "ain't" => ("is", "not"),
        "dont" => ("do", "not"),
        "doesnt" => ("does", "not"),
        "didnt" => ("did", "not"),
        "isnt" => ("is", "not"),
        "arent" => ("are", "not"),
        "wasnt" => ("was", "not"),
        "hasnt" => ("has", "not"),
        "havent" => ("have", "not"),
        "couldnt" => ("could", "not"),
        "shouldnt" => ("should", "not"),
        "wouldnt" => ("would", "not"),
        "whats" => ("what", "is"),
        "hows" => ("how", "is"),
        "wheres" => ("where", "is"),
        "whos" => ("who", "is"),
        "thats" => ("that", "is"),
        "theres" => ("there", "is"),
        "im" => ("i", "am"),
        "ive" => ("i", "have"),
        "youre" => ("you", "are"),
        "theyre" => ("they", "are"),
        "let's" => ("let", "us"),
        "gonna" => ("going", "to"),
        "wanna" => ("want", "to"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_the_signs_that_belong_to_them() {
        for (text, expected) in [
            ("Don't stop, e-mail me.", "Don't|stop|e-mail|me"),
            ("two-factor login", "two|factor|login"),
            ("1,000 or 1,2,3", "1,000|or|1|2|3"),
            ("at 5:30 a.m. on 2024-01-05", "at|5:30|a.m|on|2024-01-05"),
            ("5-10 apples", "5|10|apples"),
            ("c++ vs c# a+b", "c++|vs|c#|a|b"),
            ("node.js ends.Then more", "node.js|ends|Then|more"),
            ("$5 and 10%", "$|5|and|10|%"),
            ("-5 degrees, 7 -5", "-5|degrees|7|5"),
            ("", ""),
            ("…", ""),
        ] {
            let found: Vec<&str> = tokens(text).map(|token| token.text).collect();
            assert_eq!(found.join("|"), expected, "{text}");
        }
    }

    #[test]
    fn contractions_are_spelled_out() {
        assert_eq!(contraction("doesn't"), ("does", "not", false));
        assert_eq!(contraction("cannot"), ("can", "not", false));
        assert_eq!(contraction("what's"), ("what", "is", false));
        assert_eq!(contraction("france's"), ("france", "", true));
        assert_eq!(contraction("o'clock"), ("o'clock", "", false));
    }
}
