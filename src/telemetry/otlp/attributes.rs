//! The names of what spans say.
//!
//! Semantic conventions 1.37.0 of OpenTelemetry, whose part on generative AI has *Development* status: names may change with a
//! later version, and this file is where. `gen_ai.provider.name` is there since 1.37.0 (before: `gen_ai.system`).

/// The version, for those who translate names.
pub(super) const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

pub(super) const SERVICE_NAME: &str = "service.name";
pub(super) const SERVICE_VERSION: &str = "service.version";

pub(super) const METHOD: &str = "http.request.method";
pub(super) const ROUTE: &str = "http.route";
pub(super) const STATUS: &str = "http.response.status_code";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";

pub(super) const OPERATION: &str = "gen_ai.operation.name";
pub(super) const PROVIDER: &str = "gen_ai.provider.name";
pub(super) const REQUEST_MODEL: &str = "gen_ai.request.model";
pub(super) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(super) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(super) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";

// No convention has a name for these.
pub(super) const REQUEST_ID: &str = "request.id";
pub(super) const CLIENT: &str = "client.name";
pub(super) const TASK: &str = "task.type";
pub(super) const CACHE_RESULT: &str = "cache.result";
pub(super) const CACHE_REASON: &str = "cache.reason";
pub(super) const CACHE_TIER: &str = "cache.tier";
pub(super) const TARGET: &str = "refrain.provider";
pub(super) const ATTEMPTS: &str = "refrain.attempts";
pub(super) const COST: &str = "refrain.cost_usd";
pub(super) const SAVED: &str = "refrain.saved_usd";
pub(super) const DELIVERED: &str = "refrain.delivered";
pub(super) const OUTCOME: &str = "refrain.outcome";

/// The event of a call whose answer begins.
pub(super) const FIRST_CHUNK: &str = "first_chunk";
