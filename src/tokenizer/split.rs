//! Splits texts into the pieces within which tokens are made.
//!
//! The rules are the regular expressions of `tiktoken_ext/openai_public.py` of tiktoken 0.12, written out
//! by hand: they need no backtracking past one run of letters, so that this takes linear time, and a
//! tenth of what an engine takes.

use super::class::{Class, Classes};

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Of `cl100k_base`.
    Cl100k,
    /// Of `o200k_base`.
    O200k,
}

/// The pieces of a text, one after another: nothing is left out.
#[derive(Debug)]
pub(super) struct Pieces<'t> {
    classes: &'t Classes,
    rules: Rules,
    text: &'t str,
    at: usize,
}

impl<'t> Pieces<'t> {
    pub(super) fn new(classes: &'t Classes, rules: Rules, text: &'t str) -> Self {
        Self {
            classes,
            rules,
            text,
            at: 0,
        }
    }

    fn run(&self, at: usize, class: Class) -> usize {
        self.classes.run(self.text, at, class)
    }

    fn is(&self, at: usize, byte: u8) -> bool {
        self.text.as_bytes().get(at) == Some(&byte)
    }

    /// Where the piece ends that begins at `at` with a character of `class`, which ends at `next`.
    fn end(&self, at: usize, class: Class, next: usize) -> usize {
        let word = match self.rules {
            Rules::Cl100k => self.plain_word(at, class, next),
            Rules::O200k => self.cased_word(at, class, next),
        };
        if let Some(end) = word {
            return end;
        }
        if class.is(Class::NUMBER) {
            return self.number(next);
        }
        // ` ?[^\s\p{L}\p{N}]+[\r\n]*`, of o200k `[\r\n/]*`
        let symbols = if self.is(at, b' ') { next } else { at };
        let end = self.symbols(symbols);
        if end > symbols {
            return self.line_ends(end);
        }
        self.space(at, next)
    }

    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+`
    fn plain_word(&self, at: usize, class: Class, next: usize) -> Option<usize> {
        let short = self.contraction(at);
        if short > at {
            return Some(short);
        }
        if class.is(Class::LETTER) {
            return Some(self.run(next, Class::LETTER));
        }
        if class.is(Class::NUMBER.or(Class::NEWLINE)) {
            return None;
        }
        let end = self.run(next, Class::LETTER);
        (end > next).then_some(end)
    }

    /// Two rules, of which the first that fits counts, `X` being `[^\r\n\p{L}\p{N}]?` and `Y` a contraction:
    /// `X[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+Y?` and
    /// `X[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*Y?`.
    fn cased_word(&self, at: usize, class: Class, next: usize) -> Option<usize> {
        let end = if class.is(Class::LETTER) {
            self.small(at).or_else(|| self.capitals(at))
        } else if class.is(Class::NUMBER.or(Class::NEWLINE)) {
            None
        } else if class.is(Class::HEAD) {
            // A mark is either the `X` or, failing that, a word by itself.
            Some(self.small(next).unwrap_or(next))
        } else {
            self.small(next).or_else(|| self.capitals(next))
        };
        end.map(|end| self.contraction(end))
    }

    /// The first rule without `X` and `Y`.
    fn small(&self, at: usize) -> Option<usize> {
        // The last character of the head that could end the word as well.
        let mut last = None;
        let mut head = at;
        while let Some((class, next)) = self.classes.at(self.text, head) {
            if !class.is(Class::HEAD) {
                break;
            }
            if class.is(Class::TAIL) {
                last = Some(next);
            }
            head = next;
        }
        let end = self.run(head, Class::TAIL);
        if end > head { Some(end) } else { last }
    }

    /// The second rule where the first one fails, so that the tail is empty.
    fn capitals(&self, at: usize) -> Option<usize> {
        let end = self.run(at, Class::HEAD);
        (end > at).then_some(end)
    }

    /// The end of `(?i:'s|'t|'re|'ve|'m|'ll|'d)` at `at`, or `at`. Regardless of case, `ſ` is an `s`.
    fn contraction(&self, at: usize) -> usize {
        if !self.is(at, b'\'') {
            return at;
        }
        match self.text.as_bytes().get(at + 1..).unwrap_or_default() {
            [b's' | b'S' | b't' | b'T' | b'm' | b'M' | b'd' | b'D', ..] => at + 2,
            [b'r' | b'R' | b'v' | b'V', b'e' | b'E', ..] | [b'l' | b'L', b'l' | b'L', ..] => at + 3,
            // U+017F
            [0xC5, 0xBF, ..] => at + 3,
            _ => at,
        }
    }

    /// `\p{N}{1,3}`, one having been seen.
    fn number(&self, mut at: usize) -> usize {
        for _ in 0..2 {
            match self.classes.at(self.text, at) {
                Some((class, next)) if class.is(Class::NUMBER) => at = next,
                _ => break,
            }
        }
        at
    }

    fn symbols(&self, mut at: usize) -> usize {
        while let Some((class, next)) = self.classes.at(self.text, at) {
            if class.is(Class::LETTER.or(Class::NUMBER).or(Class::SPACE)) {
                break;
            }
            at = next;
        }
        at
    }

    fn line_ends(&self, mut at: usize) -> usize {
        let slash = self.rules == Rules::O200k;
        while self.is(at, b'\n') || self.is(at, b'\r') || (slash && self.is(at, b'/')) {
            at += 1;
        }
        at
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    fn space(&self, at: usize, next: usize) -> usize {
        let (mut end, mut last, mut line) = (at, at, None);
        while let Some((class, next)) = self.classes.at(self.text, end) {
            if !class.is(Class::SPACE) {
                break;
            }
            (last, end) = (end, next);
            if class.is(Class::NEWLINE) {
                line = Some(end);
            }
        }
        match line {
            Some(line) => line,
            None if end == self.text.len() => end,
            // The last one goes with what follows.
            None if last > at => last,
            None => next,
        }
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let (class, next) = self.classes.at(self.text, self.at)?;
        let end = self.end(self.at, class, next);
        let piece = self.text.get(self.at..end)?;
        self.at = end;
        Some(piece)
    }
}
