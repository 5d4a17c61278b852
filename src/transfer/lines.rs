//! A file, line by line, none of them longer than a gateway would read.

use std::io::{self, BufRead, Read};

/// The longest line that is held, in bytes.
const LONGEST: usize = 64 << 20;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It was read past and not held.
    TooLong,
}

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    longest: usize,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            number: 0,
            longest: LONGEST,
        }
    }

    /// The next line that is not blank, and its number from 1. `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        loop {
            let mut line = Vec::new();
            let most = self.longest as u64 + 1;
            if self
                .input
                .by_ref()
                .take(most)
                .read_until(b'\n', &mut line)?
                == 0
            {
                return Ok(None);
            }
            self.number += 1;
            if line.last() == Some(&b'\n') {
                line.pop();
            } else if line.len() > self.longest {
                self.input.skip_until(b'\n')?;
                return Ok(Some((self.number, Line::TooLong)));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, Line::Whole(line))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_count_and_long_ones_are_passed_over() {
        let text = b"one\n\n \r\n12345678\n123456789\n123456789012345\n12345678";
        let mut lines = Lines {
            longest: 8,
            ..Lines::new(text.as_slice())
        };
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            let text = match line {
                Line::Whole(line) => String::from_utf8(line).unwrap(),
                Line::TooLong => "too long".to_owned(),
            };
            found.push((number, text));
        }
        let expected = [
            (1, "one"),
            (4, "12345678"),
            (5, "too long"),
            (6, "too long"),
            (7, "12345678"),
        ];
        assert_eq!(
            found,
            expected.map(|(number, text)| (number, text.to_owned()))
        );
    }
}
