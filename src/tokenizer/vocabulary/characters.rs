//! Characters whose bytes are surely joined to one token, so that the work on a piece begins with them.
//!
//! Merging in the order of ranks joins the bytes of a character before anything else is done with them, if
//! every token that has some of them and something beyond has a higher rank than those that make the
//! character, and so has every token that has all of them and more. To begin with the whole character then
//! gives the same tokens, for a third of the work in Chinese.

use super::NONE;

/// What is known of the characters up to U+FFFF; few others are a token.
#[derive(Default)]
pub(super) struct Characters {
    /// The rank at which the bytes of a character have become one token; [`NONE`] if they don't, or if a token
    /// of a lower rank has them all and more.
    made: Vec<u32>,
    /// By the bytes at a border of two characters: the lowest rank of a token across it that has but a part of
    /// one of them.
    across: Vec<u32>,
}

/// The place in [`Characters::across`].
#[inline]
fn border(before: u8, after: u8) -> usize {
    usize::from(after) << 8 | usize::from(before)
}

/// The character that these bytes are.
fn character(bytes: &[u8]) -> Option<char> {
    let mut characters = std::str::from_utf8(bytes).ok()?.chars();
    characters.next().filter(|_| characters.next().is_none())
}

fn lower(ranks: &mut [u32], at: usize, to: u32) {
    if let Some(rank) = ranks.get_mut(at) {
        *rank = to.min(*rank);
    }
}

fn goes_on(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

impl Characters {
    /// Of all tokens in the order of their ranks; `rank` tells that of one.
    pub(super) fn new<'t>(
        tokens: impl Iterator<Item = &'t [u8]>,
        rank: impl Fn(&[u8]) -> u32,
    ) -> Self {
        let mut across = vec![NONE; 1 << 16];
        // By character, the lowest rank of a token that has it and more.
        let mut longer = vec![NONE; 1 << 16];
        for (rank, token) in (0..).zip(tokens) {
            let mut before: Option<(&[u8], Option<char>)> = None;
            for part in token.chunk_by(|_, next| goes_on(*next)) {
                let whole = character(part);
                if let Some((left, left_whole)) = before {
                    for whole in [left_whole, whole].into_iter().flatten() {
                        lower(&mut longer, whole as usize, rank);
                    }
                    if (left_whole.is_none() || whole.is_none())
                        && let (Some(last), Some(first)) = (left.last(), part.first())
                    {
                        lower(&mut across, border(*last, *first), rank);
                    }
                }
                before = Some((part, whole));
            }
        }
        let made = |(at, longer): (u32, u32)| {
            let character = char::from_u32(at).filter(|c| !c.is_ascii());
            let made = character.map_or(NONE, |character| {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).as_bytes();
                // Of three bytes, those two are joined first whose token has the lower rank.
                let pairs = bytes.windows(2).map(&rank).min().unwrap_or(NONE);
                pairs.max(rank(bytes))
            });
            if made < longer { made } else { NONE }
        };
        Self {
            made: (0..).zip(longer).map(made).collect(),
            across,
        }
    }

    /// The bytes of the character at `at` of `piece` if they are surely joined; else 1.
    #[inline]
    pub(super) fn unit(&self, piece: &[u8], at: usize) -> usize {
        let low = |byte: &u8| usize::from(byte & 0x3F);
        let (character, first, last, length) = match piece.get(at..).unwrap_or_default() {
            [a @ 0xC2..=0xDF, b, ..] => (usize::from(a & 0x1F) << 6 | low(b), a, b, 2),
            [a @ 0xE0..=0xEF, b, c, ..] => {
                (usize::from(a & 0x0F) << 12 | low(b) << 6 | low(c), a, c, 3)
            }
            _ => return 1,
        };
        let across = |before: Option<&u8>, after: Option<&u8>| match (before, after) {
            (Some(before), Some(after)) => self.across.get(border(*before, *after)),
            (None, _) | (_, None) => None,
        };
        let before = at.checked_sub(1).and_then(|before| piece.get(before));
        let borders = [
            across(before, Some(first)),
            across(Some(last), piece.get(at + length)),
        ];
        let made = self.made.get(character).copied().unwrap_or(NONE);
        if borders.iter().flatten().all(|across| made < **across) && made != NONE {
            length
        } else {
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::encoding::Encoding;

    fn check(text: &str) {
        let o200k = tiktoken_rs::o200k_base_singleton().count_ordinary(text);
        let ours = Encoding::O200k.tally(text).total();
        assert_eq!(ours, o200k as u64, "o200k of {text:?}");
        let cl100k = tiktoken_rs::cl100k_base_singleton().count_ordinary(text);
        let ours = Encoding::Cl100k.tally(text).total();
        assert_eq!(ours, cl100k as u64, "cl100k of {text:?}");
    }

    #[test]
    fn every_character_beside_others() {
        // Each after and before those that tokens reach across most often: a space, а, ก, あ, 的, ა, ا.
        let others = [
            " ", "\u{430}", "\u{e01}", "\u{3042}", "\u{7684}", "\u{10d0}", "\u{627}",
        ];
        for (at, character) in ('\u{80}'..='\u{FFFF}').enumerate() {
            let other = others[at % others.len()];
            check(&format!("{other}{character}{character}{other}"));
        }
    }

    proptest! {
        #[test]
        fn of_one_script(text in prop_oneof![
            "[\u{4e00}-\u{6000} 的一是不了人，。]{0,60}",
            "[\u{3040}-\u{30ff}の、ー]{0,60}",
            "[\u{ac00}-\u{d7a3} 이다가]{0,40}",
            "[\u{400}-\u{52f} оае-]{0,60}",
            "[\u{590}-\u{6ff} ]{0,60}",
            "[\u{900}-\u{dff} ]{0,60}",
            "[\u{e00}-\u{eff} ]{0,60}",
            "[\u{10a0}-\u{1cff} ა]{0,60}",
            "[\u{1e00}-\u{22ff} ’—…]{0,60}",
            "[\u{80}-\u{24f} é]{0,60}",
        ]) {
            check(&text);
        }
    }
}
