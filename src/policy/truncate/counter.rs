//! What truncation asks a tokenizer.

use crate::units::Tokens;

/// Counts and cuts text as a model does; rather too many tokens than too few.
pub trait Counter {
    /// The tokens of `text`, at most.
    fn count(&self, text: &str) -> Tokens;
    /// Where the longest beginning of `text` ends that has at most `most` tokens: a byte position at a border of characters.
    fn beginning(&self, text: &str, most: Tokens) -> usize;
    /// Where the longest end of `text` begins that has at most `most` tokens.
    fn end(&self, text: &str, most: Tokens) -> usize;
}
