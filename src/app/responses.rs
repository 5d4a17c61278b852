//! The kept responses across restarts: they outlive the process where the cache does.

use std::{sync::Arc, time::Duration};

use tokio::task::{JoinSet, spawn_blocking};

use super::BuildError;
use crate::{
    cache::responses::{Bounds, Responses},
    clock::Clock,
    config,
};

/// How often what is too old is forgotten, and the disk is asked what it has not got.
const TICK: Duration = Duration::from_secs(1);

/// The store that `settings` describe, with what its file holds; `None` if nothing is to be kept. To be called when
/// the cache has its directory. Blocks.
pub(super) fn restore(
    settings: &config::Responses,
    cache: &config::Cache,
    clock: &Clock,
) -> Result<Option<Arc<Responses>>, BuildError> {
    if !settings.store {
        return Ok(None);
    }
    let bounds = Bounds {
        bytes: settings.max_bytes.get(),
        ttl: settings.ttl,
    };
    // Elsewhere the secret of the scopes is a new one at each start, so nothing would be found again.
    let directory = cache.data_dir.as_deref().filter(|_| cache.enabled);
    let responses = match directory {
        Some(directory) => Responses::open(directory, bounds, clock.clone())?,
        None => Responses::new(bounds, clock.clone()),
    };
    Ok(Some(Arc::new(responses)))
}

/// Forgets what is too old, and saves what the disk was too slow for, for as long as the app.
pub(super) fn keep_saved(chores: &mut JoinSet<()>, responses: &Arc<Responses>) {
    let responses = Arc::clone(responses);
    chores.spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            let responses = Arc::clone(&responses);
            let saved = spawn_blocking(move || {
                responses.sweep();
                responses.save_unsaved();
            });
            if saved.await.is_err() {
                tracing::error!("saving kept responses failed");
            }
        }
    });
}

/// Makes all that was kept durable.
pub(super) async fn finish(responses: &Arc<Responses>) {
    let responses = Arc::clone(responses);
    let finished = spawn_blocking(move || {
        responses.save_unsaved();
        responses.flush()
    });
    if !matches!(finished.await, Ok(Ok(()))) {
        tracing::warn!("the last responses could not be saved");
    }
}
