//! The history of requests: sampled once a second, and saved in the data directory.
//!
//! It is statistics: what can't be read or written is a line in the log and a chart with a gap, and never stops anything.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::{JoinSet, spawn_blocking};

use super::small_file;
use crate::{
    clock::Clock,
    config::Cache,
    telemetry::{history::History, journal::Observer, ledger::Ledger},
};

/// The name of the file.
const FILE: &str = "history.bin";
/// The longest file that is read, in bytes: several times what is ever written.
const LONGEST: u64 = 16 << 20;
/// How often what has happened is taken into the history.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two times that it is saved.
const SAVED: u32 = 30;

/// Keeps a history.
#[derive(Debug, Clone)]
pub(super) struct Historian {
    history: Arc<History>,
    ledger: Arc<Ledger>,
    clock: Clock,
    /// `None` if nothing outlives the process.
    file: Option<Arc<SavedAs>>,
}

#[derive(Debug)]
struct SavedAs {
    path: PathBuf,
    /// The changes that the file has seen; locked while it is written.
    changes: Mutex<u64>,
}

/// The history that `cache` has a file of. To be called when the data directory is this process's own. Blocks.
pub(super) fn restore(cache: &Cache, ledger: &Arc<Ledger>, clock: &Clock) -> Historian {
    let history = Arc::new(History::default());
    let file = cache.data_dir.as_ref().map(|directory| {
        let path = directory.join(FILE);
        let read = small_file::read(&path, LONGEST).map_err(|error| error.to_string());
        let restored = read.and_then(|bytes| match bytes {
            Some(bytes) => history.restore(&bytes).map_err(|error| error.to_string()),
            None => Ok(()),
        });
        if let Err(error) = restored {
            let path = path.display();
            tracing::warn!(%path, error, "the history can't be read; the charts begin anew");
        }
        let changes = Mutex::new(history.changes());
        Arc::new(SavedAs { path, changes })
    });
    Historian {
        history,
        ledger: Arc::clone(ledger),
        clock: clock.clone(),
        file,
    }
}

impl Historian {
    /// What is kept.
    pub(super) fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// What is to be told of requests.
    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        Arc::<History>::clone(&self.history)
    }

    /// Takes into the history what happens, and saves it, for as long as the app.
    pub(super) fn keep(&self, chores: &mut JoinSet<()>) {
        let keeper = self.clone();
        chores.spawn(async move {
            let mut is_well = true;
            loop {
                for _ in 0..SAVED {
                    tokio::time::sleep(TICK).await;
                    keeper.sample();
                }
                let saved = keeper.save().await;
                if let (true, Err(error)) = (is_well, &saved) {
                    tracing::warn!(
                        error,
                        "the history can't be saved; a restart would forget it"
                    );
                }
                is_well = saved.is_ok();
            }
        });
    }

    /// Saves the last of it.
    pub(super) async fn finish(self) {
        self.sample();
        if let Err(error) = self.save().await {
            tracing::warn!(error, "the history could not be saved");
        }
    }

    fn sample(&self) {
        let (now, at) = (self.clock.now(), self.clock.unix());
        self.history.sample(now, at, &self.ledger.totals());
    }

    async fn save(&self) -> Result<(), String> {
        let Some(file) = self.file.clone() else {
            return Ok(());
        };
        let history = Arc::clone(&self.history);
        let saved = spawn_blocking(move || file.follow(&history));
        let saved = saved.await.map_err(|error| error.to_string())?;
        saved.map_err(|error| error.to_string())
    }
}

impl SavedAs {
    /// Writes the file, if anything has changed.
    fn follow(&self, history: &History) -> std::io::Result<()> {
        let mut saved = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the bytes: what changes in between is written twice rather than never.
        let changes = history.changes();
        if *saved == changes {
            return Ok(());
        }
        small_file::replace(&self.path, &history.save())?;
        *saved = changes;
        Ok(())
    }
}
