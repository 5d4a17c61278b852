//! The labels of metrics, with their values.

use super::metric::{Label, Values};
use crate::telemetry::journal::OPERATIONS;

const fn one_of(name: &'static str, values: &'static [&'static str]) -> Label {
    Label {
        name,
        values: Values::OneOf(values),
    }
}

const fn named(name: &'static str, what: &'static str) -> Label {
    Label {
        name,
        values: Values::Named(what),
    }
}

/// What a call at a provider can fail of before its answer begins, between what else may be said there.
macro_rules! failures {
    ([$($before:literal),*], [$($after:literal),*]) => {
        &[
            $($before,)*
            "connect",
            "timeout",
            "auth",
            "rate_limited",
            "client_error",
            "server_error",
            "decode",
            "stream",
            $($after,)*
        ]
    };
}

pub(super) const ROUTE: Label = named("http_route", "a route, from a fixed list");
pub(super) const STATUS: Label = one_of(
    "http_response_status_code",
    &[
        "200", "400", "401", "403", "404", "413", "429", "4xx", "502", "503", "504", "5xx",
    ],
);
/// The value of that label.
#[must_use]
pub fn status_class(status: u16) -> &'static str {
    match status {
        200..=299 => "200",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        413 => "413",
        429 => "429",
        402 | 405..=412 | 414..=428 | 430..=499 => "4xx",
        502 => "502",
        503 => "503",
        504 => "504",
        _ => "5xx",
    }
}
pub(super) const CACHED: Label = one_of("cached", &["yes", "no"]);
pub(super) const SHED_REASON: Label = one_of("reason", &["requests", "bytes", "connections"]);
pub(super) const TIER: Label = one_of("tier", &["exact", "canonical", "semantic", "none"]);
pub(super) const RESULT: Label = one_of("result", &["hit", "stale", "miss"]);
pub(super) const MISS_REASON: Label = named("reason", "a reason, as in x-refrain-cache-reason");
pub(super) const BYPASS_REASON: Label = named("reason", "a reason, as in x-refrain-cache-reason");
pub(super) const SIMILARITY_RESULT: Label = one_of("result", &["hit", "rejected"]);
pub(super) const ENTRY_TIER: Label =
    one_of("tier", &["exact", "semantic", "embeddings", "responses"]);
pub(super) const EVICTION_TIER: Label = one_of("tier", &["memory"]);
pub(super) const EVICTION_REASON: Label = one_of("reason", &["size", "expired", "purged"]);
pub(super) const NOT_KEPT_REASON: Label = named("reason", "a reason, from a fixed list");
pub(super) const TOKEN_TYPE: Label = one_of("gen_ai_token_type", &["input", "output"]);
pub(super) const CHECK_SOURCE: Label = one_of("source", &["miss", "shadow", "feedback"]);
pub(super) const CHECK_RESULT: Label =
    one_of("result", &["same", "different", "unsure", "left_out"]);
pub(super) const SHADOW_TIER: Label = one_of("tier", &["exact", "semantic"]);
pub(super) const DISK_REASON: Label = one_of("reason", &["full", "io", "damaged"]);
pub(super) const OPERATION: Label = one_of("gen_ai_operation_name", &OPERATIONS);
pub(super) const PROVIDER_NAME: Label = named("gen_ai_provider_name", "a configured provider");
pub(super) const MODEL: Label = named(
    "gen_ai_request_model",
    "a configured model of the provider, or another that it has answered for (the first 500); else `other`",
);
pub(super) const ERROR: Label = one_of("error_type", failures!([""], ["broken", "given_up"]));
pub(super) const PROVIDER: Label = named("provider", "a configured provider");
pub(super) const OUTCOME: Label = one_of(
    "outcome",
    failures!(["ok"], ["untranslatable", "busy", "broken", "given_up"]),
);
pub(super) const FROM: Label = named("from", "a configured provider");
pub(super) const TO: Label = named("to", "a configured provider");
pub(super) const FALLBACK_REASON: Label =
    one_of("reason", failures!([], ["untranslatable", "open", "busy"]));
pub(super) const ANSWERED: Label = one_of("answered", &["first", "second"]);
pub(super) const SKIP_REASON: Label = named("reason", "a reason, from a fixed list");
pub(super) const MODEL_OF: Label = named(
    "model",
    "a configured model of the provider, or another that it has answered for (the first 500); else `other`",
);
pub(super) const STATE: Label = one_of("state", &["closed", "half_open", "open"]);
pub(super) const TO_STATE: Label = one_of("to", &["closed", "half_open", "open"]);
pub(super) const KEY_REASON: Label = one_of(
    "reason",
    &[
        "rate_limited",
        "drained",
        "forbidden",
        "unauthorized",
        "unpaid",
    ],
);
pub(super) const TASK: Label = named("task", "a configured kind of work, or nothing");
pub(super) const ROUTED_REASON: Label = named("reason", "a reason, from a fixed list");
pub(super) const CLIENT: Label = named("client", "a configured client");
pub(super) const LIMIT: Label = one_of(
    "limit",
    &[
        "requests",
        "tokens",
        "concurrent",
        "daily_usd",
        "monthly_usd",
        "until",
    ],
);
pub(super) const PERIOD: Label = one_of("period", &["day", "month"]);
pub(super) const RELOAD_OUTCOME: Label = one_of("outcome", &["ok", "refused"]);
pub(super) const VERSION: Label = named("version", "the version");
