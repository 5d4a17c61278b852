//! All metrics. Their help texts, their buckets, the series that begin at zero and `docs/metrics.md` follow from this table.

use metrics::Unit;

use super::{
    buckets,
    labels::{
        ANSWERED, BYPASS_REASON, CACHED, CHECK_RESULT, CHECK_SOURCE, CLIENT, DISK_REASON,
        ENTRY_TIER, ERROR, EVICTION_REASON, EVICTION_TIER, FALLBACK_REASON, FROM, KEY_REASON,
        LIMIT, MISS_REASON, MODEL, MODEL_OF, NOT_KEPT_REASON, OPERATION, OUTCOME, PERIOD, PROVIDER,
        PROVIDER_NAME, RELOAD_OUTCOME, RESULT, ROUTE, ROUTED_REASON, SHADOW_TIER, SHED_REASON,
        SIMILARITY_RESULT, SKIP_REASON, STATE, STATUS, TASK, TIER, TO, TO_STATE, TOKEN_TYPE,
        VERSION,
    },
    metric::{Metric, counter, gauge, grows_by_parts, histogram},
};
use crate::telemetry::names;

/// All metrics.
pub const ALL: &[Metric] = &[
    histogram(
        names::HTTP_DURATION,
        &buckets::HTTP_SECONDS,
        &[ROUTE, STATUS],
        "Time from the head of a request until the head of its answer was ready, for \
         everything that is served",
    )
    .measured_in(Unit::Seconds),
    histogram(
        names::OVERHEAD,
        &buckets::OVERHEAD_SECONDS,
        &[CACHED],
        "The gateway's own time until the head of an answer was ready: reading the \
         request included, waiting for providers not; of answered requests that did not \
         share another one's call",
    )
    .measured_in(Unit::Seconds),
    gauge(
        names::IN_FLIGHT,
        &[],
        "Requests of clients that are being answered, streams until their end",
    ),
    gauge(
        names::IN_FLIGHT_BYTES,
        &[],
        "Bytes of the bodies of requests that are being answered",
    )
    .measured_in(Unit::Bytes),
    counter(
        names::SHED,
        &[SHED_REASON],
        "Requests and connections that were refused with 503 for too much load",
    ),
    counter(
        names::CACHE_LOOKUPS,
        &[TIER, RESULT],
        "Requests that the cache was asked for, by the tier that had an answer and by \
         what came of it; `stale` is a hit on an entry whose time was over",
    ),
    counter(
        names::CACHE_MISSES,
        &[MISS_REASON],
        "Requests that the cache did not answer, by reason: the guard that decided, \
         below_point, distant, absent and others",
    ),
    counter(
        names::CACHE_BYPASS,
        &[BYPASS_REASON],
        "Requests that left the cache alone, by reason",
    ),
    counter(
        names::CACHE_COALESCED,
        &[],
        "Requests that shared the call of an identical one; they count as misses in \
         refrain_cache_lookups_total",
    ),
    counter(
        names::CACHE_BACKGROUND,
        &[],
        "Requests that the gateway sent by itself, to have a fresh answer or to check one",
    ),
    histogram(
        names::CACHE_SIMILARITY,
        &buckets::SIMILARITY,
        &[SIMILARITY_RESULT],
        "Cosine similarity of the best candidate of the semantic tier, by what became of \
         it",
    ),
    gauge(
        names::CACHE_ENTRIES,
        &[ENTRY_TIER],
        "What is kept: all answers (exact), those of them that are found by meaning \
         (semantic), vectors of POST /v1/embeddings (embeddings), responses that clients \
         may continue (responses)",
    ),
    gauge(
        names::CACHE_BYTES,
        &[],
        "Bytes that kept answers take, with all that points to them",
    )
    .measured_in(Unit::Bytes),
    gauge(names::CACHE_MAX_BYTES, &[], "Bytes that they may take").measured_in(Unit::Bytes),
    gauge(
        names::CACHE_PARTITIONS,
        &[],
        "Partitions of the semantic tier: questions of one are compared with each other \
         only",
    ),
    counter(
        names::CACHE_EVICTIONS,
        &[EVICTION_TIER, EVICTION_REASON],
        "Entries that left",
    ),
    counter(
        names::CACHE_NOT_KEPT,
        &[NOT_KEPT_REASON],
        "Answers of providers that were not kept, by reason",
    ),
    counter(
        names::CACHE_SAVED_TOKENS,
        &[TOKEN_TYPE],
        "Tokens that no provider had to be paid for",
    ),
    grows_by_parts(
        names::CACHE_SAVED_USD,
        &[],
        "US dollars that no provider had to be paid, as far as prices are configured",
    ),
    grows_by_parts(
        names::BILLED_USD,
        &[],
        "US dollars that providers are paid, as far as prices are configured",
    ),
    counter(
        names::CACHE_CHECKS,
        &[CHECK_SOURCE, CHECK_RESULT],
        "Answers that were compared with a neighbour's, to learn where to admit",
    ),
    counter(
        names::CACHE_COMPLAINTS,
        &[],
        "Answers of the cache that somebody said were wrong",
    ),
    counter(
        names::CACHE_SHADOW,
        &[SHADOW_TIER],
        "Hits that were not served, in shadow mode",
    ),
    histogram(
        names::EMBEDDING_DURATION,
        &buckets::EMBEDDING_SECONDS,
        &[],
        "Time until a request had the vector of its question, or of the text that says what \
         kind of work it is, waiting for a free encoder included",
    )
    .measured_in(Unit::Seconds),
    gauge(
        names::CACHE_DISK_STATE,
        &[],
        "1 if entries reach the disk, 0 if they are in memory only; absent without \
         data_dir",
    ),
    gauge(names::CACHE_DISK_BYTES, &[], "Length of the cache's file").measured_in(Unit::Bytes),
    counter(
        names::CACHE_DISK_FAILURES,
        &[DISK_REASON],
        "Failures of the cache's file",
    ),
    counter(
        names::CACHE_DISK_DROPPED,
        &[],
        "Entries that the disk was too slow for; they are saved later",
    ),
    gauge(
        names::RESPONSES_DISK_STATE,
        &[],
        "1 if kept responses reach the disk, 0 if they are in memory only; absent without \
         data_dir",
    ),
    gauge(
        names::RESPONSES_DISK_BYTES,
        &[],
        "Length of the file of kept responses",
    )
    .measured_in(Unit::Bytes),
    counter(
        names::RESPONSES_DISK_FAILURES,
        &[DISK_REASON],
        "Failures of the file of kept responses",
    ),
    counter(
        names::RESPONSES_DISK_DROPPED,
        &[],
        "Kept responses that the disk was too slow for; they are saved later",
    ),
    histogram(
        names::UPSTREAM_DURATION,
        &buckets::CALL_SECONDS,
        &[OPERATION, PROVIDER_NAME, MODEL, ERROR],
        "Time of calls at providers until their end, streams until their last piece; \
         error_type is empty where all went well",
    )
    .measured_in(Unit::Seconds),
    histogram(
        names::UPSTREAM_FIRST_CHUNK,
        &buckets::FIRST_CHUNK_SECONDS,
        &[OPERATION, PROVIDER_NAME, MODEL],
        "Time until the answer of a provider began: the first event of a stream, or all \
         of a whole answer",
    )
    .measured_in(Unit::Seconds),
    histogram(
        names::UPSTREAM_TOKENS,
        &buckets::TOKENS,
        &[OPERATION, PROVIDER_NAME, MODEL, TOKEN_TYPE],
        "Tokens of answered calls at providers, as the provider counts them, or about as \
         many where it does not say",
    ),
    counter(
        names::UPSTREAM_ATTEMPTS,
        &[PROVIDER, OUTCOME],
        "Attempts at providers that are over, by how they ended; given_up is that nobody \
         waited any longer; nothing was sent if it can't be asked such a thing \
         (untranslatable), or if all of its keys are put aside (busy, auth)",
    ),
    counter(
        names::UPSTREAM_FALLBACKS,
        &[FROM, TO, FALLBACK_REASON],
        "Calls at another provider, since the one before failed or could not be asked",
    ),
    counter(
        names::RATE_LIMITED,
        &[PROVIDER],
        "Calls that a provider refused with 429",
    ),
    counter(
        names::RETRIES,
        &[PROVIDER],
        "Calls that were made again at the same target after a failure",
    ),
    counter(
        names::HEDGES,
        &[ANSWERED],
        "Calls that were made beside a slow one, by which of the two answered",
    ),
    counter(
        names::PASSED_OVER,
        &[SKIP_REASON],
        "Targets that were not asked, by reason: lacks_images, too_long, open, busy and others",
    ),
    counter(
        names::TRUNCATED,
        &[PROVIDER],
        "Tokens that were cut from prompts that were too long for a model of this \
         provider",
    ),
    gauge(
        names::BREAKER_STATE,
        &[PROVIDER, MODEL_OF, STATE],
        "1 for the state that a target's breaker is in, 0 for the others: asked (closed), \
         tried (half_open), left alone (open); of targets that were ever left alone",
    ),
    counter(
        names::BREAKER_TRANSITIONS,
        &[PROVIDER, MODEL_OF, TO_STATE],
        "Changes of breakers, by the state that was begun",
    ),
    counter(
        names::KEYS_PUT_ASIDE,
        &[PROVIDER, KEY_REASON],
        "Keys of providers that were put aside for a while",
    ),
    counter(
        names::ROUTED,
        &[TASK, ROUTED_REASON],
        "Requests that left the choice of a model to the gateway, by kind of work and by \
         what decided it",
    ),
    counter(
        names::CLIENT_REFUSED,
        &[CLIENT, LIMIT],
        "Requests of clients over a limit or budget of theirs",
    ),
    gauge(
        names::CLIENT_SPENT,
        &[CLIENT, PERIOD],
        "US dollars that clients have spent in the current day or month, of UTC",
    ),
    gauge(
        names::CLIENT_BUDGET_USED,
        &[CLIENT, PERIOD],
        "The share of its budget that a client has spent, for clients that have one; 1 is \
         all of it",
    ),
    counter(
        names::TRACES_LEFT_OUT,
        &[],
        "Requests whose trace did not reach the collector, which is too slow or away",
    ),
    counter(
        names::CONFIG_RELOADS,
        &[RELOAD_OUTCOME],
        "Times that the configuration was read again",
    ),
    gauge(
        names::CONFIG_CURRENT,
        &[],
        "1 if the configuration in force is the file's as it was read last, 0 if it is an \
         older one",
    ),
    gauge(
        names::BUILD_INFO,
        &[VERSION],
        "1, with the version that runs",
    ),
    gauge(
        names::PROCESS_START,
        &[],
        "When the process began, in seconds since 1970",
    )
    .measured_in(Unit::Seconds),
    grows_by_parts(
        names::PROCESS_CPU,
        &[],
        "Time that the process spent on processors (Linux)",
    )
    .measured_in(Unit::Seconds),
    gauge(
        names::PROCESS_MEMORY,
        &[],
        "Memory that the process has in use (Linux)",
    )
    .measured_in(Unit::Bytes),
    gauge(
        names::PROCESS_FDS,
        &[],
        "Files and sockets that the process has open (Linux)",
    ),
    gauge(
        names::PROCESS_THREADS,
        &[],
        "Threads of the process (Linux)",
    ),
];
