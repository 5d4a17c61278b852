//! For each bucket of a histogram the latest traced request that fell into it: the way from a chart to what it is about.
//!
//! They are shown in OpenMetrics only (<https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars>); Prometheus' own
//! text format has no place for them. Invariant: there are no more of them than buckets of series.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    journal::Record,
    names::{metric::Kind, table},
};
use crate::clock::UnixMillis;

/// A request that stands for a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    pub(super) trace: u128,
    /// What was observed.
    pub(super) value: f64,
    pub(super) at: UnixMillis,
}

/// The latest of each bucket.
#[derive(Debug, Default)]
pub struct Exemplars {
    /// By series, as `/metrics` writes them up to the bound: `name_bucket{label="value",`.
    series: Mutex<HashMap<String, Vec<Option<Exemplar>>>>,
}

impl Exemplars {
    /// Notes that `metric` observed that a request took so long, in the series with these labels, in the order in which they are
    /// written.
    pub(super) fn note(
        &self,
        metric: &'static str,
        labels: &[(&str, &str)],
        took: Duration,
        record: &Record,
    ) {
        // The trace of any other can't be opened.
        if !record.trace.is_sampled {
            return;
        }
        let Some(bounds) = bounds(metric) else { return };
        let value = took.as_secs_f64();
        let exemplar = Exemplar {
            trace: record.trace.trace,
            value,
            at: record.at,
        };
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let series = all.entry(series(metric, labels)).or_default();
        series.resize(bounds.len() + 1, None);
        if let Some(bucket) = series.get_mut(bucket(bounds, value)) {
            *bucket = Some(exemplar);
        }
    }

    /// That of the bucket up to `bound` of the series that is written so.
    pub(super) fn of(&self, metric: &str, series: &str, bound: f64) -> Option<Exemplar> {
        let all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        *all.get(series)?.get(bucket(bounds(metric)?, bound))?
    }
}

fn bounds(metric: &str) -> Option<&'static [f64]> {
    let metric = table::ALL.iter().find(|one| one.name == metric)?;
    match metric.kind {
        Kind::Histogram(bounds) => Some(bounds),
        Kind::Counter | Kind::FloatCounter | Kind::Gauge => None,
    }
}

/// The place of the first bucket that counts `value`: its bound is not less.
fn bucket(bounds: &[f64], value: f64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

fn series(metric: &str, labels: &[(&str, &str)]) -> String {
    let mut series = format!("{metric}_bucket{{");
    for (name, value) in labels {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        // Writing into a string does not fail.
        let _written = write!(series, "{name}=\"{value}\",");
    }
    series
}
