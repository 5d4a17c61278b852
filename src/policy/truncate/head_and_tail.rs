//! One text, of which the beginning and the end are kept.
//!
//! What a tool printed says at its beginning what it is and at its end how it ended; a prompt has its
//! question at one of them. Invariant: the result has at most the tokens that were asked for.

use unicode_segmentation::GraphemeCursor;

use super::Counter;
use crate::units::Tokens;

/// How far from a position the border of a character as people see it is looked for, in bytes. Of more
/// code points than that in one such character, some may be cut off.
const NEIGHBOURHOOD: usize = 256;

/// A text of which something was left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shorter {
    pub(super) text: String,
    /// Its tokens.
    pub(super) tokens: Tokens,
}

/// The beginning and the end of `text`, about the same number of tokens of each, with a mark between
/// them; altogether at most `most` tokens. `whole` is the number of tokens of `text`, which says
/// (about) how many were left out.
///
/// `None` if not even the mark has place. Costs a count of what is kept, seldom more.
pub(super) fn head_and_tail(
    text: &str,
    whole: Tokens,
    most: Tokens,
    counter: &dyn Counter,
) -> Option<Shorter> {
    let Tokens(mark) = counter.count(&mark(whole.0));
    let mut room = most.0.checked_sub(mark)?;
    // The pieces may have more tokens together than one by one, so they are counted together, and
    // made shorter until they fit.
    let mut step: u64 = 1;
    loop {
        let text = joined(text, whole, Tokens(room), counter);
        let tokens = text.as_deref().map(|text| counter.count(text));
        if let (Some(text), Some(tokens)) = (text, tokens)
            && tokens <= most
        {
            return Some(Shorter { text, tokens });
        }
        if room == 0 {
            return None;
        }
        let over = tokens.map_or(0, |tokens| tokens.0.saturating_sub(most.0));
        room = room.saturating_sub(over.max(step));
        step = step.saturating_mul(2);
    }
}

/// Pieces of altogether `room` tokens and the mark; `None` if they are the whole text.
fn joined(text: &str, whole: Tokens, room: Tokens, counter: &dyn Counter) -> Option<String> {
    let tail = room.0 / 2;
    let head = counter.beginning(text, Tokens(room.0 - tail));
    let tail = counter.end(text, Tokens(tail));
    let head = text.get(..border_before(text, head))?;
    let tail = text.get(border_after(text, tail)..)?;
    if head.len() + tail.len() >= text.len() {
        return None;
    }
    let mark = mark(whole.0.saturating_sub(room.0));
    Some([head, &mark, tail].concat())
}

fn mark(left_out: u64) -> String {
    format!("\n[... {left_out} tokens left out ...]\n")
}

/// The last border of characters, as people see them, that is not after `at`.
fn border_before(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let start = text.ceil_char_boundary(at.saturating_sub(NEIGHBOURHOOD));
    let near = near(text, start, at);
    let mut cursor = GraphemeCursor::new(at - start, near.len(), true);
    match cursor.is_boundary(near, 0) {
        Ok(false) => match cursor.prev_boundary(near, 0) {
            Ok(Some(before)) if before > 0 || start == 0 => start + before,
            _ => at,
        },
        _ => at,
    }
}

/// The first border of characters, as people see them, that is not before `at`.
fn border_after(text: &str, at: usize) -> usize {
    let at = text.ceil_char_boundary(at);
    let start = text.ceil_char_boundary(at.saturating_sub(NEIGHBOURHOOD));
    let near = near(text, start, at);
    let mut cursor = GraphemeCursor::new(at - start, near.len(), true);
    match cursor.is_boundary(near, 0) {
        Ok(false) => match cursor.next_boundary(near, 0) {
            Ok(Some(after)) if after < near.len() || start + after == text.len() => start + after,
            _ => at,
        },
        _ => at,
    }
}

/// The text from `start` until some way after `at`.
fn near(text: &str, start: usize, at: usize) -> &str {
    let end = text.floor_char_boundary(at.saturating_add(NEIGHBOURHOOD));
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::truncate::tests::counters::{Convex, Quarter, Words};
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    fn check(text: &str, most: u64, expected: Option<&str>) {
        let whole = Words.count(text);
        let shorter = head_and_tail(text, whole, Tokens(most), &Words);
        assert_eq!(shorter.as_ref().map(|shorter| &*shorter.text), expected);
        if let Some(shorter) = shorter {
            assert_eq!(shorter.tokens, Words.count(&shorter.text));
        }
    }

    #[test]
    fn keeps_the_beginning_and_the_end() {
        let text = "one two three four five six seven eight nine ten eleven twelve";
        check(
            text,
            9,
            Some("one two \n[... 9 tokens left out ...]\n twelve"),
        );
        check(text, 6, Some("\n[... 12 tokens left out ...]\n"));
        check(text, 5, None);
        check("", 5, None);
    }

    #[test]
    fn what_people_see_as_one_character_is_not_cut() {
        let flags = "🇨🇭🇩🇪🇫🇷";
        assert_eq!(border_before(flags, 12), 8);
        assert_eq!(border_after(flags, 12), 16);
        let family = "a👨‍👩‍👧b";
        assert_eq!(border_before(family, 8), 1);
        assert_eq!(border_after(family, 8), family.len() - 1);
        assert_eq!(border_before("e\u{301}x", 1), 0);
        assert_eq!(border_after("e\u{301}x", 1), 3);
        assert_eq!(border_before("a\r\nb", 2), 1);
        for at in [0, 3, 4, 100] {
            assert_eq!(border_before("abc", at), at.min(3));
            assert_eq!(border_after("abc", at), at.min(3));
        }
        // Only a part of a character that has hundreds of code points.
        let marks = format!("e{}x", "\u{301}".repeat(1000));
        assert_eq!(border_before(&marks, 1001), 1001);
        assert_eq!(border_after(&marks, 1001), 1001);
        assert_eq!(border_before(&marks, 1002), 1001);
    }

    proptest! {
        #[test]
        fn has_at_most_the_tokens_asked_for(
            text in "(\\PC{0,6}( |e\u{301}|🇨🇭|👩‍🚀|\n)){0,60}",
            most in 0_u64..120,
        ) {
            let mut borders: Vec<usize> =
                text.grapheme_indices(true).map(|(border, _)| border).collect();
            borders.push(text.len());
            for counter in [&Quarter as &dyn Counter, &Words, &Convex] {
                let whole = counter.count(&text);
                let Some(shorter) = head_and_tail(&text, whole, Tokens(most), counter) else {
                    continue;
                };
                prop_assert!(shorter.tokens <= Tokens(most));
                prop_assert_eq!(shorter.tokens, counter.count(&shorter.text));
                let (head, rest) = shorter.text.split_once("\n[... ").unwrap();
                let (number, tail) = rest.split_once(" tokens left out ...]\n").unwrap();
                prop_assert!(text.starts_with(head) && text.ends_with(tail));
                prop_assert!(head.len() + tail.len() < text.len());
                prop_assert!(borders.contains(&head.len()));
                prop_assert!(borders.contains(&(text.len() - tail.len())));
                let left = counter.count(head).0 + counter.count(tail).0;
                let number: u64 = number.parse().unwrap();
                prop_assert!(number.abs_diff(whole.0 - left) < 16, "{number} of {whole:?}");
            }
        }
    }
}
