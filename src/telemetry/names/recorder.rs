//! The recorder of metrics, by their table.

use metrics::{Key, KeyName, Label as KeyLabel, Level, Metadata};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use super::{
    metric::{Kind, Label, Metric, Values},
    table::ALL,
};
use crate::telemetry::names;

/// Gives every metric its help text, and begins at zero those whose series are known beforehand: a
/// counter that appears with its first event has no rate of it.
pub fn describe() {
    metrics::with_recorder(|recorder| {
        let metadata = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
        for Metric {
            name,
            kind,
            unit,
            labels,
            help,
        } in ALL.iter().copied()
        {
            let key = KeyName::from_const_str(name);
            match kind {
                Kind::Counter => {
                    recorder.describe_counter(key, unit, help.into());
                    for labels in beforehand(labels) {
                        let _at_zero =
                            recorder.register_counter(&Key::from_parts(name, labels), &metadata);
                    }
                }
                Kind::Gauge => recorder.describe_gauge(key, unit, help.into()),
                Kind::Histogram(_) => {
                    recorder.describe_histogram(key, unit, help.into());
                    for labels in beforehand(labels) {
                        let _at_zero =
                            recorder.register_histogram(&Key::from_parts(name, labels), &metadata);
                    }
                }
                Kind::FloatCounter => {}
            }
        }
    });
    metrics::gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// The series of a metric with these `labels`, if no more than one of them has several values, which are known.
fn beforehand(labels: &[Label]) -> Vec<Vec<KeyLabel>> {
    let mut series = vec![Vec::new()];
    let mut is_open = false;
    for label in labels {
        match label.values {
            Values::OneOf([value]) => (series.iter_mut())
                .for_each(|labels| labels.push(KeyLabel::from_static_parts(label.name, value))),
            Values::OneOf(values) if !is_open => {
                is_open = true;
                let with = |value: &&'static str| {
                    let label = KeyLabel::from_static_parts(label.name, value);
                    let all = series.iter().cloned();
                    all.map(move |labels| [labels, vec![label.clone()]].concat())
                };
                series = values.iter().flat_map(with).collect();
            }
            Values::OneOf(_) | Values::Named(_) => return Vec::new(),
        }
    }
    series
}

/// A recorder with the buckets of each histogram.
///
/// # Errors
/// When a histogram has no buckets.
pub fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder)
}

/// Writes counters that grow by parts, as `/metrics` shows them.
#[must_use]
pub fn written(counters: &[(&str, f64)]) -> String {
    let mut text = String::new();
    for (name, value) in counters {
        let help = ALL
            .iter()
            .find(|metric| metric.name == *name)
            .map_or("", |metric| metric.help);
        text += &format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use metrics::Unit;

    use super::*;

    #[test]
    fn names_and_labels_are_as_prometheus_wants_them() {
        let mut names = BTreeSet::new();
        for metric in ALL {
            let Metric {
                name,
                kind,
                unit,
                labels,
                help,
            } = metric;
            assert!(names.insert(name), "{name} is there twice");
            let fine = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.chars().all(fine), "{name}");
            let is_counter = kind.as_str() == "counter";
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
            for (unit, suffix) in [
                (Some(Unit::Seconds), "_seconds"),
                (Some(Unit::Bytes), "_bytes"),
            ] {
                if metric.unit == unit {
                    assert!(name.trim_end_matches("_total").ends_with(suffix), "{name}");
                }
            }
            assert!(unit.is_some() || !name.ends_with("_seconds"), "{name}");
            assert!(
                !help.is_empty() && !help.contains('\n') && !help.ends_with('.'),
                "{name}"
            );
            let mut of_it = BTreeSet::new();
            for label in *labels {
                assert!(
                    of_it.insert(label.name),
                    "{name}: {} is there twice",
                    label.name
                );
                assert!(!["le", "job", "instance"].contains(&label.name), "{name}");
                assert!(label.name.chars().all(fine), "{name}: {}", label.name);
            }
            if let Kind::Histogram(buckets) = kind {
                assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
            }
        }
    }

    #[test]
    fn series_begin_at_zero_where_they_are_known_beforehand() {
        let of = |name: &str| {
            let metric = ALL.iter().find(|metric| metric.name == name).unwrap();
            beforehand(metric.labels).len()
        };
        assert_eq!(of(names::CACHE_COALESCED), 1);
        assert_eq!(of(names::CACHE_EVICTIONS), 3);
        assert_eq!(of(names::CACHE_LOOKUPS), 0);
        assert_eq!(of(names::RETRIES), 0);
    }

    #[test]
    fn what_grows_by_parts_is_written_as_a_counter() {
        assert_eq!(
            written(&[("x_total", 0.25)]),
            "# HELP x_total \n# TYPE x_total counter\nx_total 0.25\n\n"
        );
        assert_eq!(written(&[]), "");
    }
}
