//! The tables.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    cost::{Costs, Downgraded},
    measure::{AtMargin, Control, Row, Share},
};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub encoder: String,
    pub examples: usize,
    pub prompts: usize,
    pub most_alike: f32,
    pub tasks: Vec<String>,
    /// How often the first task is right, by task.
    pub by_task: Vec<Share>,
    pub confusion: Vec<Vec<u32>>,
    pub ablations: Vec<Row>,
    pub control: Control,
    pub margin: f32,
    pub margins_dev: Vec<AtMargin>,
    pub margins_test: Vec<AtMargin>,
    pub costs: Vec<Costs>,
    pub downgraded: Vec<Downgraded>,
    pub microseconds: Timing,
}

/// What the decision takes, in the mean over the test prompts.
#[derive(Debug, Serialize)]
pub struct Timing {
    pub build: &'static str,
    /// Finding the text and the signs in a request; the first with documents, the second without.
    pub signals_long: f64,
    pub signals_short: f64,
    pub classify: f64,
}

pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _infallible = tables(report, &mut out);
    out
}

fn tables(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "# Classification\n\n{} examples of {} tasks, {} test prompts, encoder {}; the prompt and the example \
         that are most alike: cosine {:.2}\n",
        report.examples,
        report.confusion.len(),
        report.prompts,
        report.encoder,
        report.most_alike,
    )?;
    writeln!(
        out,
        "| task | prompts | right % | interval (95 %) |\n|---|---|---|---|"
    )?;
    for (task, share) in report.tasks.iter().map(String::as_str).zip(&report.by_task) {
        writeln!(out, "| {task} | {} | {}", share.of, shown(share))?;
    }
    let names = report
        .tasks
        .get(..report.confusion.len())
        .unwrap_or_default();
    writeln!(
        out,
        "\n| is, of those below: taken for | {} |",
        names.join(" | ")
    )?;
    writeln!(out, "|---|{}", "---|".repeat(names.len()))?;
    for (task, row) in report.tasks.iter().zip(&report.confusion) {
        let cells: Vec<String> = row
            .iter()
            .map(|count| {
                if *count == 0 {
                    String::from("·")
                } else {
                    count.to_string()
                }
            })
            .collect();
        writeln!(out, "| {task} | {} |", cells.join(" | "))?;
    }
    writeln!(
        out,
        "\n| decided by | dev % | test % | interval (95 %) | without long_context % | interval (95 %) |\n|---|---|---|---|---|---|"
    )?;
    for row in &report.ablations {
        let (test, but_long) = (shown(&row.test), shown(&row.test_but_long));
        writeln!(out, "| {} | {:.1} | {test} {but_long}", row.name, row.dev)?;
    }
    writeln!(
        out,
        "\nShuffled control, mean of {}: {:.1} % by the vector, {:.1} % with the signs\n",
        report.control.shuffles, report.control.vector, report.control.vector_and_signs
    )?;
    for (split, margins) in [("dev", &report.margins_dev), ("test", &report.margins_test)] {
        writeln!(
            out,
            "| margin ({split}) | decided % | right of these % | right of all, the rest as the default % |\n|---|---|---|---|"
        )?;
        for row in margins {
            let chosen = if (row.margin - report.margin).abs() < 1e-6 {
                " (chosen)"
            } else {
                ""
            };
            writeln!(
                out,
                "| {:.3}{chosen} | {:.1} | {:.1} | {:.1} |",
                row.margin, row.covered.percent, row.right_if_covered.percent, row.right.percent
            )?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "| stream | prompts | all to | US$ | by truth | as classified | by shuffled examples |\n|---|---|---|---|---|---|---|"
    )?;
    for costs in &report.costs {
        let relative = |dollars: f64| {
            format!(
                "{dollars:.4} ({:.0} %)",
                100.0 * dollars / costs.everything_to_the_best
            )
        };
        writeln!(
            out,
            "| {} | {} | {} | {:.4} | {} | {} | {} |",
            costs.stream,
            costs.prompts,
            costs.best,
            costs.everything_to_the_best,
            relative(costs.routed_by_truth),
            relative(costs.routed),
            relative(costs.routed_by_shuffled_examples),
        )?;
    }
    writeln!(
        out,
        "\n| downgraded | to simple % | interval (95 %) | to less than half the price % | interval (95 %) | with shuffled examples % |\n|---|---|---|---|---|---|"
    )?;
    for row in &report.downgraded {
        writeln!(
            out,
            "| {} | {} {} {:.1} |",
            row.task,
            shown(&row.to_simple),
            shown(&row.to_half_the_price),
            row.shuffled_to_half_the_price
        )?;
    }
    let timing = &report.microseconds;
    writeln!(
        out,
        "\nµs per request ({} build): signals {:.1} without a document and {:.1} with one, classification {:.1}",
        timing.build, timing.signals_short, timing.signals_long, timing.classify
    )
}

fn shown(share: &Share) -> String {
    format!(
        "{:.1} | {:.1} to {:.1} |",
        share.percent, share.low, share.high
    )
}
