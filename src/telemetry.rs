//! Numbers, logs and traces about what happens. It records and never decides; nothing depends on it.

pub mod clients;
pub mod exemplars;
pub mod facts;
pub mod history;
pub mod journal;
pub mod ledger;
pub mod log_line;
pub mod logs;
pub mod models;
pub mod names;
pub mod open_metrics;
#[cfg(feature = "otel")]
pub mod otlp;
pub mod peers;
pub mod process;
pub mod recent;
pub mod request_metrics;
pub mod similarities;
pub mod tally;
pub mod targets;
pub mod trace;

use metrics_exporter_prometheus::PrometheusHandle;

/// Collects the metrics of this process; `/metrics` renders them.
///
/// # Errors
/// When something else collects them already.
pub fn init_metrics() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let handle = names::recorder::builder()?.install_recorder()?;
    names::recorder::describe();
    Ok(handle)
}
