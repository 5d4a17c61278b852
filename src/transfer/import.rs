//! `refrain cache import`: what is wanted, what came of it, and the two passes of which it consists.

use std::{io::Write, path::PathBuf, pin::pin};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Gateway, TransferError,
    sending::{Aim, Sending},
    source,
};

/// What is imported, and how.
#[derive(Debug, Clone)]
pub struct Import {
    /// Lines of JSON; `-` is standard input.
    pub file: PathBuf,
    /// The first line to be sent, from 1.
    pub from: u64,
    /// Lines that are sent at once.
    pub batch: u32,
    /// Good lines are taken in even if others are not; else none is, unless all are good.
    pub partial: bool,
}

/// What an import came to.
#[derive(Debug)]
pub struct Imported {
    /// What has become of the lines that the gateway confirmed.
    pub totals: Totals,
    /// Lines that were refused and why, as many as the gateway tells of each batch.
    pub errors: Vec<LineError>,
    /// How it ended.
    pub ending: Ending,
}

/// How an import ended.
#[derive(Debug)]
pub enum Ending {
    /// The lines were sent. Some may be refused that were good when they were checked: where there was no
    /// room for them, or the cache was purged.
    Sent,
    /// Nothing was taken in, because of the lines that are refused.
    Nothing,
    /// It ended before its file did.
    Stopped(Stopped),
}

/// What has become of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Taken in.
    pub imported: u64,
    /// There already, or out of date.
    pub skipped: u64,
    /// Refused.
    pub refused: u64,
}

/// A line that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// Its number, from 1.
    pub line: u64,
    /// Why, in words of the gateway, which may hold some of the line.
    pub error: String,
}

/// An import that ended before its file did.
#[derive(Debug, thiserror::Error)]
#[error("{error}; continue with --from {from}")]
pub struct Stopped {
    /// The first line that was not confirmed.
    pub from: u64,
    /// Why.
    pub error: TransferError,
}

impl Imported {
    /// It for programs: `imported`, `skipped`, `refused`, `errors` (`line`, `error`); `stopped` is null, or why it
    /// could not go on (`error`) and the line to continue with (`from`).
    #[must_use]
    pub fn json(&self) -> Value {
        let Totals {
            imported,
            skipped,
            refused,
        } = self.totals;
        let stopped = match &self.ending {
            Ending::Sent | Ending::Nothing => None,
            Ending::Stopped(Stopped { from, error }) => Some((from, error)),
        };
        json!({
            "imported": imported,
            "skipped": skipped,
            "refused": refused,
            "errors": self.errors,
            "stopped": stopped.map(|(from, error)| json!({"error": error.to_string(), "from": from})),
        })
    }

    /// One that took nothing in.
    fn nothing(checked: Totals, errors: Vec<LineError>, ending: Ending) -> Self {
        // When they are only checked, these are those that would be.
        let totals = Totals {
            imported: 0,
            ..checked
        };
        Self {
            totals,
            errors,
            ending,
        }
    }
}

impl Gateway {
    /// Has the lines of a file taken in. All are checked first, unless the import is partial.
    pub async fn import(
        &self,
        import: &Import,
        progress: &mut (dyn Write + Send),
        interrupt: impl Future<Output = ()>,
    ) -> Imported {
        let mut interrupt = pin!(interrupt);
        let unsent = |error| {
            let from = import.from;
            Ending::Stopped(Stopped { from, error })
        };
        let mut input = match source::open(&import.file) {
            Ok(input) => input,
            Err(error) => return Imported::nothing(Totals::default(), Vec::new(), unsent(error)),
        };
        if !import.partial {
            let aim = Aim::Check;
            let mut checking = Sending::new(self, interrupt.as_mut(), progress, import.from, aim);
            let ending = match checking.file(&mut input, import).await {
                Ok(()) if checking.totals().refused == 0 => None,
                Ok(()) => Some(Ending::Nothing),
                Err(error) => Some(unsent(error)),
            };
            if let Some(ending) = ending {
                return Imported::nothing(checking.totals(), checking.into_errors(), ending);
            }
        }
        let mut sending = Sending::new(self, interrupt, progress, import.from, Aim::TakeIn);
        let ending = match sending.file(&mut input, import).await {
            Ok(()) => Ending::Sent,
            Err(error) => Ending::Stopped(Stopped {
                from: sending.from(),
                error,
            }),
        };
        Imported {
            totals: sending.totals(),
            errors: sending.into_errors(),
            ending,
        }
    }
}
