//! The words by which prompts say what is wanted of them, from the text file beside this one.
//!
//! They are plain evidence, weak on its own: a document that is to be summarised may be about
//! translation. So they only add to what the nearest examples say.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::signals::Sign;

const TABLE: &str = include_str!("words.txt");
/// Sections of the table, and what their words are a sign of.
const SECTIONS: [(&str, Sign); 7] = [
    ("code", Sign::Code),
    ("sql", Sign::Sql),
    ("translation", Sign::Translation),
    ("summary", Sign::Summary),
    ("extraction", Sign::Extraction),
    ("reasoning", Sign::Reasoning),
    ("short answer", Sign::ShortAnswer),
];
const LANGUAGES: &str = "languages";
/// What stands before or behind the name of a language that something is to be put into.
const BEFORE: [&str; 4] = ["into", "in", "to", "from"];
const BEHIND: [&str; 4] = ["version", "for", "to", "please"];

static WORDS: LazyLock<Words> = LazyLock::new(|| Words::read(TABLE));

/// The signs that the words of `text` are, each at most once.
pub(super) fn signs_in(text: &str) -> Vec<Sign> {
    WORDS.signs_in(text)
}

#[derive(Debug, Default)]
struct Words {
    of_signs: Vec<(Sign, Vec<Finder<'static>>)>,
    /// Sorted.
    languages: Vec<String>,
}

impl Words {
    fn read(table: &str) -> Self {
        let mut words = Self::default();
        let mut section = "";
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
                continue;
            }
            let entries = line.split(',').map(str::trim);
            let entries = entries.filter(|entry| !entry.is_empty());
            if section == LANGUAGES {
                words.languages.extend(entries.map(str::to_owned));
            } else if let Some((_, sign)) = SECTIONS.iter().find(|(name, _)| *name == section) {
                let finders = entries.map(|entry| Finder::new(&pattern(entry)).into_owned());
                match words.of_signs.iter_mut().find(|(known, _)| known == sign) {
                    Some((_, known)) => known.extend(finders),
                    None => words.of_signs.push((*sign, finders.collect())),
                }
            }
        }
        words.languages.sort_unstable();
        words
    }

    fn signs_in(&self, text: &str) -> Vec<Sign> {
        let text = folded(text);
        let said = |finders: &[Finder<'_>]| {
            let mut finders = finders.iter();
            finders.any(|finder| finder.find(text.as_bytes()).is_some())
        };
        let found = self.of_signs.iter().filter(|(sign, finders)| {
            said(finders) || (*sign == Sign::Translation && self.names_a_language(&text))
        });
        found.map(|(sign, _)| *sign).collect()
    }

    /// Whether something is to be put into a language: "in Polish", "the Finnish version".
    fn names_a_language(&self, text: &str) -> bool {
        let is_language = |word: &str| {
            let found = self.languages.binary_search_by(|known| (**known).cmp(word));
            found.is_ok()
        };
        let (mut before, mut words) = ("", text.split_ascii_whitespace().peekable());
        while let Some(word) = words.next() {
            if is_language(word)
                && (BEFORE.contains(&before)
                    || words.peek().is_some_and(|next| BEHIND.contains(next)))
            {
                return true;
            }
            before = word;
        }
        false
    }
}

/// What is looked for in a folded text for an entry of the table.
fn pattern(entry: &str) -> String {
    let is_open = entry.chars().any(|c| c >= '\u{2e80}');
    match entry.strip_suffix('*') {
        _ if is_open => entry.to_owned(),
        Some(beginning) => format!(" {beginning}"),
        None => format!(" {entry} "),
    }
}

/// The words of `text` in lower case, without accents, each between two spaces.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + 2);
    folded.push(' ');
    let mut push = |c: char| {
        if c.is_alphanumeric() || c == '+' || c == '#' {
            folded.extend(c.to_lowercase());
        } else if !is_combining_mark(c) && !folded.ends_with(' ') {
            folded.push(' ');
        }
    };
    for c in text.chars() {
        // Only of Latin letters: others lose their meaning with their marks.
        if matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}') {
            decompose_canonical(c, &mut push);
        } else {
            push(c);
        }
    }
    if !folded.ends_with(' ') {
        folded.push(' ');
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, signs: &[Sign]) {
        assert_eq!(signs_in(text), signs, "{text}");
    }

    #[test]
    fn what_is_wanted_is_read_from_words() {
        check("Résumez ce chapitre, s'il vous plaît", &[Sign::Summary]);
        check("TL;DR?", &[Sign::Summary]);
        check("please put this in Polish", &[Sign::Translation]);
        check("the Welsh version of the sign", &[Sign::Translation]);
        check("把这句话翻译一下", &[Sign::Translation]);
        check("a UNIT-TEST for my parser", &[Sign::Code]);
        check("in C++ or C#", &[Sign::Code]);
        check("Prove it.", &[Sign::Reasoning]);
        check("True or false: it rains", &[Sign::ShortAnswer]);
        check("GROUP   BY\nregion", &[Sign::Sql]);
        check(
            "extract the names, then translate them",
            &[Sign::Translation, Sign::Extraction],
        );
    }

    #[test]
    fn parts_of_words_and_mere_mentions_are_no_signs() {
        for text in [
            "",
            "...",
            "I met a French baker",
            "improve the approval",
            "javanese coffee",
            "the Greek salad",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn every_section_of_the_table_is_used() {
        let sections = TABLE.lines().filter_map(|line| line.strip_prefix('['));
        for section in sections.map(|name| name.trim_end_matches(']')) {
            let known = SECTIONS.iter().any(|(name, _)| *name == section);
            assert!(known || section == LANGUAGES, "{section}");
        }
        assert_eq!(WORDS.of_signs.len(), SECTIONS.len());
        assert!(WORDS.languages.len() > 20);
    }

    #[test]
    fn entries_of_the_table_find_themselves() {
        for line in TABLE.lines().filter(|line| !line.starts_with(['#', '['])) {
            let entries = line.split(',').map(str::trim);
            for entry in entries.filter(|entry| !entry.is_empty()) {
                let word = entry.trim_end_matches('*');
                assert_eq!(
                    folded(word).trim(),
                    word,
                    "it is written as it is looked for"
                );
                assert!(folded(word).contains(&pattern(entry)), "{entry}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_folded_into_words(text in "\\PC{0,80}") {
            let folded = folded(&text);
            prop_assert!(folded.starts_with(' ') && folded.ends_with(' '));
            prop_assert!(!folded.contains("  "));
        }
    }
}
