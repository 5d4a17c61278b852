//! What was found, as Markdown and as JSON.
//!
//! Rounds of a cell are joined: latencies pooled, CPU time and requests added up, the middle of
//! the rates taken. Goals are judged here and change nothing else, not even the exit status: a
//! figure off its goal on a busy machine is no failure of the run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::conditions;
use crate::driver::Sample;
use crate::phase::{Goal, PHASES, Phase};
use crate::prompt::Prompts;
use crate::target::{Kind, Target};

/// An answer that took longer than this was held up, not worked on.
const STALL_NS: u32 = 30_000_000;
const STALLS_ALLOWED: f64 = 0.001;
/// What the gateway may hold in memory with the model loaded, before any request.
const RESIDENT_GOAL_MB: f64 = 200.0;

/// One phase on one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) phase: &'static str,
    pub(crate) target: Kind,
}

/// One measured window.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) sample: Sample,
    /// CPU time of the target, settling included.
    pub(crate) cpu: Duration,
    /// Requests that reached the mock.
    pub(crate) upstream: u64,
}

impl Round {
    fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.sample.answers().max(1) as f64
    }

    /// A few words for the progress line.
    pub(crate) fn summary(&self) -> String {
        let (rate, cpu, errors) = (
            self.sample.per_second(),
            self.cpu_micros(),
            self.sample.errors,
        );
        format!("{rate:>8.0} req/s {cpu:>8.1} µs CPU {errors:>3} errors")
    }
}

/// All rounds of a cell in one.
struct Row {
    /// Good answers per second, the median of the rounds.
    rate: f64,
    /// In microseconds.
    median: f64,
    p99: f64,
    worst: f64,
    /// Share of the answers that were held up.
    stalls: f64,
    /// CPU per request in microseconds: of all rounds, and the least and most of one.
    cpu: f64,
    cpu_least: f64,
    cpu_most: f64,
    answers: u64,
    errors: u64,
    first_error: Option<String>,
    /// Share of the answers with the cache status that the phase is about.
    expected: f64,
    /// Requests that reached the mock, per answer.
    upstream: f64,
    answer_bytes: u64,
}

impl Row {
    fn new(rounds: &[Round], expect: &str) -> Self {
        let mut latencies: Vec<u32> = rounds
            .iter()
            .flat_map(|r| r.sample.latencies.iter().copied())
            .collect();
        latencies.sort_unstable();
        let mut rates: Vec<f64> = rounds.iter().map(|r| r.sample.per_second()).collect();
        rates.sort_by(f64::total_cmp);
        let sum = |of: fn(&Round) -> u64| rounds.iter().map(of).sum::<u64>();
        let answers = latencies.len() as u64;
        let share = |n: u64| n as f64 / answers.max(1) as f64;
        let stalled = latencies.len() - latencies.partition_point(|l| *l <= STALL_NS);
        let cpu: Duration = rounds.iter().map(|r| r.cpu).sum();
        let each = || rounds.iter().map(Round::cpu_micros);
        Self {
            rate: rates.get(rates.len() / 2).copied().unwrap_or_default(),
            median: quantile(&latencies, 0.5),
            p99: quantile(&latencies, 0.99),
            worst: quantile(&latencies, 1.0),
            stalls: share(stalled as u64),
            cpu: cpu.as_secs_f64() * 1e6 / answers.max(1) as f64,
            cpu_least: each().fold(f64::INFINITY, f64::min),
            cpu_most: each().fold(0.0, f64::max),
            answers,
            errors: sum(|r| r.sample.errors),
            first_error: rounds.iter().find_map(|r| r.sample.first_error.clone()),
            expected: share(rounds.iter().map(|r| r.sample.cached(expect)).sum()),
            upstream: share(sum(|r| r.upstream)),
            answer_bytes: sum(|r| r.sample.bytes) / answers.max(1),
        }
    }
}

/// In microseconds.
fn quantile(sorted: &[u32], q: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * q).round() as usize;
    f64::from(sorted.get(at).copied().unwrap_or_default()) / 1e3
}

/// The results as they come in, then as they are told.
pub(crate) struct Report {
    conditions: Vec<(&'static str, String)>,
    notes: Vec<String>,
    cells: BTreeMap<Cell, Vec<Round>>,
    memory: Vec<(Kind, [f64; 4])>,
}

impl Report {
    pub(crate) fn new(seconds: f64, rounds: u32, notes: Vec<String>) -> Self {
        Self {
            conditions: conditions::now(seconds, rounds),
            notes,
            cells: BTreeMap::new(),
            memory: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, cell: Cell, round: Round) {
        self.cells.entry(cell).or_default().push(round);
    }

    /// Takes in what is known only at the end. `others`: cores kept busy by other processes.
    pub(crate) fn finish(&mut self, targets: &[Target], others: f64, prompts: &Prompts) {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        self.conditions
            .push(("cores busy with other things", format!("{others:.2}")));
        for target in targets {
            let last = target.process.memory().unwrap_or(target.idle);
            self.memory.push((
                target.kind,
                [
                    megabytes(target.idle.resident),
                    megabytes(target.idle.proportional),
                    megabytes(last.most_resident),
                    megabytes(target.most_proportional),
                ],
            ));
        }
        if let Some(used) = prompts.worn_out() {
            self.notes.push(format!(
                "{used} wordings were asked for, so some came twice"
            ));
        }
    }

    fn row(&self, phase: &Phase, target: Kind) -> Option<Row> {
        let rounds = self.cells.get(&Cell {
            phase: phase.name,
            target,
        })?;
        Some(Row::new(rounds, phase.expect))
    }

    /// The targets that the phase was run on.
    fn rows(&self, phase: &Phase) -> impl Iterator<Item = (Kind, Row)> {
        Kind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, self.row(phase, kind)?)))
    }

    pub(crate) fn markdown(&self) -> String {
        let mut out = String::from("# Gateway benchmark\n\n");
        for (what, value) in &self.conditions {
            let _ = writeln!(out, "- {what}: {value}");
        }
        for note in &self.notes {
            let _ = writeln!(out, "- note: {note}");
        }
        out.push_str(
            "\nLatencies and CPU per request in µs; `added` is p50 beyond that of `direct`, \
             `× direct` and `× floor` are ratios of CPU.\n\n\
             | phase | target | req/s | p50 | added | p99 | max | > 30 ms | CPU (rounds) | × direct \
             | × floor | errors | cache | upstream | goals |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
        );
        let mut errors = String::new();
        for phase in PHASES {
            let against = phase.against.unwrap_or(phase.name);
            let reference = PHASES.iter().find(|p| p.name == against);
            let of = |kind| reference.and_then(|p| self.row(p, kind));
            let (direct, floor) = (of(Kind::Direct), of(Kind::Floor));
            for (kind, row) in self.rows(phase) {
                out.push_str(&line(phase, kind, &row, direct.as_ref(), floor.as_ref()));
                if let Some(first) = row.first_error {
                    let _ = writeln!(errors, "- {} on {}: {first}", phase.name, kind.name());
                }
            }
        }
        out.push_str(
            "\n| memory, MB | RSS idle | PSS idle | RSS peak | PSS peak | goal |\n\
             |---|--:|--:|--:|--:|---|\n",
        );
        for (kind, [idle, idle_pss, peak, peak_pss]) in &self.memory {
            let goal = match (kind, *idle < RESIDENT_GOAL_MB) {
                (Kind::Semantic, true) => format!("idle RSS < {RESIDENT_GOAL_MB}: met"),
                (Kind::Semantic, false) => format!("idle RSS < {RESIDENT_GOAL_MB}: **missed**"),
                _ => String::new(),
            };
            let _ = writeln!(
                out,
                "| {} | {idle:.1} | {idle_pss:.1} | {peak:.1} | {peak_pss:.1} | {goal} |",
                kind.name()
            );
        }
        if !errors.is_empty() {
            let _ = write!(out, "\nFirst errors:\n\n{errors}");
        }
        out
    }

    pub(crate) fn json(&self) -> Value {
        let mut rows = Vec::new();
        for phase in PHASES {
            for (kind, row) in self.rows(phase) {
                rows.push(json!({
                    "phase": phase.name,
                    "what": phase.what,
                    "connections": phase.connections,
                    "target": kind.name(),
                    "requests_per_second": row.rate,
                    "p50_us": row.median,
                    "p99_us": row.p99,
                    "max_us": row.worst,
                    "share_over_30_ms": row.stalls,
                    "cpu_us_per_request": row.cpu,
                    "cpu_us_per_request_least": row.cpu_least,
                    "cpu_us_per_request_most": row.cpu_most,
                    "answers": row.answers,
                    "answer_bytes": row.answer_bytes,
                    "errors": row.errors,
                    "expected_cache_status": phase.expect,
                    "share_expected": row.expected,
                    "upstream_per_request": row.upstream,
                }));
            }
        }
        let memory = self
            .memory
            .iter()
            .map(|(kind, [idle, idle_pss, peak, peak_pss])| {
                json!({
                    "target": kind.name(),
                    "rss_idle_mb": idle,
                    "pss_idle_mb": idle_pss,
                    "rss_peak_mb": peak,
                    "pss_peak_mb": peak_pss,
                })
            });
        let conditions = self
            .conditions
            .iter()
            .map(|(k, v)| ((*k).to_owned(), json!(v)));
        json!({
            "conditions": conditions.collect::<serde_json::Map<_, _>>(),
            "notes": self.notes,
            "rows": rows,
            "memory": memory.collect::<Vec<_>>(),
        })
    }
}

/// One line of the table. `direct` and `floor` are what it is held against.
fn line(phase: &Phase, kind: Kind, row: &Row, direct: Option<&Row>, floor: Option<&Row>) -> String {
    let times = |of: Option<&Row>| {
        of.filter(|of| of.cpu > 0.0)
            .map_or(String::new(), |of| format!("{:.2}", row.cpu / of.cpu))
    };
    let added = direct.map(|direct| row.median - direct.median);
    let (mut cache, mut goals) = (String::new(), String::new());
    if kind.is_gateway() {
        cache = format!("{:.1} % {}", row.expected * 100.0, phase.expect);
        let judged = phase.goals.iter().map(|goal| judge(goal, row, added));
        goals = judged.collect::<Vec<_>>().join("; ");
    }
    let columns = [
        phase.name.to_owned(),
        kind.name().to_owned(),
        format!("{:.0}", row.rate),
        format!("{:.0}", row.median),
        added.map_or(String::new(), |added| format!("{added:.0}")),
        format!("{:.0}", row.p99),
        format!("{:.0}", row.worst),
        format!("{:.2} %", row.stalls * 100.0),
        format!("{:.1} ({:.1}–{:.1})", row.cpu, row.cpu_least, row.cpu_most),
        times(direct),
        times(floor),
        row.errors.to_string(),
        cache,
        format!("{:.1} %", row.upstream * 100.0),
        goals,
    ];
    format!("| {} |\n", columns.join(" | "))
}

/// A goal of a phase and whether the gateway's figures keep it.
fn judge(goal: &Goal, row: &Row, added: Option<f64>) -> String {
    let (what, met) = match *goal {
        Goal::Cpu(most) => (format!("CPU ≤ {most} µs"), row.cpu <= most),
        Goal::Median(most) => (format!("p50 ≤ {most} µs"), row.median <= most),
        Goal::Added(most) => match added {
            Some(added) => (format!("added ≤ {most} µs"), added <= most),
            None => return format!("added ≤ {most} µs: not known"),
        },
        Goal::NoStalls => ("no stalls".to_owned(), row.stalls <= STALLS_ALLOWED),
    };
    format!("{what}: {}", if met { "met" } else { "**missed**" })
}
