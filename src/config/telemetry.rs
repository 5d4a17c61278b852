//! What is told of requests: `[telemetry]`.
//!
//! Plain data. Invariant: every number is within the range its documentation names.

use std::time::Duration;

use http::HeaderMap;

use crate::units::{Share, words};

/// `[telemetry]`: logs, recent requests, traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// In which form lines are logged.
    pub logs: LogForm,
    /// Whether each request has its line.
    pub log_requests: bool,
    /// From which time of its own on the gateway calls a request slow.
    pub slow_request: Duration,
    /// How many of the latest requests are remembered, 0 to 10,000.
    pub recent_requests: usize,
    /// Whether the bodies of those are remembered, too.
    pub capture_content: bool,
    /// The variable with what is sent along with traces.
    pub otlp_headers_env: String,
    /// Of traces that begin here, which share is recorded.
    pub sample: Share,
    /// Who is told of traces; `None` for nobody.
    pub traces: Option<Traces>,
}

/// A collector of traces, and what it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// Where spans are sent, by OTLP over HTTP.
    pub endpoint: String,
    /// What is sent along; marked as sensitive, so nothing of it is printed.
    pub headers: HeaderMap,
    /// Of traces that begin here, which share is recorded.
    pub sample: Share,
    /// What the gateway is called in traces.
    pub service: String,
    /// What else is said of it, in pairs of name and value.
    pub resource: Vec<(String, String)>,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// For people where standard error is a terminal, as JSON elsewhere.
    Auto,
    /// As JSON.
    Json,
    /// For people.
    Pretty,
}

words! {
    /// The forms with their names in the file.
    pub(crate) LogForm {
        Auto = "auto",
        Json = "json",
        Pretty = "pretty",
    }
}
