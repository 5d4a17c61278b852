//! Why a configuration can't become a running gateway.

use std::{net::SocketAddr, path::PathBuf};

use crate::{cache::disk::OpenError, ident::InvalidName, provider::SetupError};

/// Why the gateway can't be assembled.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A provider's settings can't be used.
    #[error(transparent)]
    Provider(#[from] SetupError),
    /// A built-in name is not a name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The secret of the data directory can't be read or made.
    #[error("`cache.data_dir` ({directory}): {source}", directory = directory.display())]
    Secret {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What clients had spent before can't be read.
    #[error(
        "what clients have spent can't be read from {path}: {why}. Restore it from a backup, or delete it to \
         begin all budgets anew",
        path = path.display()
    )]
    Spending {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// What the admin page has set can't be read.
    #[error(
        "what the admin page has set can't be read from {path}: {why}. Mend it, or delete it to have the configuration's \
         file alone",
        path = path.display()
    )]
    Overrides {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The data directory can't be used.
    #[error("`cache.data_dir`: {0}")]
    Disk(#[from] OpenError),
    /// Reading the data directory panicked.
    #[error("`cache.data_dir`: reading it failed; the log says why")]
    Restore,
    /// Nobody would be left but the demo.
    #[error(
        "no provider would be active any more ({reasons}); the gateway would answer with demo texts. If that \
         is meant, restart it"
    )]
    Deserted {
        /// Why each is not.
        reasons: String,
    },
    /// Keys would no longer be asked for at an address that others reach.
    #[error(
        "`{setting}` changes at the next start only; until then anybody who reaches {address} \
         could use your providers and the admin page without `[[clients]]` and an admin key"
    )]
    Exposed {
        /// The setting that names the address.
        setting: &'static str,
        /// Where it listens.
        address: SocketAddr,
    },
    /// The admin side would no longer ask for a key.
    #[error(
        "`admin.key_env`: there would be no admin key any more, since {variable} is not set. Name the variable of the \
         key; if the admin side is to be open, restart the gateway"
    )]
    Unlocked {
        /// The variable that was looked at.
        variable: String,
    },
}
