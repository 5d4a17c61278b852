//! `[telemetry]` as written.

use super::{
    settings::count,
    values::{Zero, duration, key_variable},
};
use crate::{
    config::{
        defaults,
        problem::At,
        reader::Section,
        telemetry::{LogForm, Telemetry},
    },
    units::Share,
};

/// `[telemetry]`, with what depends on the environment left out of the settings.
#[derive(Debug)]
pub(crate) struct TelemetryEntry<'t> {
    pub(crate) settings: Telemetry,
    /// Where spans are sent; empty for where the environment says.
    pub(crate) otlp_endpoint: Option<At<'t, &'t str>>,
}

pub(super) fn telemetry<'t>(section: &mut Section<'_, 't>) -> TelemetryEntry<'t> {
    let logs = section.choice("logs", &LogForm::NAMES);
    let log_requests = section.switch("log_requests");
    let slow_request = duration(
        section,
        "slow_request",
        Zero::Refused,
        defaults::SLOW_REQUEST,
    );
    let recent_requests = count(section, "recent_requests", 0..=10_000);
    let capture_content = section.switch("capture_content");
    let otlp_endpoint = section.text("otlp_endpoint", ENDPOINT_EXPECTED);
    let otlp_headers_env = key_variable(section, "otlp_headers_env");
    let sample = section.number("sample", &(0.0..=1.0));
    let settings = Telemetry {
        logs: logs.map_or(LogForm::Auto, |at| at.value),
        log_requests: log_requests.is_none_or(|at| at.value),
        slow_request,
        recent_requests: recent_requests.unwrap_or(defaults::RECENT_REQUESTS),
        capture_content: capture_content.is_some_and(|at| at.value),
        otlp_headers_env: otlp_headers_env
            .map_or(defaults::OTLP_HEADERS_ENV, |at| at.value)
            .to_owned(),
        sample: sample
            .and_then(|at| Share::new(at.value))
            .unwrap_or(Share::ALL),
        traces: None,
    };
    TelemetryEntry {
        settings,
        otlp_endpoint: otlp_endpoint.filter(|at| !at.value.trim().is_empty()),
    }
}

/// How the address of a collector is written.
pub(crate) const ENDPOINT_EXPECTED: &str =
    "an http or https address in quotes, for example \"http://localhost:4318\"";
