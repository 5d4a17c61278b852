//! The names of all metrics. What each of them says is in [`table::ALL`].
//!
//! `gen_ai_*` follows OpenTelemetry's semantic conventions for generative AI as of 1.37 (in development), with Prometheus'
//! spelling of names and units. Invariant: every label has a bounded number of values.

mod buckets;
mod labels;
pub mod metric;
pub mod recorder;
pub mod table;

pub use self::labels::status_class;

/// Requests, until the head of the answer was ready.
pub const HTTP_DURATION: &str = "http_server_request_duration_seconds";
/// The gateway's own part of that.
pub const OVERHEAD: &str = "refrain_gateway_overhead_seconds";
/// Requests of clients that are being answered.
pub const IN_FLIGHT: &str = "refrain_requests_in_flight";
/// Bytes of their bodies.
pub const IN_FLIGHT_BYTES: &str = "refrain_requests_in_flight_bytes";
/// Requests and connections that there was too much load for.
pub const SHED: &str = "refrain_shed_requests_total";

/// Lookups of the cache.
pub const CACHE_LOOKUPS: &str = "refrain_cache_lookups_total";
/// Requests that the cache did not answer.
pub const CACHE_MISSES: &str = "refrain_cache_misses_total";
/// Requests that left the cache alone.
pub const CACHE_BYPASS: &str = "refrain_cache_bypass_total";
/// Requests that shared another one's call.
pub const CACHE_COALESCED: &str = "refrain_cache_coalesced_total";
/// Calls that the gateway made by itself, for a fresh answer.
pub const CACHE_BACKGROUND: &str = "refrain_cache_background_requests_total";
/// How near the best candidates of the semantic tier were.
pub const CACHE_SIMILARITY: &str = "refrain_cache_similarity";
/// What is kept.
pub const CACHE_ENTRIES: &str = "refrain_cache_entries";
/// What that takes.
pub const CACHE_BYTES: &str = "refrain_cache_bytes";
/// What it may take.
pub const CACHE_MAX_BYTES: &str = "refrain_cache_max_bytes";
/// Contexts of questions.
pub const CACHE_PARTITIONS: &str = "refrain_cache_partitions";
/// Entries that went before their time.
pub const CACHE_EVICTIONS: &str = "refrain_cache_evictions_total";
/// Answers that were not kept.
pub const CACHE_NOT_KEPT: &str = "refrain_cache_not_kept_total";
/// Tokens that no provider had to be paid for.
pub const CACHE_SAVED_TOKENS: &str = "refrain_cache_saved_tokens_total";
/// Dollars that no provider had to be paid.
pub const CACHE_SAVED_USD: &str = "refrain_cache_saved_usd_total";
/// Dollars that providers are paid.
pub const BILLED_USD: &str = "refrain_billed_usd_total";
/// Answers that were compared with a neighbour's.
pub const CACHE_CHECKS: &str = "refrain_cache_checks_total";
/// Answers of the cache that clients said were wrong.
pub const CACHE_COMPLAINTS: &str = "refrain_cache_complaints_total";
/// Hits that were not served, in shadow mode.
pub const CACHE_SHADOW: &str = "refrain_cache_shadow_hits_total";
/// Time that the encoder took.
pub const EMBEDDING_DURATION: &str = "refrain_embedding_duration_seconds";

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

/// Calls at providers, until their end.
pub const UPSTREAM_DURATION: &str = "gen_ai_client_operation_duration_seconds";
/// Calls at providers, until the answer began.
pub const UPSTREAM_FIRST_CHUNK: &str = "gen_ai_client_operation_time_to_first_chunk_seconds";
/// Tokens of calls at providers.
pub const UPSTREAM_TOKENS: &str = "gen_ai_client_token_usage";
/// Attempts at providers.
pub const UPSTREAM_ATTEMPTS: &str = "refrain_upstream_attempts_total";
/// Attempts at another provider, since one had failed.
pub const UPSTREAM_FALLBACKS: &str = "refrain_upstream_fallbacks_total";
/// Attempts that a provider refused, since there were too many.
pub const RATE_LIMITED: &str = "refrain_rate_limited_total";
/// Calls that were made again after a failure.
pub const RETRIES: &str = "refrain_retries_total";
/// Calls beside slow ones.
pub const HEDGES: &str = "refrain_hedges_total";
/// Targets that could not be asked.
pub const PASSED_OVER: &str = "refrain_passed_over_targets_total";
/// Tokens that were cut from prompts.
pub const TRUNCATED: &str = "refrain_truncated_tokens_total";
/// What breakers do.
pub const BREAKER_STATE: &str = "refrain_breaker_state";
/// Changes of what breakers do.
pub const BREAKER_TRANSITIONS: &str = "refrain_breaker_transitions_total";
/// Keys of providers that were put aside.
pub const KEYS_PUT_ASIDE: &str = "refrain_provider_keys_put_aside_total";
/// Requests that left the choice of a model to the gateway.
pub const ROUTED: &str = "refrain_routed_requests_total";

/// Requests of clients over a limit or budget of theirs.
pub const CLIENT_REFUSED: &str = "refrain_client_requests_refused_total";
/// What clients have spent.
pub const CLIENT_SPENT: &str = "refrain_client_spent_usd";
/// How much of their budgets that is.
pub const CLIENT_BUDGET_USED: &str = "refrain_client_budget_used_ratio";

/// Requests of which no trace could be sent.
pub const TRACES_LEFT_OUT: &str = "refrain_traces_left_out_total";
/// Times that the configuration was read again.
pub const CONFIG_RELOADS: &str = "refrain_config_reloads_total";
/// Whether the configuration in force is the file's.
pub const CONFIG_CURRENT: &str = "refrain_config_current";
/// The version.
pub const BUILD_INFO: &str = "refrain_build_info";
/// When the process began.
pub const PROCESS_START: &str = "process_start_time_seconds";
/// Time on processors.
pub const PROCESS_CPU: &str = "process_cpu_seconds_total";
/// Memory in use.
pub const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
/// Files and sockets.
pub const PROCESS_FDS: &str = "process_open_fds";
/// Threads.
pub const PROCESS_THREADS: &str = "process_threads";
