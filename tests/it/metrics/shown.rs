//! A busy gateway shows what the table says, and nothing else.

use std::collections::BTreeSet;

use refrain::telemetry::names::{
    self,
    metric::{Kind, Metric, Values},
    table::ALL,
};

use super::{
    busy::{Busy, INVENTED},
    exposition::read,
};

/// What takes an encoder to happen, which this gateway has not.
const ONLY_BY_MEANING: [&str; 1] = [names::CACHE_CHECKS];

fn known(name: &str) -> &'static Metric {
    let found = ALL.iter().find(|metric| metric.name == name);
    found.unwrap_or_else(|| panic!("`{name}` is not in the table"))
}

#[tokio::test]
async fn a_busy_gateway_shows_what_the_table_says() {
    let busy = Busy::start().await;
    busy.work().await;
    let page = busy
        .metrics(&[
            "refrain_cache_lookups_total{tier=\"exact\",result=\"hit\"} 2",
            "refrain_cache_bypass_total{reason=\"opt_out\"} 1",
            "refrain_cache_not_kept_total{reason=",
            "refrain_cache_saved_tokens_total{gen_ai_token_type=\"output\"}",
            "refrain_upstream_attempts_total{provider=\"gone\",outcome=\"connect\"}",
            "refrain_upstream_attempts_total{provider=\"main\",outcome=\"server_error\"} 2",
            "refrain_upstream_fallbacks_total{from=\"gone\",to=\"limited\",reason=\"connect\"}",
            "refrain_upstream_fallbacks_total{from=\"gone\",to=\"limited\",reason=\"open\"}",
            "refrain_upstream_fallbacks_total{from=\"limited\",to=\"spare\",reason=\"rate_limited\"}",
            "refrain_rate_limited_total{provider=\"limited\"}",
            "refrain_retries_total{provider=\"main\"} 1",
            "refrain_breaker_state{provider=\"gone\",model=\"a\",state=\"open\"} 1",
            "refrain_breaker_state{provider=\"gone\",model=\"a\",state=\"closed\"} 0",
            "refrain_breaker_transitions_total{provider=\"gone\",model=\"a\",to=\"open\"} 1",
            "refrain_truncated_tokens_total{provider=\"spare\"}",
            "refrain_client_requests_refused_total{client=\"bob\",limit=\"requests\"}",
            "refrain_client_budget_used_ratio{client=\"alice\",period=\"day\"}",
            "gen_ai_request_model=\"other\",error_type=\"client_error\"",
            "refrain_gateway_overhead_seconds_count{cached=\"yes\"}",
            "refrain_config_current 1",
            "refrain_cache_entries{tier=\"exact\"}",
        ])
        .await;
    // Models that clients make up are no names.
    assert!(!page.contains(INVENTED), "{page}");
    let shown = read(&page);
    for (name, shown) in &shown {
        let metric = known(name);
        assert_eq!(shown.kind, metric.kind.as_str(), "{name}");
        assert_eq!(shown.help, metric.help, "{name}");
        let expected: BTreeSet<&str> = metric.labels.iter().map(|label| label.name).collect();
        for series in &shown.series {
            let labels: BTreeSet<&str> = series.keys().map(String::as_str).collect();
            assert_eq!(labels, expected, "{name}");
            for label in metric.labels {
                if let Values::OneOf(values) = label.values {
                    let value = &*series[label.name];
                    assert!(
                        values.contains(&value),
                        "{name}: {} is `{value}`",
                        label.name
                    );
                }
            }
        }
        let expected = match metric.kind {
            Kind::Histogram(bounds) => bounds.len() + 1,
            Kind::Counter | Kind::FloatCounter | Kind::Gauge => 0,
        };
        assert_eq!(shown.bounds.len(), expected, "{name}");
    }
    let missing: Vec<&str> = (ALL.iter().map(|metric| metric.name))
        .filter(|name| !shown.contains_key(*name) && !ONLY_BY_MEANING.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new(), "never seen");
    busy.stopped().await;
}
