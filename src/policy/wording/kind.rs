//! Kinds of words, as bits.

/// Carries no matter of its own: "the", "of", "please".
pub(in crate::policy) const EMPTY: u16 = 1;
/// Turns a statement round: "not", "without".
pub(in crate::policy) const NEGATION: u16 = 1 << 1;
/// Says what part a thing plays: "from", "than".
pub(in crate::policy) const ROLE: u16 = 1 << 2;
/// Joins equals: "between", "married".
pub(in crate::policy) const SYMMETRIC: u16 = 1 << 3;
/// "and", "or".
pub(in crate::policy) const JOINS: u16 = 1 << 4;
/// A form of "be".
pub(in crate::policy) const BE: u16 = 1 << 5;
/// Capitalised where a common word would not be.
pub(in crate::policy) const NAME: u16 = 1 << 6;
/// In one of the tables, so hardly a misspelling.
pub(in crate::policy) const KNOWN: u16 = 1 << 7;
/// "of".
pub(in crate::policy) const OF: u16 = 1 << 8;
/// "by".
pub(in crate::policy) const BY: u16 = 1 << 9;
/// With "'s".
pub(in crate::policy) const OWNER: u16 = 1 << 10;
/// "largest", by its ending.
pub(in crate::policy) const SUPERLATIVE: u16 = 1 << 11;
/// Any preposition, directional or not.
pub(in crate::policy) const PREPOSITION: u16 = 1 << 12;
/// A number.
pub(in crate::policy) const NUMBER: u16 = 1 << 13;
/// An article or the like, without weight in a comparison.
pub(in crate::policy) const ARTICLE: u16 = 1 << 14;
/// Ends as a superlative does and is none.
pub(in crate::policy) const PLAIN: u16 = 1 << 15;
