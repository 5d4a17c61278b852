//! Where conversations were answered, so that they stay there: a provider's prompt cache is warm there,
//! and signatures of thoughts are worth nothing elsewhere.
//!
//! Kept in memory for an hour after their last use, for so many conversations. A pin is advice: whoever
//! finds one has to see whether that target is still there and well.

use std::time::Duration;

use moka::{policy::EvictionPolicy, sync::Cache};

use crate::{
    ident::{ModelId, ProviderName, TaskName},
    policy::routing::conversation::{ConversationKey, Keys},
};

/// How long a conversation may rest.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// Requests that are remembered; some 25 MB.
const MOST: u64 = 100_000;

/// Who answered a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The provider.
    pub provider: ProviderName,
    /// What it was asked for.
    pub model: ModelId,
    /// The kind of work that it was taken for, if the request did not name a model.
    pub task: Option<TaskName>,
}

/// The memory; clones share it.
#[derive(Debug, Clone)]
pub struct Pins(Cache<ConversationKey, Pin>);

impl Pins {
    /// Of no conversation yet.
    #[must_use]
    pub fn new() -> Self {
        Self::of_at_most(MOST)
    }

    fn of_at_most(most: u64) -> Self {
        // Each key is looked up about once, so how often one was used says nothing, and a new one must
        // not be turned away in favour of old ones.
        let cache = Cache::builder()
            .max_capacity(most)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(IDLE);
        Self(cache.build())
    }

    /// Who answered the request that this one goes on from.
    #[must_use]
    pub fn find(&self, keys: &Keys) -> Option<Pin> {
        self.0.get(&keys.continues?)
    }

    /// Remembers who has answered a request.
    pub fn remember(&self, keys: &Keys, pin: Pin) {
        self.0.insert(keys.becomes, pin);
    }
}

impl Default for Pins {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::{
        identity::{Scope, ScopeKind},
        routing::conversation::keys,
    };

    fn of(scope: &str, messages: &Value) -> Keys {
        let scope = Scope::new(&[1; 32], ScopeKind::Key, scope.as_bytes());
        keys(scope, "auto", messages.as_array().unwrap())
    }

    fn pin(provider: &str) -> Pin {
        Pin {
            provider: ProviderName::new(provider).unwrap(),
            model: ModelId::new("m").unwrap(),
            task: TaskName::new("chat").ok(),
        }
    }

    #[test]
    fn a_conversation_stays_where_it_was_answered() {
        let pins = Pins::new();
        let question = json!({"role": "user", "content": "How many legs has a crab?"});
        let answer = json!({"role": "assistant", "content": "Ten."});
        let more = json!({"role": "user", "content": "And a spider?"});
        let first = of("a", &json!([question]));
        assert_eq!(pins.find(&first), None);
        pins.remember(&first, pin("p"));
        assert_eq!(pins.find(&first), None, "asked again, it is a new one");
        let next = json!([question, answer, more]);
        assert_eq!(pins.clone().find(&of("a", &next)), Some(pin("p")));
        assert_eq!(pins.find(&of("b", &next)), None);
        // Another target had to answer that: it goes on there.
        pins.remember(&of("a", &next), pin("q"));
        let last = json!([question, answer, more, answer, question]);
        assert_eq!(pins.find(&of("a", &last)), Some(pin("q")));
    }

    #[test]
    fn the_newest_are_kept() {
        let pins = Pins::of_at_most(10);
        let nth = |n: u32| json!([{"role": "user", "content": n.to_string()}]);
        for n in 0..200 {
            pins.remember(&of("a", &nth(n)), pin("p"));
        }
        pins.0.run_pending_tasks();
        assert_eq!(pins.0.entry_count(), 10);
        for n in 190..200 {
            assert!(pins.0.contains_key(&of("a", &nth(n)).becomes), "{n}");
        }
    }
}
