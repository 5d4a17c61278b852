//! The side that clients see: routes, keys, headers, bodies and error shapes.
//!
//! It translates between HTTP and the gateway and decides nothing about either. Invariant: every
//! error that leaves here is in OpenAI's shape, with a request id.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Router, http::HeaderName, middleware};
use metrics::Histogram;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer, CompressionLevel,
        predicate::{NotForContentType, Predicate, SizeAbove},
    },
};

use self::config_status::ConfigStatus;
use crate::{
    cache::{responses::Responses, store::Store},
    clock::Clock,
    config::KeyDigest,
    gateway::Gateway,
    telemetry::{
        clients::Clients, exemplars::Exemplars, history::History, journal::Observers,
        ledger::Ledger, recent::Recent, targets::Targets,
    },
};

mod admin;
pub mod auth;
mod body;
mod chat;
mod completions;
pub mod config_status;
mod embeddings;
mod entrance;
mod error;
mod etag;
mod feedback;
mod generate_content;
mod headers;
mod health;
mod held;
mod messages;
mod models;
pub(crate) mod observe;
mod openapi;
pub mod overload;
pub use admin::access::Access;
pub use admin::live::Live;
pub use responses::ToldIds;
mod passthrough;
mod pieces;
mod responses;
pub mod routes;
mod scrape;
pub mod server;
mod shape;
pub mod steering;

/// The header that says to operators whether the configuration in force is the file's.
const CONFIG: HeaderName = HeaderName::from_static("x-refrain-config");
/// The header that names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the configuration says about the side that clients see; replaced as a whole.
#[derive(Debug)]
pub struct Front {
    /// Knows the keys.
    pub auth: auth::Auth,
    /// The admin's key, if there is one.
    pub admin_key: Option<KeyDigest>,
    /// The largest body that is read, in bytes.
    pub max_body: u64,
    /// How long a client may pause while it sends a body.
    pub read_timeout: Duration,
    /// How much is taken on at once.
    pub capacity: overload::Capacity,
    /// Whether callers see similarities.
    pub show_similarity: bool,
}

/// What the routes need.
#[derive(Debug)]
pub struct Api {
    /// Answers chat requests.
    pub gateway: Arc<Gateway>,
    /// Who has signed in at the admin's side, and who tried.
    pub access: Access,
    /// What the configuration says about this side.
    pub front: ArcSwap<Front>,
    /// Who can change the configuration in force; nobody until the gateway is put together.
    pub steering: OnceLock<Weak<dyn steering::Steering>>,
    /// How the configuration in force stands to its file.
    pub config: ArcSwap<ConfigStatus>,
    /// What was billed and saved.
    pub ledger: Arc<Ledger>,
    /// Who is told of requests.
    pub observers: Observers,
    /// What happened, step by step.
    pub history: Arc<History>,
    /// Who watches what happens.
    pub live: Arc<Live>,
    /// The latest requests.
    pub recent: Arc<Recent>,
    /// How often each provider was asked, and how that ended.
    pub targets: Arc<Targets>,
    /// What each client has asked.
    pub clients: Arc<Clients>,
    /// What is kept.
    pub store: Arc<Store>,
    /// The responses that clients may ask for by their id; `None` if none are kept.
    pub responses: Option<Arc<Responses>>,
    /// Whom the ids were told to that providers find things by.
    pub told_ids: ToldIds,
    /// Renders `/metrics`.
    pub metrics: Option<PrometheusHandle>,
    /// What it shows of single requests.
    pub exemplars: Arc<Exemplars>,
    /// The time.
    pub clock: Clock,
    /// JSON longer than this is compressed, in bytes.
    pub compress_above: u64,
    /// Times answered chat requests.
    pub chat_latency: Histogram,
    /// What is taken on at present.
    pub load: Arc<overload::Load>,
    /// Set when the gateway is stopping.
    pub draining: AtomicBool,
}

impl Api {
    /// Says to load balancers that this instance is going.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// Whom a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Everybody.
    All,
    /// Clients, and whoever looks after their health; operators have a listener of their own.
    Clients,
    /// Operators.
    Operators,
}

/// The routes of one side.
pub fn router(api: Arc<Api>, side: Side) -> Router {
    // Under the layers below, so that a refusal is counted and named like any other.
    let admit = || middleware::from_fn_with_state(Arc::clone(&api), overload::admit);
    let openai = routes::openai().into_router().layer(admit());
    let google = routes::google().into_router().layer(admit());
    let compress = SizeAbove::new(api.compress_above)
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::IMAGES)
        .and(passthrough::may_be_compressed);
    let guard = middleware::from_fn_with_state(Arc::clone(&api), admin::access::guard);
    let operators = routes::operators(side).into_router().layer(guard);
    let clients = match side {
        Side::All | Side::Clients => Router::new()
            .nest("/v1", openai.clone())
            .nest("/v1beta", google)
            .merge(openai),
        Side::Operators => Router::new(),
    };
    clients
        .merge(operators)
        .fallback(move |request| error::no_such_path(side, request))
        .method_not_allowed_fallback(error::method_not_allowed)
        // Innermost, so that the answer to a panic is compressed, counted and named like any other.
        .layer(CatchPanicLayer::custom(error::of_panic))
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(compress),
        )
        // Outermost: every answer gets its id, every error its one log line.
        .layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            observe::observe,
        ))
        .with_state(api)
}
