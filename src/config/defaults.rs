//! Every default, once. `providers.toml` writes them out, and a test compares the two.
//!
//! It holds numbers and names, no rules. Invariant: each value passes the check of its own setting.

use std::{net::SocketAddr, time::Duration};

use super::{
    provider::{ProviderKind, Timeouts},
    quantity::ByteSize,
};
use crate::{
    policy::{breaker, hedge, retry},
    units::Share,
    wire::native::Interface,
};

/// Loopback, so that a first start exposes nothing.
pub(crate) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
pub(crate) const MAX_BODY: ByteSize = ByteSize::mib(10);
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
pub(crate) const MAX_CONNECTIONS: usize = 10_000;
pub(crate) const MAX_IN_FLIGHT: usize = 4096;
pub(crate) const MAX_IN_FLIGHT_BYTES: ByteSize = ByteSize::mib(512);
pub(crate) const COMPRESS_ABOVE: ByteSize = ByteSize::kib(16);
pub(crate) const RELOAD: bool = true;

pub(crate) const ADMIN_KEY_ENV: &str = "REFRAIN_ADMIN_KEY";

pub(crate) const EMBEDDING_MODEL: &str = "models/all-MiniLM-L6-v2";
pub(crate) const EMBEDDING_RUNTIME: &str = "models/onnxruntime/libonnxruntime.so";
pub(crate) const EMBEDDING_QUEUE: usize = 64;
pub(crate) const EMBEDDING_DEADLINE: Duration = Duration::from_millis(250);

pub(crate) const MAX_FALSE_HITS: Share = Share::percent(1);
pub(crate) const SHADOW_CHECKS: Share = Share::percent(2);
pub(crate) const TTL: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const VOLATILE_TTL: Duration = Duration::from_secs(60);
/// Nothing stale is served unless that was asked for.
pub(crate) const STALENESS: Duration = Duration::ZERO;
pub(crate) const GENERATION: u64 = 0;
pub(crate) const MAX_BYTES: ByteSize = ByteSize::mib(512);
pub(crate) const MAX_ENTRY_BYTES: ByteSize = ByteSize::mib(1);
pub(crate) const MAX_EMBEDDING_BYTES: ByteSize = ByteSize::mib(64);
pub(crate) const INDEX_ABOVE: usize = 2048;

/// As OpenAI does it: responses are stored, and for 30 days.
pub(crate) const STORE_RESPONSES: bool = true;
pub(crate) const RESPONSES_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
pub(crate) const RESPONSES_MAX_BYTES: ByteSize = ByteSize::mib(64);

/// A gateway that takes as long as that itself is worth a look.
pub(crate) const SLOW_REQUEST: Duration = Duration::from_secs(1);
/// About half a megabyte.
pub(crate) const RECENT_REQUESTS: usize = 1000;
/// As for every program that speaks OpenTelemetry.
pub(crate) const OTLP_HEADERS_ENV: &str = "OTEL_EXPORTER_OTLP_HEADERS";
pub(crate) const SERVICE_NAME: &str = "refrain";

/// The kind of work that stands for all that is not recognised, if it has a route.
pub(crate) const TASK: &str = "chat";

pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    first_token: Duration::from_secs(60),
    idle: Duration::from_secs(30),
    total: Duration::from_secs(10 * 60),
};

/// Below the address of a server with OpenAI's interface.
pub(crate) const CHAT_PATH: &str = "/chat/completions";
pub(crate) const EMBEDDINGS_PATH: &str = "/embeddings";
pub(crate) const MODELS_PATH: &str = "/models";
pub(crate) const DROP_UNSUPPORTED: bool = false;
pub(crate) const PROMPT_CACHING: bool = true;

pub(crate) const RETRY: retry::Rules = retry::Rules {
    attempts: 2,
    base: Duration::from_millis(250),
    cap: Duration::from_secs(5),
    budget: Share::percent(20),
};
/// The window is as long as a stream may take to begin: [`TIMEOUTS`].
pub(crate) const BREAKER: breaker::Rules = breaker::Rules {
    window: Duration::from_secs(60),
    min_requests: 10,
    failure_ratio: Share::percent(50),
    slow_after: Duration::from_secs(30),
    open_for: Duration::from_secs(15),
    probes: 1,
};
/// Of a request that no other target can take.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(1);
pub(crate) const HEDGE: hedge::Rules = hedge::Rules {
    quantile: Share::percent(95),
    min_wait: Duration::from_millis(100),
    budget: Share::percent(5),
};

/// The address of a provider of this kind; `demo` has none.
pub(crate) const fn base_url(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::OpenAi => Some("https://api.openai.com/v1"),
        ProviderKind::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
        ProviderKind::Anthropic => Some("https://api.anthropic.com/v1"),
        ProviderKind::Ollama => Some("http://127.0.0.1:11434"),
        ProviderKind::Demo => None,
    }
}

/// What a server at this address speaks beside chat completions: of OpenAI itself it is known.
pub(crate) fn interfaces(kind: ProviderKind, base_url: Option<&str>) -> Vec<Interface> {
    if kind == ProviderKind::OpenAi && base_url == self::base_url(kind) {
        vec![Interface::Responses, Interface::Completions]
    } else {
        Vec::new()
    }
}

/// The variable with the key for [`base_url`]. It is not looked at for another address: a key must
/// not go to a server it was not meant for.
pub(crate) const fn api_key_env(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::OpenAi => Some("OPENAI_API_KEY"),
        ProviderKind::Gemini => Some("GEMINI_API_KEY"),
        ProviderKind::Anthropic => Some("ANTHROPIC_API_KEY"),
        ProviderKind::Ollama | ProviderKind::Demo => None,
    }
}

/// Whether the models of such a provider are listed at start. Ollama's are whatever its owner
/// pulled, so no file can name them.
pub(crate) const fn discover(kind: ProviderKind) -> bool {
    matches!(kind, ProviderKind::Ollama)
}
