//! What is in force, and changing it: for operators.

use std::{fmt, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{
    config::{Applied, Config},
    error::Error,
};

/// The configuration in force, and where it comes from.
#[derive(Debug, Clone)]
pub struct InForce {
    /// All of it.
    pub config: Config,
    /// What the page has set of it.
    pub applied: Applied,
    /// Where that is kept; `None` if nothing outlives the process.
    pub overrides: Option<PathBuf>,
    /// Why nothing can be set here, for people; `None` if it can.
    pub why_not: Option<String>,
    /// When this process began, in seconds since 1970.
    pub started_at: u64,
}

/// Somebody who knows the configuration in force, and can change it.
pub trait Steering: fmt::Debug + Send + Sync {
    /// What is in force.
    fn in_force(&self) -> BoxFuture<'_, InForce>;

    /// Takes into force, and keeps, what the page sets instead of what it has set before. It is done to its end also if
    /// nobody waits for it: what is kept must be what is in force.
    ///
    /// # Errors
    /// [`Error::Conflict`] if that is not possible here; [`Error::Internal`] if it can't be kept.
    fn apply(self: Arc<Self>, applied: Applied) -> BoxFuture<'static, Result<(), Error>>;
}
