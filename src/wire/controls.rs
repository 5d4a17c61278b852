//! What a request may say about the cache: standard `Cache-Control`, our `x-refrain-*` headers, a
//! `refrain` object in the body, and the aliases that users of other gateways already send.
//!
//! Reading only; what follows from it is `policy::cacheable`'s to say. Invariant: no control ever
//! reaches a provider.

use std::time::Duration;

use serde_json::Value;

use crate::{ident::Namespace, units::Similarity};

/// The controls of one request. The default says nothing: look up, and store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controls {
    /// Do not answer from the cache; the fresh answer replaces the entry.
    pub no_cache: bool,
    /// Do not keep the answer.
    pub no_store: bool,
    /// Answer from the cache or not at all.
    pub only_if_cached: bool,
    /// Only answers that are not older.
    pub max_age: Option<Duration>,
    /// How long the answer may be kept.
    pub ttl: Option<Duration>,
    /// A part of the caller's own scope.
    pub namespace: Option<Namespace>,
    /// The least similarity of a semantic hit.
    pub threshold: Option<Similarity>,
    /// What the answer can be invalidated by.
    pub tags: Vec<crate::ident::Tag>,
}

/// A control that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidControl {
    /// The header or field.
    pub name: String,
    /// What it should be.
    pub message: String,
}

fn invalid(name: &str, rule: &str) -> InvalidControl {
    InvalidControl {
        name: name.to_owned(),
        message: format!("`{name}` must be {rule}"),
    }
}

impl Controls {
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
    /// When a header of ours holds a value outside its range. A malformed `Cache-Control` is no
    /// error; its unreadable ages count as `no-cache` (RFC 9111 §4.2.1).
    pub fn apply_header(&mut self, name: &str, value: &str) -> Result<(), InvalidControl> {
        match name {
            "cache-control" => self.apply_cache_control(value),
            "x-refrain-cache-ttl" | "cf-aig-cache-ttl" => self.ttl = Some(seconds(name, value)?),
            "x-refrain-cache-namespace" | "x-portkey-cache-namespace" => {
                self.namespace = Some(namespace(name, value)?);
            }
            "x-refrain-cache-threshold" => {
                let number = value.trim().parse().ok();
                self.threshold = Some(threshold(name, number)?);
            }
            "x-portkey-cache-force-refresh" => self.no_cache |= is_true(value),
            "cf-aig-skip-cache" => self.skip(is_true(value)),
            "helicone-cache-enabled" => self.skip(value.trim().eq_ignore_ascii_case("false")),
            _ => {}
        }
        Ok(())
    }

    /// Takes the body's `refrain` object in.
    ///
    /// # Errors
    /// When it is no object, or a field is unknown or out of range.
    pub fn apply_refrain(&mut self, object: &Value) -> Result<(), InvalidControl> {
        let fields = object
            .as_object()
            .ok_or_else(|| invalid("refrain", "an object"))?;
        for (key, value) in fields {
            match key.as_str() {
                // Of the routing, which does not read them yet.
                "task" | "prefer_fast" | "tags" => {}
                _ => self.apply_field("refrain", key, value)?,
            }
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

    fn apply_field(&mut self, at: &str, key: &str, value: &Value) -> Result<(), InvalidControl> {
        let name = format!("{at}.{key}");
        let flag = || {
            value
                .as_bool()
                .ok_or_else(|| invalid(&name, "true or false"))
        };
        let age = || {
            value
                .as_u64()
                .ok_or_else(|| invalid(&name, "a whole number of seconds"))
        };
        match key.replace('-', "_").as_str() {
            "no_cache" => self.no_cache |= flag()?,
            "no_store" => self.no_store |= flag()?,
            "only_if_cached" => self.only_if_cached |= flag()?,
            "max_age" | "s_maxage" => self.max_age = Some(Duration::from_secs(age()?)),
            "ttl" => self.ttl = Some(Duration::from_secs(age()?)),
            "namespace" => self.namespace = Some(namespace(&name, value.as_str().unwrap_or(""))?),
            #[expect(clippy::cast_possible_truncation, reason = "a similarity is a f32")]
            "threshold" => {
                self.threshold = Some(threshold(
                    &name,
                    value.as_f64().map(|number| number as f32),
                )?);
            }
            _ => return Err(invalid(&name, "left out: there is no such control")),
        }
        Ok(())
    }

    fn apply_cache_control(&mut self, value: &str) {
        for directive in value.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => self.no_cache = true,
                "no-store" => self.no_store = true,
                "only-if-cached" => self.only_if_cached = true,
                "max-age" => match argument.trim().trim_matches('"').parse() {
                    Ok(0) | Err(_) => self.no_cache = true,
                    Ok(age) => self.max_age = Some(Duration::from_secs(age)),
                },
                _ => {}
            }
        }
    }

    fn skip(&mut self, skip: bool) {
        self.no_cache |= skip;
        self.no_store |= skip;
    }
}

fn is_true(value: &str) -> bool {
    value.trim().eq_ignore_ascii_case("true")
}

fn seconds(name: &str, value: &str) -> Result<Duration, InvalidControl> {
    let seconds = value
        .trim()
        .parse()
        .map_err(|_| invalid(name, "a whole number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}

fn namespace(name: &str, value: &str) -> Result<Namespace, InvalidControl> {
    Namespace::new(value.trim()).map_err(|_| invalid(name, "1-128 visible ASCII characters"))
}

fn threshold(name: &str, value: Option<f32>) -> Result<Similarity, InvalidControl> {
    value
        .filter(|number| (0.5..=1.0).contains(number))
        .and_then(Similarity::new)
        .ok_or_else(|| invalid(name, "a number from 0.5 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_header(name: &str, value: &str) -> Result<Controls, InvalidControl> {
        let mut controls = Controls::default();
        controls.apply_header(name, value).map(|()| controls)
    }

    #[test]
    fn cache_control_is_read_as_rfc_9111_says() {
        let read = |value| of_header("cache-control", value).unwrap();
        assert!(read("no-cache, no-store").no_cache && read("No-Store").no_store);
        assert_eq!(read("max-age=60").max_age, Some(Duration::from_secs(60)));
        assert!(read("max-age=soon").no_cache && read("max-age=0").no_cache);
        assert!(read("only-if-cached").only_if_cached);
        assert_eq!(read("public, immutable"), Controls::default());
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (name, value) in [
            ("x-refrain-cache-ttl", "-1"),
            ("x-refrain-cache-threshold", "0.2"),
            ("x-refrain-cache-threshold", "NaN"),
            ("x-refrain-cache-namespace", "a b"),
        ] {
            assert_eq!(of_header(name, value).unwrap_err().name, name);
        }
    }

    #[test]
    fn a_foreign_cache_object_is_left_alone() {
        let mut controls = Controls::default();
        assert_eq!(
            controls.apply_litellm(&json!({"no-cache": true, "ttl": 5})),
            Ok(true)
        );
        assert!(controls.no_cache && controls.ttl == Some(Duration::from_secs(5)));
        assert_eq!(
            controls.apply_litellm(&json!({"type": "ephemeral"})),
            Ok(false)
        );
        assert!(controls.apply_refrain(&json!({"no_cash": true})).is_err());
    }
}
