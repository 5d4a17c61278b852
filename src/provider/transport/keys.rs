//! The keys of one provider: which is sent, and what its answers say about it.
//!
//! `policy::key_ring` decides. Invariant: a log line has a key's number, beginning with 1, and nothing of the key.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::limits;
use crate::{
    clock::{Clock, Moment},
    error::{UpstreamError, UpstreamErrorKind},
    ident::ProviderName,
    policy::key_ring::{KeyRing, NoneFree, Obstacle, Reason},
    provider::KeyCount,
    telemetry::names,
    wire::error_body::ErrorObject,
};

/// What providers call an account without money, with a 429 (OpenAI, Moonshot).
const UNPAID: [&str; 4] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
];
/// Words of a 403 that are about the content of a request (OpenRouter, xAI).
const OF_THE_CONTENT: [&str; 5] = ["moderation", "flagged", "guideline", "violat", "safety"];
/// Words of a 403 that are about the key.
const OF_THE_KEY: [&str; 9] = [
    "permission",
    "api key",
    "api_key",
    "access",
    "account",
    "billing",
    "organization",
    "project",
    "unsupported_country",
];

/// Keys in the order in which they are used, each as the value of a header.
#[derive(Debug)]
pub(in crate::provider) struct Keys {
    header: HeaderName,
    values: Vec<HeaderValue>,
    ring: Mutex<KeyRing>,
    clock: Clock,
}

/// What was left of a key's limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    /// How long until they are full again, if nothing was.
    drained: Option<Duration>,
    at: Moment,
}

impl Keys {
    /// Keys that are sent in `header`; none for a provider that is asked without.
    pub(in crate::provider) fn new(
        header: HeaderName,
        values: Vec<HeaderValue>,
        clock: Clock,
    ) -> Self {
        Self {
            header,
            ring: Mutex::new(KeyRing::new(values.len())),
            values,
            clock,
        }
    }

    /// How many there are, and how many of them are put aside.
    pub(super) fn count(&self) -> KeyCount {
        let now = self.clock.now();
        KeyCount {
            configured: self.values.len(),
            put_aside: self.ring().aside(now).min(self.values.len()),
        }
    }

    /// The place of the key to ask about `model` with (empty for none), but for those that were `tried`.
    pub(super) fn next(&self, model: &str, tried: &[usize]) -> Result<usize, NoneFree> {
        let now = self.clock.now();
        self.ring().next(model, tried, now)
    }

    /// Puts the key at `place` into `headers`.
    pub(super) fn put(&self, place: usize, headers: &mut HeaderMap) {
        if let Some(value) = self.values.get(place) {
            headers.insert(self.header.clone(), value.clone());
        }
    }

    /// What `headers` that came now say is left.
    pub(super) fn left(&self, headers: &HeaderMap) -> Left {
        Left {
            drained: limits::drained(headers),
            at: self.clock.now(),
        }
    }

    /// Takes in a success whose head told what is `left`.
    pub(super) fn succeeded(&self, place: usize, model: &str, left: Left, provider: &ProviderName) {
        let Left { drained, at } = left;
        let pause = self.ring().succeeded(place, model, drained, at);
        if let Some(reset) = pause {
            let why = Reason::Drained { reset }.as_str();
            count(provider, why);
            let key = place + 1;
            tracing::info!(%provider, key, reset_s = reset.as_secs_f64(), "nothing is left of a key's limit; others go first");
        }
    }

    /// Takes in a failure; the reason if it is about the key, so that another one may do better.
    pub(super) fn failed(
        &self,
        place: usize,
        model: &str,
        error: &UpstreamError,
    ) -> Option<Reason> {
        let reason = reason(error)?;
        let (now, chance) = (self.clock.now(), fastrand::f64());
        let pause = self.ring().put_aside(place, model, reason, now, chance);
        if let Some(pause) = pause {
            let (provider, why, key) = (&error.provider, reason.as_str(), place + 1);
            count(provider, why);
            tracing::warn!(%provider, key, why, pause_s = pause.as_secs_f64(), "put a key aside");
        }
        Some(reason)
    }

    fn ring(&self) -> MutexGuard<'_, KeyRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(provider: &ProviderName, why: &'static str) {
    let provider = provider.to_string();
    metrics::counter!(names::KEYS_PUT_ASIDE, "provider" => provider, "reason" => why).increment(1);
}

/// What a call is told for which no key is free, after `last` failed, if any was tried.
pub(super) fn none_left(
    none: NoneFree,
    last: Option<(UpstreamErrorKind, Reason)>,
) -> UpstreamErrorKind {
    let NoneFree {
        retry_after,
        obstacle,
    } = none;
    match (last, obstacle) {
        // Theirs, with the time at which the first key may be used again.
        (Some((mut theirs, Reason::RateLimited { .. })), Obstacle::RateLimited) => {
            if let UpstreamErrorKind::Status {
                retry_after: told, ..
            } = &mut theirs
            {
                *told = Some(retry_after);
            }
            return theirs;
        }
        (Some((theirs, _)), Obstacle::Refused) => return theirs,
        // That one key is refused must not hide that another one is good.
        (Some(_) | None, Obstacle::RateLimited) | (None, Obstacle::Refused) => {}
    }
    match obstacle {
        Obstacle::RateLimited => UpstreamErrorKind::Busy {
            why: "its rate limit is reached",
            retry_after,
        },
        Obstacle::Refused => UpstreamErrorKind::NoKey { retry_after },
    }
}

/// Why the key of a call that failed so is put aside, if it is.
fn reason(error: &UpstreamError) -> Option<Reason> {
    let UpstreamErrorKind::Status {
        status,
        message,
        body,
        retry_after,
    } = &error.kind
    else {
        return None;
    };
    let is_called = |names: &[&str]| {
        let body = body.as_deref();
        let words = body.into_iter().flat_map(|body| [&body.code, &body.kind]);
        words
            .flatten()
            .any(|word| names.contains(&word.to_ascii_lowercase().as_str()))
    };
    match *status {
        401 if is_called(&["model_not_found"]) => Some(Reason::Forbidden),
        401 => Some(Reason::Unauthorized),
        402 => Some(Reason::Unpaid),
        403 => is_of_key(message, body.as_deref()).then_some(Reason::Forbidden),
        429 if is_called(&UNPAID) => Some(Reason::Unpaid),
        429 => Some(Reason::RateLimited {
            retry_after: *retry_after,
        }),
        _ => None,
    }
}

/// Whether a 403 is about the key: it is also what some answer to content that they don't like.
fn is_of_key(message: &str, body: Option<&ErrorObject>) -> bool {
    let words = body.into_iter().flat_map(|body| [&body.code, &body.kind]);
    let mut text = message.to_lowercase();
    for word in words.flatten() {
        text.push('\n');
        text.push_str(&word.to_lowercase());
    }
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    has(&OF_THE_KEY) && !has(&OF_THE_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, message: &str, kind: &str, code: &str) -> Option<Reason> {
        let body = ErrorObject {
            message: message.to_owned(),
            kind: Some(kind.to_owned()),
            param: None,
            code: Some(code.to_owned()),
        };
        reason(&UpstreamError {
            provider: ProviderName::new("main").unwrap(),
            kind: UpstreamErrorKind::Status {
                status,
                message: message.to_owned(),
                body: Some(body.into()),
                retry_after: None,
            },
        })
    }

    #[test]
    fn what_is_about_the_key() {
        let limited = Some(Reason::RateLimited { retry_after: None });
        for (status, message, kind, code, expect) in [
            (
                401,
                "Incorrect API key",
                "",
                "invalid_api_key",
                Some(Reason::Unauthorized),
            ),
            (401, "", "", "", Some(Reason::Unauthorized)),
            (401, "", "", "model_not_found", Some(Reason::Forbidden)),
            (402, "Insufficient Balance", "", "", Some(Reason::Unpaid)),
            (
                403,
                "No access to model `x`",
                "",
                "model_not_found",
                Some(Reason::Forbidden),
            ),
            (403, "", "", "PERMISSION_DENIED", Some(Reason::Forbidden)),
            (403, "", "permission_error", "", Some(Reason::Forbidden)),
            (
                403,
                "requires moderation; your input was flagged",
                "",
                "403",
                None,
            ),
            (
                403,
                "Content violates usage guidelines",
                "",
                "no permission",
                None,
            ),
            (403, "Just a moment...", "", "", None),
            (429, "slow down", "requests", "rate_limit_exceeded", limited),
            (429, "", "insufficient_quota", "", Some(Reason::Unpaid)),
            (429, "", "", "insufficient_quota", Some(Reason::Unpaid)),
            (
                400,
                "api key",
                "insufficient_quota",
                "invalid_api_key",
                None,
            ),
            (404, "no access", "", "model_not_found", None),
            (407, "", "", "", None),
            (500, "no access", "", "", None),
            (503, "", "", "", None),
        ] {
            assert_eq!(
                of(status, message, kind, code),
                expect,
                "{status} {message} {code}"
            );
        }
    }
}
