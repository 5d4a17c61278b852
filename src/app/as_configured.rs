//! What the parts of a gateway see of its configuration.

use std::sync::Arc;

use super::{tasks, telling::Telling};
use crate::{
    config::{CacheScope, Config, KeyDigest},
    embed::Embed,
    gateway::{
        account::Accounts,
        catalogue::Catalogue,
        setup::{Settings, Setup},
    },
    http::{Front, auth::Auth, overload::Capacity},
    policy::cacheable::{Rules, Stale},
    telemetry::{
        exemplars::Exemplars,
        journal::{Observer, Observers},
        request_metrics::RequestMetrics,
    },
};

/// How much of a request is remembered word by word, in bytes.
const MOST_CAPTURED: usize = 64 << 10;

/// What requests see of `config`.
pub(super) fn setup(
    config: &Config,
    catalogue: Catalogue,
    encoder: Option<&Arc<dyn Embed>>,
    generation: u64,
) -> Setup {
    Setup {
        generation,
        settings: settings(config, encoder.is_some()),
        catalogue: Arc::new(catalogue),
        tasks: tasks::unlearned(config, encoder.is_some()),
    }
}

/// What the side that clients see sees of it. `secret` keys the scopes.
pub(super) fn front(
    config: &Config,
    secret: [u8; 32],
    generation: u64,
    accounts: &Accounts,
) -> Front {
    let admin_key = config.admin.key.as_ref();
    Front {
        auth: Auth::new(secret, &config.clients, generation, accounts),
        admin_key: admin_key.map(|key| KeyDigest::of(key.expose())),
        max_body: config.server.max_body.get(),
        read_timeout: config.server.read_timeout,
        capacity: Capacity {
            requests: config.server.max_in_flight,
            bytes: config.server.max_in_flight_bytes.get(),
        },
        show_similarity: config.cache.show_similarity,
    }
}

/// Who is told of requests.
pub(super) fn observers(
    config: &Config,
    telling: &Telling,
    exemplars: Arc<Exemplars>,
    more: Vec<Arc<dyn Observer>>,
) -> Observers {
    let capture = config.telemetry.capture_content.then_some(MOST_CAPTURED);
    let mut all = telling.observers();
    all.push(Arc::new(RequestMetrics::new(exemplars)));
    all.extend(more);
    Observers::new(all, capture, telling.sampled())
}

pub(super) fn settings(config: &Config, has_encoder: bool) -> Settings {
    let (cache, tasks) = (&config.cache, config.tasks.iter());
    Settings {
        rules: Rules {
            enabled: cache.enabled,
            semantic: cache.enabled && cache.semantic && has_encoder,
            ttl: cache.ttl,
            volatile_ttl: cache.volatile_ttl,
            volatile_patterns: cache.volatile_patterns.clone(),
            stale: Stale {
                while_revalidate: cache.stale_while_revalidate,
                if_error: cache.stale_if_error,
            },
        },
        pins: config.routing.pin_conversations,
        on_overflow: config.routing.on_overflow,
        by_user: cache.scope == CacheScope::User,
        mode: cache.mode,
        admission: cache.admission,
        tasks: tasks.map(|task| (task.name.clone(), task.cache)).collect(),
        endpoints: config.endpoints.clone(),
    }
}
