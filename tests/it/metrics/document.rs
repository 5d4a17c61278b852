//! `docs/metrics.md` is what the table says.

use std::{fmt::Write as _, fs, path::Path};

use refrain::telemetry::names::{
    metric::{Kind, Values},
    table::ALL,
};

const PATH: &str = "docs/metrics.md";

const INTRODUCTION: &str = "\
# Metrics

<!-- Written by `UPDATE_DOCS=1 cargo test --test it metrics::document`; edit src/telemetry/names/table.rs instead. -->

`GET /metrics` shows them in Prometheus' text format. Where an admin key is configured, it has to be sent:
[`deploy/prometheus/prometheus.yml`](../deploy/prometheus/prometheus.yml) is an example.
[`deploy/prometheus/alerts.yml`](../deploy/prometheus/alerts.yml) has alert rules,
[`deploy/grafana/refrain.json`](../deploy/grafana/refrain.json) a dashboard (Grafana 11 or newer: *Dashboards, New, Import*).

- What belongs to a request is counted when the request is over: of a stream, after its last piece.
- Labels have few values. Routes, statuses and reasons are from fixed lists; providers, clients and kinds of work are
  those of the configuration. A model has a name of its own if it is configured, or once its provider has answered for
  it (the first 500 such models); all others are `other`. Nothing that a client wrote is in a label otherwise.
- Counters whose labels are known beforehand begin at zero, so that the first event has a rate.
- Times and sizes are histograms with buckets, none are summaries: quantiles can be taken over several gateways.
- `gen_ai_*` follows OpenTelemetry's semantic conventions for generative AI, which are still in development.
- Who asks for OpenMetrics (`Accept: application/openmetrics-text`), as Prometheus does by itself, gets the same series in that
  format, with exemplars: each bucket of `http_server_request_duration_seconds`, `refrain_gateway_overhead_seconds` and
  `gen_ai_client_operation_duration_seconds` names the latest traced request in it by its `trace_id`. Prometheus keeps them with
  `--enable-feature=exemplar-storage`. For requests without a trace, take the time and the labels to the log, where each has a
  line with its `request_id`.
- A rate of hits is
  `sum(rate(refrain_cache_lookups_total{result=~\"hit|stale\"}[5m])) / sum(rate(refrain_cache_lookups_total[5m]))`.
  It is about what is kept: requests that shared the call of an identical one are misses in it. The admin page and
  `refrain stats` count those as hits, too, since they were answered without a call of their own.

";

/// The document of the table.
fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    for metric in ALL {
        writeln!(text, "## `{}`\n", metric.name).unwrap();
        let kind = match metric.kind {
            Kind::Counter | Kind::FloatCounter => "Counter",
            Kind::Gauge => "Gauge",
            Kind::Histogram(_) => "Histogram",
        };
        text.push_str(kind);
        if let Some(unit) = metric.unit {
            write!(text, ", {}", unit.as_str()).unwrap();
        }
        writeln!(text, ". {}.\n", metric.help).unwrap();
        for label in metric.labels {
            let values = match label.values {
                Values::OneOf(values) => {
                    let shown = |value: &&str| match *value {
                        "" => "empty".to_owned(),
                        value => format!("`{value}`"),
                    };
                    values.iter().map(shown).collect::<Vec<_>>().join(", ")
                }
                Values::Named(what) => what.to_owned(),
            };
            writeln!(text, "- `{}`: {values}", label.name).unwrap();
        }
        if let Kind::Histogram(bounds) = metric.kind {
            let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
            writeln!(text, "- buckets up to {}", bounds.join(", ")).unwrap();
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.replace("\n\n\n", "\n\n") + "\n"
}

#[test]
fn the_document_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    let document = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &document).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let told = "is not what the table of metrics says; run `UPDATE_DOCS=1 cargo test --test it metrics::document`";
    assert!(written == document, "{PATH} {told}");
}
