//! What the samples come to: a line a minute, and a verdict.

use std::fmt::Write;
use std::time::Duration;

use crate::traffic::{Counts, Seen};

/// Until memory has settled: caches, pools and histograms fill.
const WARM_UP: Duration = Duration::from_secs(120);
/// Growth of resident memory after that, in MiB a minute, that is still called flat.
const FLAT: f64 = 0.5;
/// Open files that may be left: connections to providers that are kept.
const SPARE_FILES: usize = 16;
const MEBIBYTE: f64 = (1 << 20) as f64;

/// The gateway at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Since the traffic began.
    pub(crate) at: Duration,
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    /// Open files.
    pub(crate) files: usize,
    /// Requests that clients have under way.
    pub(crate) in_flight: usize,
    /// What they saw so far.
    pub(crate) counts: Counts,
}

impl Sample {
    pub(crate) fn mebibytes(&self) -> f64 {
        self.resident as f64 / MEBIBYTE
    }
}

/// All samples, and what is said of them.
pub(crate) struct Report {
    start: Sample,
    samples: Vec<Sample>,
    end: Option<End>,
}

struct End {
    last: Sample,
    first_bad: Option<String>,
    flaky: u64,
    healthy: u64,
}

impl Report {
    pub(crate) fn new(start: Sample) -> Self {
        Self {
            start,
            samples: Vec::new(),
            end: None,
        }
    }

    pub(crate) fn start(&self) -> &Sample {
        &self.start
    }

    pub(crate) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// `flaky` and `healthy` are the calls that the providers had.
    pub(crate) fn finish(&mut self, last: Sample, seen: &Seen, flaky: u64, healthy: u64) {
        self.end = Some(End {
            last,
            first_bad: seen.first_bad(),
            flaky,
            healthy,
        });
    }

    /// Growth of resident memory after the warm-up in MiB a minute, by least squares; `None` for too short a run.
    fn slope(&self) -> Option<f64> {
        let settled = self.samples.iter().filter(|sample| sample.at >= WARM_UP);
        let points: Vec<(f64, f64)> = settled
            .map(|sample| (sample.at.as_secs_f64() / 60.0, sample.mebibytes()))
            .collect();
        let count = points.len() as f64;
        if points.len() < 6 {
            return None;
        }
        let (x, y) = points
            .iter()
            .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (x, y) = (x / count, y / count);
        let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
            let off = point.0 - x;
            (above + off * (point.1 - y), below + off * off)
        });
        Some(above / below.max(f64::EPSILON))
    }

    /// Each thing that is asked of the gateway, what came of it, and whether that is good.
    fn verdict(&self) -> Vec<(String, bool)> {
        let Some(End { last, .. }) = &self.end else {
            return Vec::new();
        };
        let counts = last.counts;
        let slope = self.slope().map_or_else(
            || ("memory: the run is too short to tell".to_owned(), true),
            |slope| (format!("memory grows by {slope:+.2} MiB a minute after the warm-up (at most {FLAT})"), slope <= FLAT),
        );
        let files = last.files <= self.start.files + SPARE_FILES;
        vec![
            slope,
            (
                format!(
                    "{} answers with 5xx to good requests (0)",
                    counts.server_errors
                ),
                counts.server_errors == 0,
            ),
            (
                format!("{} answers with 429 to good requests (0)", counts.limited),
                counts.limited == 0,
            ),
            (
                format!(
                    "{} requests without the answer that they deserve (0)",
                    counts.lost
                ),
                counts.lost == 0,
            ),
            (
                format!(
                    "{} open files at the end, {} at the start (at most {SPARE_FILES} more)",
                    last.files, self.start.files
                ),
                files,
            ),
        ]
    }

    pub(crate) fn is_good(&self) -> bool {
        self.verdict().iter().all(|(_, is_good)| *is_good)
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| minute | MiB | files | threads | good | hits | cut streams | refused | 429 | 5xx | shed | lost |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        let mut before = self.start.counts;
        let mut minute = 0;
        for (sample, next) in self
            .samples
            .iter()
            .zip(self.samples.iter().skip(1).map(Some).chain([None]))
        {
            let of = sample.at.as_secs() / 60;
            if next.is_some_and(|next| next.at.as_secs() / 60 == of) {
                continue;
            }
            minute += 1;
            let (now, was) = (sample.counts, before);
            let _infallible = writeln!(
                text,
                "| {minute} | {:.1} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                sample.mebibytes(),
                sample.files,
                sample.threads,
                now.good - was.good,
                now.hits - was.hits,
                now.cut - was.cut,
                now.refused - was.refused,
                now.limited - was.limited,
                now.server_errors - was.server_errors,
                now.shed - was.shed,
                now.lost - was.lost,
            );
            before = now;
        }
        text.push('\n');
        for (what, is_good) in self.verdict() {
            let _infallible = writeln!(text, "- {}: {what}", if is_good { "good" } else { "BAD" });
        }
        if let Some(End {
            last,
            first_bad,
            flaky,
            healthy,
        }) = &self.end
        {
            let _infallible = writeln!(
                text,
                "- {} requests were not begun, since too many were under way; {} hung up or read slowly; the failing \
                 provider had {flaky} calls, the other {healthy}",
                last.counts.left_out, last.counts.rude
            );
            if let Some(bad) = first_bad {
                let _infallible = writeln!(text, "- the first bad answer: {bad}");
            }
        }
        text
    }
}
