//! Numbers and logs about what happens. It records and never decides; nothing depends on it.

pub mod ledger;
pub mod names;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends logs to standard error: for people on a terminal, as JSON elsewhere. `filter` is in the
/// syntax of `RUST_LOG`.
pub fn init_logs(filter: Option<&str>, pretty: bool) {
    let filter = filter.and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info,ort=warn"));
    let output = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    // A second call is a test's; the first one's settings stay.
    let _already_set = if pretty {
        registry.with(output).try_init()
    } else {
        registry.with(output.json().flatten_event(true)).try_init()
    };
}

/// Collects the metrics of this process; `/metrics` renders them.
///
/// # Errors
/// When something else collects them already.
pub fn init_metrics() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    const SECONDS: [f64; 14] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
    ];
    let handle = PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .install_recorder()?;
    names::describe();
    Ok(handle)
}
