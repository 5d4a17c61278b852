//! What kind of character a splitting rule takes a character for.

use regex_syntax::hir::{Class as Ranges, HirKind};

/// A set of the properties that the splitting rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// What is none of the others: punctuation, symbols, controls.
    pub(super) const OTHER: Self = Self(0);
    /// What may stand before the small letters of a word: `\p{Lu}`, `\p{Lt}`, `\p{Lm}`, `\p{Lo}`, `\p{M}`.
    pub(super) const HEAD: Self = Self(1);
    /// What may end a word: `\p{Ll}`, `\p{Lm}`, `\p{Lo}`, `\p{M}`.
    pub(super) const TAIL: Self = Self(2);
    /// `\p{L}`.
    pub(super) const LETTER: Self = Self(4);
    /// `\p{N}`.
    pub(super) const NUMBER: Self = Self(8);
    /// `\s`.
    pub(super) const SPACE: Self = Self(16);
    /// `\r` and `\n`.
    pub(super) const NEWLINE: Self = Self(32);

    /// Whether this has any property of `others`.
    #[inline]
    pub(super) const fn is(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// The properties of both.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The classes of ASCII, which is most of what is asked for.
const ASCII: [Class; 128] = {
    let mut all = [Class::OTHER; 128];
    let mut rest: &mut [Class] = &mut all;
    let mut byte = 0_u8;
    while let [first, others @ ..] = rest {
        *first = match byte {
            b'a'..=b'z' => Class::LETTER.or(Class::TAIL),
            b'A'..=b'Z' => Class::LETTER.or(Class::HEAD),
            b'0'..=b'9' => Class::NUMBER,
            b'\r' | b'\n' => Class::SPACE.or(Class::NEWLINE),
            b'\t' | 0x0b | 0x0c | b' ' => Class::SPACE,
            _ => Class::OTHER,
        };
        rest = others;
        byte += 1;
    }
    all
};

/// Characters of one block.
const BLOCK: usize = 128;

/// The classes of all characters, in blocks of which equal ones are kept once.
#[derive(Debug)]
pub(super) struct Classes {
    /// Which block, by the character divided by [`BLOCK`].
    places: Vec<u16>,
    blocks: Vec<[Class; BLOCK]>,
}

impl Classes {
    /// Reads Unicode's properties as the regular expressions' own crate has them.
    pub(super) fn load() -> Self {
        let mut all = vec![Class::OTHER; 0x11_0000];
        for (pattern, class) in [
            (r"[\p{Lu}\p{Lt}]", Class::LETTER.or(Class::HEAD)),
            (r"\p{Ll}", Class::LETTER.or(Class::TAIL)),
            (
                r"[\p{Lm}\p{Lo}]",
                Class::LETTER.or(Class::HEAD).or(Class::TAIL),
            ),
            (r"\p{M}", Class::HEAD.or(Class::TAIL)),
            (r"\p{N}", Class::NUMBER),
            (r"\s", Class::SPACE),
        ] {
            let parsed = regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind);
            if let Ok(HirKind::Class(Ranges::Unicode(ranges))) = parsed {
                for range in ranges.ranges() {
                    let span = range.start() as usize..=range.end() as usize;
                    all.get_mut(span).unwrap_or_default().fill(class);
                }
            }
        }
        let mut classes = Self {
            places: Vec::new(),
            blocks: Vec::new(),
        };
        for block in all.as_chunks::<BLOCK>().0 {
            let known = classes.blocks.iter().position(|known| known == block);
            let place = known.unwrap_or_else(|| {
                classes.blocks.push(*block);
                classes.blocks.len() - 1
            });
            classes
                .places
                .push(u16::try_from(place).unwrap_or_default());
        }
        classes
    }

    fn of(&self, c: char) -> Class {
        let at = c as usize;
        let place = self
            .places
            .get(at / BLOCK)
            .map_or(0, |place| usize::from(*place));
        let block = self.blocks.get(place);
        block
            .and_then(|block| block.get(at % BLOCK))
            .copied()
            .unwrap_or(Class::OTHER)
    }

    /// The class of the character at byte `at`, and where the next begins; none at the end.
    #[inline]
    pub(super) fn at(&self, text: &str, at: usize) -> Option<(Class, usize)> {
        let byte = *text.as_bytes().get(at)?;
        if let Some(class) = ASCII.get(usize::from(byte)) {
            return Some((*class, at + 1));
        }
        let c = text.get(at..)?.chars().next()?;
        Some((self.of(c), at + c.len_utf8()))
    }

    /// Where the run of characters of `class` ends that begins at `at`.
    #[inline]
    pub(super) fn run(&self, text: &str, mut at: usize, class: Class) -> usize {
        while let Some((found, next)) = self.at(text, at) {
            if !found.is(class) {
                break;
            }
            at = next;
        }
        at
    }
}
