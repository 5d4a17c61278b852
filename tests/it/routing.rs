//! Which model answers: by name, by kind of work, by strategy, after a failure, within a budget.

mod budgets;
mod explained;
mod fallbacks;
mod pins;
mod strategies;
mod tasks;

use serde_json::{Value, json};

use crate::support::{
    gateway::{Setup, provider},
    upstream::Upstream,
};

/// Three providers, `one`, `two` and `three`.
struct Three {
    one: Upstream,
    two: Upstream,
    three: Upstream,
}

impl Three {
    async fn start() -> Self {
        Self {
            one: Upstream::start().await,
            two: Upstream::start().await,
            three: Upstream::start().await,
        }
    }

    /// A gateway before them with this configuration. Its cache is off, so that every request goes to
    /// somebody.
    fn setup(&self, more: &str) -> Setup {
        self.cached(&format!("[cache]\nenabled = false\n{more}"))
    }

    /// The same with its cache on.
    fn cached(&self, more: &str) -> Setup {
        let providers = provider("one", &self.one)
            + &provider("two", &self.two)
            + &provider("three", &self.three);
        Setup::new(&format!("{more}\n{providers}"))
    }

    /// How often each was asked.
    fn calls(&self) -> [usize; 3] {
        [&self.one, &self.two, &self.three].map(Upstream::calls)
    }
}

/// A request for `model`.
fn for_model(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "What do crabs eat?"}]})
}
