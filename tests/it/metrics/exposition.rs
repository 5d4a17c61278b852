//! Reads Prometheus' text format.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of one series.
pub(super) type Labels = BTreeMap<String, String>;

/// What `/metrics` shows of one metric.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) kind: String,
    pub(super) help: String,
    /// Each series, of histograms without `le`.
    pub(super) series: BTreeSet<Labels>,
    /// Of histograms the bounds of buckets.
    pub(super) bounds: BTreeSet<String>,
}

/// All metrics of a page, by name.
pub(super) fn read(page: &str) -> BTreeMap<String, Shown> {
    let mut all: BTreeMap<String, Shown> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            all.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            all.entry(name.to_owned()).or_default().help = help.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
                None => (series, ""),
            };
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
                .find(|name| {
                    all.get(*name)
                        .is_some_and(|shown| shown.kind == "histogram")
                });
            let shown = all
                .entry(of_histogram.unwrap_or(name).to_owned())
                .or_default();
            assert!(!shown.kind.is_empty(), "no type before {line}");
            let mut labels = labels_of(labels);
            if of_histogram.is_some() {
                shown.bounds.extend(labels.remove("le"));
            }
            shown.series.insert(labels);
        }
    }
    all
}

/// `a="x",b="y"`; no value here has a quote in it.
pub(super) fn labels_of(text: &str) -> Labels {
    let pairs = text.split("\",").filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    };
    pairs.map(pair).collect()
}
