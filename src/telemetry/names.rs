//! The names of all metrics, with their help texts.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Answered requests, by route and status.
pub const HTTP_DURATION: &str = "http_server_request_duration_seconds";
/// Lookups of the cache.
pub const CACHE_LOOKUPS: &str = "refrain_cache_lookups_total";
/// Requests that the cache did not answer.
pub const CACHE_MISSES: &str = "refrain_cache_misses_total";
/// Requests that left the cache alone.
pub const CACHE_BYPASS: &str = "refrain_cache_bypass_total";
/// Entries that went before their time.
pub const CACHE_EVICTIONS: &str = "refrain_cache_evictions_total";
/// Whether entries reach the disk.
pub const CACHE_DISK_STATE: &str = "refrain_cache_disk_state";
/// Length of the cache's file.
pub const CACHE_DISK_BYTES: &str = "refrain_cache_disk_bytes";
/// Writes to the cache's file that failed.
pub const CACHE_DISK_FAILURES: &str = "refrain_cache_disk_failures_total";
/// Entries that there was no room for in the queue to the disk.
pub const CACHE_DISK_DROPPED: &str = "refrain_cache_disk_dropped_total";
/// Whether kept responses reach the disk.
pub const RESPONSES_DISK_STATE: &str = "refrain_responses_disk_state";
/// Length of the file of kept responses.
pub const RESPONSES_DISK_BYTES: &str = "refrain_responses_disk_bytes";
/// Writes to the file of kept responses that failed.
pub const RESPONSES_DISK_FAILURES: &str = "refrain_responses_disk_failures_total";
/// Responses that there was no room for in the queue to the disk.
pub const RESPONSES_DISK_DROPPED: &str = "refrain_responses_disk_dropped_total";
/// Tokens that no provider had to be paid for.
pub const CACHE_SAVED_TOKENS: &str = "refrain_cache_saved_tokens_total";
/// Answers that were compared with a neighbour's.
pub const CACHE_CHECKS: &str = "refrain_cache_checks_total";
/// Answers of the cache that clients said were wrong.
pub const CACHE_COMPLAINTS: &str = "refrain_cache_complaints_total";
/// Hits that were not served, in shadow mode.
pub const CACHE_SHADOW: &str = "refrain_cache_shadow_hits_total";
/// Answers that were not kept.
pub const CACHE_NOT_KEPT: &str = "refrain_cache_not_kept_total";
/// Requests that left the choice of a model to the gateway.
pub const ROUTED: &str = "refrain_routed_requests_total";
/// Targets that could not be asked.
pub const PASSED_OVER: &str = "refrain_passed_over_targets_total";
/// Tokens that were cut from prompts.
pub const TRIMMED: &str = "refrain_trimmed_tokens_total";
/// Calls that were made again after a failure.
pub const RETRIES: &str = "refrain_retries_total";
/// Calls beside slow ones.
pub const HEDGES: &str = "refrain_hedges_total";
/// What breakers do.
pub const BREAKER_STATE: &str = "refrain_breaker_state";
/// Changes of what breakers do.
pub const BREAKER_CHANGES: &str = "refrain_breaker_changes_total";
/// Requests of clients that are being answered.
pub const IN_FLIGHT: &str = "refrain_requests_in_flight";
/// Requests and connections that there was too much load for.
pub const SHED: &str = "refrain_shed_requests_total";
/// Attempts at providers.
pub const UPSTREAM_ATTEMPTS: &str = "refrain_upstream_attempts_total";
/// Time until a provider's answer began.
pub const UPSTREAM_DURATION: &str = "gen_ai_client_operation_time_to_first_chunk_seconds";
/// Keys of providers that were put aside.
pub const KEYS_PUT_ASIDE: &str = "refrain_provider_keys_put_aside_total";
/// Times that the configuration was read again.
pub const CONFIG_RELOADS: &str = "refrain_config_reloads_total";
/// Whether the configuration in force is the file's.
pub const CONFIG_CURRENT: &str = "refrain_config_current";

/// Requests of clients over a limit or budget of theirs.
pub const CLIENT_REFUSED: &str = "refrain_client_requests_refused_total";
/// What clients have spent.
pub const CLIENT_SPENT: &str = "refrain_client_spent_usd";

/// Gives every metric its help text.
pub fn describe() {
    describe_histogram!(
        HTTP_DURATION,
        Unit::Seconds,
        "Time until the head of the answer was ready"
    );
    describe_counter!(CACHE_LOOKUPS, "Lookups of the cache, by tier and result");
    describe_counter!(
        CACHE_MISSES,
        "Requests that the cache did not answer, by reason: a guard's name, below_point, distant, ..."
    );
    describe_counter!(
        CACHE_BYPASS,
        "Requests that left the cache alone, by reason"
    );
    describe_counter!(
        CACHE_EVICTIONS,
        "Entries that went before their time, by reason"
    );
    describe_gauge!(
        CACHE_DISK_STATE,
        "1 if entries reach the disk, 0 if they are in memory only"
    );
    describe_gauge!(CACHE_DISK_BYTES, Unit::Bytes, "Length of the cache's file");
    describe_counter!(
        CACHE_DISK_FAILURES,
        "Failures of the cache's file, by reason"
    );
    describe_counter!(
        CACHE_DISK_DROPPED,
        "Entries that the disk was too slow for; they are saved later"
    );
    describe_gauge!(
        RESPONSES_DISK_STATE,
        "1 if kept responses reach the disk, 0 if they are in memory only"
    );
    describe_gauge!(
        RESPONSES_DISK_BYTES,
        Unit::Bytes,
        "Length of the file of kept responses"
    );
    describe_counter!(
        RESPONSES_DISK_FAILURES,
        "Failures of the file of kept responses, by reason"
    );
    describe_counter!(
        RESPONSES_DISK_DROPPED,
        "Kept responses that the disk was too slow for; they are saved later"
    );
    describe_counter!(
        CACHE_SAVED_TOKENS,
        "Tokens that no provider had to be paid for"
    );
    describe_counter!(
        CACHE_CHECKS,
        "Answers that were compared with a neighbour's, by source and result"
    );
    describe_counter!(
        CACHE_COMPLAINTS,
        "Answers of the cache that clients said were wrong"
    );
    describe_counter!(
        CACHE_SHADOW,
        "Hits that were not served in shadow mode, by tier"
    );
    describe_counter!(CACHE_NOT_KEPT, "Answers that were not kept, by reason");
    describe_counter!(
        ROUTED,
        "Requests that left the choice of a model to the gateway, by task and by what decided it"
    );
    describe_counter!(
        PASSED_OVER,
        "Targets that could not be asked, by reason: lacks_images, too_long, open, busy, ..."
    );
    describe_counter!(
        TRIMMED,
        "Tokens that were cut from prompts that were too long"
    );
    describe_gauge!(
        IN_FLIGHT,
        "Requests of clients that are being answered, streams until their end"
    );
    describe_counter!(
        SHED,
        "Requests and connections that there was too much load for, by reason: requests, bytes, connections"
    );
    describe_counter!(
        RETRIES,
        "Calls that were made again after a failure, by provider"
    );
    describe_counter!(
        HEDGES,
        "Calls that were made beside a slow one, by which of the two answered"
    );
    describe_gauge!(
        BREAKER_STATE,
        "0 if a target is asked (closed), 1 if it is tried (half open), 2 if it is left alone (open), by provider and \
         model; for the first 500 targets that were ever left alone"
    );
    describe_counter!(
        BREAKER_CHANGES,
        "Targets that were left alone, tried, asked again, by provider, model and what was begun: open, half_open, closed"
    );
    describe_counter!(
        UPSTREAM_ATTEMPTS,
        "Attempts at providers, by provider and outcome"
    );
    describe_histogram!(
        UPSTREAM_DURATION,
        Unit::Seconds,
        "Time until a provider's answer began"
    );
    describe_counter!(
        KEYS_PUT_ASIDE,
        "Keys that were put aside, by provider and reason: rate_limited, drained, unauthorized, ..."
    );
    describe_counter!(
        CONFIG_RELOADS,
        "Times that the configuration was read again, by outcome: ok, or refused"
    );
    describe_gauge!(
        CONFIG_CURRENT,
        "1 if the configuration in force is the file's as it was read last, 0 if it is an older one"
    );
    describe_counter!(
        CLIENT_REFUSED,
        "Requests of clients over a limit or budget of theirs, by client and limit: requests, tokens, concurrent, ..."
    );
    describe_gauge!(
        CLIENT_SPENT,
        "What clients have spent in US dollars, by client and period: day or month, of UTC"
    );
}
