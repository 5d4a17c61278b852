//! What a text is written in, as far as the encoder cares: English, and in words that it knows.
//!
//! The encoder and the guards' lexicons are English. Vectors of other languages in Latin letters
//! spread less, so a question in one takes a higher point (`admit::POINTS`); texts that fall into many
//! pieces (agglutinated languages, base64, random ids) have vectors that say little, so they are for
//! exact matching only. Both are estimates without a tokenizer, in one pass over a text.

use std::{collections::HashSet, sync::LazyLock};

use unicode_normalization::UnicodeNormalization;

/// Word pieces per word above which a text is for exact matching only.
///
/// With all-MiniLM-L6-v2 the area under the ROC curve on STS-B falls from 0.98 (English, 1.5 pieces a
/// word) over 0.93 (German, 2.4) to 0.86 (Russian, 6.1) and 0.74 (Chinese, 14).
pub const MOST_FRAGMENTED: f32 = 2.6;

/// Whether a text in Latin letters reads as English.
///
/// Words that only English has are weighed against words that only others have and letters with
/// marks. Few words of which none is known pass: names and keywords belong to no language.
#[must_use]
pub fn is_english(text: &str) -> bool {
    let (mut words, mut english, mut foreign) = (0_usize, 0_usize, 0_usize);
    for word in text.split(|c: char| !c.is_alphabetic()) {
        if word.is_empty() {
            continue;
        }
        words += 1;
        let word = word.to_lowercase();
        english += usize::from(ENGLISH.contains(&*word));
        foreign += usize::from(!word.is_ascii() || FOREIGN.contains(&*word));
    }
    foreign <= english && (english * 10 >= words || words < KEYWORDS)
}

/// So many words of no known language are a list of keywords still.
const KEYWORDS: usize = 8;

/// Estimates the word pieces per word that a WordPiece vocabulary of English makes of a text; 0 if it
/// has no words.
///
/// Letters cost one piece up to the length of common words and more beyond, or at once where they
/// can't be spoken or switch case; digits and signs cost their own.
#[must_use]
pub fn fragmentation(text: &str) -> f32 {
    // A foreign word of more than four letters is seldom in the vocabulary.
    let whole = if is_english(text) { 8 } else { 4 };
    let mut words = 0_u32;
    let mut pieces = 0.0;
    for word in text.split_whitespace() {
        words += 1;
        pieces += word_pieces(word, whole);
    }
    if words == 0 {
        0.0
    } else {
        pieces / lossy(words)
    }
}

fn word_pieces(word: &str, whole: u32) -> f32 {
    // Marks are dropped, as the encoder's own normaliser does.
    let mut letters = word
        .nfd()
        .filter(|c| !matches!(c, '\u{300}'..='\u{36f}'))
        .peekable();
    let mut pieces = 0.0;
    while let Some(first) = letters.next() {
        if first.is_alphabetic() {
            let mut run = Run::default();
            run.push(first);
            while let Some(letter) = letters.next_if(|c| c.is_alphabetic()) {
                run.push(letter);
            }
            pieces += run.pieces(whole);
        } else if first.is_numeric() {
            let mut digits = 1;
            while letters.next_if(|c| c.is_numeric()).is_some() {
                digits += 1;
            }
            // Years and round numbers are words of their own.
            pieces += if digits > 4 { lossy(digits) / 3.0 } else { 1.0 };
        } else {
            pieces += 1.0;
        }
    }
    pieces
}

/// Letters in a row.
#[derive(Default)]
struct Run {
    length: u32,
    vowels: u32,
    consonants: u32,
    most_consonants: u32,
    switches_case: bool,
    ends_small: bool,
}

impl Run {
    fn push(&mut self, letter: char) {
        self.length = self.length.saturating_add(1);
        if "aeiouyAEIOUY".contains(letter) {
            self.vowels = self.vowels.saturating_add(1);
            self.consonants = 0;
        } else {
            self.consonants = self.consonants.saturating_add(1);
            self.most_consonants = self.most_consonants.max(self.consonants);
        }
        self.switches_case |= self.ends_small && letter.is_uppercase();
        self.ends_small = letter.is_lowercase();
    }

    fn pieces(&self, whole: u32) -> f32 {
        let unspeakable = self.most_consonants >= 5 || (self.vowels == 0 && self.length >= 4);
        if unspeakable || (self.switches_case && self.length >= 8) {
            (lossy(self.length) / 1.5).max(1.0)
        } else {
            1.0 + lossy(self.length.saturating_sub(whole)) / 3.0
        }
    }
}

/// Exact up to 2^24, and an estimate is all that is wanted.
fn lossy(count: u32) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of more than 16 million letters may be rounded"
    )]
    let count = count as f32;
    count
}

/// Common words that English does not share with the languages of the other list.
static ENGLISH: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("language/english.txt")
        .split_whitespace()
        .collect()
});

/// Common words of German, Spanish, French, Italian, Portuguese, Dutch, Polish, Swedish, Turkish, Finnish,
/// Hungarian, Romanian and Indonesian that English does not have.
static FOREIGN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("language/foreign.txt")
        .split_whitespace()
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lists_share_no_word() {
        assert!(ENGLISH.len() > 100 && FOREIGN.len() > 100);
        assert!(ENGLISH.is_disjoint(&FOREIGN));
    }

    #[test]
    fn english_is_told_from_its_neighbours() {
        for english in [
            "How many moons does Saturn have?",
            "what's a naïve approach to sorting",
            "kubernetes pod restart loop",
            "Translate 'guten Morgen' into English for me, please",
            "capital of Australia",
            "",
            "42",
        ] {
            assert!(is_english(english), "{english}");
        }
        for foreign in [
            "Wie viele Monde hat der Saturn?",
            "¿Cuántas lunas tiene Saturno?",
            "Combien de lunes la planète Saturne possède-t-elle ?",
            "Quante lune ha il pianeta Saturno e come si chiamano",
            "Hoeveel manen heeft Saturnus en hoe heten ze",
            "Ile księżyców ma Saturn?",
            "Satürn'ün kaç uydusu var?",
            "Miten voin vaihtaa salasanani verkkopankissa",
            "berapa jumlah bulan yang dimiliki planet saturnus ini",
        ] {
            assert!(!is_english(foreign), "{foreign}");
        }
    }

    #[test]
    fn texts_that_fall_apart_are_seen() {
        for whole in [
            "How do I reset the password of my online banking account?",
            "Explain the internationalization of web applications to a beginner",
            "Write a function that checks whether 2027 is a prime number",
            "Wie kann ich mein Passwort für das Konto ändern?",
            "",
        ] {
            assert!(fragmentation(whole) <= MOST_FRAGMENTED, "{whole}");
        }
        for fragmented in [
            "decode c29tZXRoaW5nIHRvIGRlY29kZSBoZXJl please",
            "what is d41d8cd98f00b204e9800998ecf8427e",
            "xkqz vbnrt plmkj wqrtp",
            "Krankenversicherungsbeiträge Berechnungsgrundlage für Selbstständige",
            "Çevrimiçi bankacılık şifremi nasıl sıfırlayabilirim?",
            "let x: Vec<_> = a.iter().map(|v| v + 1).collect();",
        ] {
            assert!(fragmentation(fragmented) > MOST_FRAGMENTED, "{fragmented}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_finite_share(text in ".*") {
            let share = fragmentation(&text);
            prop_assert!(share.is_finite() && share >= 0.0);
            let _ = is_english(&text);
        }
    }
}
