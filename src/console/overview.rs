//! What `refrain stats` shows people.

use std::io::{self, Write};

use serde_json::Value;

use super::{Column, Screen, Table, amount, bytes, items, number, text::percent, usd, word};
use crate::inert;

/// Writes what the gateway does, and how its providers fare.
pub(super) fn write(
    out: &mut (dyn Write + Send),
    screen: Screen,
    stats: &Value,
    providers: &Value,
) -> io::Result<()> {
    totals(out, stats)?;
    writeln!(out)?;
    let mut table = Table::new(vec![
        Column::left("PROVIDER"),
        Column::left("STATE"),
        Column::right("CALLS"),
        Column::right("ERRORS"),
        Column::right("P50"),
        Column::right("P95"),
        Column::right("TOKENS"),
        Column::right("COST"),
        Column::flexible("NOTE"),
    ]);
    for provider in items(providers, "providers") {
        // A long list of those that were never set up helps nobody.
        let is_active = provider.get("active") == Some(&Value::Bool(true));
        if is_active || number(provider, "/attempts") > 0.0 {
            table.row(&row(provider, is_active));
        }
    }
    table.write(out, screen.width)?;
    let inactive = items(providers, "providers").iter();
    let inactive = inactive.filter(|provider| provider.get("active") != Some(&Value::Bool(true)));
    let inactive = inactive.count();
    if inactive > 0 {
        writeln!(out, "{inactive} more are configured and not active")?;
    }
    Ok(())
}

fn totals(out: &mut (dyn Write + Send), stats: &Value) -> io::Result<()> {
    let requests = |name: &str| number(stats, &format!("/requests/{name}"));
    let hits: f64 = ["exact", "semantic", "stale", "coalesced"]
        .map(requests)
        .iter()
        .sum();
    let looked_up = hits + requests("miss");
    let all = looked_up + requests("bypass") + requests("failed");
    let line = |out: &mut (dyn Write + Send), name: &str, text: &str| {
        writeln!(out, "{name:<10}{}", inert::line(text))
    };
    let text = format!(
        "{}; configuration {} (generation {:.0})",
        word(stats, "/version"),
        word(stats, "/config/state"),
        number(stats, "/config/generation")
    );
    line(out, "refrain", &text)?;
    let text = format!(
        "{}: {} hits, {} misses, {} bypasses, {} failed; {} in flight",
        amount(all),
        amount(hits),
        amount(requests("miss")),
        amount(requests("bypass")),
        amount(requests("failed")),
        amount(number(stats, "/in_flight/requests"))
    );
    line(out, "requests", &text)?;
    let text = format!(
        "{} of what was looked up: {} exact, {} by meaning, {} stale, {} shared",
        percent(hits, looked_up),
        amount(requests("exact")),
        amount(requests("semantic")),
        amount(requests("stale")),
        amount(requests("coalesced"))
    );
    line(out, "hit rate", &text)?;
    for (name, sum) in [("billed", "billed"), ("saved", "saved")] {
        let text = format!(
            "{}, {} tokens",
            usd(requests(&format!("{sum}_usd"))),
            amount(requests(&format!("{sum}_tokens")))
        );
        line(out, name, &text)?;
    }
    let text = format!(
        "{} entries, {} of {}; {} questions in {} partitions",
        amount(number(stats, "/cache/entries")),
        bytes(number(stats, "/cache/bytes")),
        bytes(number(stats, "/cache/max_bytes")),
        amount(number(stats, "/cache/questions")),
        amount(number(stats, "/cache/partitions"))
    );
    line(out, "cache", &text)
}

fn row(provider: &Value, is_active: bool) -> Vec<String> {
    let models = items(provider, "models").iter();
    let open: Vec<&str> = models
        .filter(|model| word(model, "/breaker/state") != "closed")
        .map(|model| word(model, "/model"))
        .collect();
    let state = match (is_active, open.is_empty()) {
        (false, _) => "inactive",
        (true, true) => "well",
        (true, false) => "failing",
    };
    let errors = provider.get("errors").and_then(Value::as_object);
    let errors: f64 = errors
        .into_iter()
        .flat_map(|errors| errors.values())
        .filter_map(Value::as_f64)
        .sum();
    let latency = |name: &str| {
        let told = provider
            .pointer("/latency_ms")
            .and_then(|all| all.get(name));
        told.and_then(Value::as_f64)
            .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"))
    };
    let put_aside = number(provider, "/keys/put_aside");
    let mut notes = Vec::new();
    if let Some(reason) = provider.get("reason").and_then(Value::as_str) {
        notes.push(reason.to_owned());
    }
    if !open.is_empty() {
        notes.push(format!("left alone: {}", open.join(", ")));
    }
    if put_aside > 0.0 {
        let configured = number(provider, "/keys/configured");
        notes.push(format!("{put_aside:.0} of {configured:.0} keys put aside"));
    }
    vec![
        word(provider, "/name").to_owned(),
        state.to_owned(),
        amount(number(provider, "/attempts")),
        amount(errors),
        latency("p50"),
        latency("p95"),
        amount(number(provider, "/tokens/input") + number(provider, "/tokens/output")),
        usd(number(provider, "/usd")),
        notes.join("; "),
    ]
}
