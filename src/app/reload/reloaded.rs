//! What a reload has done, for whoever asked for it and for the log.

use crate::ident::ProviderName;

/// What a reload has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The number of the configuration in force.
    pub generation: u64,
    /// Active providers that went on as they were.
    pub kept: Vec<ProviderName>,
    /// Active providers that are new, or other than before.
    pub renewed: Vec<ProviderName>,
    /// Formerly active providers that are not there any more.
    pub dropped: Vec<ProviderName>,
    /// Settings of the new configuration that take effect only at the next start.
    pub needs_restart: Vec<&'static str>,
}

impl Reloaded {
    pub(super) fn tell(&self) {
        let names = |names: &[ProviderName]| {
            let names: Vec<&str> = names.iter().map(ProviderName::as_str).collect();
            names.join(", ")
        };
        tracing::info!(
            generation = self.generation,
            kept = names(&self.kept),
            renewed = names(&self.renewed),
            dropped = names(&self.dropped),
            "the configuration was reloaded"
        );
        if !self.needs_restart.is_empty() {
            tracing::warn!(
                settings = self.needs_restart.join(", "),
                "some settings take effect at the next start only"
            );
        }
    }
}
