//! Ids of tool calls: Anthropic takes `^[a-zA-Z0-9_-]+$`, and each one once in a conversation.

use std::collections::{HashMap, HashSet};

/// Gives every call an id that Anthropic takes: its own, or one made of it. What a call is named depends on
/// the calls before it only, so that a conversation that grows keeps its beginning.
#[derive(Debug, Default)]
pub(super) struct Ids<'a> {
    taken: HashSet<String>,
    /// The number that is tried next for an id, so that nobody can make the search long.
    next: HashMap<String, u64>,
    /// The calls of the assistant's message that came last, by their own ids.
    open: HashMap<&'a str, String>,
}

impl<'a> Ids<'a> {
    /// Another assistant's message begins.
    pub(super) fn turn(&mut self) {
        self.open.clear();
    }

    /// The id for a call whose own one is `id`.
    pub(super) fn call(&mut self, id: &'a str) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let plain: String = id.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        let next = self.next.entry(plain.clone()).or_insert(1);
        let new = loop {
            let new = match *next {
                1 => plain.clone(),
                number => format!("{plain}_{number}"),
            };
            *next += 1;
            if self.taken.insert(new.clone()) {
                break new;
            }
        };
        self.open.insert(id, new.clone());
        new
    }

    /// The id that the call answered here was given.
    pub(super) fn result(&self, id: &str) -> String {
        self.open.get(id).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_unless_they_cannot() {
        let mut ids = Ids::default();
        assert_eq!(ids.call("toolu_01-A"), "toolu_01-A");
        assert_eq!(ids.call("call.1|fc"), "call_1_fc");
        assert_eq!(ids.call("é"), "_");
        assert_eq!(ids.result("call.1|fc"), "call_1_fc");
        ids.turn();
        assert_eq!(ids.call("call_1_fc"), "call_1_fc_2");
        assert_eq!(ids.call("call.1|fc"), "call_1_fc_3");
        assert_eq!(ids.result("call.1|fc"), "call_1_fc_3");
        assert_eq!(ids.result("call_1_fc"), "call_1_fc_2");
    }

    #[test]
    fn an_id_that_comes_often_takes_no_longer() {
        let mut ids = Ids::default();
        for _ in 0..20_000 {
            ids.turn();
            ids.call("again");
        }
        assert_eq!(ids.call("again"), "again_20001");
    }
}
