//! The evaluation as tables for people.

use std::collections::BTreeSet;

use super::{
    Curves, Evaluation, PackResult,
    tally::{Hits, Tally},
};

/// What stops a hit in the wording begins its reason with this.
const GUARD: &str = "veto_";

/// The labels of rows by category and by reason, in characters.
const LABELS: usize = 61;
/// A column of such a table, in characters.
const COLUMN: usize = 18;

/// All tables.
pub(super) fn render(evaluation: &Evaluation) -> String {
    let mut lines = vec![format!("encoder {}", evaluation.encoder), String::new()];
    for pack in &evaluation.packs {
        counts(&mut lines, pack);
        categories(&mut lines, pack);
        let policies = pack.policies.iter().map(|of| (&*of.policy, &of.tally));
        let policies: Vec<_> = policies.collect();
        reasons(&mut lines, "misses by reason", &policies, |_| true);
        lines.push(String::new());
    }
    guards(&mut lines, evaluation);
    if !evaluation.means.is_empty() {
        lines.push("mean over the streams in which something is asked again".to_owned());
        lines.push(format!("  {:<22} {:>8} {:>8}", "", "hit %", "false %"));
        for mean in &evaluation.means {
            let (policy, hit, wrong) = (&mean.policy, mean.hit_percent, mean.false_percent);
            lines.push(format!("  {policy:<22} {hit:>8.2} {wrong:>8.3}"));
        }
        lines.push(String::new());
    }
    if let Some(sweep) = &evaluation.sweep {
        curves(&mut lines, "threshold, through the gateway", &sweep.gateway);
        curves(&mut lines, "threshold, plain cosine", &sweep.plain_cosine);
    }
    lines.join("\n")
}

fn counts(lines: &mut Vec<String>, pack: &PackResult) {
    let (name, requests, answerable) = (&pack.name, pack.requests, pack.answerable);
    lines.push(if pack.is_stream {
        format!("{name}: {requests} requests, {answerable} of them of a group that came before")
    } else {
        format!("{name}: {requests} pairs, {answerable} of them ask the same")
    });
    let (first, second) = if pack.is_stream {
        ("exact %", "")
    } else {
        ("same %", "other %")
    };
    lines.push(format!(
        "  {:<22} {:>7} {:>8} {:>6} {:>8} {:>10}  {:<13} {first:>8} {second:>8}",
        "", "hits", "hit %", "false", "false %", "right %", "95 % interval",
    ));
    for of in &pack.policies {
        let tally = &of.tally;
        let precision = tally.precision().map_or_else(
            || format!("{:>10}  {:<13}", "", ""),
            |(right, (low, high))| format!("{right:>10.1}  {:<13}", format!("{low:.1}-{high:.1}")),
        );
        let extra = if pack.is_stream {
            format!(
                "{:>8.2}",
                super::tally::percent(tally.exact, tally.requests)
            )
        } else {
            format!("{} {}", share(tally.duplicates), share(tally.others))
        };
        lines.push(format!(
            "  {:<22} {:>7} {:>8.2} {:>6} {:>8.3} {precision} {extra}",
            of.policy,
            tally.hits,
            tally.hit_percent(),
            tally.wrong,
            tally.wrong_percent(),
        ));
    }
}

/// Hits in percent; nothing of nothing.
fn share(hits: Hits) -> String {
    if hits.requests == 0 {
        format!("{:>8}", "")
    } else {
        format!("{:>8.1}", hits.percent())
    }
}

fn categories(lines: &mut Vec<String>, pack: &PackResult) {
    let keys: BTreeSet<_> = pack
        .policies
        .iter()
        .flat_map(|of| of.tally.categories.keys())
        .collect();
    if keys.is_empty() {
        return;
    }
    lines.push("  hit % by category".to_owned());
    lines.push(head(LABELS, pack.policies.iter().map(|of| &*of.policy)));
    for key in keys {
        let (category, duplicate) = key;
        let hits = pack.policies.iter();
        let hits = hits.map(|of| of.tally.categories.get(key).copied().unwrap_or_default());
        let hits: Vec<Hits> = hits.collect();
        let pairs = hits.first().map_or(0, |hits| hits.requests);
        let label = if *duplicate { "same" } else { "other" };
        let cells: String = hits.iter().map(|hits| cell(&share(*hits))).collect();
        lines.push(format!(
            "    {:<46} {label:<5} {pairs:>4}{cells}",
            cut(category, 46)
        ));
    }
}

/// How often each reason kept a right and a wrong answer back.
fn reasons(
    lines: &mut Vec<String>,
    title: &str,
    policies: &[(&str, &Tally)],
    wanted: impl Fn(&str) -> bool,
) {
    let reasons: BTreeSet<&str> = policies
        .iter()
        .flat_map(|(_, tally)| tally.misses.keys().copied())
        .filter(|reason| wanted(reason))
        .collect();
    if reasons.is_empty() {
        return;
    }
    lines.push(format!(
        "  {title}, where the nearest kept question asks: the same / another"
    ));
    lines.push(head(LABELS, policies.iter().map(|(policy, _)| *policy)));
    for reason in reasons {
        let cells: String = policies
            .iter()
            .map(|(_, tally)| match tally.misses.get(reason) {
                Some(misses) => cell(&format!("{}/{}", misses.answerable, misses.rightly)),
                None => cell("-"),
            })
            .collect();
        lines.push(format!("    {reason:<57}{cells}"));
    }
}

fn guards(lines: &mut Vec<String>, evaluation: &Evaluation) {
    let policies = evaluation.packs.first().map(|pack| &pack.policies);
    let policies = policies.into_iter().flatten().enumerate();
    let sums: Vec<(&str, Tally)> = policies
        .map(|(at, of)| {
            let mut sum = Tally::default();
            for of in evaluation
                .packs
                .iter()
                .filter_map(|pack| pack.policies.get(at))
            {
                sum.merge(&of.tally);
            }
            (&*of.policy, sum)
        })
        .collect();
    let sums: Vec<_> = sums.iter().map(|(policy, sum)| (*policy, sum)).collect();
    lines.push("all packs".to_owned());
    reasons(lines, "stopped by guards", &sums, |reason| {
        reason.starts_with(GUARD)
    });
    lines.push(String::new());
}

fn curves(lines: &mut Vec<String>, title: &str, curves: &Curves) {
    lines.push(format!("{title}: hit % / false %"));
    let names = curves.packs.iter().map(|curve| &*curve.pack);
    let means = ["mean", "mean of all"];
    lines.push(head(9, means.into_iter().chain(names)));
    for (at, mean) in curves.mean.iter().enumerate() {
        let all = std::iter::once(&curves.mean)
            .chain([&curves.mean_of_all])
            .chain(curves.packs.iter().map(|curve| &curve.points));
        let cells = all.filter_map(|points| points.get(at));
        let cells: String = cells
            .map(|point| {
                cell(&format!(
                    "{:.2}/{:.3}",
                    point.hit_percent, point.false_percent
                ))
            })
            .collect();
        lines.push(format!("  {:<7.3}{cells}", mean.threshold));
    }
    lines.push(
        "  the lowest threshold inside each budget of false hits, by the first mean".to_owned(),
    );
    for budget in &curves.budgets {
        let found = budget.point.map_or_else(
            || "none".to_owned(),
            |point| {
                let (hit, wrong) = (point.hit_percent, point.false_percent);
                format!(
                    "{:.3}: hits {hit:.2} %, false {wrong:.3} %",
                    point.threshold
                )
            },
        );
        lines.push(format!(
            "    {:<9} {:.2} %   {found}",
            budget.policy, budget.percent
        ));
    }
    lines.push(String::new());
}

/// The head of a table with a column for each of `names`, behind `before` characters of labels.
fn head<'a>(before: usize, names: impl Iterator<Item = &'a str>) -> String {
    let names: String = names.map(|name| cell(&cut(name, COLUMN))).collect();
    format!("{:before$}{names}", "")
}

fn cell(text: &str) -> String {
    format!(" {:>COLUMN$}", text.trim())
}

/// At most `most` characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most - 1).collect();
    format!("{start}\u{2026}")
}
