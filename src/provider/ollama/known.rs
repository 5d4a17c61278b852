//! What is known about the models of one server, learned once in a while.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;

use super::{
    window::{self, Windows},
    wire::{ModelList, ShowResponse},
};
use crate::clock::{Clock, Moment};

/// How long what was learned holds: a model may be pulled again.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long it is not asked again for what could not be learned.
const PAUSE: Duration = Duration::from_secs(60);
/// Who learns within this time learns the same: requests that come together ask together.
const TOGETHER: Duration = Duration::from_secs(10);
/// How many models are remembered: names come from clients.
const MOST_MODELS: usize = 256;

/// What is known about a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) windows: Windows,
    /// What it can do (`tools`, `vision`, `thinking`); `None` if unknown.
    capabilities: Option<Vec<String>>,
    family: String,
}

impl Facts {
    /// Reads what `/api/show` says about `model`, and `/api/ps` about those that are loaded.
    pub(super) fn read(model: &str, show: &ShowResponse, loaded: Option<&ModelList>) -> Self {
        let info = |key: &str| show.model_info.as_ref()?.get(key);
        let architecture = info("general.architecture").and_then(Value::as_str);
        let longest =
            architecture.and_then(|name| info(&format!("{name}.context_length"))?.as_u64());
        let parameters = show.parameters.as_deref().unwrap_or_default();
        let meant = parameters.lines().find_map(|line| {
            let value = line.trim_start().strip_prefix("num_ctx")?;
            value.trim().parse::<u64>().ok()
        });
        let loaded = loaded.and_then(|list| {
            let same = |name: &str| name.trim_end_matches(":latest") == without_latest(model);
            let entry = list.models.iter().find(|it| it.name().is_some_and(same));
            entry?.context_length
        });
        Self {
            windows: Windows {
                longest: longest.filter(|longest| *longest > 0),
                current: meant.unwrap_or(0).max(loaded.unwrap_or(0)),
            },
            capabilities: show.capabilities.clone().filter(|list| !list.is_empty()),
            family: show
                .details
                .as_ref()
                .and_then(|details| details.family.clone())
                .or_else(|| architecture.map(str::to_owned))
                .unwrap_or_default(),
        }
    }

    /// Whether it is known to lack `capability`.
    pub(super) fn lacks(&self, capability: &str) -> bool {
        let list = self.capabilities.as_ref();
        list.is_some_and(|list| !list.iter().any(|it| it == capability))
    }

    /// Whether it is known to think.
    pub(super) fn thinks(&self) -> bool {
        self.capabilities.is_some() && !self.lacks("thinking")
    }

    /// Whether it thinks by levels (`low`, `medium`, `high`) and can't be told not to: gpt-oss alone.
    pub(super) fn thinks_by_levels(&self, model: &str) -> bool {
        self.family.starts_with("gptoss") || model.contains("gpt-oss")
    }
}

/// The name of a model without the tag that is meant where there is none.
pub(super) fn without_latest(model: &str) -> &str {
    model.strip_suffix(":latest").unwrap_or(model)
}

/// The memory of one server's models.
#[derive(Debug)]
pub(super) struct Known {
    clock: Clock,
    models: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    facts: Facts,
    /// When they were learned; `None` if they never were.
    learned: Option<Moment>,
    /// When they have to be learned again.
    until: Moment,
}

impl Known {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            models: Mutex::default(),
        }
    }

    /// Whether `model` has to be asked about. Of what is known already, one request asks anew, and the
    /// others go on.
    pub(super) fn needs(&self, model: &str) -> bool {
        let now = self.clock.now();
        let mut models = self.models();
        let Some(entry) = models.get_mut(model) else {
            return true;
        };
        let needs = entry.until <= now;
        if needs {
            entry.until = now.after(PAUSE);
        }
        needs
    }

    /// Remembers what was learned about `model`; that nothing was, too.
    pub(super) fn learn(&self, model: &str, learned: Option<Facts>) {
        let now = self.clock.now();
        let mut models = self.models();
        let before = models.remove(model);
        while models.len() >= MOST_MODELS
            && let Some(oldest) = models
                .iter()
                .min_by_key(|(_, entry)| entry.until)
                .map(|(name, _)| name.clone())
        {
            models.remove(&oldest);
        }
        let entry = match (learned, before) {
            (_, Some(before)) if before.learned.is_some_and(|it| now.since(it) < TOGETHER) => {
                before
            }
            (Some(facts), _) => Entry {
                facts,
                learned: Some(now),
                until: now.after(FRESH),
            },
            (None, before) => {
                let (facts, learned) =
                    before.map_or_else(Default::default, |it| (it.facts, it.learned));
                let until = now.after(PAUSE);
                Entry {
                    facts,
                    learned,
                    until,
                }
            }
        };
        models.insert(model.to_owned(), entry);
    }

    /// What is known about `model`.
    pub(super) fn facts(&self, model: &str) -> Facts {
        let models = self.models();
        let entry = models.get(model);
        entry.map(|entry| entry.facts.clone()).unwrap_or_default()
    }

    /// Remembers that `model` is used with `window`; it stays until the server is asked again which
    /// window the model has.
    pub(super) fn used(&self, model: &str, window: u64) {
        if let Some(entry) = self.models().get_mut(model) {
            let current = &mut entry.facts.windows.current;
            *current = window.max(*current);
        }
    }

    /// Has `model` get a larger window from now on; `false` if there is none.
    pub(super) fn grow(&self, model: &str) -> bool {
        let mut models = self.models();
        let Some(entry) = models.get_mut(model) else {
            return false;
        };
        let windows = &mut entry.facts.windows;
        let larger = window::larger(*windows).filter(|_| windows.current > 0);
        windows.current = larger.unwrap_or(windows.current);
        larger.is_some()
    }

    fn models(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn show(body: Value) -> ShowResponse {
        serde_json::from_value(body).unwrap()
    }

    fn with_window(current: u64) -> Facts {
        Facts {
            windows: Windows {
                longest: Some(32_768),
                current,
            },
            ..Facts::default()
        }
    }

    #[test]
    fn facts_are_read_from_what_the_server_says() {
        let show = show(json!({
            "model_info": {
                "general.architecture": "qwen3", "qwen3.context_length": 40_960,
                "qwen3.embedding_length": 5120,
            },
            "parameters": "repeat_penalty                 1\nnum_ctx                        16384\nstop \"<x>\"",
            "capabilities": ["completion", "tools", "thinking"],
            "details": {"family": "qwen3"},
        }));
        let loaded = serde_json::from_value(json!({"models": [
            {"name": "other:latest", "model": "other:latest", "context_length": 99_999},
            {"name": "qwen3:latest", "model": "qwen3:latest", "context_length": 32_768},
        ]}))
        .unwrap();
        let facts = Facts::read("qwen3", &show, None);
        assert_eq!(facts.windows.longest, Some(40_960));
        assert_eq!(facts.windows.current, 16_384);
        assert!(facts.thinks() && facts.lacks("vision") && !facts.lacks("tools"));
        assert!(!facts.thinks_by_levels("qwen3"));
        for name in ["qwen3", "qwen3:latest"] {
            let facts = Facts::read(name, &show, Some(&loaded));
            assert_eq!(facts.windows.current, 32_768);
        }
    }

    #[test]
    fn a_server_that_says_little_is_understood() {
        for body in [
            json!({}),
            json!({"model_info": null, "parameters": null, "capabilities": [], "details": null}),
            json!({"model_info": {"general.architecture": "x", "x.context_length": 0}}),
            json!({"model_info": {"general.architecture": "x", "x.context_length": "many"}}),
            json!({"parameters": "num_ctx many"}),
        ] {
            let facts = Facts::read("m", &show(body), None);
            assert_eq!(
                facts,
                Facts {
                    family: facts.family.clone(),
                    ..Facts::default()
                }
            );
            assert!(!facts.lacks("tools") && !facts.thinks());
        }
        assert!(Facts::default().thinks_by_levels("gpt-oss:20b"));
    }

    #[test]
    fn what_was_learned_holds_for_a_while_and_failures_for_a_minute() {
        let clock = Clock::manual();
        let known = Known::new(clock.clone());
        assert!(known.needs("m"));
        known.learn("m", None);
        assert!(!known.needs("m"));
        clock.advance(PAUSE);
        assert!(known.needs("m"));
        known.learn("m", Some(with_window(0)));
        clock.advance(PAUSE);
        assert!(!known.needs("m"));
        clock.advance(FRESH);
        assert!(known.needs("m"));
        assert!(!known.needs("m"), "one asks");
        known.learn("m", None);
        assert_eq!(known.facts("m").windows.longest, Some(32_768));
    }

    #[test]
    fn a_window_stays_and_grows() {
        let known = Known::new(Clock::manual());
        assert!(!known.grow("m"));
        known.used("m", 8192);
        assert_eq!(known.facts("m"), Facts::default());
        known.learn("m", Some(with_window(0)));
        assert!(!known.grow("m"));
        known.used("m", 8192);
        known.used("m", 4096);
        assert_eq!(known.facts("m").windows.current, 8192);
        known.learn("m", None);
        assert_eq!(known.facts("m").windows.current, 8192);
        assert!(known.grow("m") && known.grow("m") && !known.grow("m"));
        assert_eq!(known.facts("m").windows.current, 32_768);
    }

    #[test]
    fn a_window_survives_what_others_learn_at_the_same_time() {
        let clock = Clock::manual();
        let known = Known::new(clock.clone());
        known.learn("m", None);
        known.learn("m", Some(with_window(0)));
        known.used("m", 8192);
        known.learn("m", Some(with_window(0)));
        known.learn("m", None);
        assert_eq!(known.facts("m").windows.current, 8192);
        assert!(!known.needs("m"));
        clock.advance(FRESH);
        known.learn("m", Some(with_window(0)));
        assert_eq!(known.facts("m").windows.current, 0);
    }

    #[test]
    fn the_memory_is_bounded() {
        let clock = Clock::manual();
        let known = Known::new(clock.clone());
        for number in 0..1000 {
            clock.advance(Duration::from_millis(1));
            known.learn(&format!("m{number}"), Some(with_window(1)));
        }
        assert_eq!(known.models().len(), MOST_MODELS);
        assert!(known.needs("m0") && !known.needs("m999"));
    }
}
