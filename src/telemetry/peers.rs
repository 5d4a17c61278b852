//! What traces say of providers, beside the names that the configuration gives them.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use crate::ident::ProviderName;

/// What traces say of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What OpenTelemetry calls it.
    pub name: Arc<str>,
    /// Where it is: host and port.
    pub address: Option<(Arc<str>, Option<u16>)>,
}

/// The providers of the configuration in force.
#[derive(Debug, Default)]
pub struct Peers(ArcSwap<HashMap<ProviderName, Peer>>);

impl Peers {
    /// These are the providers from now on.
    pub fn replace(&self, peers: HashMap<ProviderName, Peer>) {
        self.0.store(Arc::new(peers));
    }

    /// What is known of one.
    #[must_use]
    pub fn get(&self, name: &ProviderName) -> Option<Peer> {
        self.0.load().get(name).cloned()
    }
}
