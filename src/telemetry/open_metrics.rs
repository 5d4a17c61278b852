//! Prometheus' text format as OpenMetrics 1.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), with exemplars.
//!
//! Names, labels and values are the same in both, so that a change of format begins no new series.

use std::fmt::Write as _;

use super::exemplars::Exemplars;

/// The media type.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes `text` anew: what it says of counters is said of their names without `_total`, there are no empty lines, buckets have
/// exemplars, and the end is marked.
#[must_use]
pub fn written(text: &str, exemplars: &Exemplars) -> String {
    let mut written = String::with_capacity(text.len() + 4096);
    for line in text.lines().filter(|line| !line.is_empty()) {
        written += &match line.strip_prefix("# ") {
            Some(about) => described(about),
            None => sample(line, exemplars),
        };
        written.push('\n');
    }
    written + "# EOF\n"
}

/// `HELP name text` or `TYPE name kind`.
fn described(about: &str) -> String {
    let mut words = about.splitn(3, ' ');
    let (what, name, rest) = (words.next(), words.next(), words.next());
    let name = name.unwrap_or_default();
    let name = name.strip_suffix("_total").unwrap_or(name);
    let rest = rest.unwrap_or_default().replace('"', "\\\"");
    format!("# {} {name} {rest}", what.unwrap_or_default())
}

fn sample(line: &str, exemplars: &Exemplars) -> String {
    let mut line = line.to_owned();
    let exemplar = (line.rsplit_once("le=\"")).and_then(|(series, rest)| {
        let (metric, _) = series.split_once("_bucket{")?;
        let (bound, _) = rest.split_once('"')?;
        exemplars.of(metric, series, bound.parse().ok()?)
    });
    if let Some(exemplar) = exemplar {
        let (seconds, ms) = (exemplar.at.0 / 1000, exemplar.at.0 % 1000);
        // Writing into a string does not fail.
        let _written = write!(
            line,
            " # {{trace_id=\"{:032x}\"}} {} {seconds}.{ms:03}",
            exemplar.trace, exemplar.value
        );
    }
    line
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use metrics_exporter_prometheus::PrometheusHandle;

    use super::*;
    use crate::telemetry::{
        journal::Record,
        names::{self, recorder},
        trace::TraceContext,
    };

    const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

    fn traced(is_sampled: bool) -> Record {
        Record {
            trace: TraceContext {
                trace: TRACE,
                span: 1,
                is_sampled,
            },
            at: crate::clock::UnixMillis(1_700_000_000_012),
            ..Record::blank()
        }
    }

    /// The lines of the overhead's buckets, after calls of these lengths.
    fn buckets(calls: &[(u64, bool)]) -> Vec<String> {
        let recorder = recorder::builder().unwrap().build_recorder();
        let handle: PrometheusHandle = recorder.handle();
        let exemplars = Arc::<Exemplars>::default();
        metrics::with_local_recorder(&recorder, || {
            recorder::describe();
            for (micros, is_sampled) in calls {
                let took = Duration::from_micros(*micros);
                metrics::histogram!(names::OVERHEAD, "cached" => "no").record(took);
                let record = traced(*is_sampled);
                exemplars.note(names::OVERHEAD, &[("cached", "no")], took, &record);
            }
        });
        let text = written(&handle.render(), &exemplars);
        let lines = text.lines().filter(|line| {
            line.starts_with("refrain_gateway_overhead_seconds_bucket{cached=\"no\"")
        });
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_bucket_shows_the_latest_traced_request_in_it() {
        let lines = buckets(&[
            (4000, true),
            (4900, true),
            (60, false),
            (1_000, true),
            (9_000_000, true),
        ]);
        let with: Vec<_> = lines.iter().filter(|line| line.contains('#')).collect();
        let trace = r#"# {trace_id="0af7651916cd43dd8448eb211c80319c"}"#;
        let name = "refrain_gateway_overhead_seconds_bucket";
        assert_eq!(
            with,
            [
                &format!(r#"{name}{{cached="no",le="0.001"}} 2 {trace} 0.001 1700000000.012"#),
                &format!(r#"{name}{{cached="no",le="0.004"}} 3 {trace} 0.004 1700000000.012"#),
                &format!(r#"{name}{{cached="no",le="0.005"}} 4 {trace} 0.0049 1700000000.012"#),
                &format!(r#"{name}{{cached="no",le="+Inf"}} 5 {trace} 9 1700000000.012"#),
            ]
        );
    }

    #[test]
    fn who_is_not_traced_is_shown_nowhere() {
        assert!(
            buckets(&[(60, false)])
                .iter()
                .all(|line| !line.contains('#'))
        );
    }

    #[test]
    fn counters_are_described_without_their_ending() {
        let text = "# HELP x_total Of \"x\"\n# TYPE x_total counter\nx_total{a=\"b\"} 3\n\n# TYPE y gauge\ny 1\n\n";
        assert_eq!(
            written(text, &Exemplars::default()),
            "# HELP x Of \\\"x\\\"\n# TYPE x counter\nx_total{a=\"b\"} 3\n# TYPE y gauge\ny 1\n# EOF\n"
        );
    }
}
