//! What goes on beside the requests, for as long as the app.

use std::{sync::Arc, time::Duration};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinSet;

use crate::{
    cache::store::Store,
    clock::Clock,
    gateway::{learn::Learner, setup::Current},
};

/// How often what is dead is looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// Forgets what may never answer again, and what was learned of it.
pub(super) fn sweep(
    chores: &mut JoinSet<()>,
    store: &Arc<Store>,
    learner: &Learner,
    clock: &Clock,
    current: &Arc<Current>,
) {
    let (store, learner, clock) = (Arc::clone(store), learner.clone(), clock.clone());
    let current = Arc::clone(current);
    chores.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            let keep_stale = current.load().settings.rules.stale.longest();
            let (store, learner, now) = (Arc::clone(&store), learner.clone(), clock.unix());
            let swept = tokio::task::spawn_blocking(move || {
                store.sweep(now, keep_stale);
                store.pack();
                learner.sweep();
            });
            if swept.await.is_err() {
                tracing::error!("sweeping the cache failed");
            }
        }
    });
}

/// Folds the recorded times into their histograms: until then each takes memory of its own, and
/// nobody may ever ask for them.
pub(super) fn keep_up(chores: &mut JoinSet<()>, metrics: PrometheusHandle) {
    chores.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
}
