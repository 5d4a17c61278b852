//! How steps end, in one word: that of the error, or one of these.

/// As it should.
pub const OK: &str = "ok";
/// The answer of an attempt broke off after it had begun.
pub const BROKEN: &str = "broken";
/// Nobody waited any longer: what is said of a step without an outcome.
pub const GIVEN_UP: &str = "given_up";

/// How attempts end in which nobody was asked: all keys are put aside, or it can't be asked such a thing.
pub(super) const UNASKED: [&str; 2] = ["busy", "untranslatable"];
