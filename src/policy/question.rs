//! Which part of a prompt is the question, whose wording may vary, and which part is the matter it
//! is about, which may not.
//!
//! A sentence encoder can't tell two questions about one long document apart (their vectors are the
//! document's), so of a long prompt only a short instruction at its start or end is the question;
//! everything else has to be equal byte for byte. Measured on MiniLM: with the document in the
//! vector, 95 % of *different* questions about a shared 80-word text pass cosine 0.85; with the
//! document hashed, none. Invariant: question and matter together are the whole text.

use serde_json::Value;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::wire::chat::ChatRequest;

/// A prompt longer than this, in word pieces, is cut into instruction and matter.
const LONG: usize = 96;
/// An instruction is no longer than this, in word pieces.
const INSTRUCTION: usize = 48;

/// What a user's text asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The whole text of the last message.
    pub text: &'a str,
    /// Its parts; `None` if it is long and has no short instruction at either end.
    pub parts: Option<Parts<'a>>,
}

impl<'a> Asked<'a> {
    /// What `request` asks, if its last message is a user's and nothing but text.
    #[must_use]
    pub fn of(request: &'a ChatRequest) -> Option<Self> {
        let text = user_text(request.messages().last()?)?;
        Some(Self {
            text,
            parts: split(text),
        })
    }

    /// Whether there is more to the text than the question.
    #[must_use]
    pub fn has_matter(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| {
            let matter =
                |block: &Block<'_>| matches!(block, Block::Matter(text) if !text.trim().is_empty());
            parts.blocks.iter().any(matter)
        })
    }

    /// The text that says what is wanted: the question, or the beginning of a text without one.
    #[must_use]
    pub fn gist(&self) -> &str {
        const BEGINNING: usize = 2048;
        let end = self.text.floor_char_boundary(BEGINNING);
        let beginning = self.text.get(..end).unwrap_or(self.text);
        self.parts
            .as_ref()
            .map_or(beginning, |parts| &parts.question)
    }
}

/// The text of a message if it is a user's and nothing but text.
fn user_text(message: &Value) -> Option<&str> {
    if message.get("role").and_then(Value::as_str) != Some("user") {
        return None;
    }
    let content = message.get("content")?;
    content.as_str().or_else(|| only_text_part(content))
}

/// The text of a content that is a list of one text part and says no more than that.
pub(super) fn only_text_part(content: &Value) -> Option<&str> {
    let [part] = content.as_array()?.as_slice() else {
        return None;
    };
    let part = part.as_object().filter(|part| part.len() == 2)?;
    (part.get("type")?.as_str()? == "text").then(|| part.get("text")?.as_str())?
}

/// The two parts of a user's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The wording that may vary: what is embedded and compared.
    pub question: String,
    /// The whole text, in order.
    pub blocks: Vec<Block<'a>>,
}

/// A part of a text, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block<'a> {
    /// Of the question.
    Question(&'a str),
    /// Of the matter.
    Matter(&'a str),
}

/// Cuts `text` into question and matter. `None` if it is long and has no short instruction at either
/// end: then only an equal text asks the same.
#[must_use]
pub fn split(text: &str) -> Option<Parts<'_>> {
    let mut blocks = blank_line_blocks(text);
    if blocks.len() < 2 {
        if word_pieces(text, LONG) <= LONG {
            return Some(Parts {
                question: text.trim().to_owned(),
                blocks: vec![Block::Question(text)],
            });
        }
        blocks = text.split_inclusive('\n').collect();
    }
    let is_instruction = |block: &&str| {
        !block.contains("```")
            && !block.trim().is_empty()
            && word_pieces(block, INSTRUCTION) <= INSTRUCTION
    };
    let last = blocks.len().checked_sub(1)?;
    let first_is = blocks.first().is_some_and(is_instruction);
    let last_is = last > 0 && blocks.get(last).is_some_and(is_instruction);
    let in_question = |at: usize| (at == 0 && first_is) || (at == last && last_is);
    let question: Vec<&str> = (blocks.iter().enumerate())
        .filter(|(at, _)| in_question(*at))
        .map(|(_, block)| block.trim())
        .collect();
    if question.is_empty() {
        return None;
    }
    let blocks = blocks.iter().enumerate().map(|(at, block)| {
        if in_question(at) {
            Block::Question(block)
        } else {
            Block::Matter(block)
        }
    });
    Some(Parts {
        question: question.join("\n"),
        blocks: blocks.collect(),
    })
}

/// The paragraphs of `text`, each with the blank lines behind it; a fenced block is never cut.
fn blank_line_blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let (mut start, mut at) = (0, 0);
    let (mut fenced, mut after_blank) = (false, false);
    for line in text.split_inclusive('\n') {
        let blank = line.trim().is_empty();
        if after_blank && !blank && !fenced && !text.get(start..at).unwrap_or("").trim().is_empty()
        {
            blocks.extend(text.get(start..at));
            start = at;
        }
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        after_blank = blank;
        at += line.len();
    }
    blocks.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    blocks
}

/// About how many word pieces a BERT tokenizer makes of `text`; stops counting past `enough`.
///
/// A word of up to eight letters counts one, longer ones one more for every eight, each other
/// character one: within a fifth of the real count on English, and only used to tell long from short.
fn word_pieces(text: &str, enough: usize) -> usize {
    let (mut pieces, mut run) = (0, 0_usize);
    for c in text.chars() {
        if c.is_alphanumeric() {
            if run.is_multiple_of(8) {
                pieces += 1;
            }
            run += 1;
        } else {
            run = 0;
            pieces += usize::from(!c.is_whitespace());
        }
        if pieces > enough {
            break;
        }
    }
    pieces
}

/// Why the encoder can't be trusted with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Less than nine tenths of its letters are Latin: the encoder was trained on English.
    NotLatin,
    /// It holds characters that a person does not see (control, zero width, direction marks) or
    /// takes for others (two scripts in one word, marks on letters that have none).
    HiddenCharacters,
}

/// Whether the encoder can be trusted with this text.
///
/// # Errors
/// The reason why not.
pub fn readable(text: &str) -> Result<(), Unreadable> {
    let (mut letters, mut latin) = (0_usize, 0_usize);
    let mut before = None;
    for c in text.nfc() {
        // Marks that are left here belong to no letter: struck out, "not" is no word any more.
        let is_mark = is_combining_mark(c);
        if is_hidden(c) || (is_mark && before != Some(false)) {
            return Err(Unreadable::HiddenCharacters);
        }
        if is_mark {
            continue;
        }
        let is_latin = c.is_ascii() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
        let is_letter = c.is_alphabetic() && !is_sign(c);
        // Within one word, letters of two scripts are there to deceive: "pаypal" with a Cyrillic "а".
        if is_letter && before == Some(!is_latin) {
            return Err(Unreadable::HiddenCharacters);
        }
        before = is_letter.then_some(is_latin);
        letters += usize::from(is_letter);
        latin += usize::from(is_letter && is_latin);
    }
    if latin * 10 < letters * 9 || letters == 0 {
        Err(Unreadable::NotLatin)
    } else {
        Ok(())
    }
}

/// Letters that are written as signs beside Latin ones: "µm", "1º", "kΩ".
fn is_sign(c: char) -> bool {
    matches!(c, 'µ' | 'μ' | 'ª' | 'º' | 'Ω' | '\u{2126}')
}

fn is_hidden(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    control
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question(text: &str) -> Option<String> {
        split(text).map(|parts| parts.question)
    }

    #[test]
    fn a_short_prompt_is_all_question() {
        let parts = split(" How many planets are there? ").unwrap();
        assert_eq!(parts.question, "How many planets are there?");
        assert_eq!(
            parts.blocks,
            [Block::Question(" How many planets are there? ")]
        );
    }

    #[test]
    fn of_a_long_prompt_only_the_instruction_is_question() {
        let document = "The quick brown fox jumps over the lazy dog. ".repeat(20);
        let after = format!("{document}\n\nWho jumps?");
        assert_eq!(question(&after).as_deref(), Some("Who jumps?"));
        let before = format!("Summarise this:\n\n{document}");
        assert_eq!(question(&before).as_deref(), Some("Summarise this:"));
        let both = format!("Read this.\n\n{document}\n\nWho jumps?");
        assert_eq!(question(&both).as_deref(), Some("Read this.\nWho jumps?"));
        let lines = format!("{document}\nWho jumps?");
        assert_eq!(question(&lines).as_deref(), Some("Who jumps?"));
        assert_eq!(question(&document), None);
    }

    #[test]
    fn code_is_never_question() {
        let text = "Explain:\n\n```\nlet a = 1;\n\nlet b = 2;\n```";
        let parts = split(text).unwrap();
        assert_eq!(parts.question, "Explain:");
        assert_eq!(
            parts.blocks[1],
            Block::Matter("```\nlet a = 1;\n\nlet b = 2;\n```")
        );
    }

    #[test]
    fn hidden_and_foreign_letters_are_seen() {
        assert_eq!(readable("What is the capital of España?"), Ok(()));
        assert_eq!(
            readable("Какая столица Франции?"),
            Err(Unreadable::NotLatin)
        );
        assert_eq!(
            readable("turn o\u{200b}ff the light"),
            Err(Unreadable::HiddenCharacters)
        );
        assert_eq!(readable("2 + 2"), Err(Unreadable::NotLatin));
        for text in [
            "log in to p\u{430}ypal",
            "is it n\u{43e}t safe",
            "is it n\u{336}o\u{336}t\u{336} safe",
            "is 1\u{336}5 odd",
        ] {
            assert_eq!(readable(text), Err(Unreadable::HiddenCharacters), "{text}");
        }
        for text in ["a cafe\u{301} in Rome", "a gap of 5 µm", "the 2º floor"] {
            assert_eq!(readable(text), Ok(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_blocks_are_the_text(text in "([a-z` ]{0,40}\n{0,3}){0,12}") {
            if let Some(parts) = split(&text) {
                let joined: String = parts.blocks.iter().map(|block| match block {
                    Block::Question(text) | Block::Matter(text) => *text,
                }).collect();
                prop_assert_eq!(&joined, &text);
                prop_assert!(parts.blocks.iter().any(|block| matches!(block, Block::Question(_))));
            }
        }
    }
}
