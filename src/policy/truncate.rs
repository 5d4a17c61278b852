//! What is cut from a conversation that is too long for a model.
//!
//! | step | what is cut | down to |
//! |---|---|---|
//! | 1 | outputs of tools, the oldest first: their middle | 200 tokens each |
//! | 2 | the oldest turns before the last message of a user, then the oldest exchanges after it | these two stay |
//! | 3 | outputs of tools that are left, the oldest first: their middle | 50 tokens each |
//! | 4 | the longest text of the user or the assistant, then the next: its middle | 50 tokens each |
//!
//! Each step goes only as far as it must: turns are dropped when outputs cut by step 1 alone would
//! not make room, and outputs are cut only for what the dropped turns did not bring. System messages
//! stay as they are, so do tools and the order; a tool call and its results stay or go together
//! (`units`). What stands between the beginning and the end of a cut text says how much was
//! left out.
//!
//! It does not count: a [`Counter`] does. Invariant: what [`fit`] returns fits.

use serde_json::Value;

use self::conversation::Conversation;
pub use self::{counter::Counter, told::told_window};
use crate::{
    units::{Tokens, words},
    wire::chat::Cut,
};

mod conversation;
mod counter;
mod head_and_tail;
mod told;
mod units;

/// What is left of an output while there are turns to be dropped. Some fifteen lines: enough to see
/// what it was and how it ended.
const FLOOR: Tokens = Tokens(200);
/// What is left of a text in the end: the mark and a line on both sides of it.
const LAST_FLOOR: Tokens = Tokens(50);

/// What is done with a prompt that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// A target with a larger window is asked; if there is none, the request is refused.
    #[default]
    LargerModel,
    /// What can be missed first is cut.
    Trim,
    /// The request is refused.
    Reject,
}

words! {
    /// All, by their names in the file.
    pub Overflow {
        LargerModel = "larger_model",
        Trim = "trim",
        Reject = "reject",
    }
}

/// How a conversation is made to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// The tokens of the whole prompt as it came.
    pub before: Tokens,
    /// The tokens of what is left of it.
    pub after: Tokens,
    /// What is left out, in the order of the messages; nothing if it fitted.
    pub cuts: Vec<Cut>,
}

/// Too much of a conversation can't be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} tokens can't be cut, and there is room for {}", .pinned.0, .budget.0)]
pub struct TooLong {
    /// The tokens of what is left when all has been cut that can be.
    pub pinned: Tokens,
    /// The tokens there is room for.
    pub budget: Tokens,
}

/// What to leave out of `messages` (`OpenAI`'s, as `wire::chat` reads them), so that the prompt has at
/// most `budget` tokens.
///
/// `tokens` are those of each message as `counter` counts its texts, and what else it costs; `fixed`
/// those of all that is no message (tools, the priming of the answer). Linear in the length of the
/// conversation: no text is counted whole more than once.
///
/// # Errors
/// [`TooLong`], if what can't be cut is too long.
pub fn fit(
    messages: &[Value],
    tokens: &[Tokens],
    fixed: Tokens,
    budget: Tokens,
    counter: &dyn Counter,
) -> Result<Fitted, TooLong> {
    let mut conversation = Conversation::new(messages, tokens, fixed, budget, counter);
    let before = conversation.tokens();
    let mut outputs = conversation.outputs();
    conversation.drop_oldest(&outputs);
    conversation.middle_out(&mut outputs, FLOOR);
    conversation.middle_out(&mut outputs, LAST_FLOOR);
    let mut longest = conversation.longest();
    conversation.middle_out(&mut longest, LAST_FLOOR);
    let after = conversation.tokens();
    let cuts = conversation.into_cuts()?;
    Ok(Fitted {
        before,
        after,
        cuts,
    })
}

#[cfg(test)]
mod tests;
