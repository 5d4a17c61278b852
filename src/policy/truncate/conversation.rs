//! A conversation while it is being cut.
//!
//! Invariant: the sum is always that of what is left, so that nothing is counted for it anew.

use std::{cmp::Reverse, collections::BTreeMap};

use serde_json::Value;

use super::{
    Counter, FLOOR, TooLong,
    head_and_tail::head_and_tail,
    units::{Role, droppable},
};
use crate::{units::Tokens, wire::chat::Cut};

/// A text in a message.
pub(super) struct Text<'m> {
    message: usize,
    part: usize,
    text: &'m str,
    /// Its tokens.
    whole: Tokens,
    /// The tokens of what is left of it.
    left: Tokens,
}

impl Text<'_> {
    /// What cutting it to so many tokens saves at least.
    fn saved_by(&self, most: Tokens) -> u128 {
        wide(self.left).saturating_sub(wide(most))
    }
}

/// The messages, what is left of them, and its tokens.
pub(super) struct Conversation<'m> {
    messages: &'m [Value],
    counter: &'m dyn Counter,
    /// The tokens of what is left of each message.
    tokens: Vec<Tokens>,
    /// The sum of these, and of what is no message. No sum of 64-bit numbers is too large for it.
    sum: u128,
    budget: Tokens,
    /// What is cut, by message and part.
    cuts: BTreeMap<(usize, usize), Cut>,
}

impl<'m> Conversation<'m> {
    /// Messages with their tokens; one without is counted as its JSON.
    pub(super) fn new(
        messages: &'m [Value],
        tokens: &[Tokens],
        fixed: Tokens,
        budget: Tokens,
        counter: &'m dyn Counter,
    ) -> Self {
        let mut tokens: Vec<_> = tokens.iter().take(messages.len()).copied().collect();
        let uncounted = messages.iter().skip(tokens.len());
        tokens.extend(uncounted.map(|message| counter.count(&message.to_string())));
        Self {
            messages,
            counter,
            sum: wide(fixed) + tokens.iter().copied().map(wide).sum::<u128>(),
            tokens,
            budget,
            cuts: BTreeMap::new(),
        }
    }

    /// The tokens of all that is left.
    pub(super) fn tokens(&self) -> Tokens {
        Tokens(u64::try_from(self.sum).unwrap_or(u64::MAX))
    }

    /// What is cut, in order.
    ///
    /// # Errors
    /// If there still is too much.
    pub(super) fn into_cuts(self) -> Result<Vec<Cut>, TooLong> {
        if self.excess() > 0 {
            return Err(TooLong {
                pinned: self.tokens(),
                budget: self.budget,
            });
        }
        Ok(self.cuts.into_values().collect())
    }

    /// The outputs of tools, the oldest first: all, or as many as make room if [`FLOOR`] is left of each.
    pub(super) fn outputs(&self) -> Vec<Text<'m>> {
        let mut missing = self.excess();
        let mut outputs = Vec::new();
        let mut texts = self.texts(&[Role::Tool]);
        while missing > 0
            && let Some(output) = texts.next()
        {
            missing = missing.saturating_sub(output.saved_by(FLOOR));
            outputs.push(output);
        }
        outputs
    }

    /// The texts of users and the assistant, the longest first; none if nothing has to be cut.
    pub(super) fn longest(&self) -> Vec<Text<'m>> {
        if self.excess() == 0 {
            return Vec::new();
        }
        let mut texts: Vec<_> = self.texts(&[Role::User, Role::Assistant]).collect();
        texts.sort_by_key(|text| Reverse(text.whole));
        texts
    }

    /// Drops the oldest units, until there is room if [`FLOOR`] is left of each of these outputs.
    pub(super) fn drop_oldest(&mut self, outputs: &[Text<'_>]) {
        let mut saved = BTreeMap::<usize, u128>::new();
        for output in outputs {
            *saved.entry(output.message).or_default() += output.saved_by(FLOOR);
        }
        let mut excess = self.excess().saturating_sub(saved.values().sum());
        if excess == 0 {
            return;
        }
        for unit in droppable(self.messages) {
            for message in unit {
                let tokens = self.set_tokens(message, Tokens(0));
                let saved = saved.get(&message).copied().unwrap_or_default();
                excess = excess.saturating_sub(wide(tokens).saturating_sub(saved));
                self.cuts.insert((message, 0), Cut::Message(message));
            }
            if excess == 0 {
                return;
            }
        }
    }

    /// Cuts the middle out of these texts, one after another, until there is room, and so that about
    /// `floor` is left of each.
    pub(super) fn middle_out(&mut self, texts: &mut [Text<'_>], floor: Tokens) {
        for text in texts {
            let excess = u64::try_from(self.excess()).unwrap_or(u64::MAX);
            if excess == 0 {
                return;
            }
            let most = floor.max(Tokens(text.left.0.saturating_sub(excess)));
            if most >= text.left || self.is_dropped(text.message) {
                continue;
            }
            let cut = head_and_tail(text.text, text.whole, most, self.counter);
            if let Some(shorter) = cut {
                let Tokens(message) = self.tokens_of(text.message);
                let rest = message.saturating_sub(text.left.0);
                let tokens = Tokens(rest.saturating_add(shorter.tokens.0));
                self.set_tokens(text.message, tokens);
                text.left = shorter.tokens;
                let cut = Cut::Text {
                    message: text.message,
                    part: text.part,
                    shorter: shorter.text,
                };
                self.cuts.insert((text.message, text.part), cut);
            }
        }
    }

    fn excess(&self) -> u128 {
        self.sum.saturating_sub(wide(self.budget))
    }

    fn is_dropped(&self, message: usize) -> bool {
        matches!(self.cuts.get(&(message, 0)), Some(Cut::Message(_)))
    }

    fn tokens_of(&self, message: usize) -> Tokens {
        self.tokens.get(message).copied().unwrap_or_default()
    }

    /// Changes the tokens of a message. Returns what they were.
    fn set_tokens(&mut self, message: usize, new: Tokens) -> Tokens {
        let old = self.tokens.get_mut(message);
        let old = old.map_or(new, |tokens| std::mem::replace(tokens, new));
        self.sum = (self.sum + wide(new)).saturating_sub(wide(old));
        old
    }

    /// The texts of these speakers that are left, counted as they are asked for.
    fn texts(&self, speakers: &[Role]) -> impl Iterator<Item = Text<'m>> {
        let messages = self
            .messages
            .iter()
            .enumerate()
            .filter(move |(message, value)| {
                speakers.contains(&Role::of(value)) && !self.is_dropped(*message)
            });
        messages.flat_map(move |(message, value)| {
            texts_of(value).map(move |(part, text)| {
                let whole = self.counter.count(text);
                Text {
                    message,
                    part,
                    text,
                    whole,
                    left: whole,
                }
            })
        })
    }
}

/// The texts of a message's content and their positions in it.
fn texts_of(message: &Value) -> impl Iterator<Item = (usize, &str)> {
    let content = message.get("content");
    let alone = content.and_then(Value::as_str);
    let parts = content.and_then(Value::as_array).into_iter().flatten();
    let texts = parts.enumerate().filter_map(|(position, part)| {
        let is_text = part.get("type").is_some_and(|kind| kind == "text");
        let text = part.get("text").and_then(Value::as_str);
        Some((position, text.filter(|_| is_text)?))
    });
    alone.map(|text| (0, text)).into_iter().chain(texts)
}

fn wide(tokens: Tokens) -> u128 {
    tokens.0.into()
}
