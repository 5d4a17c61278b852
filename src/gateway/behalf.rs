//! On whose behalf providers are asked: who pays, and where that is noted.

use std::sync::Arc;

use super::tab::Tab;
use crate::telemetry::{journal::Journal, ledger::Ledger};

/// On whose behalf calls are made.
#[derive(Debug, Clone)]
pub(super) struct Behalf {
    /// What pays for them; `None` where nobody has to.
    pub(super) tab: Option<Arc<Tab>>,
    /// Where they are noted.
    pub(super) journal: Arc<Journal>,
    /// Where they are billed.
    pub(super) ledger: Arc<Ledger>,
}
