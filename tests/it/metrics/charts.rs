//! The dashboard and the alerts ask for metrics, labels and values that exist.

use std::{collections::BTreeSet, fs, path::Path};

use refrain::telemetry::names::{
    metric::{Kind, Metric, Values},
    table::ALL,
};
use serde_json::Value;

/// What Prometheus adds to every series, and what histograms have.
const OF_ALL: [&str; 3] = ["instance", "job", "le"];
/// What is no metric of ours.
const PROMETHEUS_OWN: [&str; 1] = ["up"];
/// Before labels in brackets.
const GROUPING: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
const WORDS: [&str; 6] = ["and", "or", "unless", "offset", "bool", "sum"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A metric that an expression asks for, and its matchers.
#[derive(Debug, PartialEq)]
struct Selected {
    name: String,
    matchers: Vec<(String, String, String)>,
}

/// What an expression asks for, and the labels that it groups by.
fn scan(expression: &str) -> (Vec<Selected>, BTreeSet<String>) {
    let (mut selected, mut labels) = (Vec::new(), BTreeSet::new());
    let mut rest = expression.trim_start();
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
    while let Some(first) = rest.chars().next() {
        match first {
            '"' => rest = rest[1..].split_once('"').expect("a string ends").1,
            '[' => rest = rest.split_once(']').expect("a range ends").1,
            '$' => rest = rest[1..].trim_start_matches(is_word),
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                rest = after.trim_start();
                if first.is_ascii_digit() {
                    continue;
                }
                if GROUPING.contains(&word) {
                    let (inside, after) = rest
                        .strip_prefix('(')
                        .expect("labels")
                        .split_once(')')
                        .unwrap();
                    let names = inside
                        .split(',')
                        .map(str::trim)
                        .filter(|name| !name.is_empty());
                    labels.extend(names.map(str::to_owned));
                    rest = after;
                } else if !rest.starts_with('(') && !WORDS.contains(&word) && !is_aggregation(rest)
                {
                    let mut matchers = Vec::new();
                    if let Some(inside) = rest.strip_prefix('{') {
                        let (inside, after) = inside.split_once('}').expect("matchers end");
                        matchers = inside.split("\",").map(matcher).collect();
                        rest = after;
                    }
                    selected.push(Selected {
                        name: word.to_owned(),
                        matchers,
                    });
                }
            }
            _ => rest = &rest[first.len_utf8()..],
        }
        rest = rest.trim_start();
    }
    (selected, labels)
}

/// Whether what comes after a word says that it was the name of an aggregation: `count by (..)`.
fn is_aggregation(rest: &str) -> bool {
    rest.starts_with("by ") || rest.starts_with("without ")
}

fn matcher(text: &str) -> (String, String, String) {
    let (label, rest) = text.split_at(text.find(['=', '!']).expect("an operator"));
    let (operator, value) = rest.split_once('"').expect("a value");
    let parts = [label, operator, value.trim_end().trim_end_matches('"')];
    parts.map(|part| part.trim().to_owned()).into()
}

fn found(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| match metric.kind {
        Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| name.strip_suffix(suffix) == Some(metric.name)),
        Kind::Counter | Kind::FloatCounter | Kind::Gauge => metric.name == name,
    })
}

/// What is wrong with an expression, whose series are shown by these `labels`.
fn faults(expression: &str, shown: &BTreeSet<String>) -> Vec<String> {
    let (selected, grouped) = scan(expression);
    let mut faults = Vec::new();
    let mut known: BTreeSet<&str> = OF_ALL.into();
    if selected.is_empty() {
        faults.push("no metric at all".to_owned());
    }
    for Selected { name, matchers } in &selected {
        if PROMETHEUS_OWN.contains(&name.as_str()) {
            continue;
        }
        let Some(metric) = found(name) else {
            faults.push(format!("no metric `{name}`"));
            continue;
        };
        known.extend(metric.labels.iter().map(|label| label.name));
        for (label, operator, value) in matchers {
            let of_it = metric.labels.iter().find(|known| known.name == label);
            let Some(of_it) = of_it else {
                if !OF_ALL.contains(&label.as_str()) {
                    faults.push(format!("`{name}` has no label `{label}`"));
                }
                continue;
            };
            let values = match operator.as_str() {
                "=" | "!=" => vec![value.as_str()],
                _ => value.split('|').collect(),
            };
            if let Values::OneOf(possible) = of_it.values {
                let others = values.iter().filter(|value| !possible.contains(value));
                faults.extend(others.map(|value| format!("`{name}`: {label} is never `{value}`")));
            }
        }
    }
    let unknown = grouped
        .iter()
        .chain(shown)
        .filter(|label| !known.contains(label.as_str()));
    faults.extend(unknown.map(|label| format!("nothing has the label `{label}`")));
    faults
}

/// The labels between double braces.
fn templates(text: &str, open: &str) -> BTreeSet<String> {
    let parts = text.split(open).skip(1);
    let label = |part: &str| {
        part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
            .unwrap()
            .to_owned()
    };
    parts.map(label).collect()
}

#[track_caller]
fn check(place: &str, expression: &str, shown: &BTreeSet<String>) {
    assert_eq!(
        faults(expression, shown),
        Vec::<String>::new(),
        "{place}: {expression}"
    );
    let count = |c: char| expression.matches(c).count();
    assert_eq!(
        (count('('), count('{')),
        (count(')'), count('}')),
        "{place}: {expression}"
    );
}

#[test]
fn the_scanner_finds_what_is_wrong() {
    let none = BTreeSet::new();
    let fine = "histogram_quantile(0.95, sum by (le) (rate(refrain_gateway_overhead_seconds_bucket{cached=\"no\", \
                instance=~\"$instance\"}[5m] offset 1d))) > 0.005 and on () count by (version) (refrain_build_info)";
    assert_eq!(faults(fine, &none), Vec::<String>::new());
    for (expression, fault) in [
        (
            "sum(refrain_cache_hits_total)",
            "no metric `refrain_cache_hits_total`",
        ),
        (
            "refrain_gateway_overhead_seconds",
            "no metric `refrain_gateway_overhead_seconds`",
        ),
        (
            "refrain_retries_total{client=\"a\"}",
            "`refrain_retries_total` has no label `client`",
        ),
        (
            "refrain_breaker_state{state=\"ajar\"}",
            "`refrain_breaker_state`: state is never `ajar`",
        ),
        (
            "refrain_breaker_state{state=~\"open|ajar\", model!=\"\"}",
            "`refrain_breaker_state`: state is never `ajar`",
        ),
        (
            "sum by (tier) (refrain_retries_total)",
            "nothing has the label `tier`",
        ),
        ("vector(1)", "no metric at all"),
    ] {
        assert_eq!(faults(expression, &none), [fault], "{expression}");
    }
    let shown = templates("{{client}} ({{period}})", "{{");
    assert_eq!(
        faults("refrain_client_spent_usd{period=\"day\"}", &shown),
        Vec::<String>::new()
    );
    assert_eq!(faults("refrain_config_current", &shown).len(), 2);
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/refrain.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let shown = templates(target["legendFormat"].as_str().unwrap(), "{{");
            check(title, expression, &shown);
            let selected = scan(expression).0;
            for one in &selected {
                // Others have metrics of the same names: `http_server_*`, `gen_ai_*`, `process_*`.
                for (label, value) in [("job", "$job"), ("instance", "$instance")] {
                    let matcher = [label, "=~", value].map(str::to_owned).into();
                    assert!(one.matchers.contains(&matcher), "{title}: {expression}");
                }
            }
            let names = selected.into_iter();
            used.extend(names.filter_map(|selected| Some(found(&selected.name)?.name)));
        }
    }
    let rows = panels.iter().filter(|panel| panel["type"] == "row");
    let rows: Vec<&str> = rows.map(|row| row["title"].as_str().unwrap()).collect();
    assert_eq!(
        rows,
        [
            "Traffic",
            "Cache",
            "Latency",
            "Providers",
            "Clients",
            "Process"
        ]
    );
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        // All values are those there are, and not whatever else is measured.
        assert_eq!(variable["allValue"], Value::Null, "{variable}");
        if let Some(query) = variable["query"]["query"].as_str() {
            let inside = query.strip_prefix("label_values(").unwrap();
            let (metric, _) = inside.rsplit_once(',').unwrap();
            check("a variable", metric, &BTreeSet::new());
        }
    }
    // A dashboard that knows nothing of a new metric is to be looked at.
    let unseen: Vec<&str> = (ALL.iter().map(|metric| metric.name))
        .filter(|name| !used.contains(name))
        .collect();
    assert_eq!(unseen, NOT_DRAWN, "in no panel");
}

/// What no panel shows.
const NOT_DRAWN: [&str; 6] = [
    "refrain_requests_in_flight_bytes",
    "refrain_cache_background_requests_total",
    "refrain_responses_disk_bytes",
    "refrain_responses_disk_failures_total",
    "refrain_responses_disk_dropped_total",
    "refrain_traces_left_out_total",
];

/// The expressions of a file of rules, each with the text of its rule.
fn rules(text: &str) -> Vec<(String, String)> {
    let rules = text.split("- alert: ").skip(1);
    let rule = |rule: &str| {
        let (_, after) = rule.split_once("expr:").unwrap();
        let expression = match after.trim_start_matches(' ').strip_prefix("|\n") {
            Some(block) => block
                .split("\n        for:")
                .next()
                .unwrap()
                .split("\n        labels:")
                .next()
                .unwrap(),
            None => after.lines().next().unwrap(),
        };
        (expression.trim().to_owned(), rule.to_owned())
    };
    rules.map(rule).collect()
}

#[test]
fn the_alerts_ask_for_what_there_is() {
    let rules = rules(&read("deploy/prometheus/alerts.yml"));
    assert_eq!(rules.len(), 10);
    for (expression, rule) in &rules {
        let name = rule.lines().next().unwrap();
        assert!(name.starts_with("Refrain"), "{name}");
        check(name, expression, &templates(rule, "$labels."));
        for one in scan(expression).0 {
            let of_refrain = ("job".to_owned(), "=".to_owned(), "refrain".to_owned());
            let is_ours = one.name.starts_with("refrain_") || one.matchers.contains(&of_refrain);
            assert!(is_ours, "{name}: {} of any program", one.name);
        }
        for word in ["severity:", "summary:", "description:"] {
            assert!(rule.contains(word), "{name} has no {word}");
        }
    }
}
