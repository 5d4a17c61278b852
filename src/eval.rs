//! `refrain eval`: how often the cache answers, and how often wrongly, on labelled prompts.
//!
//! Packs are replayed through the path that requests take, with the encoder that ships, under each
//! policy and beside plain cosine thresholds. It measures and decides nothing; the points of the
//! policies are set from its sweep. What the numbers mean is in `docs/quality.md`. Invariant: the same
//! packs give the same numbers, whatever the load of the machine.

use std::{
    collections::HashSet,
    io::{self, Write},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
};

use tokio::task::{JoinError, JoinSet};

use crate::{
    app::BuildError,
    embed::{Embed, EmbedError},
    ident::InvalidName,
    policy::question,
    units::Similarity,
};

mod cosine;
mod labels;
mod memo;
pub mod pack;
mod replay;
mod report;
pub mod result;
pub mod sweep;
pub mod tally;

use self::{
    memo::Memo,
    pack::{Pack, PackError},
    replay::{Admission, Misses},
    result::{Budget, Curve, Curves, Evaluation, Mean, PackResult, PolicyResult, Sweep},
    sweep::{BUDGETS, Point, grid, within},
    tally::Tally,
};

/// The policies of the configuration.
const POLICIES: [&str; 3] = ["strict", "balanced", "loose"];
/// What other caches use: the customary threshold, and the one that is careful for cosine alone.
const PLAIN: [f32; 2] = [0.85, 0.94];

/// Why there is no evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A pack can't be read.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The evaluation's own configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// A gateway can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The evaluation's own names are wrong.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A prompt has no vector.
    #[error("the encoder fails: {0}")]
    Embed(#[from] EmbedError),
    /// The gateway answers a prompt with an error.
    #[error("the gateway refuses the prompt {prompt:?}: {why}")]
    Refused {
        /// The beginning of its text.
        prompt: String,
        /// The gateway's error.
        why: String,
    },
    /// A replay was cut off.
    #[error("a replay did not end: {0}")]
    Replay(#[from] JoinError),
    /// The result can't be written.
    #[error("cannot write the result: {0}")]
    Io(#[from] io::Error),
}

/// What to evaluate besides the policies.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More thresholds.
    pub thresholds: Vec<Similarity>,
    /// Whether to try the whole grid.
    pub sweep: bool,
}

/// Reads all packs before anything is done with one.
///
/// # Errors
/// [`PackError`]: the first thing that is wrong in them.
pub fn read_packs(paths: &[PathBuf]) -> Result<Vec<Pack>, PackError> {
    paths.iter().map(|path| Pack::read(path)).collect()
}

/// One row of the tables.
#[derive(Debug, Clone, Copy)]
enum Row {
    Gateway(Admission),
    Plain(Similarity),
}

impl Row {
    fn name(self) -> String {
        match self {
            Self::Gateway(Admission::Policy(policy)) => policy.to_owned(),
            Self::Gateway(Admission::Threshold(threshold)) => {
                format!("threshold {:.3}", threshold.get())
            }
            Self::Plain(threshold) => format!("plain cosine {:.3}", threshold.get()),
        }
    }
}

/// One pack under one row.
#[derive(Debug, Clone, Copy)]
struct Job {
    pack: usize,
    row: Row,
    misses: Misses,
}

/// Evaluates `packs`. Writes what it is at to `progress`, the tables to `out`.
///
/// # Errors
/// [`EvalError`]; nothing is written to `out` then.
pub async fn run(
    packs: Vec<Pack>,
    encoder: Arc<dyn Embed>,
    options: &Options,
    out: &mut impl Write,
    progress: &mut impl Write,
) -> Result<Evaluation, EvalError> {
    let packs: Arc<[Pack]> = packs.into();
    let id = encoder.encoder().to_string();
    let memo = Arc::new(Memo::new(encoder));
    learn(&packs, &memo, progress).await?;

    let policies = POLICIES.map(|policy| Row::Gateway(Admission::Policy(policy)));
    let asked = options.thresholds.iter();
    let asked = asked.map(|threshold| Row::Gateway(Admission::Threshold(*threshold)));
    let plain = PLAIN.into_iter().filter_map(Similarity::new);
    let rows: Vec<Row> = (policies.into_iter().chain(asked))
        .chain(plain.map(Row::Plain))
        .collect();
    let tallies = replay_all(&packs, &rows, Misses::Explained, &memo, progress).await?;
    let results: Vec<PackResult> = (packs.iter().zip(tallies))
        .map(|(pack, tallies)| PackResult::new(pack, named(&rows, tallies)))
        .collect();

    let sweep = if options.sweep {
        let gateway = |threshold| Row::Gateway(Admission::Threshold(threshold));
        Some(Sweep {
            gateway: curves(&packs, &results, gateway, &memo, progress).await?,
            plain_cosine: curves(&packs, &results, Row::Plain, &memo, progress).await?,
        })
    } else {
        None
    };
    let evaluation = Evaluation {
        encoder: id,
        means: means(&results, &rows),
        packs: results,
        sweep,
    };
    out.write_all(report::render(&evaluation).as_bytes())?;
    Ok(evaluation)
}

/// Embeds all that will be looked for: questions as the gateway cuts them, and whole prompts.
async fn learn(packs: &[Pack], memo: &Memo, progress: &mut impl Write) -> Result<(), EvalError> {
    let mut texts = HashSet::new();
    for prompt in packs.iter().flat_map(|pack| pack.records.prompts()) {
        texts.insert(prompt.whole());
        texts.extend(question::split(&prompt.text).map(|parts| parts.question));
    }
    let count = texts.len();
    memo.learn(texts.into_iter(), |done| {
        if done % 500 == 0 || done == count {
            say(progress, &format!("embedded {done} of {count} texts"));
        }
    })
    .await?;
    Ok(())
}

/// Replays every pack under every row; the tallies by pack and row.
async fn replay_all(
    packs: &Arc<[Pack]>,
    rows: &[Row],
    misses: Misses,
    memo: &Arc<Memo>,
    progress: &mut impl Write,
) -> Result<Vec<Vec<Tally>>, EvalError> {
    let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = (0..packs.len()).flat_map(|pack| {
        let rows = rows.iter();
        rows.map(move |row| Job {
            pack,
            row: *row,
            misses,
        })
    });
    let count = packs.len() * rows.len();
    let mut jobs = jobs.enumerate();
    let mut running = JoinSet::new();
    let mut ended: Vec<(usize, Tally)> = Vec::with_capacity(count);
    loop {
        for (number, job) in jobs.by_ref().take(at_once.saturating_sub(running.len())) {
            let (packs, memo) = (Arc::clone(packs), Arc::clone(memo));
            running.spawn(async move { (number, job, do_one(&packs, job, &memo).await) });
        }
        let Some(joined) = running.join_next().await else {
            break;
        };
        let (number, job, tally) = joined?;
        ended.push((number, tally?));
        let pack = packs.get(job.pack).map_or("", |pack| &pack.name);
        let row = job.row.name();
        say(
            progress,
            &format!("{} of {count}: {pack}, {row}", ended.len()),
        );
    }
    ended.sort_unstable_by_key(|(number, _)| *number);
    let mut ended = ended.into_iter().map(|(_, tally)| tally);
    let by_pack = packs.iter();
    Ok(by_pack
        .map(|_| ended.by_ref().take(rows.len()).collect())
        .collect())
}

async fn do_one(packs: &[Pack], job: Job, memo: &Arc<Memo>) -> Result<Tally, EvalError> {
    let Some(pack) = packs.get(job.pack) else {
        return Ok(Tally::default());
    };
    match job.row {
        Row::Gateway(admission) => replay::replay(&pack.records, admission, job.misses, memo).await,
        Row::Plain(threshold) => Ok(cosine::replay(&pack.records, threshold, memo)?),
    }
}

async fn curves(
    packs: &Arc<[Pack]>,
    results: &[PackResult],
    row: impl Fn(Similarity) -> Row,
    memo: &Arc<Memo>,
    progress: &mut impl Write,
) -> Result<Curves, EvalError> {
    let grid = grid();
    let rows: Vec<Row> = grid.iter().map(|threshold| row(*threshold)).collect();
    let tallies = replay_all(packs, &rows, Misses::Counted, memo, progress).await?;
    let curve = |of: &dyn Fn(&PackResult) -> bool| -> Vec<Point> {
        let mut points = Vec::with_capacity(grid.len());
        for (at, threshold) in grid.iter().enumerate() {
            let chosen = results.iter().zip(&tallies);
            let chosen = chosen.filter(|(pack, _)| of(pack));
            let chosen = chosen.filter_map(|(_, tallies)| tallies.get(at));
            points.push(Point::mean(*threshold, chosen));
        }
        points
    };
    let mean = curve(&PackResult::repeats);
    let curves = packs.iter().zip(&tallies).map(|(pack, tallies)| Curve {
        pack: pack.name.clone(),
        points: (grid.iter().zip(tallies))
            .map(|(threshold, tally)| Point::mean(*threshold, std::iter::once(tally)))
            .collect(),
    });
    let has_streams = results.iter().any(PackResult::repeats);
    let budgets = BUDGETS.map(|(policy, percent)| Budget {
        policy,
        percent,
        point: within(&mean, percent).filter(|_| has_streams),
    });
    Ok(Curves {
        packs: curves.collect(),
        mean_of_all: curve(&|pack| pack.is_stream),
        mean,
        budgets: budgets.into(),
    })
}

fn means(results: &[PackResult], rows: &[Row]) -> Vec<Mean> {
    let streams: Vec<_> = results.iter().filter(|pack| pack.repeats()).collect();
    if streams.is_empty() {
        return Vec::new();
    }
    let rows = rows.iter().enumerate();
    rows.map(|(at, row)| {
        let tallies = streams.iter().filter_map(|pack| pack.policies.get(at));
        let tallies = tallies.map(|result| &result.tally);
        let (hit_percent, false_percent) = sweep::mean(tallies);
        Mean {
            policy: row.name(),
            hit_percent,
            false_percent,
        }
    })
    .collect()
}

fn named(rows: &[Row], tallies: Vec<Tally>) -> Vec<PolicyResult> {
    let named = rows.iter().zip(tallies).map(|(row, tally)| PolicyResult {
        policy: row.name(),
        tally,
    });
    named.collect()
}

fn say(progress: &mut impl Write, line: &str) {
    // Nobody may be looking; the result is what counts.
    let _closed = writeln!(progress, "{line}");
}
