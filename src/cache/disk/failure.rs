//! What can go wrong with a directory or a file, and what it is called.

use std::{
    io::{self, ErrorKind},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use redb::StorageError;

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("{} is in use by another process; stop it, or set another `data_dir`", .0.display())]
    InUse(PathBuf),
    /// It can't be made, read or written.
    #[error("cannot use {}: {source}; make it writable, or set another `data_dir`", path.display())]
    Io {
        /// What could not be used.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file that was put out of the way, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its new name.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Storage(#[from] redb::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("its database panicked")]
    Panic,
}

impl Failure {
    /// A word for metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Storage(redb::Error::Io(error)) | Self::Io(error) => {
                if is_full(error.kind()) {
                    "full"
                } else {
                    "io"
                }
            }
            Self::Storage(_) | Self::Panic => "damaged",
        }
    }
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// Runs what calls redb, a panic being one more failure.
pub(super) fn caught<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Failure::Panic))
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error.into())
    }
}
