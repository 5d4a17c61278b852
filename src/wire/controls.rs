//! What a request may say about the cache: standard `Cache-Control`, our `x-refrain-*` headers, a
//! `refrain` object in the body, and the aliases that users of other gateways already send.
//!
//! Reading only; what follows from it is `policy::cacheable`'s to say. Headers that contradict each
//! other are refused, and so are fields of a body; between the two, the body goes before the
//! headers, which a client often sets once for all of its requests. Invariant: no control ever
//! reaches a provider.

mod value;

use std::time::Duration;

use serde_json::Value;

use self::value::{delta_seconds, invalid, says_true};
use crate::{
    ident::{Namespace, Tag, TaskName},
    units::Admission,
};

/// The controls of one request. The default says nothing: look up, and store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controls {
    /// Do not answer from the cache; the fresh answer replaces the entry.
    pub no_cache: bool,
    /// Do not keep the answer.
    pub no_store: bool,
    /// Answer from the cache or not at all.
    pub only_if_cached: bool,
    /// Only answers that are not older. More than zero: that is [`Controls::no_cache`].
    pub max_age: Option<Duration>,
    /// How long past its time to live an answer may be and still be served (`max-stale`, RFC 9111
    /// §5.2.1.2). More than zero; [`Duration::MAX`] for "however stale".
    pub max_stale: Option<Duration>,
    /// The same for when no provider answers (`stale-if-error`, RFC 5861 §4). More than zero.
    pub stale_if_error: Option<Duration>,
    /// How long the answer may be kept, at most ten years; zero for not at all.
    pub ttl: Option<Duration>,
    /// A part of the caller's own scope.
    pub namespace: Option<Namespace>,
    /// What it takes for a semantic hit.
    pub admission: Option<Admission>,
    /// The kind of work that the request is.
    pub task: Option<TaskName>,
    /// Whether a quick answer is preferred to a better one.
    pub prefer_fast: Option<bool>,
    /// Whether a prompt that is too long is cut (`true`), or may not be (`false`).
    pub trim_messages: Option<bool>,
    /// What the kept answer is marked with: at most 16, none of them twice.
    pub tags: Vec<Tag>,
    /// Whether what a provider can't do is left out of the request, instead of refused.
    pub drop_unsupported: Option<bool>,
}

/// A control that can't be read, or that contradicts another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidControl {
    /// The header or field.
    pub name: String,
    /// What it should be.
    pub message: String,
}

/// The gateway's own fields at the top of a body; `cache` is one if it says what LiteLLM's clients say.
const FIELDS: [&str; 6] = [
    "refrain",
    "task_type",
    "prefer_fast",
    "trim_messages",
    "drop_unsupported",
    "drop_params",
];

impl Controls {
    /// Whether a field at the top of a body is the gateway's own. What is wrong with it is said where it is read.
    #[must_use]
    pub fn is_control_field(name: &str, value: &Value) -> bool {
        let is_cache = || Self::default().apply_litellm(value).unwrap_or(true);
        FIELDS.contains(&name) || (name == "cache" && is_cache())
    }

    /// Whether a header of this name (lower case) can hold a control, so that requests without any
    /// need no reading.
    #[must_use]
    pub fn is_control_header(name: &str) -> bool {
        matches!(
            name,
            "cache-control"
                | "x-refrain-cache-ttl"
                | "x-refrain-cache-namespace"
                | "x-refrain-cache-threshold"
                | "x-refrain-cache-policy"
                | "x-refrain-cache-tags"
                | "x-refrain-task"
                | "x-refrain-prefer-fast"
                | "x-refrain-trim-messages"
                | "x-refrain-drop-unsupported"
                | "x-portkey-cache-namespace"
                | "x-portkey-cache-force-refresh"
                | "cf-aig-skip-cache"
                | "cf-aig-cache-ttl"
                | "helicone-cache-enabled"
        )
    }

    /// Takes one header in. Headers that are no controls change nothing.
    ///
    /// # Errors
    /// When a header of ours holds a value outside its range, or contradicts one before it. A
    /// malformed `Cache-Control` is no error; its unreadable ages count as `no-cache` (RFC 9111
    /// §4.2.1), its unreadable allowances of staleness as not there.
    pub fn apply_header(&mut self, name: &str, value: &str) -> Result<(), InvalidControl> {
        let text = value.trim();
        match name {
            "cache-control" => self.apply_cache_control(value),
            "x-refrain-cache-ttl" | "cf-aig-cache-ttl" => {
                let ttl = value::ttl(name, delta_seconds(text))?;
                settle(&mut self.ttl, ttl, name)?;
            }
            "x-refrain-cache-namespace" | "x-portkey-cache-namespace" => {
                let namespace = value::namespace(name, Some(text))?;
                settle(&mut self.namespace, namespace, name)?;
            }
            "x-refrain-cache-threshold" => {
                let threshold = value::threshold(name, text.parse().ok())?;
                self.admit(Admission::Threshold(threshold), name)?;
            }
            "x-refrain-cache-policy" => {
                let policy = value::policy(name, Some(text))?;
                self.admit(Admission::Policy(policy), name)?;
            }
            "x-refrain-cache-tags" => {
                // Empty elements of a list are to be ignored (RFC 9110 §5.6.1.2).
                let written = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                for tag in written {
                    self.mark(value::tag(name, Some(tag))?, name)?;
                }
            }
            "x-refrain-task" => settle(&mut self.task, value::task(name, Some(text))?, name)?,
            "x-refrain-prefer-fast" => self.prefer_fast = Some(value::switch_text(name, text)?),
            "x-refrain-trim-messages" => self.trim_messages = Some(value::switch_text(name, text)?),
            "x-refrain-drop-unsupported" => {
                self.drop_unsupported = Some(value::switch_text(name, text)?);
            }
            "x-portkey-cache-force-refresh" => self.no_cache |= says_true(text),
            "cf-aig-skip-cache" => self.skip(says_true(text)),
            "helicone-cache-enabled" => self.skip(text.eq_ignore_ascii_case("false")),
            _ => {}
        }
        Ok(())
    }

    /// Takes the body's `refrain` object in.
    ///
    /// # Errors
    /// When it is no object, or a field is unknown, out of range, or contradicts another.
    pub fn apply_refrain(&mut self, object: &Value) -> Result<(), InvalidControl> {
        let fields = object
            .as_object()
            .ok_or_else(|| invalid("refrain", "an object"))?;
        for (key, value) in fields {
            self.apply_field("refrain", key, value)?;
        }
        Ok(())
    }

    /// Takes LiteLLM's `cache` object in. `false` if it is something else, which a provider may know.
    ///
    /// # Errors
    /// When a field that is one of LiteLLM's is out of range.
    pub fn apply_litellm(&mut self, object: &Value) -> Result<bool, InvalidControl> {
        const KNOWN: [&str; 6] = [
            "no-cache",
            "no-store",
            "ttl",
            "s-maxage",
            "namespace",
            "use-cache",
        ];
        let Some(fields) = object.as_object() else {
            return Ok(false);
        };
        if !fields.keys().all(|key| KNOWN.contains(&key.as_str())) {
            return Ok(false);
        }
        for (key, value) in fields.iter().filter(|(key, _)| *key != "use-cache") {
            self.apply_field("cache", key, value)?;
        }
        Ok(true)
    }

    /// Takes in a field that stands in the body itself: `task_type`, `prefer_fast`,
    /// `trim_messages` or `drop_unsupported`. One that is `null` says nothing, as with every optional field of `OpenAI`'s body.
    ///
    /// # Errors
    /// When it can't be read, or contradicts the `refrain` object.
    pub fn apply_top_level(&mut self, name: &str, value: &Value) -> Result<(), InvalidControl> {
        match name {
            _ if value.is_null() => {}
            "task_type" => settle(&mut self.task, value::task(name, value.as_str())?, name)?,
            "prefer_fast" => settle(&mut self.prefer_fast, value::switch(name, value)?, name)?,
            "trim_messages" => settle(&mut self.trim_messages, value::switch(name, value)?, name)?,
            // The second is LiteLLM's word for it.
            "drop_unsupported" | "drop_params" => {
                settle(
                    &mut self.drop_unsupported,
                    value::switch(name, value)?,
                    name,
                )?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts what the body says over what the headers say. Tags add up.
    ///
    /// # Errors
    /// When one names a policy and the other a threshold: neither can be meant to go before the
    /// other. When there are too many tags together.
    pub fn overlay(&mut self, body: Self) -> Result<(), InvalidControl> {
        if let (Some(of_header), Some(of_body)) = (self.admission, body.admission) {
            let name = admission_field(of_body);
            if std::mem::discriminant(&of_header) != std::mem::discriminant(&of_body) {
                return Err(both_admissions(name));
            }
        }
        self.no_cache |= body.no_cache;
        self.no_store |= body.no_store;
        self.only_if_cached |= body.only_if_cached;
        self.max_age = body.max_age.or(self.max_age);
        self.max_stale = body.max_stale.or(self.max_stale);
        self.stale_if_error = body.stale_if_error.or(self.stale_if_error);
        self.ttl = body.ttl.or(self.ttl);
        self.namespace = body.namespace.or(self.namespace.take());
        self.admission = body.admission.or(self.admission);
        self.task = body.task.or(self.task.take());
        self.prefer_fast = body.prefer_fast.or(self.prefer_fast);
        self.trim_messages = body.trim_messages.or(self.trim_messages);
        self.drop_unsupported = body.drop_unsupported.or(self.drop_unsupported);
        for tag in body.tags {
            self.mark(tag, "refrain.tags")?;
        }
        Ok(())
    }

    fn apply_field(&mut self, at: &str, key: &str, value: &Value) -> Result<(), InvalidControl> {
        let name = format!("{at}.{key}");
        let name = name.as_str();
        match key.replace('-', "_").as_str() {
            "no_cache" => self.no_cache |= value::switch(name, value)?,
            "no_store" => self.no_store |= value::switch(name, value)?,
            "only_if_cached" => self.only_if_cached |= value::switch(name, value)?,
            "max_age" | "s_maxage" => self.no_older_than(value::age(name, value)?),
            "max_stale" => shorten(&mut self.max_stale, value::age(name, value)?),
            "stale_if_error" => shorten(&mut self.stale_if_error, value::age(name, value)?),
            "ttl" => settle(&mut self.ttl, value::ttl(name, value.as_u64())?, name)?,
            "namespace" => {
                let namespace = value::namespace(name, value.as_str())?;
                settle(&mut self.namespace, namespace, name)?;
            }
            #[expect(clippy::cast_possible_truncation, reason = "a similarity is a f32")]
            "threshold" => {
                let number = value.as_f64().map(|number| number as f32);
                self.admit(Admission::Threshold(value::threshold(name, number)?), name)?;
            }
            "policy" => {
                let policy = value::policy(name, value.as_str())?;
                self.admit(Admission::Policy(policy), name)?;
            }
            "task" => settle(&mut self.task, value::task(name, value.as_str())?, name)?,
            "tags" => {
                let list = value.as_array().ok_or_else(|| value::not_tags(name))?;
                for tag in list {
                    self.mark(value::tag(name, tag.as_str())?, name)?;
                }
            }
            "drop_unsupported" => {
                settle(
                    &mut self.drop_unsupported,
                    value::switch(name, value)?,
                    name,
                )?;
            }
            "prefer_fast" => settle(&mut self.prefer_fast, value::switch(name, value)?, name)?,
            "trim_messages" => settle(&mut self.trim_messages, value::switch(name, value)?, name)?,
            _ => return Err(invalid(name, "left out: there is no such control")),
        }
        Ok(())
    }

    /// Of an age that is said twice, the smaller one counts, and of an allowance as well: what is
    /// served then suits both.
    fn apply_cache_control(&mut self, value: &str) {
        for directive in value.split(',') {
            let (name, argument) = match directive.split_once('=') {
                Some((name, argument)) => (name, Some(argument)),
                None => (directive, None),
            };
            let seconds = argument
                .and_then(|argument| delta_seconds(argument.trim().trim_matches('"')))
                .map(value::bounded);
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => self.no_cache = true,
                "no-store" => self.no_store = true,
                "only-if-cached" => self.only_if_cached = true,
                "max-age" => self.no_older_than(seconds.unwrap_or_default()),
                "max-stale" if argument.is_none() => shorten(&mut self.max_stale, Duration::MAX),
                "max-stale" => shorten(&mut self.max_stale, seconds.unwrap_or_default()),
                "stale-if-error" => shorten(&mut self.stale_if_error, seconds.unwrap_or_default()),
                _ => {}
            }
        }
    }

    fn no_older_than(&mut self, age: Duration) {
        if age.is_zero() {
            self.no_cache = true;
        } else {
            shorten(&mut self.max_age, age);
        }
    }

    fn admit(&mut self, admission: Admission, name: &str) -> Result<(), InvalidControl> {
        let differs = |before: Admission| {
            std::mem::discriminant(&before) != std::mem::discriminant(&admission)
        };
        if self.admission.is_some_and(differs) {
            return Err(both_admissions(name));
        }
        settle(&mut self.admission, admission, name)
    }

    fn mark(&mut self, tag: Tag, name: &str) -> Result<(), InvalidControl> {
        const MOST: usize = 16;
        if self.tags.contains(&tag) {
            return Ok(());
        }
        if self.tags.len() == MOST {
            return Err(value::not_tags(name));
        }
        self.tags.push(tag);
        Ok(())
    }

    fn skip(&mut self, skip: bool) {
        self.no_cache |= skip;
        self.no_store |= skip;
    }
}

/// Says something that can be said once; again is fine as long as it is the same.
fn settle<T: PartialEq>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), InvalidControl> {
    if slot.as_ref().is_some_and(|before| *before != value) {
        return Err(InvalidControl {
            name: name.to_owned(),
            message: format!("`{name}` contradicts what is said elsewhere in the request"),
        });
    }
    *slot = Some(value);
    Ok(())
}

/// Takes the shorter of two; an allowance of zero is none.
fn shorten(slot: &mut Option<Duration>, duration: Duration) {
    let shorter = slot.map_or(duration, |before| before.min(duration));
    *slot = Some(shorter).filter(|shorter| !shorter.is_zero());
}

fn both_admissions(name: &str) -> InvalidControl {
    InvalidControl {
        name: name.to_owned(),
        message: format!(
            "`{name}`: a policy stands for a threshold, so a request has one of the two"
        ),
    }
}

fn admission_field(admission: Admission) -> &'static str {
    match admission {
        Admission::Policy(_) => "refrain.policy",
        Admission::Threshold(_) => "refrain.threshold",
    }
}

#[cfg(test)]
mod tests;
