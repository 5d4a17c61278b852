//! The metrics, as Prometheus reads them. What is a state rather than an event is looked at when it is asked for.

use std::fs;

use super::Api;
use crate::telemetry::{
    names::{self, recorder},
    process::Process,
};

/// All metrics in Prometheus' text format; nothing where none are collected.
pub(super) fn text(api: &Api) -> String {
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
