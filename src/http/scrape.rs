//! The metrics, as Prometheus reads them. What is a state rather than an event is looked at when it is asked for.

use std::{fs, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

use super::Api;
use crate::telemetry::{
    names::{self, recorder},
    open_metrics,
    process::Process,
};

/// Prometheus' own format, for whoever does not ask for another.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics, in the format that is asked for.
pub(super) async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let text = text(&api);
    let (format, text) = if prefers_open_metrics(&headers) {
        let text = open_metrics::written(&text, &api.exemplars);
        (open_metrics::MEDIA_TYPE, text)
    } else {
        (TEXT, text)
    };
    let format = [(header::CONTENT_TYPE, format), (header::VARY, "accept")];
    (format, text).into_response()
}

/// Whether OpenMetrics is named, and plain text is not liked better (RFC 9110 §12.5.1).
fn prefers_open_metrics(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter();
    let ranges: Vec<&str> = (ranges.filter_map(|value| value.to_str().ok()))
        .flat_map(|value| value.split(','))
        .collect();
    let liked = |wanted: &str| {
        let of_it = ranges.iter().filter_map(|range| {
            let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
            let quality = parameters.split(';').find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                (name.trim().eq_ignore_ascii_case("q")).then(|| value.trim().parse().ok())?
            });
            (name.trim().eq_ignore_ascii_case(wanted)).then_some(quality.unwrap_or(1.0))
        });
        of_it.fold(0.0, f32::max)
    };
    let open = liked("application/openmetrics-text");
    open > 0.0 && open >= liked("text/plain")
}

/// All metrics in Prometheus' text format; nothing where none are collected.
fn text(api: &Api) -> String {
    let Some(metrics) = &api.metrics else {
        return String::new();
    };
    look_at_cache(api);
    gauge(names::IN_FLIGHT_BYTES, api.load.bytes());
    let totals = api.ledger.totals();
    let mut counters = vec![
        (names::BILLED_USD, totals.billed_usd),
        (names::CACHE_SAVED_USD, totals.saved_usd),
    ];
    counters.extend(look_at_process().map(|process| (names::PROCESS_CPU, process.cpu)));
    metrics.render() + &recorder::written(&counters)
}

fn look_at_cache(api: &Api) {
    let size = api.store.size();
    let responses = api.responses.as_ref().map(|responses| responses.len());
    for (tier, entries) in [
        ("exact", size.entries),
        ("semantic", size.semantic.vectors as u64),
        ("embeddings", api.store.vectors().size().entries),
        ("responses", responses.unwrap_or_default() as u64),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "a sum for people")]
        metrics::gauge!(names::CACHE_ENTRIES, "tier" => tier).set(entries as f64);
    }
    gauge(names::CACHE_BYTES, size.bytes);
    gauge(names::CACHE_MAX_BYTES, size.bound);
    gauge(names::CACHE_PARTITIONS, size.semantic.partitions as u64);
}

/// A few files that the kernel makes up as they are read, in microseconds.
fn look_at_process() -> Option<Process> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
    let process = Process::parse(&read("stat")?, &read("status")?)?;
    gauge(names::PROCESS_MEMORY, process.memory);
    gauge(names::PROCESS_THREADS, process.threads);
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        gauge(names::PROCESS_FDS, files.count().saturating_sub(1) as u64);
    }
    Some(process)
}

fn gauge(name: &'static str, value: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a sum for people")]
    metrics::gauge!(name).set(value as f64);
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_format_is_that_which_is_liked_best() {
        let prefers = |accept: &'static str| {
            let value = HeaderValue::from_static(accept);
            prefers_open_metrics(&HeaderMap::from_iter([(header::ACCEPT, value)]))
        };
        // Prometheus 2.42 and 3.5.
        assert!(prefers(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ));
        assert!(prefers(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        ));
        for plain in [
            "",
            "*/*",
            "text/html, */*;q=0.8",
            "text/plain, application/openmetrics-text;q=0.9",
            "application/openmetrics-text; q=0",
            "application/openmetrics-text; q=much",
        ] {
            assert_eq!(prefers(plain), plain.ends_with("much"), "{plain}");
        }
        assert!(!prefers_open_metrics(&HeaderMap::new()));
    }
}
